//! A run's own certificate authority: it makes itself, and certificates for the run's processes.

use crate::error::TrustError;
use crate::role::{Identity, Role, run_uri};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use std::time::Duration;
use time::OffsetDateTime;

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long the authority itself is good: no run takes longer.
const LIFE: Duration = Duration::from_secs(3 * 365 * 24 * 3600);

/// By how much the clocks of two hosts may differ.
const SKEW: Duration = Duration::from_secs(300);

/// The longest name of a run in certificates.
const NAME: usize = 64;

/// The authority of one run.
pub struct Authority {
    name: String,
    certificate: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes the authority of the run of this name.
    ///
    /// # Errors
    /// `Name`; `Issue` without randomness.
    pub fn make(name: &str) -> Result<Self, TrustError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        if name.is_empty() || name.len() > NAME || !name.chars().all(is_plain) {
            let name = name.to_owned();
            return Err(TrustError::Name { name });
        }
        let key = KeyPair::generate()?;
        let mut params = subject(name)?;
        (params.not_before, params.not_after) = validity(0, LIFE);
        let certificate = params.self_signed(&key)?.pem();
        Self::of(name, certificate, key)
    }

    /// The authority with this certificate and key.
    pub(crate) fn of(name: &str, certificate: String, key: KeyPair) -> Result<Self, TrustError> {
        Ok(Self {
            name: name.to_owned(),
            certificate,
            key: key.serialize_pem(),
            issuer: Issuer::new(subject(name)?, key),
        })
    }

    /// The name of its run.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity of a role in its run.
    #[must_use]
    pub fn identity(&self, role: Role) -> Identity {
        Identity::new(&self.name, role)
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key, as PEM: whoever has it can make certificates.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A certificate for whoever holds a key, as PEM. It is good for `life` from `in_s` seconds from now on, which are
    /// below zero for one that was good before.
    ///
    /// # Errors
    /// `Issue` for a key that is none.
    pub fn issue(
        &self,
        identity: &Identity,
        key: &str,
        in_s: i64,
        life: Duration,
    ) -> Result<String, TrustError> {
        let key = KeyPair::from_pem(key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(identity.role().name());
        params.subject_alt_names = vec![SanType::URI(identity.uri().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        (params.not_before, params.not_after) = validity(in_s, life);
        Ok(params.signed_by(&key, &self.issuer)?.pem())
    }
}

/// A new key, as PEM.
///
/// # Errors
/// `Issue` without randomness.
pub fn draw_key() -> Result<String, TrustError> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// What the authority says of itself.
fn subject(name: &str) -> Result<CertificateParams, TrustError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.subject_alt_names = vec![SanType::URI(run_uri(name).try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    full.push(DnType::CommonName, name);
    full
}

/// From when to when something is good: certificates are of the time of day, on every host that sees them.
fn validity(in_s: i64, life: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let from = OffsetDateTime::now_utc() + time::Duration::seconds(in_s);
    // A host whose clock is behind takes it all the same.
    (from - SKEW, from + life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_change_the_meaning_of_an_identity_is_refused() {
        for name in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(matches!(
                Authority::make(name),
                Err(TrustError::Name { .. })
            ));
        }
        let authority = Authority::make("pilot-2.b_c").unwrap();
        assert_eq!(authority.name(), "pilot-2.b_c");
    }
}
