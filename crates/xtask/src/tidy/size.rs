//! The size of files, and the documentation that each opens with. The length of functions is clippy's `too_many_lines`.

use super::{TextFile, Violation};

const LINES: usize = 400;

/// Finds files without `//!`, and files with too much code; tests may be long.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    if file.is_rust() && !file.text.starts_with("//!") {
        let rule = "no `//!` at the top saying what this file owns and what it does not";
        violations.push(file.violation(1, rule));
    }
    let lines = code_lines(file);
    if file.is_rust() && lines > LINES {
        let rule = format!("{lines} lines of code in one file, the stop is {LINES}");
        violations.push(file.violation(1, rule));
    }
    violations
}

/// Counts lines without tests, which are in files of their own or at the end.
fn code_lines(file: &TextFile) -> usize {
    let path = format!("/{}", file.path);
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
    let mut parts = file.text.split("#[cfg(test)]\nmod tests {");
    let code = parts.next().filter(|_| !is_test);
    code.unwrap_or_default().lines().count()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

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
    fn a_file_stops_at_400_lines_of_code() {
        let long = |lines| format!("//! Doc.\n{}", "// x\n".repeat(lines));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(400));
        assert!(found("src/a.rs", &(long(399) + &tests)).is_empty());
        assert!(found("src/a.rs", &long(400))[0].contains("401 lines of code"));
        for path in ["src/a/tests.rs", "src/a/tests/b.rs", "tests/src/a.rs"] {
            assert!(found(path, &long(900)).is_empty());
        }
    }
}
