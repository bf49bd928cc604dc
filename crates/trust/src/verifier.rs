//! What a certificate must show: it is the authority's, its time has come and is not over, and it is of the same run.
//! Hosts and names do not count: processes move, and their role and run is what matters.

use crate::role::{Identity, Role};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// Why a sound certificate is not taken.
#[derive(Debug, thiserror::Error)]
enum NotOurs {
    #[error("it names no role in a run")]
    Nobody,
    #[error("it is of {theirs}, and this process of {ours}")]
    OtherRun { theirs: String, ours: String },
    #[error("it is a {0}'s, where a coordinator's was expected")]
    NoCoordinator(Role),
}

/// The identity in a certificate, which has to name exactly one.
pub(crate) fn identity_of(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let uris = uris(certificate);
    match uris.as_slice() {
        [uri] => Identity::parse(uri),
        _ => None,
    }
}

/// The URIs in a certificate.
pub(crate) fn uris(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let uris = certificate.valid_uri_names();
    uris.map(ToOwned::to_owned).collect()
}

/// Takes the certificates of one run.
#[derive(Debug, Clone)]
pub(crate) struct RunVerifier {
    own: Identity,
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
    /// Who connects may show none.
    has_guests: bool,
}

impl RunVerifier {
    pub(crate) fn new(
        own: Identity,
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let roots = Arc::new(roots);
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        Ok(Self {
            own,
            roots,
            clients: clients.build()?,
            provider: Arc::clone(provider),
            has_guests: false,
        })
    }

    /// The same, but that who connects may show no certificate.
    pub(crate) fn of_guests(&self) -> Self {
        Self {
            has_guests: true,
            ..self.clone()
        }
    }

    /// Whether a certificate that the authority has signed is of this run.
    fn recognise(&self, certificate: &CertificateDer<'_>) -> Result<Identity, Error> {
        let theirs = identity_of(certificate).ok_or_else(|| refuse(NotOurs::Nobody))?;
        match theirs.is_of_the_run_of(&self.own) {
            true => Ok(theirs),
            false => Err(refuse(NotOurs::OtherRun {
                theirs: theirs.run().to_owned(),
                ours: self.own.run().to_owned(),
            })),
        }
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }
}

fn refuse(not_ours: NotOurs) -> Error {
    CertificateError::Other(OtherError(Arc::new(not_ours))).into()
}

/// An older TLS is not offered.
fn too_old() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for RunVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        match self.recognise(end_entity)?.role() {
            Role::Coordinator => Ok(ServerCertVerified::assertion()),
            other => Err(refuse(NotOurs::NoCoordinator(other))),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

impl ClientCertVerifier for RunVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.has_guests
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Everybody has one certificate, and who is no member has not to learn more.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .clients
            .verify_client_cert(end_entity, intermediates, now)?;
        self.recognise(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
