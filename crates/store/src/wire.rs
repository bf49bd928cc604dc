//! The HTTP client beneath every store and every fetch of credentials, and what it notices of the answers.
//! Owns time-outs, certificates and the use of proxies; what is sent is the business of the clients above.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
};
use url::Url;

use crate::classify::one_line;
use crate::proxy::Proxies;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Longest any one request may take, uploads of whole models over slow lines included. The short limit that the user
/// meets is [`crate::Location`]'s, which grows with the bytes sent.
const REQUEST: Duration = Duration::from_secs(1200);

/// Whose certificates are trusted.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// Nobody's: only plain HTTP is spoken. A bare machine may have no certificates at all.
    Nobody,
    /// The system's, and those of a bundle in PEM.
    System(Vec<reqwest::Certificate>),
}

/// A client that takes the way that `proxies` say.
pub(crate) fn client(trust: Trust, proxies: &Proxies) -> Result<reqwest::Client, String> {
    install_tls_provider();
    let proxies = proxies.clone();
    let through = move |url: &Url| {
        let proxy = proxies.towards(url).ok().flatten()?;
        Some(proxy.url().clone())
    };
    let builder = reqwest::Client::builder()
        .user_agent(concat!("fratmae/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .http1_only()
        .proxy(reqwest::Proxy::custom(through));
    let builder = match trust {
        Trust::Nobody => builder.tls_certs_only([]),
        Trust::System(more) => builder.tls_certs_merge(more),
    };
    builder.build().map_err(|error| one_line(&error))
}

/// What the answers of a store tell besides their bodies; shared by all clones of a location.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How far this machine's clock is ahead of the store's, in seconds.
    ahead: AtomicI64,
    /// Where the store says that the bucket is.
    region: Mutex<Option<String>>,
}

impl Seen {
    pub(crate) fn clock_ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    pub(crate) fn region(&self) -> Option<String> {
        let region = self.region.lock();
        region.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the headers of an answer in that is no success.
    fn note(&self, answer: &HttpResponse) {
        let header = |name| answer.headers().get(name)?.to_str().ok();
        let date = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        if let Some(theirs) = date {
            let ahead = match now().duration_since(theirs) {
                Ok(ahead) => ahead.as_secs() as i64,
                Err(behind) => -(behind.duration().as_secs() as i64),
            };
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        if let Some(region) = header("x-amz-bucket-region") {
            let mut known = self.region.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(region.to_owned());
        }
    }
}

/// Gives the clients of `object_store` a client of ours.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) client: reqwest::Client,
    pub(crate) seen: Arc<Seen>,
}

impl HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = HttpService::call(&self.client, request).await?;
        if !answer.status().is_success() {
            self.seen.note(&answer);
        }
        Ok(answer)
    }
}

/// The time of day, which nothing that is kept depends on.
#[expect(
    clippy::disallowed_methods,
    reason = "credentials expire at a time of day, and clocks are compared for a message"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Another part of the process may have chosen a provider first; then that one serves.
fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let lost_the_race = rustls::crypto::ring::default_provider().install_default();
        drop(lost_the_race);
    }
}
