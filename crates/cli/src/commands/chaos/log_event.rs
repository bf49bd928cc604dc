//! What a process tells on standard error with `--log json`, as far as chaos judges by it.

use fratmae_coordinator::RunEvent;
use fratmae_telemetry::Line;
use tracing::Level;

use crate::terminal::LAST_WORD;

/// One thing that a line tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LogEvent {
    /// Something happened in the run.
    Event(RunEvent),
    /// A process's last word.
    Error(String),
    /// A process panicked.
    Panic(String),
    /// Where a worker process keeps its parameters now.
    Computes { process: u32, parameters: u64 },
}

/// Reads a line; most lines are none of these.
pub(crate) fn log_event(text: &str) -> Option<LogEvent> {
    if text.contains(" panicked") {
        return Some(LogEvent::Panic(text.to_owned()));
    }
    let line = Line::from_json(text)?;
    if (line.level, line.target.as_str()) == (Level::ERROR, LAST_WORD) {
        return Some(LogEvent::Error(line.message));
    }
    if line.message == "training" {
        return computes(&line);
    }
    RunEvent::from_line(text).map(LogEvent::Event)
}

fn computes(line: &Line) -> Option<LogEvent> {
    let field = |name: &str| line.fields.iter().find(|(key, _)| key == name);
    let (_, process) = field("process")?;
    let (_, parameters) = field("parameters")?;
    let digits = parameters.as_str()?.strip_prefix("0x")?;
    Some(LogEvent::Computes {
        process: process.as_u64()?.try_into().ok()?,
        parameters: u64::from_str_radix(digits, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_other_lines_are_not() {
        let line = |level, target: &str, message: &str| {
            let mut line = Line::new(level, target, message);
            line.fields.push(("step".to_owned(), 4.into()));
            line.to_json()
        };
        let committed = LogEvent::Event(RunEvent::Committed { step: 4 });
        let text = line(Level::INFO, "run", "checkpoint committed");
        assert_eq!(log_event(&text), Some(committed));
        let error = line(Level::ERROR, LAST_WORD, "no");
        assert_eq!(log_event(&error), Some(LogEvent::Error("no".to_owned())));
        let mut computes = Line::new(Level::DEBUG, "fratmae_worker::training", "training");
        computes.fields.push(("process".to_owned(), 7.into()));
        let address = ("parameters".to_owned(), "0x1f".into());
        computes.fields.push(address);
        let place = LogEvent::Computes {
            process: 7,
            parameters: 31,
        };
        assert_eq!(log_event(&computes.to_json()), Some(place));
        let panic = "thread 'main' panicked: no text (a.rs:1)";
        assert_eq!(log_event(panic), Some(LogEvent::Panic(panic.to_owned())));
        let unknown = line(Level::INFO, "run", "something newer");
        for other in ["", "a line for people", "{}", &unknown] {
            assert_eq!(log_event(other), None, "{other}");
        }
    }
}
