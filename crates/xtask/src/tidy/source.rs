//! Splits Rust (and proto) text into code and comments, line by line, so that a rule about one does not see
//! the other, nor what stands inside a string.

/// A line's code without the content of its strings, and its comments.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) code: String,
    pub(super) comment: String,
}

/// What the next character belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inside {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

/// Splits a text into its lines; text that is not Rust may be split badly, but is never refused.
pub(super) fn split(text: &str) -> Vec<Line> {
    let characters: Vec<char> = text.chars().collect();
    let mut reader = Reader {
        characters: &characters,
        at: 0,
        inside: Inside::Code,
        lines: vec![Line::default()],
    };
    while reader.at < characters.len() {
        reader.read();
    }
    reader.lines
}

struct Reader<'a> {
    characters: &'a [char],
    at: usize,
    inside: Inside,
    lines: Vec<Line>,
}

impl Reader<'_> {
    fn read(&mut self) {
        if self.characters[self.at] == '\n' {
            if self.inside == Inside::LineComment {
                self.inside = Inside::Code;
            }
            self.at += 1;
            self.lines.push(Line::default());
            return;
        }
        match self.inside {
            Inside::Code => self.read_code(),
            Inside::LineComment => self.keep(1),
            Inside::BlockComment { depth } => self.read_block_comment(depth),
            Inside::Text => self.read_text(),
            Inside::RawText { hashes } => self.read_raw_text(hashes),
        }
    }

    fn read_code(&mut self) {
        if self.sees("//") {
            self.inside = Inside::LineComment;
            self.keep(2);
        } else if self.sees("/*") {
            self.inside = Inside::BlockComment { depth: 1 };
            self.keep(2);
        } else if let Some(hashes) = self.raw_text_hashes() {
            self.keep(hashes + 2);
            self.inside = Inside::RawText { hashes };
        } else if let Some(length) = self.character_literal() {
            self.at += length;
        } else {
            let opens_text = self.sees("\"");
            self.keep(1);
            if opens_text {
                self.inside = Inside::Text;
            }
        }
    }

    fn read_block_comment(&mut self, depth: usize) {
        if self.sees("*/") {
            self.keep(2);
            self.inside = if depth == 1 {
                Inside::Code
            } else {
                Inside::BlockComment { depth: depth - 1 }
            };
        } else if self.sees("/*") {
            self.keep(2);
            self.inside = Inside::BlockComment { depth: depth + 1 };
        } else {
            self.keep(1);
        }
    }

    fn read_text(&mut self) {
        if self.sees("\"") {
            self.inside = Inside::Code;
            self.keep(1);
        } else if self.sees("\\") && !self.sees("\\\n") {
            self.at += 2;
        } else {
            self.at += 1;
        }
    }

    fn read_raw_text(&mut self, hashes: usize) {
        let closing = format!("\"{}", "#".repeat(hashes));
        if self.sees(&closing) {
            self.inside = Inside::Code;
            self.keep(closing.len());
        } else {
            self.at += 1;
        }
    }

    fn sees(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(offset, wanted)| self.peek(offset) == Some(wanted))
    }

    fn peek(&self, offset: usize) -> Option<char> {
        self.characters.get(self.at + offset).copied()
    }

    /// Answers with the number of hashes if a raw string opens here: `r"`, `r#"`, and so on.
    fn raw_text_hashes(&self) -> Option<usize> {
        let before = self
            .at
            .checked_sub(1)
            .and_then(|at| self.characters.get(at))
            .copied()
            .unwrap_or(' ');
        let continues_word =
            (before.is_alphanumeric() || before == '_') && !matches!(before, 'b' | 'c');
        if continues_word || self.peek(0) != Some('r') {
            return None;
        }
        let hashes = self.characters[self.at + 1..]
            .iter()
            .take_while(|character| **character == '#')
            .count();
        (self.peek(hashes + 1) == Some('"')).then_some(hashes)
    }

    /// Answers with the length of a character literal that opens here; a lifetime is none.
    fn character_literal(&self) -> Option<usize> {
        match (self.peek(0)?, self.peek(1)?, self.peek(2)?) {
            ('\'', '\\', _) => {
                let rest = self.characters[self.at + 3..]
                    .iter()
                    .take_while(|c| !matches!(c, '\'' | '\n'))
                    .count();
                Some(rest + 4)
            }
            ('\'', _, '\'') => Some(3),
            _ => None,
        }
    }

    /// Keeps the next characters with the code or comment that they belong to.
    fn keep(&mut self, count: usize) {
        let end = (self.at + count).min(self.characters.len());
        let kept = &self.characters[self.at..end];
        let is_comment = matches!(
            self.inside,
            Inside::LineComment | Inside::BlockComment { .. }
        );
        if let Some(line) = self.lines.last_mut() {
            let part = if is_comment {
                &mut line.comment
            } else {
                &mut line.code
            };
            part.extend(kept);
        }
        self.at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, String) {
        let lines = split(text);
        assert_eq!(lines.len(), 1, "{lines:?}");
        (lines[0].code.clone(), lines[0].comment.clone())
    }

    #[test]
    fn comments_and_code_are_told_apart() {
        assert_eq!(one("a(); // b"), ("a(); ".to_owned(), "// b".to_owned()));
        assert_eq!(
            one("a /* b /* c */ d */ e"),
            ("a  e".to_owned(), "/* b /* c */ d */".to_owned())
        );
    }

    #[test]
    fn strings_are_emptied() {
        assert_eq!(one(r#"f("a // \" b", 1)"#).0, "f(\"\", 1)");
        assert_eq!(
            one("f(r#\"a \" // b\"#, br\"\\\", 1)").0,
            "f(r#\"\"#, br\"\", 1)"
        );
        assert_eq!(one("for\"x\"").0, "for\"\"");
    }

    #[test]
    fn character_literals_are_no_strings_and_lifetimes_no_characters() {
        assert_eq!(
            one(r#"f('"', '\'', '\u{1F}') // c"#),
            ("f(, , ) ".to_owned(), "// c".to_owned())
        );
        assert_eq!(one("fn f<'a>(x: &'a str) {}").0, "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn strings_and_comments_run_over_lines() {
        let lines = split("f(\"a\n// b\\\nc\"); // d\n/* e\nf */ g");
        let code: Vec<&str> = lines.iter().map(|line| line.code.as_str()).collect();
        let comments: Vec<&str> = lines.iter().map(|line| line.comment.as_str()).collect();
        assert_eq!(code, ["f(\"", "", "\"); ", "", " g"]);
        assert_eq!(comments, ["", "", "// d", "/* e", "f */"]);
    }

    #[test]
    fn broken_text_is_read_to_its_end() {
        for text in ["\"", "'\\", "r#", "/*", "\"\\", "'", "r#\"x"] {
            assert_eq!(split(text).len(), 1, "{text}");
        }
    }
}
