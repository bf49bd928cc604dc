//! `cargo xtask parity`: the Python that has PyTorch, and the comparison with it; what is compared is the tests' own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::program;

/// What the comparison needs, at the versions that it was written against.
const REQUIREMENTS: [&str; 4] = [
    "torch==2.15.0",
    "transformers==4.57.6",
    "safetensors==0.8.0",
    "numpy==2.4.6",
];

/// The variable by which tests find that Python.
pub(crate) const VARIABLE: &str = "FRATMAE_TEST_PYTHON";

/// Installs PyTorch if it is not there, builds the program, and runs the tests that compare with it.
///
/// # Errors
/// Python is missing, pip cannot fetch the packages, or cargo cannot be started.
pub(crate) fn run() -> Result<ExitCode> {
    let python = install()?;
    let mut build = program::cargo(&["build", "--release", "--locked", "-p", "fratmae"]);
    ensure!(
        program::watch(&mut build)?.success(),
        "the program does not build"
    );
    let mut test = program::cargo(&[
        "test",
        "--release",
        "--locked",
        "-p",
        "fratmae-tests",
        "--test",
        "parity",
        "--",
        "--nocapture",
        "--test-threads=1",
    ]);
    let status = program::watch(test.env(VARIABLE, python))?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The Python of an earlier `cargo xtask parity`, if there was one.
pub(crate) fn installed() -> Option<PathBuf> {
    let stamp = fs::read_to_string(environment().join("installed.txt"));
    let is_this = stamp.is_ok_and(|stamp| stamp == REQUIREMENTS.join("\n"));
    is_this.then(python)
}

fn environment() -> PathBuf {
    program::own_folder().join("parity-venv")
}

fn python() -> PathBuf {
    environment().join("bin").join("python")
}

/// The stamp is written last, so that an interrupted installation is done again.
fn install() -> Result<PathBuf> {
    if let Some(python) = installed() {
        return Ok(python);
    }
    let environment = environment();
    println!(
        "parity: fetching {} from PyPI into {} (some 5 GB, as PyPI's PyTorch brings its GPU libraries)",
        REQUIREMENTS.join(", "),
        environment.display()
    );
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    program::output(&mut make).context(
        "the comparison needs Python with its `venv` module: install the Debian package python3-venv",
    )?;
    let mut pip = Command::new(python());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    program::output(pip.args(REQUIREMENTS))
        .context("pip cannot install PyTorch: check the network and the room on the disk")?;
    let stamp = environment.join("installed.txt");
    fs::write(&stamp, REQUIREMENTS.join("\n"))
        .with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python())
}
