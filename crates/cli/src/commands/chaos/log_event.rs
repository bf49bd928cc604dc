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
    RunEvent::from_line(text).map(LogEvent::Event)
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
        let panic = "thread 'main' panicked: no text (a.rs:1)";
        assert_eq!(log_event(panic), Some(LogEvent::Panic(panic.to_owned())));
        let unknown = line(Level::INFO, "run", "something newer");
        for other in ["", "a line for people", "{}", &unknown] {
            assert_eq!(log_event(other), None, "{other}");
        }
    }
}
