//! `cargo xtask gpu rehearse`: the kernels that are meant for a GPU, on this machine's CPU; what is compared is the
//! test's own (`crates/worker/tests/rehearsal.rs`).

use std::process::ExitCode;

use anyhow::Result;

use crate::program;

/// Builds the test with both of CubeCL's runtimes, that of CUDA and that of the CPU, and runs it.
///
/// The program is named too, so that its dependencies have the features, and are the builds, of `cargo xtask gpu build`.
///
/// # Errors
/// LLVM cannot be fetched, or cargo cannot be started.
pub(crate) fn run() -> Result<ExitCode> {
    let mut test = super::cargo(&[
        "test",
        "-p",
        "fratmae",
        "-p",
        "fratmae-model",
        "-p",
        "fratmae-worker",
        "--features",
        "fratmae/rehearsal",
        "--test",
        "rehearsal",
    ])?;
    test.args(["--", "--nocapture", "--test-threads=1"]);
    Ok(match program::watch(&mut test)?.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
