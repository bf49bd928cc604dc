//! Writes objects as YAML in the form that `kubectl` and Kustomize write them in, so that texts can be compared byte for
//! byte: keys in their order, lists at the indentation of their key, quotes only where a text would be something else.

use serde_json::Value;

/// What strings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strings {
    /// Themselves.
    Literal,
    /// Those with `{{` are expressions of a chart, which give YAML when they are evaluated.
    Expressions,
}

/// Words that YAML 1.1 or 1.2 reads as something else than text.
const WORDS: [&str; 13] = [
    "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=",
];

/// The documents of one file.
pub(super) fn documents(objects: &[Value], strings: Strings) -> String {
    let texts: Vec<String> = objects
        .iter()
        .map(|object| document(object, strings))
        .collect();
    texts.join("---\n")
}

/// One object.
pub(super) fn document(object: &Value, strings: Strings) -> String {
    let mut text = String::new();
    let mut writer = Writer {
        text: &mut text,
        strings,
    };
    writer.block(object, 0);
    text
}

struct Writer<'a> {
    text: &'a mut String,
    strings: Strings,
}

impl Writer<'_> {
    /// A value on lines of its own, of which the first is already indented.
    fn block(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(key, _)| *key);
                for (index, (key, value)) in fields.into_iter().enumerate() {
                    self.indent(if index == 0 { 0 } else { indent });
                    self.scalar(key, indent);
                    self.text.push(':');
                    self.field(value, indent);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.indent(if index == 0 { 0 } else { indent });
                    self.text.push_str("- ");
                    self.block(item, indent + 2);
                }
            }
            value => {
                self.inline(value, indent);
                self.text.push('\n');
            }
        }
    }

    /// What follows the colon of a key.
    fn field(&mut self, value: &Value, indent: usize) {
        let indent = match value {
            Value::Object(fields) if !fields.is_empty() => indent + 2,
            Value::Array(items) if !items.is_empty() => indent,
            value => {
                self.text.push(' ');
                self.inline(value, indent);
                self.text.push('\n');
                return;
            }
        };
        self.text.push('\n');
        self.indent(indent);
        self.block(value, indent);
    }

    fn inline(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) => self.scalar(text, indent),
            // Empty lists and maps, numbers, truth values and nothing are the same in JSON.
            value => self.text.push_str(&value.to_string()),
        }
    }

    fn scalar(&mut self, text: &str, indent: usize) {
        let is_expression = self.strings == Strings::Expressions && text.contains("{{");
        match text {
            text if is_expression => self.text.push_str(text),
            text if is_lines(text) => {
                self.text.push('|');
                for line in text.trim_end_matches('\n').split('\n') {
                    self.text.push('\n');
                    self.indent(if line.is_empty() { 0 } else { indent + 2 });
                    self.text.push_str(line);
                }
            }
            text if text.chars().any(is_special) || !is_text(text) => {
                self.text.push_str(&Value::from(text).to_string());
            }
            text if is_plain(text) => self.text.push_str(text),
            text => {
                self.text.push('\'');
                self.text.push_str(&text.replace('\'', "''"));
                self.text.push('\'');
            }
        }
    }

    fn indent(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }
}

/// Whether a text can stand as its lines: several, or one with an end, with nothing that is lost at the ends of lines.
fn is_lines(text: &str) -> bool {
    let Some(lines) = text.strip_suffix('\n') else {
        return false;
    };
    let is_kept = |line: &str| !line.ends_with([' ', '\t']) && !line.chars().any(is_special);
    let is_whole = !lines.is_empty() && !lines.ends_with('\n');
    is_whole && !lines.starts_with([' ', '\n']) && lines.split('\n').all(is_kept)
}

/// What a reader of YAML may refuse or fold, so that it is written by its number.
fn is_special(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Whether a bare word is read as text and not as a number, a date, a truth value or nothing.
fn is_text(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_start_matches(['+', '-']).replace('_', "");
    let is_number = digits.parse::<f64>().is_ok()
        || ["0x", "0o", "0b", ".inf", ".nan"]
            .iter()
            .any(|start| digits.starts_with(start));
    let is_of = |allowed: &str| {
        digits
            .chars()
            .all(|it| it.is_ascii_digit() || allowed.contains(it))
    };
    let starts = digits.starts_with(|it: char| it.is_ascii_digit());
    // Dates, and numbers to the base of 60.
    let is_clock = starts && is_of("-:.tz ") && digits.contains(['-', ':']);
    !WORDS.contains(&lower.as_str()) && !is_number && !is_clock
}

/// Whether a text can stand without quotes.
fn is_plain(text: &str) -> bool {
    let is_indicator = text.starts_with(|it| "#,[]{}&*!|>'\"%@`".contains(it))
        || ["- ", "? ", ": "].iter().any(|it| text.starts_with(it))
        || ["-", "?", ":", "---", "..."].contains(&text);
    let is_cut = text.contains(": ") || text.ends_with(':') || text.contains(" #");
    !is_indicator && !is_cut && text.trim_matches(' ') == text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_written_as_kubectl_writes_it() {
        let object = json!({
            "kind": "Job",
            "spec": {
                "rules": [{"values": [1, 2], "operator": "In"}, {"values": []}],
                "args": ["worker", "--run=s3://bucket/run"],
                "nested": [["a"], "b"],
                "none": {},
                "cpu": "8",
                "is": true,
            },
            "apiVersion": "batch/v1",
        });
        let text = "\
apiVersion: batch/v1
kind: Job
spec:
  args:
  - worker
  - --run=s3://bucket/run
  cpu: \"8\"
  is: true
  nested:
  - - a
  - b
  none: {}
  rules:
  - operator: In
    values:
    - 1
    - 2
  - values: []
";
        assert_eq!(document(&object, Strings::Literal), text);
    }

    #[test]
    fn several_lines_stand_as_they_are() {
        let object = json!({"data": {"job.toml": "# A job\n\n[run]\nurl = \"s3://b/r\"\n"}});
        let text = "data:\n  job.toml: |\n    # A job\n\n    [run]\n    url = \"s3://b/r\"\n";
        assert_eq!(document(&object, Strings::Literal), text);
    }

    #[test]
    fn a_text_stays_a_text() {
        for (text, written) in [
            ("", "\"\""),
            ("True", "\"True\""),
            ("off", "\"off\""),
            ("1e3", "\"1e3\""),
            ("1_000", "\"1_000\""),
            ("0x1f", "\"0x1f\""),
            ("2026-11-30", "\"2026-11-30\""),
            ("12:30", "\"12:30\""),
            ("3000Mi", "3000Mi"),
            ("500m", "500m"),
            (
                "registry.example/a@sha256:0f",
                "registry.example/a@sha256:0f",
            ),
            ("a: b", "'a: b'"),
            ("it's", "it's"),
            ("it's a #", "'it''s a #'"),
            ("@a", "'@a'"),
            ("- a", "'- a'"),
            ("--a", "--a"),
            (" a", "' a'"),
            ("a\tb", "\"a\\tb\""),
            ("a\nb", "\"a\\nb\""),
            ("a \n", "\"a \\n\""),
        ] {
            let found = document(&json!(text), Strings::Literal);
            assert_eq!(found.trim_end_matches('\n'), written, "{text:?}");
        }
    }

    #[test]
    fn expressions_are_left_to_the_chart() {
        let text = "{{ int .Values.workers }}";
        let object = json!({"a": text});
        assert_eq!(
            document(&object, Strings::Expressions),
            format!("a: {text}\n")
        );
        assert_eq!(
            document(&object, Strings::Literal),
            format!("a: '{text}'\n")
        );
    }
}
