//! Owns what of a text can be shown: letters that move the cursor, change colours or turn the direction of writing are
//! spelled out.

use std::borrow::Cow;

/// Says whether a letter does something else than show itself: controls, and what turns the direction of writing.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// Spells out what cannot be shown, as `\u{1b}`, so that a text changes nothing but its own place on a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let letters = text.chars().map(|letter| match is_hidden(letter) {
        true => letter.escape_unicode().to_string(),
        false => letter.to_string(),
    });
    Cow::Owned(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelled_out_and_letters_of_all_languages_stay() {
        for (text, shown) in [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\r", "a\\u{a}b\\u{d}"),
            ("\u{202e}gpj", "\\u{202e}gpj"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("Köln 東京 עברית", "Köln 東京 עברית"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
