//! The terminal as bars draw on it: what they do becomes text for the one writer.

use std::{
    fmt::Write as _,
    io,
    sync::{Mutex, PoisonError},
};

use indicatif::TermLike;

use super::{Look, writer};

/// Gathers a drawing, and hands it over whole.
#[derive(Debug, Default)]
pub(super) struct Screen(Mutex<String>);

impl Screen {
    fn add(&self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        let mut drawing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Text takes any text.
        let _ = drawing.write_fmt(text);
        Ok(())
    }

    fn move_by(&self, n: usize, direction: char) -> io::Result<()> {
        match n {
            0 => Ok(()),
            n => self.add(format_args!("\u{1b}[{n}{direction}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        u16::try_from(super::columns()).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        Look::rows_of_stderr()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(format_args!("\r\u{1b}[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let mut drawing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !drawing.is_empty() {
            writer().put(std::mem::take(&mut drawing));
        }
        Ok(())
    }
}
