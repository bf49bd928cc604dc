//! `cargo xtask cuda`: checks that the program compiles with the `cuda` feature; it links and runs nothing.

use std::process::ExitCode;

use anyhow::Result;

use crate::program;

/// Runs `cargo check` with the `cuda` feature in a build folder of its own.
///
/// `DOCS_RS=1` makes burn's build scripts go without LLVM, which a check does not need. The folder is apart
/// because the variable and the features would otherwise build the usual dependencies again.
///
/// # Errors
/// cargo could not be started.
pub(crate) fn run() -> Result<ExitCode> {
    println!(
        "checking the `cuda` feature (no GPU and no LLVM needed; its build folder is target/cuda)"
    );
    let mut check = program::cargo(&[
        "check",
        "--release",
        "--locked",
        "-p",
        "fratmae",
        "--features",
        "cuda",
    ]);
    check
        .env("DOCS_RS", "1")
        .args(["--target-dir", "target/cuda"]);
    let status = program::watch(&mut check)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
