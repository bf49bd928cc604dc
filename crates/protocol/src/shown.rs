//! Text of others as people may see it: on a terminal, in one line of a log, in an error.

/// The text in one line of at most `most` characters, without any that a terminal would act on.
#[must_use]
pub fn shown(text: &str, most: usize) -> String {
    let characters = text.chars().take(most);
    let mut line: String = characters
        .flat_map(|it| match it.is_control() {
            true => it.escape_default().collect(),
            false => vec![it],
        })
        .collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left_and_no_line_is_long() {
        assert_eq!(shown("a\nb\u{1b}[2J\u{7}é", 99), "a\\nb\\u{1b}[2J\\u{7}é");
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("abcd", 3), "abc…");
    }
}
