//! The house rules that no lint knows, each an ordinary function from files to violations.
//!
//! It reads; it never repairs. What clippy can say is left to clippy.

mod dependencies;
mod graph;
mod images;
mod layout;
mod manifest;
mod markers;
mod privacy;
mod size;
mod source;
mod tracked;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::Result;

pub(crate) use graph::check_graph;

/// A file of the project: its path from the root, with `/` between folders, and its text.
#[derive(Debug)]
struct TextFile {
    path: String,
    text: String,
}

impl TextFile {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn violation(&self, line: usize, rule: impl Into<String>) -> Violation {
        Violation {
            path: self.path.clone(),
            line,
            rule: rule.into(),
        }
    }
}

/// A place where a rule is broken; `line` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// Holds every file that git tracks, or would track, against the rules; answers in the order of paths.
///
/// # Errors
/// git does not answer, or a file cannot be read.
pub(crate) fn check_tree(root: &Path) -> Result<Vec<Violation>> {
    let files = tracked::files(root)?;
    let mut violations: Vec<Violation> = files.iter().flat_map(check_file).collect();
    violations.extend(layout::check_decisions(&files));
    violations.extend(images::check_images(&files));
    violations.sort();
    Ok(violations)
}

fn check_file(file: &TextFile) -> Vec<Violation> {
    let rules = [
        layout::check,
        size::check,
        markers::check,
        privacy::check,
        dependencies::check,
        words::check,
    ];
    rules.iter().flat_map(|rule| rule(file)).collect()
}

#[cfg(test)]
fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_reads_as_a_place_and_a_rule() {
        let violation = file("src/a.rs", "").violation(3, "too long");
        assert_eq!(violation.to_string(), "src/a.rs:3: too long");
    }

    #[test]
    fn a_file_is_held_against_every_rule() {
        let untidy = file("src/utils.rs", "fn f() {}\n// FIXME\n");
        let rules: Vec<String> = check_file(&untidy)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(rules.len(), 3, "{rules:?}");
        assert!(check_file(&file("src/a.rs", "//! Doc.\n")).is_empty());
    }
}
