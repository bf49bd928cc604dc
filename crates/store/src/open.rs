//! From an address to a client of its store: credentials from the environment, time-outs, retries.
//! Owns the settings of the clients; sends nothing by itself.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};

use crate::StoreError;
use crate::address::{Address, Kind};
use crate::aws::AwsSettings;
use crate::classify::one_line;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Longest any one request may take, uploads of large parts over slow lines included. The short limit that the user
/// meets is [`crate::Location`]'s, which grows with the bytes sent.
const REQUEST: Duration = Duration::from_secs(120);

/// The client of a store, and the endpoint it talks to where the user set one.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) endpoint: Option<String>,
}

/// Builds the client of the store that `address` names.
pub(crate) fn open(address: &Address) -> Result<Opened, StoreError> {
    if address.kind != Kind::Local {
        install_tls_provider();
    }
    let url = address.url.as_str();
    let built = match address.kind {
        Kind::Local | Kind::Given => return Ok(local()),
        Kind::S3 => return open_s3(url),
        Kind::Gcs => GoogleCloudStorageBuilder::from_env()
            .with_url(url)
            .with_retry(retry())
            .with_client_options(client(false))
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
        Kind::Azure => MicrosoftAzureBuilder::from_env()
            .with_url(url)
            .with_retry(retry())
            .with_client_options(client(false))
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
    };
    built
        .map(|store| Opened {
            store,
            endpoint: None,
        })
        .map_err(|error| unusable(url, &error))
}

/// Writes are synced, so that what was acknowledged outlives a power cut as it would on a remote store.
fn local() -> Opened {
    Opened {
        store: Arc::new(LocalFileSystem::new().with_fsync(true)),
        endpoint: None,
    }
}

fn open_s3(url: &str) -> Result<Opened, StoreError> {
    let settings = AwsSettings::read(url, environment)?;
    let mut options = client(settings.is_plain_http());
    if let Some(file) = settings
        .certificates
        .as_deref()
        .filter(|_| !settings.is_plain_http())
    {
        let bundle = std::fs::read(file).map_err(|error| bad_bundle(url, file, &error))?;
        let certificates =
            Certificate::from_pem_bundle(&bundle).map_err(|error| bad_bundle(url, file, &error))?;
        options = certificates
            .into_iter()
            .fold(options, ClientOptions::with_root_certificate);
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url.replacen("s3a://", "s3://", 1))
        .with_region(settings.region)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry())
        .with_client_options(options);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder.build().map_err(|error| unusable(url, &error))?;
    Ok(Opened {
        store: Arc::new(store),
        endpoint: settings.endpoint,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "credentials come from the environment, here as in the clients themselves"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn bad_bundle(url: &str, file: &str, error: &(dyn Error + 'static)) -> StoreError {
    StoreError::BadAddress {
        url: url.to_owned(),
        reason: format!(
            "the certificates in AWS_CA_BUNDLE={file} cannot be read: {}",
            one_line(error)
        ),
    }
}

/// Certificates of the system are read only where they are needed: a bare machine may have none.
pub(crate) fn client(plain_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST)
        .with_allow_http(plain_http)
        .with_no_system_certificates(plain_http)
}

/// Rides out a hiccup. What lasts longer is tried again by [`crate::Location`], which knows how patient it is to be.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(2),
    }
}

/// Another part of the process may have chosen a provider first; then that one serves.
pub(crate) fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let lost_the_race = rustls::crypto::ring::default_provider().install_default();
        drop(lost_the_race);
    }
}

fn unusable(url: &str, error: &object_store::Error) -> StoreError {
    StoreError::BadAddress {
        url: url.to_owned(),
        reason: one_line(error),
    }
}
