//! What a process shows of itself and whom it takes, kept fresh: connections that are open stay so, and the next ones are
//! made with the newest certificate.

use crate::authority::{Authority, draw_key};
use crate::error::TrustError;
use crate::folder::{CERTIFICATE, Files, authority_in, certify_others, folder_of};
use crate::role::{Identity, Role};
use crate::tokens::{TOKENS, admits};
use crate::verifier::{RunVerifier, identity_of};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, CommonState, Error, OtherError, RootCertStore, ServerConfig,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// How often files are looked at that somebody else may renew, beside each time that they are used.
const LOOK: Duration = Duration::from_secs(30);

/// A connection whose other side has not shown yet who it is.
pub type Accepting = tokio_rustls::Accept<TcpStream>;

/// The keys of one process; a clone is the same.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    identity: Identity,
    source: Source,
    /// Who may look on besides those with certificates.
    tokens: PathBuf,
    current: RwLock<Current>,
}

/// Where certificates come from.
enum Source {
    /// This process makes its own, and those of the other roles in the folder.
    Authority {
        authority: Box<Authority>,
        folder: PathBuf,
        life: Duration,
    },
    /// Somebody else writes them.
    Files { folder: PathBuf },
}

/// The newest certificate, ready for either side of a connection.
struct Current {
    files: Files,
    server: Arc<ServerConfig>,
    /// The same for those who may come without a certificate.
    for_guests: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Keyring {
    /// The keys of a role, in a folder that `make` or somebody else has filled.
    ///
    /// # Errors
    /// `Absent`, `OtherRole`, `Exposed`, `Damaged`, `File`; `Issue`.
    pub fn open(folder: &Path, role: Role) -> Result<Self, TrustError> {
        let place = folder_of(folder, role);
        // Whoever has the authority's key can make any certificate; a coordinator's is nowhere else.
        let authority = match role == Role::Coordinator || place.is_err() {
            true => authority_in(folder)?,
            false => None,
        };
        let source = match authority {
            Some((authority, life)) => Source::Authority {
                authority: Box::new(authority),
                folder: folder.to_owned(),
                life,
            },
            None => Source::Files { folder: place? },
        };
        let files = source.files(role)?;
        let (identity, current) = Current::of(files)?;
        if identity.role() != role {
            return Err(TrustError::OtherRole {
                path: current.files.folder.join(CERTIFICATE),
                found: identity.role(),
                wanted: role,
            });
        }
        Ok(Self(Arc::new(Inner {
            identity,
            source,
            tokens: folder.join(TOKENS),
            current: RwLock::new(current),
        })))
    }

    /// Who this process is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Lets the other side of a connection that came in show who it is.
    pub fn accept(&self, stream: TcpStream) -> Accepting {
        let server = Arc::clone(&self.read().server);
        TlsAcceptor::from(server).accept(stream)
    }

    /// The same for those who may come without a certificate, as browsers do.
    pub fn receive(&self, stream: TcpStream) -> Accepting {
        let for_guests = Arc::clone(&self.read().for_guests);
        TlsAcceptor::from(for_guests).accept(stream)
    }

    /// Whether a token lets its bearer look on, now. It is looked up each time, so one that is taken away is worth nothing.
    #[must_use]
    pub fn admits(&self, token: &str) -> bool {
        let found = admits(&self.0.tokens, token);
        found.unwrap_or_else(|error| {
            tracing::warn!("nobody is let in by a token: {error}");
            false
        })
    }

    /// Makes sure that a coordinator of this run is at the other side of a connection; with the newest certificate that
    /// there is.
    ///
    /// # Errors
    /// The stream's, or what is wrong with who is there.
    pub async fn connect(
        &self,
        stream: TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        if let Source::Files { .. } = self.0.source {
            self.refresh().await;
        }
        let client = Arc::clone(&self.read().client);
        // Certificates name roles and no hosts; the name is not sent.
        let nobody = ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED));
        let shown = TlsConnector::from(client).connect(nobody, stream).await;
        shown.map_err(plain)
    }

    /// Takes newer certificates, for as long as it is polled: its own ones at two thirds of their life, those of others
    /// when their files change.
    pub async fn keep(self) {
        let mut looks = self.0.source.looks();
        loop {
            looks.tick().await;
            self.refresh().await;
        }
    }

    /// Takes a newer certificate; where that fails, the process goes on with what it has and says so.
    async fn refresh(&self) {
        let keyring = self.clone();
        // Files may be on a network.
        let renewed = tokio::task::spawn_blocking(move || keyring.renew()).await;
        if let Ok(Err(error)) = renewed {
            tracing::warn!("certificates are not renewed: {error}");
        }
    }

    /// Takes a newer certificate if there is one or it is made here. Tells whether it did.
    ///
    /// # Errors
    /// As [`Self::open`]; the certificate that it had stays.
    pub fn renew(&self) -> Result<bool, TrustError> {
        let files = self.0.source.files(self.0.identity.role())?;
        if files == self.read().files {
            return Ok(false);
        }
        let (identity, current) = Current::of(files)?;
        if identity != self.0.identity {
            let at = current.files.folder.join(CERTIFICATE);
            let reason = format!("it is of {} now", identity.uri());
            return Err(TrustError::damaged(&at)(reason));
        }
        *self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = current;
        tracing::debug!("took a newer certificate");
        Ok(true)
    }

    // A std lock, never held across an await.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Current> {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({})", self.0.identity.uri())
    }
}

