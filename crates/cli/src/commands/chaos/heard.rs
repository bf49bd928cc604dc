//! What a process tells on standard error with `--log json`, as far as chaos judges by it.

use fratmae_coordinator::RunEvent;
use fratmae_telemetry::Line;
use tracing::Level;

use crate::terminal::LAST_WORD;

/// One thing that a line tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// Something happened in the run.
    Event(RunEvent),
    /// A process's last word.
    Error(String),
    /// A process panicked.
    Panic(String),
}

/// Reads a line; most lines are none of these.
pub(crate) fn heard(text: &str) -> Option<Heard> {
    if text.contains(" panicked") {
        return Some(Heard::Panic(text.to_owned()));
    }
    let line = Line::from_json(text)?;
    if (line.level, line.target.as_str()) == (Level::ERROR, LAST_WORD) {
        return Some(Heard::Error(line.message));
    }
    RunEvent::from_line(text).map(Heard::Event)
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
        let committed = Heard::Event(RunEvent::Committed { step: 4 });
        let text = line(Level::INFO, "run", "checkpoint committed");
        assert_eq!(heard(&text), Some(committed));
        let error = line(Level::ERROR, LAST_WORD, "no");
        assert_eq!(heard(&error), Some(Heard::Error("no".to_owned())));
        let panic = "thread 'main' panicked: no text (a.rs:1)";
        assert_eq!(heard(panic), Some(Heard::Panic(panic.to_owned())));
        let unknown = line(Level::INFO, "run", "something newer");
        for other in ["", "a line for people", "{}", &unknown] {
            assert_eq!(heard(other), None, "{other}");
        }
    }
}
