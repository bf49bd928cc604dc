//! Standard output: results only, as lines, tables or one JSON object. Progress and log lines go to standard error.
//! The texts are written by the commands.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::{
    lines::shown,
    table::Table,
    terminal::{self, Look},
};

/// Where a command writes its result.
pub(crate) struct Output {
    sink: Box<dyn Write>,
    look: Look,
}

impl Output {
    /// Writes to standard output. A closed reader becomes an error of kind `BrokenPipe`, never a panic.
    pub(crate) fn stdout() -> Self {
        Self {
            sink: Box::new(Stdout),
            look: Look::of_stdout(),
        }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the system says of standard output.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{}\n", shown(text));
        self.sink.write_all(line.as_bytes()).map_err(unwritten)
    }

    /// Writes a table; on a terminal its rows fit the width.
    ///
    /// # Errors
    /// What the system says of standard output.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        let text = match self.look.columns {
            Some(columns) => table.fitted(columns),
            None => table.to_string(),
        };
        self.bytes(shown(&text).as_bytes())
    }

    /// What standard output can show.
    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// A digest: on a terminal its first twelve digits, elsewhere all of them.
    pub(crate) fn digest<'a>(&self, digest: &'a str) -> &'a str {
        match self.look.columns {
            Some(_) => digest.get(..12).unwrap_or(digest),
            None => digest,
        }
    }

    /// Writes one JSON object on a line of its own.
    ///
    /// # Errors
    /// What the system says of standard output.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        self.line(&escaped(&text))
    }

    /// Writes bytes as they are, with one request however many they are.
    ///
    /// # Errors
    /// What the system says of standard output.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.sink.write_all(bytes);
        written.and_then(|()| self.sink.flush()).map_err(unwritten)
    }
}

/// Standard output, after all that was to be written to standard error: both may be the same terminal.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        terminal::settle();
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Escapes in JSON what serde leaves and a terminal would obey: only strings can hold it.
fn escaped(json: &str) -> String {
    let letters = json.chars().map(|letter| {
        let mut bytes = [0; 4];
        match fratmae_dataset::printable(letter.encode_utf8(&mut bytes)) {
            Cow::Borrowed(shown) => shown.to_owned(),
            // All such letters lie in the first plane, where one code unit is enough.
            Cow::Owned(_) => format!("\\u{:04x}", u32::from(letter)),
        }
    });
    letters.collect()
}

// Of the same kind, so that a closed reader is still told from a full disk.
fn unwritten(error: io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot write to standard output: {error}"),
    )
}

#[cfg(test)]
pub(crate) mod captured {
    //! An output whose text a test can read.

    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Captured(Rc<RefCell<Vec<u8>>>);

    impl Captured {
        pub(crate) fn output(&self) -> Output {
            Output {
                sink: Box::new(self.clone()),
                look: Look::default(),
            }
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_is_one_line() {
        let captured = Captured::default();
        captured
            .output()
            .json(&serde_json::json!({"step": 1, "text": "a\nb"}))
            .unwrap();
        assert_eq!(captured.text(), "{\"step\":1,\"text\":\"a\\nb\"}\n");
    }

    #[test]
    fn nothing_steers_a_terminal_and_json_keeps_its_value() {
        let captured = Captured::default();
        let name = "\u{1b}[31m\u{9b}2J\u{202e}é";
        let mut output = captured.output();
        output.line(name).unwrap();
        let mut table = Table::new(&["case"]);
        table.row(vec![name.to_owned()]);
        output.table(&table).unwrap();
        output.json(&serde_json::json!({ "name": name })).unwrap();
        let text = captured.text();
        assert!(
            !text.contains(['\u{1b}', '\u{9b}', '\u{202e}']) && text.contains('é'),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(json["name"], name);
    }

    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_says_where_and_keeps_its_kind() {
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull] {
            let mut output = Output {
                sink: Box::new(Closed(kind)),
                look: Look::default(),
            };
            for error in [output.line("a"), output.bytes(b"a")] {
                let error = error.unwrap_err();
                assert_eq!(error.kind(), kind);
                assert!(
                    error
                        .to_string()
                        .starts_with("cannot write to standard output: ")
                );
            }
        }
    }
}
