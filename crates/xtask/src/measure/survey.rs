//! Walks a tree and counts what the figures are made of; which numbers come of it is for `figures`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::counting::{
    function_lengths, has_module_doc, is_comment, is_test_path, lines, split_tests,
};

/// Folders whose content was not written here, or not by hand.
const SKIPPED: &[&str] = &[
    "vendor",
    ".git",
    "legacy",
    "third_party",
    "node_modules",
    "generated",
    "codegen",
    "bindings",
    "website",
    "target",
];

/// What was counted in a tree.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Survey {
    /// Packages.
    pub(super) crates: usize,
    /// Lines of each file, with its tests.
    pub(super) file_lines: Vec<usize>,
    /// Lines of each code file without its tests, and its path.
    pub(super) code_lines: Vec<(usize, String)>,
    /// Lines of each function outside tests, and its name.
    pub(super) function_lines: Vec<(usize, String)>,
    /// Lines of tests, inline ones too.
    pub(super) test_lines: usize,
    /// Test functions.
    pub(super) tests: usize,
    /// Lines of code that call `unwrap` or `expect`.
    pub(super) unwraps: usize,
    /// Comment lines with a note of unfinished work.
    pub(super) unfinished: usize,
    /// Lints switched off without a reason.
    pub(super) allows: usize,
    /// Code files that open with their own documentation.
    pub(super) documented: usize,
    /// Lines of code files that are comments.
    pub(super) comments: usize,
}

impl Survey {
    /// Counts a whole tree.
    ///
    /// # Errors
    /// A folder or file cannot be read.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut survey = Self::default();
        survey.add_folder(root, "")?;
        Ok(survey)
    }

    fn add_folder(&mut self, folder: &Path, relative: &str) -> Result<()> {
        for entry in
            fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let inner = if relative.is_empty() {
                name.clone()
            } else {
                format!("{relative}/{name}")
            };
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.add_folder(&entry.path(), &inner)?;
            } else if kind.is_file() && (name == "Cargo.toml" || name.ends_with(".rs")) {
                let bytes =
                    fs::read(entry.path()).with_context(|| format!("cannot read {inner}"))?;
                self.add_file(&inner, &name, &String::from_utf8_lossy(&bytes));
            }
        }
        Ok(())
    }

    fn add_file(&mut self, relative: &str, name: &str, text: &str) {
        if name == "Cargo.toml" {
            self.crates += usize::from(text.lines().any(|line| line.starts_with("[package]")));
            return;
        }
        let all = lines(text);
        if all.is_empty() || is_generated(name, text) {
            return;
        }
        self.file_lines.push(all.len());
        self.tests += text.lines().filter(|line| is_test_attribute(line)).count();
        if is_test_path(relative) {
            self.test_lines += all.len();
            return;
        }
        let (code, tests) = split_tests(&all);
        self.test_lines += tests;
        let is_apart = relative.starts_with("examples/")
            || ["/examples/", "/benches/"]
                .iter()
                .any(|folder| relative.contains(folder));
        if !is_apart {
            self.add_code(
                relative,
                &code.into_iter().map(|(_, line)| line).collect::<Vec<_>>(),
            );
        }
    }

    fn add_code(&mut self, relative: &str, code: &[&str]) {
        self.code_lines.push((code.len(), relative.to_owned()));
        let functions = function_lengths(code).into_iter();
        self.function_lines
            .extend(functions.map(|function| (function.lines, function.name)));
        self.documented += usize::from(has_module_doc(code));
        for line in code {
            if is_comment(line) {
                self.comments += 1;
                self.unfinished += usize::from(
                    ["TODO", "FIXME", "XXX", "HACK"]
                        .iter()
                        .any(|note| line.contains(note)),
                );
            } else if line.contains(".unwrap(") || line.contains(".expect(") {
                self.unwraps += 1;
            }
            let attribute = line.trim_start();
            self.allows += usize::from(
                attribute.starts_with("#[allow(") || attribute.starts_with("#![allow("),
            );
        }
    }
}

fn is_generated(name: &str, text: &str) -> bool {
    let head: String = text.chars().take(400).collect();
    let says_so = [
        "@generated",
        "automatically generated",
        "This file is generated",
    ];
    name.starts_with("generated")
        || name.ends_with("_generated.rs")
        || says_so.iter().any(|mark| head.contains(mark))
}

fn is_test_attribute(line: &str) -> bool {
    let Some(attribute) = line.trim_start().strip_prefix("#[") else {
        return false;
    };
    ["", "tokio::", "rstest", "test_log::"].iter().any(|path| {
        attribute
            .strip_prefix(path)
            .is_some_and(|name| name.starts_with("test") || name.starts_with("rstest"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! Doc.\n// TODO later\nfn f() {\n    a.unwrap();\n}\n#[allow(x)]\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn t() {}\n}\n";

    #[test]
    fn code_and_its_tests_are_counted_apart() {
        let mut survey = Survey::default();
        survey.add_file("src/a.rs", "a.rs", FILE);
        let expected = Survey {
            file_lines: vec![11],
            code_lines: vec![(6, "src/a.rs".to_owned())],
            function_lines: vec![(3, "f".to_owned())],
            test_lines: 5,
            tests: 1,
            unwraps: 1,
            unfinished: 1,
            allows: 1,
            documented: 1,
            comments: 2,
            ..Survey::default()
        };
        assert_eq!(survey, expected);
    }

    #[test]
    fn tests_examples_and_generated_files_are_not_code() {
        let mut survey = Survey::default();
        survey.add_file("tests/a.rs", "a.rs", FILE);
        survey.add_file("a/examples/b.rs", "b.rs", FILE);
        survey.add_file("generated.rs", "generated.rs", FILE);
        survey.add_file("c.rs", "c.rs", "// @generated\nfn f() {}\n");
        assert!(survey.code_lines.is_empty());
        assert_eq!((survey.file_lines.len(), survey.test_lines), (2, 16));
    }

    #[test]
    fn packages_are_counted_and_workspaces_are_not() {
        let mut survey = Survey::default();
        survey.add_file("Cargo.toml", "Cargo.toml", "[workspace]\n");
        survey.add_file("a/Cargo.toml", "Cargo.toml", "[package]\nname = \"a\"\n");
        assert_eq!(survey.crates, 1);
    }

    #[test]
    fn every_spelling_of_a_test_attribute_counts() {
        for line in [
            "#[test]",
            "    #[tokio::test(flavor = \"x\")]",
            "#[rstest]",
            "#[test_log::test]",
        ] {
            assert!(is_test_attribute(line), "{line}");
        }
        assert!(!is_test_attribute("#[cfg(test)]") && !is_test_attribute("// #[test]"));
    }
}
