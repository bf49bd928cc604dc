//! An error and its causes in one line.

use std::error::Error;

/// Joins a chain of causes by `: `, leaves out what an outer text already says, and folds newlines.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut line = String::new();
    for cause in causes.map(|cause| fold(&cause.to_string())) {
        if cause.is_empty() || line.contains(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line
}

/// A text of several lines in one.
#[must_use]
pub fn fold(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with its cause.
    #[derive(Debug)]
    struct Failed(&'static str, Option<Box<Failed>>);

    impl std::fmt::Display for Failed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failed {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            let cause = self.1.as_ref()?;
            Some(&**cause)
        }
    }

    fn joined(causes: &[&'static str]) -> String {
        let inner = causes
            .iter()
            .rev()
            .fold(None, |cause, text| Some(Box::new(Failed(text, cause))));
        one_line(&*inner.unwrap())
    }

    #[test]
    fn causes_are_joined_from_the_outside_in() {
        assert_eq!(
            joined(&["cannot prepare", "case a", "no such file"]),
            "cannot prepare: case a: no such file"
        );
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        assert_eq!(
            joined(&["case a: truncated", "truncated"]),
            "case a: truncated"
        );
        assert_eq!(
            joined(&["truncated", "truncated", "at 7"]),
            "truncated: at 7"
        );
    }

    #[test]
    fn newlines_become_spaces_and_paths_keep_theirs() {
        assert_eq!(
            joined(&["first\n  second\n\n", "/a  b/c"]),
            "first second: /a  b/c"
        );
    }
}
