//! How lines of Rust are counted, by the same rules as the script that measured our anchors: what is a test,
//! how long a function is, what opens a file. It knows no limits: `tidy` and `measure` have those.

mod function;
mod test_code;

pub(crate) use function::function_lengths;
pub(crate) use test_code::{is_test_path, split_tests};

/// Splits a text into the lines that count: what follows the last line end does not.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    lines.pop();
    lines
}

/// Tells whether the first thing in a file is its own documentation (plain comments and attributes may precede).
pub(crate) fn has_module_doc(lines: &[&str]) -> bool {
    let skipped = |line: &&&str| {
        let plain_comment = line
            .strip_prefix("//")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        line.trim().is_empty() || plain_comment || line.starts_with("#![")
    };
    let first = lines.iter().take(25).find(|line| !skipped(line));
    first.is_some_and(|line| line.starts_with("//!") || line.starts_with("/*!"))
}

/// Tells whether a line is nothing but a comment.
pub(crate) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Takes the visibility off the front of an item, such as `pub(crate) ` or `pub `.
fn without_visibility(item: &str) -> &str {
    let Some(rest) = item.strip_prefix("pub") else {
        return item;
    };
    let scope_end = rest.starts_with('(').then(|| rest.find(')')).flatten();
    let after = scope_end.map_or(rest, |end| &rest[end + 1..]);
    after.strip_prefix(' ').unwrap_or(item)
}

/// Splits a word of letters, digits and underscores off the front.
fn leading_word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_without_its_end_does_not_count() {
        assert_eq!(lines("a\r\nb\nc"), ["a", "b"]);
        assert!(lines("").is_empty());
    }

    #[test]
    fn module_doc_may_follow_attributes_and_plain_comments_only() {
        assert!(has_module_doc(&[
            "#![expect(dead_code)]",
            "// plain",
            "",
            "//! Doc."
        ]));
        assert!(has_module_doc(&["/*! Doc. */"]));
        assert!(!has_module_doc(&["use std::fs;", "//! Late."]));
        assert!(!has_module_doc(&["/// An item's.", "fn f() {}"]));
        assert!(!has_module_doc(&[]));
    }

    #[test]
    fn visibility_comes_off() {
        assert_eq!(without_visibility("pub(in crate::a) fn f"), "fn f");
        assert_eq!(without_visibility("pub mod m"), "mod m");
        assert_eq!(without_visibility("public()"), "public()");
    }
}
