//! From an address to a client of its store: credentials, certificates, proxies, time-outs, retries.
//! Owns the settings of the clients; sends nothing by itself.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::Url;

use crate::StoreError;
use crate::address::{Address, Kind};
use crate::aws::{self, AwsSettings, Credentials};
use crate::classify::one_line;
use crate::environment::Environment;
use crate::local::{LocalStore, on_disk};
use crate::proxy::Proxies;
use crate::wire::{Seen, Trust, Wire, client};

/// The client of a store and what is known of the way to it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) way: Way,
}

/// The way to a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// Where requests go, if the user chose.
    pub(crate) endpoint: Option<Arc<str>>,
    /// The proxy in between and the variable that names it.
    pub(crate) proxy: Option<Arc<str>>,
    /// The region that requests are signed for.
    pub(crate) region: Option<Arc<str>>,
    /// Credentials that are renewed.
    pub(crate) credentials: Option<Arc<Credentials>>,
    pub(crate) seen: Arc<Seen>,
}

/// Builds the client of the store that `address` names.
pub(crate) fn open(address: &Address, environment: &Environment) -> Result<Opened, StoreError> {
    let unusable = |reason| StoreError::BadAddress {
        url: address.url.clone(),
        reason,
    };
    match address.kind {
        Kind::Local | Kind::Given => Ok(local(address)),
        Kind::S3 => open_s3(address, environment),
        Kind::Gcs => open_gcs(address, environment).map_err(unusable),
        Kind::Azure => open_azure(address, environment).map_err(unusable),
    }
}

fn local(address: &Address) -> Opened {
    Opened {
        store: Arc::new(LocalStore::new(on_disk(&address.path))),
        way: Way::default(),
    }
}

fn open_s3(address: &Address, environment: &Environment) -> Result<Opened, StoreError> {
    let settings = AwsSettings::read(&address.url, environment)?;
    let unusable = |reason| StoreError::BadAddress {
        url: address.url.clone(),
        reason,
    };
    let proxies = Proxies::read(environment);
    let encrypted = trust(&settings).map_err(unusable)?;
    let of_store = match settings.is_plain_http() {
        true => Trust::Nobody,
        false => encrypted.clone(),
    };
    let wire = wire(of_store, &proxies).map_err(unusable)?;
    let fetcher = match settings.has_keys {
        true => wire.client.clone(),
        // Services of credentials speak TLS even where the store does not; those of a machine speak plain HTTP.
        false => client(encrypted, &proxies)
            .or_else(|_| client(Trust::Nobody, &proxies))
            .map_err(unusable)?,
    };
    let region = settings.region.clone();
    let credentials = Arc::new(Credentials::new(environment.clone(), region, fetcher));
    let mut builder = aws::with_options(AmazonS3Builder::new(), environment)
        .with_bucket_name(&address.bucket)
        .with_region(&settings.region)
        .with_credentials(Arc::clone(&credentials) as _)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry())
        .with_http_connector(wire.clone());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder
        .build()
        .map_err(|error| unusable(one_line(&error)))?;
    let proxy = named(&proxies, settings.target().as_ref()).map_err(unusable)?;
    Ok(Opened {
        store: Arc::new(store),
        way: Way {
            endpoint: settings.endpoint.map(Arc::from),
            proxy,
            region: Some(Arc::from(settings.region)),
            credentials: (!settings.is_anonymous).then_some(credentials),
            seen: wire.seen,
        },
    })
}

