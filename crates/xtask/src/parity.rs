//! `cargo xtask parity`: the Python that has PyTorch, and the comparison with it; what is compared is the tests' own.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::environment::Environment;
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
        // Another selection of packages would have features of its own, and build burn a second time.
        "--workspace",
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
    let environment = environment();
    environment
        .is_installed()
        .then(|| environment.program("python"))
}

fn environment() -> Environment {
    Environment::new("parity-venv", &REQUIREMENTS)
}

/// Installs it if it is not there.
///
/// # Errors
/// Python is missing, or pip cannot fetch the packages.
pub(crate) fn install() -> Result<PathBuf> {
    if let Some(python) = installed() {
        return Ok(python);
    }
    let environment = environment();
    println!(
        "parity: {} (some 5 GB, as PyPI's PyTorch brings its GPU libraries)",
        environment.announcement()
    );
    environment.install()?;
    Ok(environment.program("python"))
}
