//! What a stream can show: a bar, colours, and how many columns. The environment is an argument, so that tests can give one.

use std::io::IsTerminal;

use clap::builder::styling::Style;
use terminal_size::{Height, Width, terminal_size_of};

/// What one stream can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Look {
    /// Lines can be drawn over: a terminal that moves its cursor.
    pub(crate) draws: bool,
    /// Colours are shown and wanted.
    pub(crate) colour: bool,
    /// Its width, where it has one.
    pub(crate) columns: Option<usize>,
}

impl Look {
    /// Of standard error.
    pub(crate) fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    /// Rows of the terminal at standard error now.
    pub(crate) fn rows_of_stderr() -> u16 {
        terminal_size_of(std::io::stderr()).map_or(24, |(_, Height(rows))| rows)
    }

    /// Of standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "TERM, NO_COLOR and CLICOLOR are every program's conventions; no setting of a run comes this way"
    )]
    fn of(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Self {
        let columns = terminal_size_of(stream).map(|(Width(columns), _)| usize::from(columns));
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            columns: columns.filter(|columns| *columns > 0),
            ..Self::judge(stream.is_terminal(), variable)
        }
    }

    fn judge(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, value: &str| variable(name).as_deref() == Some(value);
        let draws = is_terminal && variable("TERM").is_some() && !is("TERM", "dumb");
        let is_forced = variable("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0");
        let is_refused = variable("NO_COLOR").is_some() || is("CLICOLOR", "0") && !is_forced;
        Self {
            draws,
            colour: (draws || is_forced) && !is_refused,
            columns: None,
        }
    }

    /// `text` in a style where colours are shown.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match self.colour {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws, colours.
    fn judged(is_terminal: bool, variables: &[(&str, &str)]) -> (bool, bool) {
        let look = Look::judge(is_terminal, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        (look.draws, look.colour)
    }

    #[test]
    fn only_a_terminal_that_moves_its_cursor_is_drawn_on() {
        assert_eq!(judged(true, &[("TERM", "xterm-256color")]), (true, true));
        assert_eq!(judged(true, &[("TERM", "dumb")]), (false, false));
        assert_eq!(judged(true, &[]), (false, false));
        assert_eq!(judged(false, &[("TERM", "xterm")]), (false, false));
    }

    #[test]
    fn colours_are_left_out_and_forced_as_everywhere() {
        let with = |more: &[(&'static str, &'static str)]| {
            judged(true, &[&[("TERM", "xterm")], more].concat())
        };
        assert_eq!(with(&[("NO_COLOR", "1")]), (true, false));
        assert_eq!(with(&[("CLICOLOR", "0")]), (true, false));
        assert_eq!(with(&[("CLICOLOR", "1")]), (true, true));
        let forced = ("CLICOLOR_FORCE", "1");
        assert_eq!(judged(false, &[forced]), (false, true));
        assert_eq!(judged(false, &[forced, ("NO_COLOR", "1")]), (false, false));
        assert_eq!(
            judged(true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "0")]),
            (false, false)
        );
    }
}
