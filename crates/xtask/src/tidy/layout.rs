//! Where files lie and how they are called.

use super::{TextFile, Violation};

/// Names that say nothing about what a file owns.
const EMPTY_NAMES: &[&str] = &[
    "common", "util", "utils", "helper", "helpers", "type", "types", "manager", "managers",
];
const ARCHITECTURE: &str = "docs/architecture.md";
const ARCHITECTURE_LINES: usize = 300;
const DECISIONS: &str = "docs/decisions/";

/// Finds names that say nothing, `mod.rs`, and an architecture page that nobody will read.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    if file.is_rust() {
        violations.extend(name_rule(&file.path).map(|rule| file.violation(1, rule)));
    }
    let lines = file.text.lines().count();
    if file.path == ARCHITECTURE && lines > ARCHITECTURE_LINES {
        let rule = format!("{lines} lines, the stop is {ARCHITECTURE_LINES}");
        violations.push(file.violation(ARCHITECTURE_LINES + 1, rule));
    }
    violations
}

fn name_rule(path: &str) -> Option<String> {
    let without_extension = path.strip_suffix(".rs")?;
    if without_extension.rsplit('/').next() == Some("mod") {
        return Some("`mod.rs`: a module is `foo.rs` beside the folder `foo`".to_owned());
    }
    let empty = without_extension
        .split('/')
        .find(|name| EMPTY_NAMES.contains(name))?;
    Some(format!(
        "`{empty}` says nothing: name the file by what it owns"
    ))
}

/// Holds the numbers of the decisions against each other: from 0001 upwards, none missing, none used twice.
pub(super) fn check_decisions(files: &[TextFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut numbered: Vec<(usize, &TextFile)> = Vec::new();
    for file in files {
        match file.path.strip_prefix(DECISIONS) {
            None | Some("README.md") => {}
            Some(name) => match decision_number(name) {
                Some(number) => numbered.push((number, file)),
                None => violations
                    .push(file.violation(1, "a decision is called `NNNN-title-in-lower-case.md`")),
            },
        }
    }
    numbered.sort_by_key(|(number, file)| (*number, &file.path));
    for (expected, (number, file)) in (1..).zip(&numbered) {
        if *number != expected {
            let rule = format!(
                "decision {number:04} stands where {expected:04} should: numbers have no gap and no twin"
            );
            violations.push(file.violation(1, rule));
            break;
        }
    }
    violations
}

fn decision_number(name: &str) -> Option<usize> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_title = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = number.len() == 4 && !title.is_empty() && title.chars().all(is_title);
    well_formed.then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn empty_names_are_found_as_file_and_as_folder() {
        for path in [
            "src/utils.rs",
            "src/common/a.rs",
            "tests/tests/helpers.rs",
            "src/a/mod.rs",
            "src/types.rs",
        ] {
            assert_eq!(check(&file(path, "")).len(), 1, "{path}");
        }
        for path in ["src/typesetting.rs", "docs/common.md", "src/model.rs"] {
            assert!(check(&file(path, "")).is_empty(), "{path}");
        }
    }

    #[test]
    fn the_architecture_page_stays_short() {
        assert!(check(&file(ARCHITECTURE, &"x\n".repeat(ARCHITECTURE_LINES))).is_empty());
        let long = check(&file(ARCHITECTURE, &"x\n".repeat(ARCHITECTURE_LINES + 1)));
        assert_eq!(long[0].line, ARCHITECTURE_LINES + 1);
        assert!(check(&file("docs/other.md", &"x\n".repeat(900))).is_empty());
    }

    fn decisions(names: &[&str]) -> Vec<String> {
        let files: Vec<TextFile> = names
            .iter()
            .map(|name| file(&format!("{DECISIONS}{name}"), ""))
            .collect();
        check_decisions(&files)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn decisions_count_from_one_without_gap_or_twin() {
        assert!(decisions(&["0001-a.md", "0002-b-2.md", "README.md"]).is_empty());
        assert!(
            decisions(&["0001-a.md", "0003-b.md"])[0]
                .contains("decision 0003 stands where 0002 should")
        );
        assert!(
            decisions(&["0001-a.md", "0001-b.md"])[0]
                .contains("decision 0001 stands where 0002 should")
        );
        assert_eq!(decisions(&["0002-a.md"]).len(), 1);
    }

    #[test]
    fn decisions_are_called_by_number_and_title() {
        for name in ["1-a.md", "0001.md", "0001-A.md", "0001-a.txt", "abcd-a.md"] {
            assert!(decisions(&[name])[0].contains("NNNN-title"), "{name}");
        }
    }
}
