//! A failure as an operator sees it: one line on standard error.
//! It decides nothing about what failed; each error's own text does.

use std::{io::ErrorKind, panic::PanicHookInfo};

use fratmae_telemetry::{fold, one_line};

use crate::{exit::Stopped, terminal};

/// Whether the reader of standard output went away (`fratmae … | head`), which is no failure.
pub(crate) fn reader_is_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}

/// A failure that another process of the same command reports.
#[derive(Debug)]
pub(crate) struct ToldElsewhere;

impl std::fmt::Display for ToldElsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see the coordinator's error")
    }
}

impl std::error::Error for ToldElsewhere {}

/// Has panics written in one line: each is a fault of this program.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| terminal::panicked(&panic_line(panic))));
}

fn panic_line(panic: &PanicHookInfo<'_>) -> String {
    let text = fold(panic.payload_as_str().unwrap_or("without a text"));
    let place = panic.location().map(|place| format!(" ({place})"));
    let thread = std::thread::current();
    format!(
        "thread {} panicked: {text}{}; this is a fault of fratmae, please report it",
        thread.name().unwrap_or("without a name"),
        place.unwrap_or_default()
    )
}

/// Writes `error: …` to standard error, unless another process does; a stop that was asked for is no error.
pub(crate) fn report(error: &anyhow::Error) {
    if error.is::<ToldElsewhere>() {
        return;
    }
    let text = one_line(error.as_ref());
    match error.is::<Stopped>() {
        true => terminal::end(&text),
        false => terminal::error(&text),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn only_a_broken_pipe_means_that_the_reader_is_gone() {
        let broken = std::io::Error::from(ErrorKind::BrokenPipe);
        let gone: anyhow::Result<()> = Err(broken).context("writing the table");
        assert!(reader_is_gone(&gone.unwrap_err()));
        let full = std::io::Error::from(ErrorKind::StorageFull);
        assert!(!reader_is_gone(&full.into()));
    }
}
