//! Whole lines: several processes of one command write to the same standard error.

use std::io::Write;

/// Writes a line in one piece, so that no other process's text comes into it; a reader that is gone is told nothing.
pub(crate) fn write_line(sink: &mut impl Write, text: &str) {
    let _ = sink.write_all(format!("{text}\n").as_bytes());
}

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

    /// Counts what is handed to it at once.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_piece() {
        let mut pieces = Pieces::default();
        write_line(&mut pieces, &format!("error: {}", "no"));
        assert_eq!(pieces.0, [b"error: no\n"]);
    }
}
