//! Credentials for S3 as the AWS tools find them, renewed before they expire.
//!
//! In this order: the environment; the profile, with roles, a single sign-on or a process of its own; the token of a
//! web identity; the service of a container; the service of an instance. Finding them is the AWS library's work.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Found;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_types::os_shim_internal::Fs;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::profile::env;
use super::transport::Transport;
use crate::classify::chained;
use crate::environment::Environment;
use crate::wire::now;

/// How long all sources together may take; a machine outside of the cloud has nobody who answers at the last of them.
const LIMIT: Duration = Duration::from_secs(10);

/// Credentials are renewed so long before they expire, or after three quarters of their life if that is later.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);

/// Credentials that cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct NoCredentials {
    reason: String,
}

/// The credentials in use; shared by all clones of a location.
pub(crate) struct Credentials {
    environment: Environment,
    region: String,
    transport: Transport,
    /// Held while they are fetched, so that one request fetches for all.
    held: Mutex<Option<Held>>,
}

struct Held {
    credential: Arc<AwsCredential>,
    renew_at: Option<SystemTime>,
    expires_at: Option<SystemTime>,
}

impl Held {
    fn of(found: &Found) -> Self {
        let now = now();
        let expires_at = found.expiry();
        let life = expires_at.map(|end| end.duration_since(now).unwrap_or_default());
        Self {
            credential: Arc::new(AwsCredential {
                key_id: found.access_key_id().to_owned(),
                secret_key: found.secret_access_key().to_owned(),
                token: found.session_token().map(str::to_owned),
            }),
            renew_at: life.map(|life| now + life - BEFORE_EXPIRY.min(life / 4)),
            expires_at,
        }
    }

    fn is_due(&self) -> bool {
        self.renew_at.is_some_and(|due| now() >= due)
    }

    fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|end| now() >= end)
    }
}

impl Credentials {
    /// Fetches nothing yet. Requests for credentials go through `client`.
    pub(crate) fn new(environment: Environment, region: String, client: reqwest::Client) -> Self {
        Self {
            environment,
            region,
            transport: Transport::new(client),
            held: Mutex::default(),
        }
    }

    /// The credentials to sign with, fetched or renewed if need be.
    pub(crate) async fn current(&self) -> Result<Arc<AwsCredential>, NoCredentials> {
        let mut held = self.held.lock().await;
        if let Some(good) = held.as_ref().filter(|held| !held.is_due()) {
            return Ok(Arc::clone(&good.credential));
        }
        match (self.fetch().await, held.as_ref()) {
            (Ok(found), _) => {
                let new = held.insert(Held::of(&found));
                Ok(Arc::clone(&new.credential))
            }
            (Err(reason), Some(old)) if !old.has_expired() => {
                tracing::warn!(%reason, "the credentials cannot be renewed; the old ones are used until they expire");
                Ok(Arc::clone(&old.credential))
            }
            (Err(reason), _) => Err(NoCredentials { reason }),
        }
    }

    /// Fetches them again because the store refused those in use; whether there are others now.
    pub(crate) async fn renew(&self) -> bool {
        let mut held = self.held.lock().await;
        let Some(old) = held.as_ref() else {
            return false;
        };
        let Ok(found) = self.fetch().await else {
            return false;
        };
        let new = Held::of(&found);
        let is_other = old.credential != new.credential;
        *held = Some(new);
        is_other
    }

    async fn fetch(&self) -> Result<Found, String> {
        let fetching = async {
            let config = aws_config::defaults(BehaviorVersion::latest())
                .env(env(&self.environment))
                .fs(Fs::real())
                .region(Region::new(self.region.clone()))
                .http_client(self.transport.clone())
                .load()
                .await;
            match config.credentials_provider() {
                Some(provider) => provider.provide_credentials().await,
                None => Err(CredentialsError::not_loaded_no_source()),
            }
        };
        // Its warnings repeat the reason at length; who asks for what it logs gets it.
        let is_asked = tracing::enabled!(target: "aws_config", tracing::Level::INFO);
        let fetching = async move {
            match is_asked {
                true => fetching.await,
                false => fetching.with_subscriber(NoSubscriber::default()).await,
            }
        };
        match tokio::time::timeout(LIMIT, fetching).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(CredentialsError::CredentialsNotLoaded(_))) | Err(_) => Err(
                "no credentials are set, and neither a profile nor a container nor an instance has any".to_owned(),
            ),
            Ok(Err(error)) => Err(format!("no credentials: {}", chained(&error))),
        }
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let current = self.current().await;
        current.map_err(|error| object_store::Error::Unauthenticated {
            path: String::new(),
            source: Box::new(error),
        })
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}
