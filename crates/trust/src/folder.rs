//! Keys as they lie in a folder, by the names that cert-manager gives them.
//!
//! ```text
//! DIR/ca.crt  DIR/ca.key    a run's own authority; who has the key can make certificates
//! DIR/ca.life               how long its certificates are good, in seconds
//! DIR/ROLE/ca.crt  tls.crt  tls.key    what a process of that role needs, and no more
//! DIR/tokens                by which people look on who cannot show a certificate
//! ```

use crate::authority::{Authority, draw_key};
use crate::error::TrustError;
use crate::role::{Role, run_name};
use crate::verifier::uris;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The authority's certificate.
pub(crate) const CA: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CA_LIFE: &str = "ca.life";
/// A process's certificate and those between it and the authority's.
pub(crate) const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// The roles that have keys in a folder; a coordinator has the authority's.
const OTHERS: [Role; 3] = [Role::Worker, Role::Observer, Role::Operator];

/// The bytes of more than any file here may have.
const MOST: u64 = 1 << 20;

/// What a process needs to show who it is, as it lies on the disk.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    pub(crate) authority: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Files {
    /// Reads the files in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, TrustError> {
        Ok(Self {
            folder: folder.to_owned(),
            authority: read(&folder.join(CA))?,
            certificate: read(&folder.join(CERTIFICATE))?,
            key: read_private(&folder.join(KEY))?,
        })
    }
}

/// Where a role's files are: in the folder itself, or in the role's below it.
pub(crate) fn folder_of(folder: &Path, role: Role) -> Result<PathBuf, TrustError> {
    let own = folder.join(role.name());
    let places = [folder.to_owned(), own];
    let is_there = |place: &PathBuf| place.join(CERTIFICATE).exists();
    let absent = || TrustError::Absent {
        folder: folder.to_owned(),
        role,
    };
    places.into_iter().find(is_there).ok_or_else(absent)
}

/// Makes the keys of a new run: its authority, and what each role needs.
///
/// # Errors
/// `Taken` where keys are already; `Name`, `Issue`, `File`.
pub fn make(folder: &Path, name: &str, life: Duration) -> Result<(), TrustError> {
    let authority = Authority::make(name)?;
    make_folder(folder)?;
    // Whoever creates the key has the folder: two at once cannot mix theirs.
    match write_new(&folder.join(CA_KEY), authority.key(), 0o600) {
        Err(TrustError::File { cause, .. }) if cause.kind() == ErrorKind::AlreadyExists => {
            let folder = folder.to_owned();
            return Err(TrustError::Taken { folder });
        }
        written => written?,
    }
    write(
        &folder.join(CA_LIFE),
        &format!("{}\n", life.as_secs()),
        0o644,
    )?;
    for role in OTHERS {
        let place = folder.join(role.name());
        make_folder(&place)?;
        write(&place.join(KEY), &draw_key()?, 0o600)?;
        write(&place.join(CA), authority.certificate(), 0o644)?;
    }
    certify_others(folder, &authority, life)?;
    write(&folder.join(CA), authority.certificate(), 0o644)
}

/// The authority whose key is in a folder, and how long its certificates are good; none where there is no key.
///
/// # Errors
/// `File`, `Exposed`, `Damaged`.
pub fn authority_in(folder: &Path) -> Result<Option<(Authority, Duration)>, TrustError> {
    let (path, at) = (folder.join(CA_KEY), folder.join(CA));
    if !path.exists() {
        return Ok(None);
    }
    let key = text(&path, read_private(&path)?)?;
    let certificate = text(&at, read(&at)?)?;
    let der = CertificateDer::from_pem_slice(certificate.as_bytes());
    let der = der.map_err(TrustError::damaged(&at))?;
    let uris = uris(&der);
    let name = uris.iter().find_map(|uri| run_name(uri));
    let name = name.ok_or_else(|| TrustError::damaged(&at)("it is no run's authority"))?;
    let key = KeyPair::from_pem(&key).map_err(TrustError::damaged(&path))?;
    let authority = Authority::of(name, certificate, key)?;
    Ok(Some((authority, life_in(folder)?)))
}

