//! `cargo xtask gpu rehearse`: the kernels that are meant for a GPU, on this machine's CPU; what is compared is the
//! tests' own (`crates/{model,worker}/tests/rehearsal.rs`).

use std::process::ExitCode;

use anyhow::Result;

use crate::program;

/// Builds the test with both of CubeCL's runtimes, that of CUDA and that of the CPU, and runs it.
///
/// The program is named too, so that dependencies have all the features that it asks for, and most are built already.
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