fn open_gcs(address: &Address, environment: &Environment) -> Result<Opened, String> {
    // The client reads these by itself, and takes an empty one for a host.
    let own = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"];
    if let Some(name) = environment.first_empty(&own) {
        return Err(format!("{name} is set and empty; unset it"));
    }
    let proxies = Proxies::read(environment);
    let wire = wire(Trust::System(Vec::new()), &proxies)?;
    let variables = environment.beginning_with("GOOGLE_");
    let mut builder = GoogleCloudStorageBuilder::new();
    if let Some(file) = environment.get("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(file);
    }
    for (name, value) in variables {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    let store = builder
        .with_bucket_name(&address.bucket)
        .with_retry(retry())
        .with_http_connector(wire.clone())
        .build();
    let store = store.map_err(|error| one_line(&error))?;
    let target = Url::parse("https://storage.googleapis.com").ok();
    Ok(Opened {
        store: Arc::new(store),
        way: Way {
            proxy: named(&proxies, target.as_ref())?,
            seen: wire.seen,
            ..Way::default()
        },
    })
}

fn open_azure(address: &Address, environment: &Environment) -> Result<Opened, String> {
    let proxies = Proxies::read(environment);
    let wire = wire(Trust::System(Vec::new()), &proxies)?;
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in environment.beginning_with("AZURE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = environment.get("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    builder = match &address.account {
        Some(account) => builder.with_url(format!("abfss://{}@{account}", address.bucket)),
        None => builder.with_container_name(&address.bucket),
    };
    let store = builder
        .with_retry(retry())
        .with_http_connector(wire.clone())
        .build();
    let store = store.map_err(|error| one_line(&error))?;
    let target = Url::parse("https://blob.core.windows.net").ok();
    Ok(Opened {
        store: Arc::new(store),
        way: Way {
            proxy: named(&proxies, target.as_ref())?,
            seen: wire.seen,
            ..Way::default()
        },
    })
}

fn wire(trust: Trust, proxies: &Proxies) -> Result<Wire, String> {
    Ok(Wire {
        client: client(trust, proxies)?,
        seen: Arc::default(),
    })
}

/// The proxy on the way to `target` as it is named in messages.
fn named(proxies: &Proxies, target: Option<&Url>) -> Result<Option<Arc<str>>, String> {
    let proxy = target.map_or(Ok(None), |target| proxies.towards(target))?;
    Ok(proxy.map(|proxy| Arc::from(proxy.shown())))
}

fn trust(settings: &AwsSettings) -> Result<Trust, String> {
    let Some(file) = &settings.certificates else {
        return Ok(Trust::System(Vec::new()));
    };
    let bad =
        |reason| format!("the certificates in AWS_CA_BUNDLE = {file} cannot be read: {reason}");
    let bundle = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let read =
        reqwest::Certificate::from_pem_bundle(&bundle).map_err(|error| bad(one_line(&error)))?;
    match read.is_empty() {
        true => Err(bad("it holds none".to_owned())),
        false => Ok(Trust::System(read)),
    }
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

#[cfg(test)]
mod tests {
    use crate::Location;
    use crate::environment::tests::with;

    fn opened(url: &str, set: &[(&str, &str)]) -> Result<Location, String> {
        Location::open_in(url, &with(set)).map_err(|error| error.to_string())
    }

    #[test]
    fn empty_variables_of_google_and_azure_are_not_set() {
        let google = [
            ("GOOGLE_SERVICE_ACCOUNT", ""),
            ("GOOGLE_APPLICATION_CREDENTIALS", ""),
            ("SERVICE_ACCOUNT", " "),
            ("HOME", "/no-such"),
        ];
        opened("gs://bucket/x", &google).unwrap();
        let line = opened("gs://bucket/x", &[("GCE_METADATA_HOST", "")]).unwrap_err();
        assert!(
            line.contains("GCE_METADATA_HOST is set and empty"),
            "{line}"
        );
        let azure = [
            ("AZURE_STORAGE_ACCOUNT_NAME", "a"),
            ("AZURE_STORAGE_ACCOUNT_KEY", ""),
            ("AZURE_STORAGE_SAS_TOKEN", ""),
            ("AZURE_ENDPOINT", ""),
            ("IDENTITY_ENDPOINT", ""),
        ];
        opened("az://container/x", &azure).unwrap();
        opened("abfss://c@account.dfs.core.windows.net/x", &azure).unwrap();
    }

    #[test]
    fn what_a_variable_of_google_names_and_is_not_there_is_told() {
        let absent = [("GOOGLE_SERVICE_ACCOUNT", "/no/such/file")];
        let line = opened("gs://bucket/x", &absent).unwrap_err();
        assert!(
            line.contains("/no/such/file") || line.contains("No such file"),
            "{line}"
        );
    }

    #[test]
    fn proxy_that_is_none_is_told_where_it_would_be_used() {
        let set = [
            ("https_proxy", "socks5://h:1"),
            ("AWS_CONFIG_FILE", "/dev/null"),
        ];
        let line = opened("s3://bucket/x", &set).unwrap_err();
        assert!(line.contains("https_proxy = socks5://h:1"), "{line}");
        let near = [
            ("AWS_ENDPOINT_URL", "http://localhost:1"),
            ("http_proxy", "socks5://h:1"),
        ];
        opened("s3://bucket/x", &near).unwrap();
    }
}
