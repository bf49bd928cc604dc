//! The text of a script: its options for Slurm, then its lines.

use crate::shell;

/// A script in the making.
pub(super) struct Script {
    text: String,
}

impl Script {
    /// Begins with a line that says what it is for.
    pub(super) fn new(purpose: &str) -> Self {
        Self {
            text: format!("#!/bin/bash\n# {purpose}\n"),
        }
    }

    /// Adds an option of the job. Slurm reads none after the first line that is a command.
    pub(super) fn option(&mut self, option: &str) {
        self.lines(&format!("#SBATCH {option}"));
    }

    /// Adds options that Slurm reads as they are.
    pub(super) fn options(&mut self, options: Vec<String>) {
        for option in options {
            self.option(&option);
        }
    }

    /// Adds options with their values, which may be any text.
    pub(super) fn values(&mut self, options: Vec<(&str, &str)>) {
        for (option, value) in options {
            self.option(&format!("{option}={}", quoted(value)));
        }
    }

    /// Adds lines.
    pub(super) fn lines(&mut self, lines: &str) {
        self.text.push_str(lines);
        self.text.push('\n');
    }

    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A word that the shell, and Slurm in its options, take as it is.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => shell::quoted(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_the_shell_would_change_it() {
        for word in ["fratmae", "s3://bucket/run-1", "--threads=4", "/data/50%"] {
            assert_eq!(quoted(word), word);
        }
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("/my data/$HOME"), "'/my data/$HOME'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for word in [
            "it's",
            "a b",
            "$(reboot)",
            "`x`",
            "a\\b",
            "~",
            "*",
            "\"q\"",
            "#no",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("bash")
                .args(["-c", &script])
                .output();
            assert_eq!(String::from_utf8_lossy(&output.unwrap().stdout), word);
        }
    }
}
