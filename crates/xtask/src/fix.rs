//! `cargo xtask fix`: formats the code and lets clippy repair what it can repair by itself.

use std::process::ExitCode;

use anyhow::Result;

use crate::program;

const STEPS: &[&[&str]] = &[
    &[
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ],
    &["fmt", "--all"],
];

/// Runs every step, also after one that failed, and fails if one did.
///
/// # Errors
/// cargo could not be started.
pub(crate) fn run() -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for step in STEPS {
        if !program::watch(&mut program::cargo(step))?.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
