//! The `fratmae` program: it parses what was typed, runs one command and turns a failure into one line.
//! It owns no logic of its own.

mod arguments;
mod commands;
mod failure;
mod lines;
mod logging;
mod output;
mod progress;
mod table;
mod terminal;
mod worker_lines;

use std::process::ExitCode;

use fratmae_worker::Allocator;

use crate::{arguments::Arguments, output::Output};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let arguments = match Arguments::typed() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let mut output = Output::stdout();
    match commands::run(&arguments, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if failure::reader_is_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            failure::report(&error);
            ExitCode::FAILURE
        }
    }
}
