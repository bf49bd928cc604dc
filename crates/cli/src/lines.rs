//! Lines that people read, without what would steer their terminal.

/// Spells out what would steer the terminal, such as a path with an escape sequence in it; ends of lines stay.
pub(crate) fn shown(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(fratmae_dataset::printable).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_steers_no_terminal() {
        let text = shown("cannot read \u{1b}[2J\u{202e}x");
        assert_eq!(text, "cannot read \\u{1b}[2J\\u{202e}x");
    }
}
