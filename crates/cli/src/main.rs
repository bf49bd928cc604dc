//! The `fratmae` program: it parses what was typed, runs one command and turns a failure into one line.
//! It owns no logic of its own.

mod arguments;
mod commands;
mod descriptors;
mod exit;
mod exporting;
mod failure;
mod identity;
mod lines;
mod logging;
mod output;
mod progress;
mod signals;
mod table;
mod terminal;
mod threads;
mod worker_lines;

use std::process::ExitCode;

use fratmae_worker::Allocator;

use crate::{arguments::Arguments, exit::Exit, output::Output};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    failure::report_panics();
    // What panicked has been told.
    let ended = std::panic::catch_unwind(run).unwrap_or_else(|_| Exit::Panicked.into());
    terminal::settle();
    ended
}

fn run() -> ExitCode {
    let arguments = match Arguments::typed() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    descriptors::raise();
    let ended = match commands::run(&arguments, &mut Output::stdout()) {
        Ok(()) => Exit::Finished,
        Err(error) if failure::reader_is_gone(&error) => Exit::Finished,
        Err(error) => {
            failure::report(&error);
            Exit::of(&error)
        }
    };
    ended.into()
}
