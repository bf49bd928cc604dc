//! `cargo xtask gpu rehearse`: the kernels that are meant for a GPU, on this machine's CPU; what is compared is the
//! tests' own (`crates/{model,pretrain}/tests/rehearsal.rs`).

use std::process::ExitCode;

use anyhow::Result;

use crate::program;

/// The tests, and the program with all that stands in for a GPU.
///
/// The program is named too, so that dependencies have all the features that it asks for, and most are built already.
pub(crate) const REHEARSAL: [&str; 10] = [
    "-p",
    "fratmae",
    "-p",
    "fratmae-model",
    "-p",
    "fratmae-pretrain",
    "--features",
    "fratmae/rehearsal",
    "--test",
    "rehearsal",
];

/// Builds the test with both of CubeCL's runtimes, that of CUDA and that of the CPU, and runs it.
///
/// # Errors
/// LLVM cannot be fetched, or cargo cannot be started.
pub(crate) fn run() -> Result<ExitCode> {
    let mut test = super::cargo(&["test"])?;
    test.args(REHEARSAL)
        .args(["--", "--nocapture", "--test-threads=1"]);
    Ok(match program::watch(&mut test)?.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
