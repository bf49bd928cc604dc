//! Finds functions and their lengths by indentation, which formatted code makes reliable.

use super::{leading_word, without_visibility};

/// How far the end of a function is looked for.
const LONGEST: usize = 3000;

/// A function with a body: where it starts (counted from 0), its name, and its lines from `fn` to the brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FunctionLength {
    pub(crate) start: usize,
    pub(crate) name: String,
    pub(crate) lines: usize,
}

/// Lists the functions with a body, nested ones too, in the order of their first lines.
pub(crate) fn function_lengths(lines: &[&str]) -> Vec<FunctionLength> {
    let starts = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, function_start(line)?)));
    let measured = starts.filter_map(|(start, (indent, name))| {
        let lines = body_end(&lines[start..], indent)? + 1;
        Some(FunctionLength {
            start,
            name: name.to_owned(),
            lines,
        })
    });
    measured.collect()
}

/// Answers with the indentation and name if a function starts on this line.
fn function_start(line: &str) -> Option<(&str, &str)> {
    let item = line.trim_start();
    let indent = &line[..line.len() - item.len()];
    let mut rest = without_visibility(item);
    let qualifiers = ["const ", "async ", "unsafe ", "extern \"C\" "];
    while let Some(shorter) = qualifiers.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = shorter;
    }
    let (name, _) = leading_word(rest.strip_prefix("fn ")?);
    (!name.is_empty()).then_some((indent, name))
}

/// Answers with the offset of the closing brace, or nothing for a declaration without a body.
fn body_end(lines: &[&str], indent: &str) -> Option<usize> {
    for (at, line) in lines.iter().enumerate().take(LONGEST) {
        let at_indent = line.strip_prefix(indent);
        if at > 0 && at_indent.is_some_and(|rest| rest.starts_with('}')) {
            return Some(at);
        }
        let ends_declaration = at == 0
            || at_indent.is_none_or(|rest| rest.starts_with(')') || !rest.starts_with("    "));
        let trimmed = line.trim_end();
        if trimmed.ends_with(';') && ends_declaration {
            return None;
        }
        if at == 0 && trimmed.ends_with('}') {
            return Some(0);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> Vec<(usize, String, usize)> {
        let lines: Vec<&str> = text.lines().collect();
        function_lengths(&lines)
            .into_iter()
            .map(|f| (f.start, f.name, f.lines))
            .collect()
    }

    #[test]
    fn length_runs_from_the_signature_to_the_brace() {
        let text = "pub(crate) async fn three() {\n    call();\n}\nconst fn one() {}\n";
        assert_eq!(
            measured(text),
            [(0, "three".to_owned(), 3), (3, "one".to_owned(), 1)]
        );
    }

    #[test]
    fn a_signature_over_several_lines_belongs_to_the_function() {
        let text = "fn wide(\n    a: u8,\n) -> u8 {\n    a\n}\n";
        assert_eq!(measured(text), [(0, "wide".to_owned(), 5)]);
    }

    #[test]
    fn a_nested_function_is_counted_by_itself_and_in_its_parent() {
        let text = "fn outer() {\n    fn inner() {\n    }\n}\n";
        assert_eq!(
            measured(text),
            [(0, "outer".to_owned(), 4), (1, "inner".to_owned(), 2)]
        );
    }

    #[test]
    fn a_declaration_has_no_length() {
        assert!(
            measured("    fn declared(&self);\n    fn also(\n        &self,\n    ) -> u8;\n")
                .is_empty()
        );
        assert!(measured("let fn_name = 1;\n// fn comment() {}\n").is_empty());
    }
}
