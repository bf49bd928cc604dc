//! What the user typed as a place, taken apart: which kind of store, its bucket, and the path on it.
//! Owns the reading of addresses, for options, `--set` and job files alike; opens nothing.
//!
//! An address is used as it is written or refused. The letters of a key are those after the bucket, as the tools of
//! the clouds take them: `#`, `?` and `%20` stand for themselves.

mod local;
mod shown;

use std::path::PathBuf;

use crate::StoreError;
use crate::environment::Environment;

pub(crate) use shown::{has_signature, without_secrets};

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
    /// The bucket or container; empty for a local path.
    pub(crate) bucket: String,
    /// The host of the account, which addresses of Azure may name.
    pub(crate) account: Option<String>,
    /// The path below the root of the store.
    pub(crate) path: object_store::path::Path,
}

impl Address {
    /// Reads a path or URL; a relative path is taken from the working directory, `~` from `environment`.
    pub(crate) fn parse(text: &str, environment: &Environment) -> Result<Self, StoreError> {
        check_ends(text)?;
        let Some((scheme, rest)) = scheme_of(text) else {
            return Self::local(text, local::typed(text, environment)?);
        };
        match scheme.as_str() {
            "file" => Self::local(text, local::of_file_url(text, rest)?),
            "s3" | "s3a" => Self::remote(Kind::S3, text, &scheme, rest),
            "gs" => Self::remote(Kind::Gcs, text, &scheme, rest),
            "az" | "azure" | "abfs" | "abfss" => Self::remote(Kind::Azure, text, &scheme, rest),
            _ => Err(StoreError::Unsupported {
                url: without_secrets(text),
                scheme,
            }),
        }
    }

    fn local(text: &str, typed: PathBuf) -> Result<Self, StoreError> {
        let absolute = std::path::absolute(typed).map_err(|error| bad(text, &error.to_string()))?;
        let absolute = local::without_parent_steps(&absolute);
        let path = object_store::path::Path::from_absolute_path(&absolute)
            .map_err(|error| bad(text, &error.to_string()))?;
        Ok(Self {
            kind: Kind::Local,
            url: absolute.to_string_lossy().into_owned(),
            bucket: String::new(),
            account: None,
            path,
        })
    }

    fn remote(kind: Kind, text: &str, scheme: &str, rest: &str) -> Result<Self, StoreError> {
        let (place, key) = rest.split_once('/').unwrap_or((rest, ""));
        let key = key.strip_suffix('/').unwrap_or(key);
        let (bucket, account) = match place.split_once('@') {
            Some((bucket, account)) if scheme.starts_with("abfs") => (bucket, Some(account)),
            Some(_) => {
                return Err(bad(
                    text,
                    "an address holds no credentials; docs/store.md names the variables for them",
                ));
            }
            None => (place, None),
        };
        check_bucket(bucket).map_err(|reason| bad(text, &reason))?;
        check_key(key).map_err(|reason| bad(text, reason))?;
        let path =
            object_store::path::Path::parse(key).map_err(|error| bad(text, &error.to_string()))?;
        Ok(Self {
            kind,
            url: format!("{scheme}://{place}/{key}")
                .trim_end_matches('/')
                .to_owned(),
            bucket: bucket.to_owned(),
            account: account.map(str::to_owned),
            path,
        })
    }
}

/// The scheme in small letters and what follows its `://`.
fn scheme_of(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    local::is_scheme(scheme).then(|| (scheme.to_ascii_lowercase(), rest))
}

/// A blank or a line break at an end comes from a file or a script, and would become part of a name.
fn check_ends(text: &str) -> Result<(), StoreError> {
    if text.trim().is_empty() {
        return Err(bad(text, "it is empty"));
    }
    if text.trim() != text {
        return Err(bad(text, "it begins or ends with a blank; remove that"));
    }
    if text.contains(char::is_control) {
        return Err(bad(text, "it has a control character in it"));
    }
    Ok(())
}

fn check_bucket(bucket: &str) -> Result<(), String> {
    if bucket.is_empty() {
        return Err("it names no bucket (scheme://BUCKET/PATH)".to_owned());
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
    match bucket.chars().find(|&c| !is_letter(c)) {
        Some(c) => Err(format!(
            "a bucket's name has letters, digits, `.`, `-` and `_`, and no `{c}` (scheme://BUCKET/PATH)"
        )),
        None => Ok(()),
    }
}

fn check_key(key: &str) -> Result<(), &'static str> {
    if has_signature(key) {
        return Err("a signed link is no address; give scheme://BUCKET/PATH without the signature");
    }
    for part in key.split('/').filter(|_| !key.is_empty()) {
        match part {
            "" => return Err("it has an empty part in it (`//`); write one slash"),
            "." | ".." => {
                return Err(
                    "a store has no folder above or of its own; write the path without `.` and `..`",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

fn bad(url: &str, reason: &str) -> StoreError {
    StoreError::BadAddress {
        url: shown::printable(&without_secrets(url)),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
