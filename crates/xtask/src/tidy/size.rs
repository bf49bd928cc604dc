//! The size stops, and the documentation that every file opens with.

use super::{TextFile, Violation};
use crate::counting::{function_lengths, has_module_doc, is_test_path, lines, split_tests};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

/// Finds files without `//!`, and code files and functions past their stops; tests may be long.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    if !file.is_rust() {
        return Vec::new();
    }
    let all = lines(&file.text);
    let mut violations = Vec::new();
    if !has_module_doc(&all) {
        violations.push(file.violation(
            1,
            "no `//!` at the top saying what this file owns and what it does not",
        ));
    }
    if is_test_path(&file.path) {
        return violations;
    }
    let (places, code): (Vec<usize>, Vec<&str>) = split_tests(&all).0.into_iter().unzip();
    if code.len() > FILE_LINES {
        let rule = format!(
            "{} lines of code in one file, the stop is {FILE_LINES}",
            code.len()
        );
        violations.push(file.violation(1, rule));
    }
    for function in function_lengths(&code)
        .iter()
        .filter(|function| function.lines > FUNCTION_LINES)
    {
        let rule = format!(
            "`{}` has {} lines, the stop is {FUNCTION_LINES}",
            function.name, function.lines
        );
        violations.push(file.violation(places[function.start] + 1, rule));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&file(path, text))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_file_opens_with_its_documentation() {
        assert!(found("src/a.rs", "fn f() {}\n")[0].starts_with("src/a.rs:1: no `//!`"));
        assert!(found("src/a.md", "text\n").is_empty());
    }

    #[test]
    fn a_function_stops_at_60_lines() {
        assert!(found("src/a.rs", &format!("//! Doc.\n{}", function(60))).is_empty());
        let over = found("src/a.rs", &format!("//! Doc.\n{}", function(61)));
        assert_eq!(over, ["src/a.rs:2: `long` has 61 lines, the stop is 60"]);
    }

    #[test]
    fn the_line_of_a_function_counts_the_tests_before_it() {
        let text = format!("//! Doc.\n#[cfg(test)]\nmod tests {{\n}}\n{}", function(61));
        assert!(found("src/a.rs", &text)[0].starts_with("src/a.rs:5: "));
    }

    #[test]
    fn a_file_stops_at_400_lines_of_code() {
        assert!(found("src/a.rs", &format!("//! Doc.\n{}", "// x\n".repeat(399))).is_empty());
        assert!(
            found("src/a.rs", &format!("//! Doc.\n{}", "// x\n".repeat(400)))[0]
                .contains("401 lines of code")
        );
        assert!(
            found(
                "src/a/tests.rs",
                &format!("//! Doc.\n{}", "// x\n".repeat(900))
            )
            .is_empty()
        );
    }
}
