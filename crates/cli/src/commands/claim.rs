//! A claim on a local folder that is being made: whoever comes second waits, also on another host of a shared folder.
//!
//! The claim is a lock of the system on a file beside the folder, so that it ends with its process, however that ends.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How often a claim of another process is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// How often the wait for it is told of, after the first time.
const TELL: Duration = Duration::from_secs(10);

/// A claim that is held; dropping it lets the next one have it.
#[derive(Debug)]
pub(crate) struct Claim {
    /// None where the file system has no locks.
    held: Option<(File, PathBuf)>,
}

/// Waits until nobody else makes `folder`; `tell` is told what is waited for.
///
/// On a file system without locks nothing is waited for: whoever makes the folder then has to bear with others.
///
/// # Errors
/// What the system said of the file.
pub(crate) async fn claim(folder: &Path, mut tell: impl FnMut(&str)) -> Result<Claim> {
    let path = beside(folder);
    let (began, mut mentioned) = (Instant::now(), None::<Instant>);
    let mut looks = tokio::time::interval(EVERY);
    loop {
        looks.tick().await;
        match try_claim(&path)? {
            Tried::Claimed(file) => {
                let held = Some((file, path));
                return Ok(Claim { held });
            }
            Tried::Impossible => return Ok(Claim { held: None }),
            Tried::Again => {}
            Tried::Taken => {
                if mentioned.is_none_or(|mentioned| mentioned.elapsed() >= TELL) {
                    mentioned = Some(Instant::now());
                    tell(&format!(
                        "another process is preparing {}; waiting until it is done ({} s)",
                        folder.display(),
                        began.elapsed().as_secs()
                    ));
                }
            }
        }
    }
}

enum Tried {
    Claimed(File),
    /// Another process has it.
    Taken,
    /// The one before removed the file in between.
    Again,
    /// There are no locks.
    Impossible,
}

fn try_claim(path: &Path) -> Result<Tried> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(cannot)?;
    }
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Tried::Taken),
        Err(TryLockError::Error(_)) => return Ok(Tried::Impossible),
    }
    // The lock counts only if the file still has its name: else the next one would lock another file.
    let is_same = match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    };
    Ok(match is_same {
        true => Tried::Claimed(file),
        false => Tried::Again,
    })
}

fn beside(folder: &Path) -> PathBuf {
    // Put together again from its parts, so that a slash at the end is gone.
    let mut name = folder.components().as_path().as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((file, path)) = self.held.take() {
            // Removed while it is locked, so that nobody holds a lock on a file that is gone.
            let _ = std::fs::remove_file(path);
            drop(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::wait_for;

    #[test]
    fn the_second_waits_for_the_first_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deep/phantoms/");
        wait_for(async {
            let first = claim(&place, |line| panic!("{line}")).await?;
            let mut lines = Vec::new();
            let waiting = async {
                let mut tell = |line: &str| lines.push(line.to_owned());
                claim(&place, &mut tell).await
            };
            let second = tokio::time::timeout(Duration::from_millis(700), waiting).await;
            assert!(second.is_err(), "the first one holds it");
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(
                lines[0].contains("another process is preparing"),
                "{lines:?}"
            );
            drop(first);
            drop(claim(&place, |line| panic!("{line}")).await?);
            Ok(())
        })
        .unwrap();
        let left = std::fs::read_dir(folder.path().join("deep"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "the file goes with the claim");
    }

    #[test]
    fn a_file_that_a_killed_process_left_is_no_claim() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("phantoms");
        std::fs::write(beside(&place), "").unwrap();
        wait_for(claim(&place, |line| panic!("{line}"))).unwrap();
    }
}
