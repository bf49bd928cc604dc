//! What a check found: a state, the facts, and what to do. It knows no check.

use clap::builder::styling::{AnsiColor, Effects, Style};
use serde::Serialize;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing depends on it.
    Note,
    /// It works, and not as well as it could.
    Warning,
    /// What was asked for cannot work without it.
    Missing,
}

impl State {
    /// Its colour.
    pub(crate) fn style(self) -> Style {
        match self {
            Self::Ok | Self::Note => Style::new(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Missing => AnsiColor::Red.on_default().effects(Effects::BOLD),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Missing => "MISSING",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: String,
    /// How it went.
    pub(crate) state: State,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it; empty for nothing.
    pub(crate) advice: String,
    /// Whether an option asked for this one: then it is shown however it went.
    #[serde(skip)]
    pub(crate) is_asked: bool,
}

impl Finding {
    pub(crate) fn new(
        check: impl Into<String>,
        state: State,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (check, found, advice) = (check.into(), found.into(), advice.into());
        Self {
            check,
            state,
            found,
            advice,
            is_asked: false,
        }
    }

    /// The same, as an option asked for it.
    pub(crate) fn asked(self) -> Self {
        Self {
            is_asked: true,
            ..self
        }
    }

    pub(crate) fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(check, State::Ok, found, "")
    }

    /// A failure told in one line, whose advice stands behind its last semicolon if it gives any.
    pub(crate) fn failed(check: impl Into<String>, line: &str, advice: &str) -> Self {
        let (found, advice) = line.rsplit_once("; ").unwrap_or((line, advice));
        Self::new(check, State::Missing, found, advice)
    }
}

/// Bytes for people, in the unit that leaves one to three digits before the point.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB")];
    let unit = units.iter().find(|(unit, _)| bytes >= *unit);
    match unit {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!(size(64 << 20), "64.0 MiB");
        assert_eq!(size(3 << 29), "1.5 GiB");
        assert_eq!(size(5000), "4 KiB");
        assert_eq!(size(2 << 40), "2.0 TiB");
    }

    #[test]
    fn the_advice_of_a_failure_is_its_own_where_it_gives_one() {
        let failed = Finding::failed("store", "cannot reach s3://a; check the endpoint", "x");
        assert_eq!(failed.advice, "check the endpoint");
        let silent = Finding::failed("store", "the store failed", "x");
        assert_eq!(
            (silent.found.as_str(), silent.advice.as_str()),
            ("the store failed", "x")
        );
    }
}
