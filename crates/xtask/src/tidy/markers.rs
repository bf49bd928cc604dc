//! Marks of unfinished or silenced work.

use super::source::{self, Line};
use super::{TextFile, Violation};

/// What must not stand in code, and what to do instead.
const IN_CODE: &[(&str, &str)] = &[
    (
        "todo!",
        "`todo!`: write it, or leave it out and file an issue",
    ),
    (
        "unimplemented!",
        "`unimplemented!`: answer with an error that says what is missing",
    ),
    ("#[ignore", "`#[ignore]`: a test runs or is not there"),
    (
        "#[allow(",
        "bare `allow`: use `#[expect(lint, reason = \"...\")]`",
    ),
    (
        "#![allow(",
        "bare `allow`: use `#![expect(lint, reason = \"...\")]`",
    ),
];

/// Finds the marks in Rust and proto files; strings may hold them.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    if !(file.is_rust() || file.path.ends_with(".proto")) {
        return Vec::new();
    }
    let lines = source::split(&file.text);
    let found = lines.iter().enumerate().flat_map(|(at, line)| {
        let rules = in_code(line).chain(in_comment(&line.comment));
        rules
            .map(move |rule| file.violation(at + 1, rule))
            .collect::<Vec<_>>()
    });
    found.collect()
}

fn in_code(line: &Line) -> impl Iterator<Item = String> {
    let broken = IN_CODE
        .iter()
        .filter(|(mark, _)| has_word(&line.code, mark));
    broken.map(|(_, rule)| (*rule).to_owned())
}

fn in_comment(comment: &str) -> impl Iterator<Item = String> {
    let unfinished = ["FIXME", "XXX", "HACK"]
        .into_iter()
        .filter(|mark| has_word(comment, mark));
    let rules = unfinished
        .map(|mark| format!("`{mark}`: repair it now, or file an issue and write its number"));
    let nameless = has_word(comment, "TODO") && !names_issue(comment);
    rules.chain(
        nameless.then(|| "`TODO` without the number of an issue, as in `TODO(#12)`".to_owned()),
    )
}

/// Tells whether `mark` stands in `text` as a word of its own.
fn has_word(text: &str, mark: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(mark).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + mark.len()..].chars().next();
        let ends_as_word = mark.chars().next_back().is_some_and(is_word);
        !(before.is_some_and(is_word) || ends_as_word && after.is_some_and(is_word))
    })
}

fn names_issue(comment: &str) -> bool {
    comment
        .split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|character: char| character.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn lines_found(text: &str) -> Vec<usize> {
        check(&file("src/a.rs", text))
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn unfinished_and_silenced_code_is_found() {
        let text = "todo!()\nstd::unimplemented!()\n#[ignore = \"slow\"]\n#[allow(dead_code)]\n#![allow(dead_code)]\n";
        assert_eq!(lines_found(text), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_same_words_in_strings_names_and_comments_are_not_code() {
        assert!(
            lines_found("f(\"todo!()\");\nmy_todo!()\n// Not #[ignore].\n#[expect(dead_code)]\n")
                .is_empty()
        );
    }

    #[test]
    fn unfinished_comments_are_found() {
        assert_eq!(
            lines_found("// FIXME later\n/* XXX */\n/// HACK: works\n// TODO soon\n"),
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn a_todo_with_an_issue_and_longer_words_are_fine() {
        assert!(
            lines_found("// TODO(#12): when it lands\n// HACKED, part-XXXXXX\nlet s = \"XXX\";\n")
                .is_empty()
        );
        assert_eq!(lines_found("// TODO # 12\n"), [1]);
    }

    #[test]
    fn other_files_may_name_the_marks() {
        assert!(check(&file("docs/a.md", "TODO, XXX, todo!()\n")).is_empty());
        assert_eq!(check(&file("proto/a.proto", "// XXX\n")).len(), 1);
    }
}
