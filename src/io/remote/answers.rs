//! Makes the answers of servers ones that the crate can read, where it asks for more than it needs.

use super::names::with_names_that_are_taken;
use futures_util::future::BoxFuture;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, Result};

/// The size of what a server does not tell the size of: the crate wants one.
pub(super) const UNKNOWN_SIZE: u64 = u64::MAX;

/// Connects with servers, and looks at what they answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Connector {
    /// With a store, which lists names that the crate takes and others.
    Store,
    /// With a web server, which may not know how long an answer will be when it begins.
    Web,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(Service {
            client: ReqwestConnector::default().connect(options)?,
            connector: *self,
        }))
    }
}

#[derive(Debug)]
struct Service {
    client: HttpClient,
    connector: Connector,
}

impl HttpService for Service {
    // This is what `#[async_trait]`, with which the trait is declared, makes of an `async fn`.
    fn call<'s, 'f>(&'s self, request: HttpRequest) -> BoxFuture<'f, Result<HttpResponse, HttpError>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let lists = matches!(self.connector, Connector::Store) && is_listing(&request);
            let mut answer = self.client.execute(request).await?;
            if !answer.status().is_success() {
                return Ok(answer);
            }
            if lists {
                let (parts, body) = answer.into_parts();
                let listing = body.bytes().await?;
                let written = str::from_utf8(&listing).ok().and_then(with_names_that_are_taken);
                let body = written.map_or_else(|| listing.into(), Into::into);
                return Ok(HttpResponse::from_parts(parts, body));
            }
            if matches!(self.connector, Connector::Web) && !answer.headers().contains_key("content-length") {
                answer.headers_mut().insert("content-length", UNKNOWN_SIZE.into());
            }
            Ok(answer)
        })
    }
}

/// Whether a store is asked what it has.
fn is_listing(request: &HttpRequest) -> bool {
    let mut asked = request.uri().query().unwrap_or_default().split('&');
    request.method().as_str() == "GET" && asked.any(|asked| matches!(asked, "list-type=2" | "comp=list"))
}