fn life_in(folder: &Path) -> Result<Duration, TrustError> {
    let path = folder.join(CA_LIFE);
    if !path.exists() {
        return Ok(crate::DAY);
    }
    let life = text(&path, read(&path)?)?;
    let life = life.trim().parse().map_err(TrustError::damaged(&path))?;
    Ok(Duration::from_secs(life))
}

/// Makes new certificates for a folder's other roles, for the keys that they have.
pub(crate) fn certify_others(
    folder: &Path,
    authority: &Authority,
    life: Duration,
) -> Result<(), TrustError> {
    for role in OTHERS {
        let place = folder.join(role.name());
        let key = place.join(KEY);
        if key.exists() {
            let key = text(&key, read_private(&key)?)?;
            let certificate = authority.issue(&authority.identity(role), &key, 0, life)?;
            write(&place.join(CERTIFICATE), &certificate, 0o644)?;
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), TrustError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(TrustError::unwritten(folder))
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, TrustError> {
    String::from_utf8(bytes).map_err(TrustError::damaged(path))
}

fn read(path: &Path) -> Result<Vec<u8>, TrustError> {
    let metadata = fs::metadata(path).map_err(TrustError::unread(path))?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(TrustError::damaged(path)("it is no file of at most 1 MiB"));
    }
    fs::read(path).map_err(TrustError::unread(path))
}

/// Reads a file that nobody else may read.
pub(crate) fn read_private(path: &Path) -> Result<Vec<u8>, TrustError> {
    let metadata = fs::metadata(path).map_err(TrustError::unread(path))?;
    let own = fs::metadata("/proc/self").map(|own| own.uid());
    if is_exposed(metadata.mode(), own.is_ok_and(|own| own == metadata.uid())) {
        return Err(TrustError::Exposed {
            path: path.to_owned(),
            mode: metadata.mode() & 0o777,
        });
    }
    read(path)
}

/// Whether others can read a file of this mode. Kubernetes mounts secrets as another user's, for this process's group.
const fn is_exposed(mode: u32, is_own: bool) -> bool {
    mode & 0o007 != 0 || is_own && mode & 0o070 != 0
}

/// Writes a file as a whole: whoever reads it finds the old one or the new one.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TrustError> {
    let staged = path.with_extension(format!("new-{}", std::process::id()));
    // One that a killed process of this number has left.
    let _ = fs::remove_file(&staged);
    write_new(&staged, text, mode)?;
    fs::rename(&staged, path).map_err(TrustError::unwritten(path))
}

/// Adds text to a file that nobody else may read.
pub(crate) fn append(path: &Path, text: &str) -> Result<(), TrustError> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(TrustError::unwritten(path))
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), TrustError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(TrustError::unwritten(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_their_owners_alone_and_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        make(&keys, "pilot", crate::DAY).unwrap();
        for private in [
            "ca.key",
            "worker/tls.key",
            "observer/tls.key",
            "operator/tls.key",
        ] {
            let mode = fs::metadata(keys.join(private)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{private}");
        }
        assert_eq!(fs::metadata(&keys).unwrap().mode() & 0o777, 0o700);
        let before = fs::read(keys.join(CA)).unwrap();
        let again = make(&keys, "pilot", crate::DAY);
        assert!(matches!(again, Err(TrustError::Taken { .. })));
        assert_eq!(fs::read(keys.join(CA)).unwrap(), before);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "pilot", crate::DAY).unwrap();
        let key = folder.path().join("worker/tls.key");
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let error = Files::read(&folder.path().join("worker")).err().unwrap();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        // As Kubernetes mounts it.
        assert!(!is_exposed(0o440, false) && is_exposed(0o444, false));
    }

    #[test]
    fn an_authority_is_the_same_after_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let life = Duration::from_secs(77);
        make(folder.path(), "pilot", life).unwrap();
        let (authority, found) = authority_in(folder.path()).unwrap().unwrap();
        assert_eq!((authority.name(), found), ("pilot", life));
        assert!(
            authority_in(&folder.path().join("worker"))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn no_bytes_in_a_key_file_do_more_than_to_be_refused() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "pilot", crate::DAY).unwrap();
        for bytes in [
            &b""[..],
            b"\xff\xfe",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            fs::write(folder.path().join(CA), bytes).unwrap();
            assert!(authority_in(folder.path()).is_err());
        }
    }
}
