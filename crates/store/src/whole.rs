//! A place that is used by its address alone: a path on this machine, or one file that is read whole.
//! Owns what code that is not async needs; everything else goes through a [`Location`].

use std::path::PathBuf;

use bytes::Bytes;

use crate::address::{Address, Kind};
use crate::environment::Environment;
use crate::{Location, StoreError};

/// The path that an address means, where only one on this machine will do; `~` is the home folder.
///
/// A relative path stays relative, so that it can be shown as it was typed.
///
/// # Errors
/// [`StoreError::BadAddress`] or [`StoreError::Unsupported`] for what is no path on this machine.
pub fn local_path(address: &str) -> Result<PathBuf, StoreError> {
    let parsed = Address::parse(address, &Environment::of_process())?;
    if parsed.kind != Kind::Local {
        return Err(StoreError::BadAddress {
            url: parsed.url,
            reason: "a path on this machine is needed here, not an address of a store".to_owned(),
        });
    }
    match address.starts_with('~') || address.contains("://") {
        true => Ok(PathBuf::from(parsed.url)),
        false => Ok(PathBuf::from(address)),
    }
}

/// Reads the whole file or object of an address, of `limit` bytes at most, for code that is not async; on a thread of its
/// own, so that it may be called within a runtime as well.
///
/// # Errors
/// As [`Location::open`] and [`Location::get_at_most`], and [`StoreError::Other`] where the system gives no thread.
pub fn read_whole(address: &str, limit: u64) -> Result<Bytes, StoreError> {
    let location = Location::open(address)?;
    let failed = |error: std::io::Error| StoreError::Other {
        url: location.url().to_owned(),
        reason: error.to_string(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    std::thread::scope(|scope| {
        let location = &location;
        let reading = std::thread::Builder::new()
            .name("read-whole".to_owned())
            // The runtime ends on this thread too: it may not within another one.
            .spawn_scoped(scope, move || {
                runtime.block_on(location.get_at_most("", limit))
            });
        let read = reading.map_err(failed)?.join();
        read.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_machine_stays_as_typed_and_others_are_refused() {
        for text in ["a/b", "./~", "/a/b c#1"] {
            assert_eq!(local_path(text).unwrap(), PathBuf::from(text));
        }
        assert_eq!(local_path("file:///a%20b").unwrap(), PathBuf::from("/a b"));
        assert!(local_path("~/x").unwrap().is_absolute());
        for text in ["s3://b/x", "gs://b/x", "AZ://c/x"] {
            let line = local_path(text).unwrap_err().to_string();
            assert!(line.contains("a path on this machine"), "{line}");
        }
        local_path("s3:/b/x").unwrap_err();
    }

    #[tokio::test]
    async fn a_file_is_read_within_a_runtime_and_a_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a#1?b%20c");
        std::fs::write(&file, "here").unwrap();
        assert_eq!(read_whole(file.to_str().unwrap(), 4).unwrap(), "here");
        let line = read_whole(folder.path().to_str().unwrap(), 4)
            .unwrap_err()
            .to_string();
        assert!(line.contains("it is a folder"), "{line}");
        let absent = folder.path().join("absent");
        let error = read_whole(absent.to_str().unwrap(), 4).unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
        let error = read_whole(file.to_str().unwrap(), 3).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    }
}
