//! Owns the words that stand for a missing value, one list for every field of every table and header.

/// How exports write that a value is missing; case and the blanks around do not matter.
const MISSING: [&str; 46] = [
    "-",
    "--",
    "---",
    "–",
    "—",
    "?",
    "??",
    ".",
    "..",
    "nan",
    "-nan",
    "+nan",
    "na",
    "n/a",
    "n.a.",
    "n.a",
    "n. a.",
    "#n/a",
    "#n/a n/a",
    "#na",
    "<na>",
    "1.#qnan",
    "-1.#ind",
    "nat",
    "null",
    "(null)",
    "nil",
    "none",
    "unknown",
    "unknow",
    "unk",
    "unkn",
    "undefined",
    "unspecified",
    "undetermined",
    "missing",
    "not available",
    "not applicable",
    "not known",
    "not specified",
    "not reported",
    "not recorded",
    "nd",
    "n/d",
    "empty",
    "blank",
];

/// Gives a value without the blanks around it; nothing where it stands for a missing one.
pub(crate) fn known(text: &str) -> Option<&str> {
    // DICOM pads with NUL, and word processors put blanks that are none of ASCII's.
    let is_blank = |letter: char| letter.is_whitespace() || letter == '\0' || letter == '\u{feff}';
    let value = text.trim_matches(is_blank);
    let bare = value.trim_matches(|letter: char| is_blank(letter) || matches!(letter, '"' | '\''));
    let bare = bare.to_lowercase();
    (!bare.is_empty() && !MISSING.contains(&bare.as_str())).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_missing_values_are_none_in_any_case_and_between_blanks() {
        for word in MISSING {
            for text in [
                word.to_owned(),
                word.to_uppercase(),
                format!("  {word}\t"),
                format!("\"{word}\""),
            ] {
                assert_eq!(known(&text), None, "{text:?}");
            }
        }
        for blank in ["", "  ", "\u{a0}", "\0\0", "''", "\u{feff}"] {
            assert_eq!(known(blank), None, "{blank:?}");
        }
    }

    #[test]
    fn what_only_holds_such_a_word_is_a_value() {
        for (text, value) in [
            (" cancer of unknown primary ", "cancer of unknown primary"),
            ("NaF", "NaF"),
            ("a.", "a."),
            ("0", "0"),
            ("negative", "negative"),
            ("FDG\0", "FDG"),
        ] {
            assert_eq!(known(text), Some(value));
        }
    }
}
