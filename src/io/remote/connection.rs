//! Sets stores up, with credentials and options from the environment variables that everybody uses.

use super::answers::Connector;
use super::names;
use super::place::Place;
use crate::error::{ConfigError, shown};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::ClientConfigKey;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// How often a request is made again that failed for a reason that may pass.
const RETRIES: usize = 8;

/// How long such a request is tried in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How long one attempt may take: a part of a file must get through a slow line.
const REQUEST: &str = "120s";

/// Stores that were set up, by everything that they were made of. Each keeps its connections open.
static STORES: Mutex<Option<HashMap<Setup, Arc<dyn ObjectStore>>>> = Mutex::new(None);

/// What a store is made of: the process (connections are not shared with one that was forked off), the address, and the
/// environment.
#[derive(PartialEq, Eq, Hash)]
struct Setup {
    process: u32,
    base: String,
    environment: Vec<(String, String)>,
}

/// The store of an address, the name of the object in it, and what the address means.
pub(super) fn open(scheme: &str, address: &str) -> Result<(Arc<dyn ObjectStore>, Key, Place), ConfigError> {
    let (base, key) = if scheme.starts_with("http") {
        of_web(address)?
    } else {
        of_store(scheme, address)?
    };
    let place = Place::of(scheme, &base, &key);
    let setup = Setup {
        process: std::process::id(),
        base,
        environment: environment(scheme),
    };
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let stores = stores.get_or_insert_default();
    if let Some(store) = stores.get(&setup) {
        return Ok((Arc::clone(store), key, place));
    }
    let store = build(scheme, &setup.base).map_err(|error| {
        let reason = super::failure::of(&error).to_string();
        ConfigError::new(format!(
            "The store of `{}` cannot be set up: {}.",
            without_secrets(address),
            reason.trim_end_matches('.')
        ))
        .with_hint("Look at the environment variables that it is set up by: see `docs/remote-files.md`.")
    })?;
    stores.insert(setup, Arc::clone(&store));
    Ok((store, key, place))
}

/// The variables that a store depends on.
fn environment(scheme: &str) -> Vec<(String, String)> {
    let prefix = match scheme {
        "s3" | "s3a" => "AWS_",
        "gs" => "GOOGLE_",
        "http" | "https" => return Vec::new(),
        _ => "AZURE_",
    };
    let known = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?)).filter(|(key, _)| key.starts_with(prefix))
    };
    let mut found: Vec<(String, String)> = std::env::vars_os().filter_map(known).collect();
    found.sort_unstable();
    found
}

/// Sets a store up with a builder of the crate. They have these methods in common, and no trait.
macro_rules! set_up {
    ($builder:ident, $key:ident, $timeout:literal, [$($endpoint:ident),+], $base:ident, $retry:ident) => {{
        let mut builder = $builder::from_env()
            .with_url($base)
            .with_retry($retry)
            .with_http_connector(Connector::Store);
        let is_plain = |key| builder.get_config_value(key).is_some_and(|url| url.starts_with("http://"));
        if [$($key::$endpoint),+].iter().any(is_plain) {
            // Somebody said so in the address of the server.
            builder = builder.with_config($key::Client(ClientConfigKey::AllowHttp), "true");
        }
        if std::env::var_os($timeout).is_none() {
            builder = builder.with_config($key::Client(ClientConfigKey::Timeout), REQUEST);
        }
        Arc::new(builder.build()?)
    }};
}

fn build(scheme: &str, base: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: PATIENCE,
        backoff: BackoffConfig {
            max_backoff: LONGEST_PAUSE,
            ..BackoffConfig::default()
        },
    };
    Ok(match scheme {
        "s3" | "s3a" => set_up!(
            AmazonS3Builder,
            AmazonS3ConfigKey,
            "AWS_TIMEOUT",
            [Endpoint, S3Endpoint],
            base,
            retry
        ),
        "gs" => set_up!(
            GoogleCloudStorageBuilder,
            GoogleConfigKey,
            "GOOGLE_TIMEOUT",
            [BaseUrl],
            base,
            retry
        ),
        "http" | "https" => {
            let options = ClientOptions::new()
                .with_allow_http(true)
                .with_config(ClientConfigKey::Timeout, REQUEST);
            Arc::new(
                HttpBuilder::new()
                    .with_url(base)
                    .with_client_options(options)
                    .with_retry(retry)
                    .with_http_connector(Connector::Web)
                    .build()?,
            )
        }
        _ => set_up!(
            MicrosoftAzureBuilder,
            AzureConfigKey,
            "AZURE_TIMEOUT",
            [Endpoint],
            base,
            retry
        ),
    })
}

/// Takes the address of an object in a store apart. Names of objects are taken as they are: they may hold `#`, `?` and `%`.
fn of_store(scheme: &str, address: &str) -> Result<(String, Key), ConfigError> {
    let (_, rest) = address.split_once("://").unwrap_or_default();
    let (bucket, name) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(ConfigError::new(format!("`{address}` names no bucket."))
            .with_hint(format!("Write `{scheme}://BUCKET/NAME`.")));
    }
    // With a slash at its end, it is the address of everything below.
    let name = name.strip_suffix('/').unwrap_or(name);
    let key = names::key(name).map_err(|flaw| not_a_name(address, flaw))?;
    Ok((format!("{scheme}://{bucket}"), key))
}