impl Source {
    /// The newest files of a role.
    fn files(&self, role: Role) -> Result<Files, TrustError> {
        match self {
            Self::Files { folder } => Files::read(folder),
            Self::Authority {
                authority,
                folder,
                life,
            } => {
                if let Err(error) = certify_others(folder, authority, *life) {
                    // A secret that is mounted cannot be written to; who mounts it renews it.
                    tracing::debug!(%error, "certificates of other roles are left as they are");
                }
                let key = draw_key()?;
                let certificate = authority.issue(&authority.identity(role), &key, 0, *life)?;
                Ok(Files {
                    folder: folder.clone(),
                    authority: authority.certificate().into(),
                    certificate: certificate.into_bytes(),
                    key: key.into_bytes(),
                })
            }
        }
    }

    /// When to look for newer ones.
    fn looks(&self) -> Interval {
        let every = match self {
            Self::Authority { life, .. } => renew_after(*life),
            Self::Files { .. } => LOOK,
        };
        let mut looks = interval_at(tokio::time::Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks
    }
}

/// After which part of its life a certificate is made anew.
fn renew_after(life: Duration) -> Duration {
    (life / 3 * 2).max(Duration::from_secs(1))
}

impl Current {
    /// Makes both sides of what lies on the disk, and reads whose it is.
    fn of(files: Files) -> Result<(Identity, Self), TrustError> {
        let at = files.folder.join(CERTIFICATE);
        let chain = certificates(&files.certificate).map_err(TrustError::damaged(&at))?;
        let identity = chain.first().and_then(identity_of);
        let identity = identity.ok_or_else(|| {
            TrustError::damaged(&at)(
                "it names no role in a run, as spiffe://fratmae/RUN/worker does",
            )
        })?;
        let (server, for_guests, client) =
            configs(&files, &identity, &chain).map_err(|reason| {
                TrustError::damaged(&files.folder)(format!(
                    "these keys do not fit together: {reason}"
                ))
            })?;
        let current = Self {
            files,
            server: Arc::new(server),
            for_guests: Arc::new(for_guests),
            client: Arc::new(client),
        };
        Ok((identity, current))
    }
}

type Reason = Box<dyn std::error::Error + Send + Sync>;

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn configs(
    files: &Files,
    identity: &Identity,
    chain: &[CertificateDer<'static>],
) -> Result<(ServerConfig, ServerConfig, ClientConfig), Reason> {
    let provider: Arc<CryptoProvider> = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    for root in certificates(&files.authority)? {
        roots.add(root)?;
    }
    let verifier = Arc::new(RunVerifier::new(identity.clone(), roots, &provider)?);
    let key = PrivateKeyDer::from_pem_slice(&files.key)?;
    let server = |verifier: Arc<RunVerifier>| -> Result<ServerConfig, Reason> {
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.to_vec(), key.clone_key())?;
        // A ticket would let in who has shown a certificate once, also when that is over.
        server.send_tls13_tickets = 0;
        Ok(server)
    };
    let for_guests = server(Arc::new(verifier.of_guests()))?;
    let server = server(Arc::clone(&verifier))?;
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain.to_vec(), key)?;
    client.resumption = Resumption::disabled();
    client.enable_sni = false;
    Ok((server, for_guests, client))
}

/// What is wrong with who is there, in our own words where it is our own rule.
fn plain(error: io::Error) -> io::Error {
    let of_tls = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match of_tls {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(ours)))) => {
            io::Error::new(error.kind(), format!("invalid peer certificate: {ours}"))
        }
        _ => error,
    }
}

/// Who is at the other side of a connection, once it has shown that.
#[must_use]
pub fn peer(connection: &CommonState) -> Option<Identity> {
    identity_of(connection.peer_certificates()?.first()?)
}

#[cfg(test)]
mod tests;
