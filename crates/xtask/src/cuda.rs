//! `cargo xtask cuda`: lints the program with the `cuda` feature, and the rehearsal; it links and runs nothing.

use std::process::ExitCode;

use anyhow::Result;

use crate::gpu::REHEARSAL;
use crate::program;

/// Runs clippy with the `cuda` feature in a build folder of its own.
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
    let mut check = program::cargo(&["clippy", "--release", "--locked", "--lib", "--bins"]);
    check
        .args(REHEARSAL)
        .args(["--target-dir", "target/cuda", "--", "-D", "warnings"])
        .env("DOCS_RS", "1");
    let status = program::watch(&mut check)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
