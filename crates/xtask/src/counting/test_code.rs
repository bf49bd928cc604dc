//! Tells tests from code: by a file's path, and by `#[cfg(test)]` modules inside a file.

use super::{leading_word, without_visibility};

/// Tells whether a file is a test by where it lies or how it is called.
pub(crate) fn is_test_path(relative: &str) -> bool {
    let (folders, file) = relative.rsplit_once('/').unwrap_or(("", relative));
    folders.split('/').any(is_test_folder) || is_test_file(file)
}

fn is_test_folder(name: &str) -> bool {
    let is_word = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    let ends_as_one = ["-tests", "_tests", "-dst"]
        .iter()
        .any(|end| name.ends_with(end));
    matches!(
        name,
        "test" | "tests" | "testing" | "test_runner" | "tests-turmoil"
    ) || (ends_as_one && is_word(name))
}

fn is_test_file(name: &str) -> bool {
    let exact = matches!(name, "tests.rs" | "test.rs");
    exact || name.ends_with("_test.rs") || name.ends_with("_tests.rs") || name.starts_with("test_")
}

/// Takes inline test modules out; answers with the other lines, each with its place in the file (from 0),
/// and the number of lines taken out.
pub(crate) fn split_tests<'a>(lines: &[&'a str]) -> (Vec<(usize, &'a str)>, usize) {
    let (mut code, mut tests, mut at) = (Vec::new(), 0, 0);
    while at < lines.len() {
        match test_module_end(lines, at) {
            Some(end) => {
                tests += end + 1 - at;
                at = end + 1;
            }
            None => {
                code.push((at, lines[at]));
                at += 1;
            }
        }
    }
    (code, tests)
}

/// Answers with the line of the closing brace if a test module starts at `at`.
fn test_module_end(lines: &[&str], at: usize) -> Option<usize> {
    let condition = lines[at].trim_start().strip_prefix("#[cfg(")?;
    if !(condition.starts_with("test") || condition.starts_with("all(test")) {
        return None;
    }
    let attributes = lines[at + 1..]
        .iter()
        .take_while(|line| line.trim_start().starts_with("#["))
        .count();
    let module = at + 1 + attributes;
    let item = lines.get(module)?.trim_start();
    let indent = lines[module].len() - item.len();
    if !opens_module(item) {
        return None;
    }
    let closing = format!("{}}}", " ".repeat(indent));
    let body = lines[module + 1..]
        .iter()
        .take_while(|line| !line.starts_with(&closing))
        .count();
    Some(module + 1 + body)
}

fn opens_module(item: &str) -> bool {
    let Some(rest) = without_visibility(item).strip_prefix("mod ") else {
        return false;
    };
    let (name, rest) = leading_word(rest);
    !name.is_empty() && rest.starts_with(" {")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_path() {
        for path in [
            "tests/src/lib.rs",
            "crates/a/src/b/tests.rs",
            "a/test_x.rs",
            "a/b_test.rs",
            "x-tests/a.rs",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in [
            "crates/a/src/testing.rs",
            "attest/a.rs",
            "a/contests/b.rs",
            "src/latest.rs",
        ] {
            assert!(!is_test_path(path), "{path}");
        }
    }

    #[test]
    fn an_inline_test_module_is_taken_out_whole() {
        let lines = [
            "fn f() {}",
            "#[cfg(test)]",
            "#[expect(x)]",
            "mod tests {",
            "    fn g() {}",
            "}",
            "fn h() {}",
        ];
        let (code, tests) = split_tests(&lines);
        assert_eq!(code, [(0, "fn f() {}"), (6, "fn h() {}")]);
        assert_eq!(tests, 5);
    }

    #[test]
    fn a_test_only_item_and_an_outlined_module_stay_code() {
        let lines = [
            "#[cfg(test)]",
            "mod tests;",
            "#[cfg(test)]",
            "fn only_here() {",
            "}",
        ];
        assert_eq!(split_tests(&lines).1, 0);
        assert_eq!(split_tests(&lines).0.len(), 5);
    }
}
