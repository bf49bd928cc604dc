//! Paths on this machine: plain ones, `~`, and `file://`.
//! Owns the forms that would quietly become a folder that nobody meant; these are refused.

use std::path::{Component, Path, PathBuf};

use nix::unistd::{Uid, User};

use super::bad;
use crate::StoreError;
use crate::environment::Environment;

const OTHER_SYSTEM: &str = "it is a path of Windows; write it as this machine has it";

/// A plain path as it was typed.
pub(super) fn typed(text: &str, environment: &Environment) -> Result<PathBuf, StoreError> {
    refuse_half_typed_scheme(text)?;
    refuse_windows(text)?;
    match text.strip_prefix('~') {
        None => Ok(PathBuf::from(text)),
        Some(rest) => {
            let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
            let home = home_of(user, environment).ok_or_else(|| no_home(text, user))?;
            Ok(home.join(below.trim_start_matches('/')))
        }
    }
}

/// The path of a `file://` address, of which `rest` is what follows the slashes.
///
/// Codes such as `%20` are those of a URL; `#` and `?` are letters, since a file has neither fragment nor query.
pub(super) fn of_file_url(text: &str, rest: &str) -> Result<PathBuf, StoreError> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(bad(text, "a file address is file:///ABSOLUTE/PATH"));
    }
    if is_on_a_drive(path.trim_start_matches('/')) {
        return Err(bad(text, OTHER_SYSTEM));
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8();
    let is_code =
        |part: &str| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    match decoded {
        Ok(decoded) if path.split('%').skip(1).all(is_code) && !decoded.contains('\0') => {
            Ok(PathBuf::from(decoded.as_ref()))
        }
        _ => Err(bad(
            text,
            "a `%` in a file address begins a code such as %20; write the plain path instead",
        )),
    }
}

/// Resolves `..`; through symbolic links where the folder exists, by name where it does not yet.
pub(super) fn without_parent_steps(path: &Path) -> PathBuf {
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

/// Whether this could stand before `://`.
pub(super) fn is_scheme(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_letter)
}

/// `s3:/bucket` would otherwise quietly become a folder called `s3:`.
fn refuse_half_typed_scheme(text: &str) -> Result<(), StoreError> {
    const KNOWN: &[&str] = &[
        "file", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "http", "https",
    ];
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok(());
    };
    let scheme = scheme.to_ascii_lowercase();
    let is_half = scheme.len() > 1 && rest.starts_with('/');
    match is_half || KNOWN.contains(&scheme.as_str()) {
        true => Err(bad(text, &format!("write {scheme}://, with two slashes"))),
        false => Ok(()),
    }
}

/// `C:\data` and `runs\first` would otherwise quietly become one name each.
///
/// With a slash in front it can only be a path of this machine, and a letter of a name.
fn refuse_windows(text: &str) -> Result<(), StoreError> {
    if is_on_a_drive(text) {
        return Err(bad(text, OTHER_SYSTEM));
    }
    match text.contains('\\') && !text.starts_with('/') {
        true => Err(bad(text, "folders are separated by `/`, not by `\\`")),
        false => Ok(()),
    }
}

fn is_on_a_drive(text: &str) -> bool {
    let letters: Vec<char> = text.chars().take(3).collect();
    matches!(letters[..], [drive, ':'] | [drive, ':', '/' | '\\'] if drive.is_ascii_alphabetic())
}

fn home_of(user: &str, environment: &Environment) -> Option<PathBuf> {
    let known = match (user, environment.get("HOME")) {
        ("", Some(home)) => return Some(PathBuf::from(home)).filter(|home| home.is_absolute()),
        ("", None) => User::from_uid(Uid::current()),
        (user, _) => User::from_name(user),
    };
    known.ok().flatten().map(|user| user.dir)
}

fn no_home(text: &str, user: &str) -> StoreError {
    let whose = match user {
        "" => "HOME names no absolute path".to_owned(),
        user => format!("this machine has no user `{user}`"),
    };
    bad(
        text,
        &format!(
            "`~` stands for a home folder, and {whose}; write ./{text} for a folder of that name"
        ),
    )
}
