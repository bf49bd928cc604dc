//! The project's own commands: `cargo xtask VERB`.
//!
//! One file per verb. It builds in seconds from the standard library and `anyhow`, and owns no part of the product.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask talks to a person on a terminal"
)]

mod check;
mod cuda;
mod environment;
mod fix;
mod fuzz;
mod gpu;
mod parity;
mod program;
mod services;
mod sim;
mod testing;
mod tidy;
mod verb;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    verb::run(&words).unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
