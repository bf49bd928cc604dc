//! `cargo xtask check`: everything that can be said of the tree without running it, cheapest first; changes nothing.

use std::process::ExitCode;

use anyhow::Result;

use crate::{program, tidy};

const CLIPPY: &[&str] = &[
    "clippy",
    "--release",
    "--locked",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

const DOC: &[&str] = &["doc", "--release", "--locked", "--workspace", "--no-deps"];

/// Runs every part, also after one that failed, so that one call shows all there is to repair.
///
/// # Errors
/// A part could not be run at all.
pub(crate) fn run() -> Result<ExitCode> {
    let mut failed = Vec::new();
    if !program::watch(&mut program::cargo(&["fmt", "--all", "--", "--check"]))?.success() {
        failed.push("format (`cargo xtask fix` repairs it)");
    }
    if !is_tidy()? {
        failed.push("house rules");
    }
    if !program::watch(&mut program::cargo(CLIPPY))?.success() {
        failed.push("clippy");
    }
    if !program::watch(program::cargo(DOC).env("RUSTDOCFLAGS", "-D warnings"))?.success() {
        failed.push("documentation");
    }
    if failed.is_empty() {
        println!("check: all good");
        return Ok(ExitCode::SUCCESS);
    }
    println!("check: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn is_tidy() -> Result<bool> {
    println!("house rules and dependency law");
    let mut violations = tidy::check_tree(&program::root())?;
    violations.extend(tidy::check_graph()?);
    for violation in &violations {
        println!("{violation}");
    }
    println!("{} violations", violations.len());
    Ok(violations.is_empty())
}
