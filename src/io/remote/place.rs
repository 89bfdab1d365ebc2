//! What an address means, however it is spelled.

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::path::Path as Key;
use url::Url;

/// Where an object is: two addresses that mean one object have one place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::io) struct Place {
    store: Store,
    name: String,
}

/// What holds objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Store {
    /// Amazon's, or one that speaks as it does.
    Amazon { bucket: String },
    /// Google's.
    Google { bucket: String },
    /// Microsoft's.
    Azure { account: Option<String>, container: String },
    /// A web server, from which one can only read.
    Web { server: String },
}

impl Place {
    /// Of an address that was taken apart: into its scheme, what a store is set up with, and the name of an object.
    pub(super) fn of(scheme: &str, base: &str, key: &Key) -> Self {
        let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
        let store = match scheme {
            "s3" | "s3a" => Store::Amazon {
                bucket: authority.to_owned(),
            },
            "gs" => Store::Google {
                bucket: authority.to_owned(),
            },
            "http" | "https" => Store::Web { server: server(base) },
            _ => azure(authority, || {
                MicrosoftAzureBuilder::from_env().get_config_value(&AzureConfigKey::AccountName)
            }),
        };
        Self {
            store,
            name: key.as_ref().to_owned(),
        }
    }

    /// Of something else in the same store.
    pub(super) fn at(&self, name: &str) -> Self {
        Self {
            store: self.store.clone(),
            name: name.to_owned(),
        }
    }

    /// Whether it is on a web server.
    pub(super) fn is_on_web(&self) -> bool {
        matches!(self.store, Store::Web { .. })
    }

    /// What its store is.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the name is that of everything in the store.
    pub(super) fn is_root(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether this is below another place, as a file is in a folder.
    pub(in crate::io) fn is_below(&self, folder: &Self) -> bool {
        let below = self.name.strip_prefix(&folder.name);
        self.store == folder.store && below.is_some_and(|below| folder.is_root() || below.starts_with('/'))
    }
}

/// A server, and what is asked for with each request; a signature makes it no other.
fn server(base: &str) -> String {
    let told = super::connection::without_secrets(base);
    let Ok(mut url) = Url::parse(&told) else { return told };
    // Addresses of this kind have a host, and thus can be without a name and a password.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// `CONTAINER`, in the account that the environment names, or `CONTAINER@ACCOUNT.dfs.core.windows.net`.
fn azure(authority: &str, account: impl FnOnce() -> Option<String>) -> Store {
    let (container, account) = match authority.split_once('@') {
        Some((container, host)) => {
            let account = ["dfs", "blob"].iter().find_map(|service| {
                let account = host.strip_suffix(".core.windows.net")?;
                account.strip_suffix(service)?.strip_suffix('.')
            });
            (container, Some(account.unwrap_or(host).to_owned()))
        }
        None => (authority, account()),
    };
    Store::Azure {
        account,
        container: container.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(scheme: &str, base: &str, name: &str) -> Place {
        Place::of(scheme, base, &Key::parse(name).unwrap())
    }

    #[test]
    fn one_object_has_one_place() {
        let object = place("s3", "s3://b", "a/o");
        assert_eq!(object, place("s3a", "s3a://b", "a/o"));
        for other in [
            place("s3", "s3://c", "a/o"),
            place("s3", "s3://b", "a/p"),
            place("gs", "gs://b", "a/o"),
            place("az", "az://b", "a/o"),
        ] {
            assert_ne!(object, other);
        }
        for scheme in ["azure", "abfs", "abfss", "adl"] {
            assert_eq!(place("az", "az://c", "o"), place(scheme, &format!("{scheme}://c"), "o"));
        }
        assert_eq!(
            place("https", "https://HOST:443/?sig=a", "o"),
            place("https", "https://me:secret@host/?sig=b", "o")
        );
        assert_ne!(
            place("https", "https://host/?version=1", "o"),
            place("https", "https://host/?version=2", "o")
        );
    }

    #[test]
    fn an_account_can_stand_in_the_address_or_in_the_environment() {
        let named = azure("c@me.dfs.core.windows.net", || None);
        assert_eq!(named, azure("c@me.blob.core.windows.net", || None));
        assert_eq!(named, azure("c", || Some("me".to_owned())));
        assert_ne!(named, azure("c", || Some("you".to_owned())));
    }

    #[test]
    fn what_is_below_has_a_slash_between() {
        let folder = place("s3", "s3://b", "a");
        assert!(place("s3a", "s3a://b", "a/o").is_below(&folder));
        assert!(!place("s3", "s3://b", "ab").is_below(&folder));
        assert!(!place("s3", "s3://c", "a/o").is_below(&folder));
        assert!(place("s3", "s3://b", "a").is_below(&place("s3", "s3://b", "")));
    }
}
