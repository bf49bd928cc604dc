//! From an address to a client of its store: credentials from the environment, time-outs, retries.
//! Owns the settings of the clients; sends nothing by itself.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::StoreError;
use crate::address::{Address, Kind};
use crate::classify::one_line;

/// Where the AWS tools look for an endpoint, the more special first.
const AWS_ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Where the AWS tools look for a region, in their order.
const AWS_REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

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
    let endpoint = first_set(&AWS_ENDPOINTS);
    let plain = endpoint
        .as_deref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url.replacen("s3a://", "s3://", 1))
        .with_region(first_set(&AWS_REGIONS).unwrap_or_else(|| "us-east-1".to_owned()))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry())
        .with_client_options(client(plain));
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder.build().map_err(|error| unusable(url, &error))?;
    Ok(Opened {
        store: Arc::new(store),
        endpoint,
    })
}

/// Certificates of the system are read only where they are needed: a bare machine may have none.
pub(crate) fn client(plain_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST)
        .with_allow_http(plain_http)
        .with_no_system_certificates(plain_http)
}

/// Rides out a hiccup, and gives up early enough for a person to be told in time.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(4),
    }
}

fn first_set(names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
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