/// Takes the address of something on a web server apart. What follows a `?` belongs to each request.
fn of_web(address: &str) -> Result<(String, Key), ConfigError> {
    let invalid = |reason: &dyn std::fmt::Display| {
        let shown = without_secrets(address);
        ConfigError::new(format!("`{shown}` is no address: {reason}.")).with_hint("Check how it is spelled.")
    };
    let mut url = Url::parse(address).map_err(|error| invalid(&error))?;
    let key = Key::from_url_path(url.path()).map_err(|_| {
        let shown = without_secrets(address);
        let reason = "a part of it is empty, or there is a control character in it, or it is not UTF-8";
        ConfigError::new(format!("`{shown}` names no object that can be asked for: {reason}."))
            .with_hint("Check how it is spelled. If it is right, download the file first, with another program.")
    })?;
    url.set_path("");
    url.set_fragment(None);
    Ok((url.to_string(), key))
}

/// An address without what lets whoever has it in: names, passwords and signatures must not stand in reports, ledgers and
/// logs. Signed anew, it is the same address.
pub(super) fn without_secrets(address: &str) -> String {
    if !address
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"))
    {
        return address.to_owned();
    }
    let Ok(mut url) = Url::parse(address) else {
        // Where the parts begin cannot be told for certain, so nothing is left of those that may hold a secret.
        let path = address.split(['?', '#']).next().unwrap_or_default();
        return match path.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
            None => path.to_owned(),
        };
    };
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| !is_secret(key))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    let is_signed = kept.len() < url.query_pairs().count();
    let is_named = !url.username().is_empty() || url.password().is_some();
    if !is_signed && !is_named {
        return address.to_owned();
    }
    // Addresses of this kind have a host, and thus can be without a name and a password.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if is_signed {
        url.set_query(None);
    }
    if is_signed && !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url.to_string()
}

/// Whether a value of this name in an address belongs to a signature, or is a key: as Amazon, Google, Azure and `CloudFront`
/// sign, and as others call theirs.
fn is_secret(key: &str) -> bool {
    const SECRET: [&str; 16] = [
        "sig",
        "sv",
        "se",
        "st",
        "sp",
        "spr",
        "sr",
        "signature",
        "expires",
        "policy",
        "key-pair-id",
        "token",
        "access_token",
        "api_key",
        "apikey",
        "key",
    ];
    let key = key.to_ascii_lowercase();
    key.starts_with("x-amz-") || key.starts_with("x-goog-") || SECRET.contains(&key.as_str())
}

fn not_a_name(address: &str, flaw: &str) -> ConfigError {
    ConfigError::new(format!(
        "`{}` names no object that can be asked for: {flaw}.",
        shown(address)
    ))
    .with_hint(names::HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_taken_as_they_are() {
        let (base, key) = of_store("s3", "s3://bucket/a b/100%#1?.txt").unwrap();
        assert_eq!((base.as_str(), key.as_ref()), ("s3://bucket", "a b/100%#1?.txt"));
        let (base, key) = of_store("s3", "s3://bucket/out/").unwrap();
        assert_eq!((base.as_str(), key.as_ref()), ("s3://bucket", "out"));
        assert!(of_store("s3", "s3://").is_err());
        assert!(of_store("s3", "s3://bucket/a//b").is_err());
    }

    #[test]
    fn what_lets_one_in_is_not_told() {
        for (address, told) in [
            ("https://host/a%20b.txt?version=2", "https://host/a%20b.txt?version=2"),
            (
                "https://host/a.txt?X-Amz-Signature=abc&X-Amz-Date=1",
                "https://host/a.txt",
            ),
            ("https://host/a.txt?version=2&sig=abc", "https://host/a.txt?version=2"),
            ("https://me:secret@host/a.txt", "https://host/a.txt"),
            ("https://me:secret@host:99999/a.txt?sig=abc", "https://host:99999/a.txt"),
            ("s3://bucket/a?sig=b", "s3://bucket/a?sig=b"),
        ] {
            assert_eq!(without_secrets(address), told);
        }
    }

    #[test]
    fn names_that_would_be_those_of_other_objects_are_refused() {
        for address in [
            "s3://bucket//a",
            "s3://bucket/a//",
            "s3://bucket/a/./b",
            "s3://bucket/a\tb",
        ] {
            let error = of_store("s3", address).expect_err(address);
            assert!(error.to_string().contains("names no object"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_does_not_tell_what_lets_one_in() {
        for address in [
            "https://me:secret@host:99999/a.txt?sig=abc",
            "https://me:secret@host/a//b.txt?sig=abc",
        ] {
            let message = open("https", address).expect_err("no address of an object").to_string();
            assert!(message.contains("host"), "{message}");
            assert!(!message.contains("secret") && !message.contains("abc"), "{message}");
        }
    }

    #[test]
    fn what_follows_a_question_mark_belongs_to_each_request() {
        let (base, key) = of_web("https://host:8080/a%20b/c.txt?signature=x%2F#there").unwrap();
        assert_eq!(
            (base.as_str(), key.as_ref()),
            ("https://host:8080/?signature=x%2F", "a b/c.txt")
        );
    }
}
