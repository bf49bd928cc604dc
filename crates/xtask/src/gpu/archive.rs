//! The archive that travels to a machine with a card: the program, the script and what the script reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::program;

/// The folder that the archive unpacks to.
const NAME: &str = "fratmae-gpu";

/// What travels beside the program, each with the same path as in the project.
const FILES: [&str; 4] = [
    "benches/gpu.py",
    "benches/small_run.py",
    "benches/twin.py",
    "configs/invariance.toml",
];

/// Machines that are lent take no more in one transfer.
const LIMIT: u64 = 64 << 20;

/// Packs the program and says how large everything is.
///
/// # Errors
/// A file cannot be copied, `tar` or `xz` is missing, or the archive is larger than [`LIMIT`].
pub(super) fn pack(program: &Path) -> Result<()> {
    let folder = program::own_folder().join("gpu");
    let staged = stage(program, &folder.join(NAME))?;
    let archive = folder.join(format!("{NAME}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.env("XZ_OPT", "-6 -T1")
        .arg("--create")
        .arg("--xz")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .args([folder.as_path(), Path::new(NAME)]);
    program::output(&mut tar)
        .context("cannot pack the archive; is the Debian package xz-utils installed?")?;
    let (raw, packed) = (size(&staged)?, size(&archive)?);
    println!("gpu: {} ({})", program.display(), mib(raw));
    println!("gpu: {} ({})", archive.display(), mib(packed));
    println!(
        "gpu: on a machine with a card: tar -xJf {NAME}.tar.xz && python3 {NAME}/benches/gpu.py"
    );
    check(packed)
}

/// Lays out what is packed, anew; answers with the program's copy.
fn stage(program: &Path, folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let copy = |from: PathBuf, to: PathBuf| {
        fs::create_dir_all(to.parent().unwrap_or(folder))
            .and_then(|()| fs::copy(&from, &to))
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
    };
    for file in FILES {
        copy(program::root().join(file), folder.join(file))?;
    }
    let staged = folder.join("fratmae");
    copy(program.to_path_buf(), staged.clone())?;
    Ok(staged)
}

fn check(packed: u64) -> Result<()> {
    ensure!(
        packed <= LIMIT,
        "the archive has {} and may have {}: look at what the program gained",
        mib(packed),
        mib(LIMIT)
    );
    Ok(())
}

fn size(file: &Path) -> Result<u64> {
    let found = fs::metadata(file).with_context(|| format!("no {}", file.display()))?;
    Ok(found.len())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_is_there_and_stands_at_the_same_paths() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "a program").unwrap();
        let out = folder.path().join(NAME);
        for _ in 0..2 {
            let staged = stage(&program, &out).unwrap();
            assert_eq!(fs::read(staged).unwrap(), b"a program");
            assert!(FILES.iter().all(|file| out.join(file).is_file()));
        }
    }

    #[test]
    fn an_archive_that_is_too_large_is_refused_with_its_size() {
        check(LIMIT).unwrap();
        let error = check(LIMIT + (1 << 20)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has 65.0 MiB and may have 64.0 MiB")
        );
    }
}
