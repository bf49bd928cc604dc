//! Packages from Debian's archive, unpacked under the build folder; nothing is installed, and nothing outside changes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::program;

/// Answers with the folder into which `packages` are unpacked. They are fetched first unless `file` is there.
///
/// # Errors
/// This system has no apt or cannot reach its archive, or a package cannot be unpacked.
pub(super) fn unpacked(name: &str, packages: &[&str], file: &str) -> Result<PathBuf> {
    let folder = program::own_folder().join(name);
    if folder.join(file).is_file() {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let wanted = packages.join(", ");
    let mut fetch = Command::new("apt-get");
    fetch.arg("download").args(packages).current_dir(&folder);
    program::output(&mut fetch)
        .with_context(|| format!("cannot download the Debian packages {wanted}"))?;
    let mut unpack = Command::new("sh");
    unpack.args([
        "-c",
        "for package in *.deb; do dpkg-deb -x \"$package\" . || exit 1; done",
    ]);
    program::output(unpack.current_dir(&folder))
        .with_context(|| format!("cannot unpack {wanted}"))?;
    Ok(folder)
}
