//! What the user typed as a place, taken apart: which kind of store, and the path on it.
//! Owns the reading of addresses; opens nothing and reads no environment.

use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::StoreError;

/// Kinds of store an address can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Local,
    S3,
    Gcs,
    Azure,
    /// A store handed over ready made.
    Given,
}

/// An address, taken apart and tidied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) kind: Kind,
    /// As the user would type it again: absolute, no trailing slash.
    pub(crate) url: String,
    /// The path below the root of the store.
    pub(crate) path: object_store::path::Path,
}

impl Address {
    /// Reads a path or URL; a relative path is taken from the working directory.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        match text.split_once("://") {
            None => Self::local(text, Path::new(text)),
            Some(("file", _)) => Self::local(text, &file_path(text)?),
            Some(("s3" | "s3a", _)) => Self::remote(Kind::S3, text),
            Some(("gs", _)) => Self::remote(Kind::Gcs, text),
            Some(("az" | "azure" | "abfs" | "abfss", _)) => Self::remote(Kind::Azure, text),
            Some((scheme, _)) => Err(StoreError::Unsupported {
                url: text.to_owned(),
                scheme: scheme.to_owned(),
            }),
        }
    }

    fn local(text: &str, path: &Path) -> Result<Self, StoreError> {
        refuse_half_typed_scheme(text)?;
        let absolute = std::path::absolute(path).map_err(|error| bad(text, &error.to_string()))?;
        let absolute = without_parent_steps(&absolute);
        let path = object_store::path::Path::from_absolute_path(&absolute)
            .map_err(|error| bad(text, &error.to_string()))?;
        Ok(Self {
            kind: Kind::Local,
            url: absolute.to_string_lossy().into_owned(),
            path,
        })
    }

    fn remote(kind: Kind, text: &str) -> Result<Self, StoreError> {
        let parsed = Url::parse(text).map_err(|error| bad(text, &error.to_string()))?;
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(bad(text, "it names no bucket (scheme://BUCKET/PATH)"));
        }
        let path = object_store::path::Path::from_url_path(parsed.path())
            .map_err(|error| bad(text, &error.to_string()))?;
        Ok(Self {
            kind,
            url: text.trim_end_matches('/').to_owned(),
            path,
        })
    }
}

/// `s3:/bucket` would otherwise quietly become a folder called `s3:`.
fn refuse_half_typed_scheme(text: &str) -> Result<(), StoreError> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    if text.trim().is_empty() {
        return Err(bad(text, "it is empty"));
    }
    if !text.contains("://") && ["file", "s3", "gs", "az", "http", "https"].contains(&scheme) {
        return Err(bad(text, &format!("write {scheme}://, with two slashes")));
    }
    Ok(())
}

fn file_path(text: &str) -> Result<PathBuf, StoreError> {
    Url::parse(text)
        .map_err(|error| bad(text, &error.to_string()))?
        .to_file_path()
        .map_err(|()| bad(text, "a file address is file:///ABSOLUTE/PATH"))
}

/// Resolves `..`; through symbolic links where the folder exists, by name where it does not yet.
fn without_parent_steps(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut so_far, step| {
        match step {
            Component::ParentDir => {
                so_far = so_far.canonicalize().unwrap_or(so_far);
                so_far.pop();
            }
            Component::CurDir => {}
            step => so_far.push(step),
        }
        so_far
    })
}

fn bad(url: &str, reason: &str) -> StoreError {
    StoreError::BadAddress {
        url: url.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn relative_path_becomes_absolute() {
        let here = std::env::current_dir().unwrap();
        let address = parsed("runs/./first");
        assert_eq!(address.url, here.join("runs/first").to_string_lossy());
        assert_eq!(address.kind, Kind::Local);
    }

    #[test]
    fn parent_steps_are_resolved() {
        assert_eq!(parsed("/no-such/a/../b/").url, "/no-such/b");
        assert_eq!(parsed("/no-such/a/../b").path.as_ref(), "no-such/b");
    }

    #[test]
    fn parent_step_follows_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("deep/real");
        std::fs::create_dir_all(&real).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let address = parsed(&format!("{}/../x", link.display()));
        assert_eq!(address.url, real.with_file_name("x").to_string_lossy());
    }

    #[test]
    fn file_address_and_plain_path_are_the_same() {
        assert_eq!(parsed("file:///a/b%20c"), parsed("/a/b c"));
    }

    #[test]
    fn remote_address_keeps_its_path() {
        let address = parsed("s3://bucket/runs/one/");
        assert_eq!(address.url, "s3://bucket/runs/one");
        assert_eq!(address.path.as_ref(), "runs/one");
        assert_eq!(parsed("gs://bucket").path.as_ref(), "");
        assert_eq!(parsed("az://container/x").kind, Kind::Azure);
    }

    #[test]
    fn unknown_scheme_is_named() {
        let error = Address::parse("ftp://host/x").unwrap_err();
        assert!(matches!(error, StoreError::Unsupported { scheme, .. } if scheme == "ftp"));
    }

    #[test]
    fn half_typed_addresses_are_refused() {
        for text in [
            "",
            "  ",
            "s3:/bucket/x",
            "s3:bucket",
            "file:/x",
            "s3://",
            "file://host/x",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(
                matches!(error, StoreError::BadAddress { .. }),
                "{text}: {error}"
            );
        }
    }
}
