//! The one writer of standard error. The bar, the lines of this process and those of its workers take turns here, so that
//! none overwrites another. It knows how a line looks, not what it tells.

mod look;
mod screen;
mod writer;

use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use chrono::{Local, SecondsFormat, Utc};
use clap::builder::styling::{AnsiColor, Effects, Style};
use fratmae_telemetry::Line;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::Level;

pub(crate) use self::look::Look;
use self::{screen::Screen, writer::Writer};
use crate::{lines::shown, logging::LogForm, table::Table};

/// The log target of what the command itself complains about, its last error above all.
pub(crate) const LAST_WORD: &str = "fratmae";

const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const ASIDE: Style = Style::new().effects(Effects::DIMMED);

static CHOSEN: OnceLock<(LogForm, Look)> = OnceLock::new();

/// All bars of the process; suspending it takes them off the screen while a line is written.
static BARS: LazyLock<MultiProgress> = LazyLock::new(|| {
    let screen = Box::new(Screen::default());
    MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(screen, 5))
});

/// Writes all that this process writes to standard error; there is none before the first text.
static WRITER: OnceLock<Writer> = OnceLock::new();

/// Lines that wait while a command draws on the whole terminal.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);
/// So many wait at most; the first ones tell what began.
const MOST_HELD: usize = 1000;

/// Keeps lines back from now on: a command draws on the whole terminal.
pub(crate) fn hold() {
    held().get_or_insert_default();
}

/// Writes what was kept back, and lines as they come from now on.
pub(crate) fn release() {
    let lines = held().take();
    lines.iter().flatten().for_each(|line| put(line));
}

fn held() -> std::sync::MutexGuard<'static, Option<Vec<String>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn writer() -> &'static Writer {
    WRITER.get_or_init(|| Writer::start(std::io::stderr(), gap))
}

/// Waits until all is written, or nobody reads it.
pub(crate) fn settle() {
    if let Some(writer) = WRITER.get() {
        writer.settle();
    }
}

/// What stands where lines are missing.
fn gap(lines: u64) -> String {
    let text = format!("{lines} lines are missing here: nobody read this output for a while");
    let line = formed(&Line::new(Level::WARN, LAST_WORD, text));
    format!("{line}\n")
}

/// Chooses the form of all lines; the first call of a process counts.
pub(crate) fn start(form: LogForm) {
    CHOSEN.get_or_init(|| (form, Look::of_stderr()));
}

fn chosen() -> (LogForm, Look) {
    *CHOSEN.get_or_init(|| (LogForm::Human, Look::of_stderr()))
}

/// Whether a bar can be drawn; elsewhere progress is plain lines.
pub(crate) fn draws() -> bool {
    let (form, look) = chosen();
    form == LogForm::Human && look.draws
}

/// Columns of the terminal now.
pub(crate) fn columns() -> usize {
    Look::of_stderr().columns.unwrap_or(80)
}

/// A bar whose message is all that it shows; nothing is drawn before the first message.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    bar.set_style(
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    BARS.add(bar)
}

/// Writes one line as it is, above the bar; control characters in it are shown as escapes.
pub(crate) fn line(text: &str) {
    put(&shown(text));
}

/// Writes a table as it is, above the bar; on a terminal its rows fit the width.
pub(crate) fn table(table: &Table) {
    let text = match Look::of_stderr().columns {
        Some(columns) => table.fitted(columns),
        None => table.to_string(),
    };
    line(text.trim_end());
}

/// Writes one line about work that goes on; where people watch it has the time of day.
pub(crate) fn note(text: &str) {
    match draws() {
        true => put(&format!(
            "{} {}",
            chosen().1.paint(ASIDE, &clock()),
            shown(text)
        )),
        false => line(text),
    }
}

/// Writes the last word of a command that failed: `error: …`, or one JSON object.
pub(crate) fn error(text: &str) {
    let (form, look) = chosen();
    match form {
        LogForm::Json => put(&Line::new(Level::ERROR, LAST_WORD, text).to_json()),
        LogForm::Human => put(&format!("{}: {}", look.paint(ERROR, "error"), shown(text))),
    }
}

/// Writes the last word of a command that was stopped as it was asked to.
pub(crate) fn end(text: &str) {
    match chosen().0 {
        LogForm::Json => put(&Line::new(Level::INFO, LAST_WORD, text).to_json()),
        LogForm::Human => line(text),
    }
}

/// Writes that a thread panicked. Not by way of the bars: it may be their thread.
pub(crate) fn panicked(text: &str) {
    let line = match chosen().0 {
        LogForm::Json => Line::new(Level::ERROR, LAST_WORD, text).to_json(),
        LogForm::Human => format!("error: {}", shown(text)),
    };
    writer().put(format!("{line}\n"));
}

/// Writes a line below whatever stands there, such as a bar and the `^C`, for a process that ends at once.
pub(crate) fn parting_line(text: &str) {
    let start = if draws() { "\n" } else { "" };
    writer().put(format!("{start}{text}\n"));
    settle();
}

/// Writes a log line of this process.
pub(crate) fn log(line: &Line) {
    put(&formed(line));
}

fn formed(line: &Line) -> String {
    let (form, look) = chosen();
    let whose = line.context.get("worker").and_then(|name| name.as_str());
    match form {
        LogForm::Json => line.to_json(),
        LogForm::Human if look.draws => drawn(look, whose, line),
        LogForm::Human => plain(whose, line),
    }
}

/// Writes a log line of other processes of this command under their name or number.
pub(crate) fn log_of(whose: &str, line: &Line) {
    put(&drawn(chosen().1, Some(whose), line));
}

/// For a terminal: the time of day, and the level where it is not the usual one.
fn drawn(look: Look, whose: Option<&str>, line: &Line) -> String {
    let level = match line.level {
        Level::INFO => String::new(),
        Level::WARN => format!("{} ", look.paint(WARNING, "warning")),
        Level::ERROR => format!("{} ", look.paint(ERROR, "error")),
        level => format!("{level} "),
    };
    let time = look.paint(ASIDE, &clock());
    format!("{time} {level}{}", text(whose, line))
}

/// For a file: the whole time, and always a level.
fn plain(whose: Option<&str>, line: &Line) -> String {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    format!("{time} {:>5} {}", line.level, text(whose, line))
}

fn text(whose: Option<&str>, line: &Line) -> String {
    let whose = whose.map(|name| format!("{name}: ")).unwrap_or_default();
    // Where a line of ours comes from matters only to who looks for a fault in the program.
    let is_ours = line.target.starts_with("fratmae") && line.level <= Level::INFO;
    let target = match is_ours {
        true => String::new(),
        false => format!("{}: ", line.target),
    };
    shown(&format!("{whose}{target}{}", line.text()))
}

fn clock() -> String {
    Local::now().format("%H:%M:%S").to_string()
}

/// One at a time and whole, so that no other process's text comes into it, with the bar out of the way.
fn put(text: &str) {
    if let Some(held) = held().as_mut() {
        if held.len() < MOST_HELD {
            held.push(text.to_owned());
        }
        return;
    }
    let put = || writer().put(format!("{text}\n"));
    match draws() {
        true => BARS.suspend(put),
        false => put(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        draws: true,
        colour: false,
        columns: Some(80),
    };

    fn event(level: Level, target: &str) -> Line {
        let mut line = Line::new(level, target, "training on the CPU");
        line.context.clear();
        line.fields.push(("rank".to_owned(), 1.into()));
        line
    }

    #[test]
    fn a_line_on_a_terminal_has_the_time_of_day_and_no_module() {
        let line = drawn(
            PLAIN,
            Some("local-0"),
            &event(Level::INFO, "fratmae_worker::device"),
        );
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!((time.len(), time.matches(':').count()), (8, 2), "{line}");
        assert_eq!(rest, "local-0: training on the CPU rank=1");
        let line = drawn(PLAIN, None, &event(Level::WARN, "h2::codec"));
        assert!(
            line.ends_with(" warning h2::codec: training on the CPU rank=1"),
            "{line}"
        );
    }

    #[test]
    fn a_line_in_a_file_has_the_whole_time_and_its_level() {
        let line = plain(Some("node-2"), &event(Level::INFO, "fratmae_worker"));
        assert!(
            line.starts_with("20") && line.contains("Z  INFO node-2: training"),
            "{line}"
        );
        let line = plain(None, &event(Level::DEBUG, "fratmae_worker::link"));
        assert!(
            line.contains("DEBUG fratmae_worker::link: training"),
            "{line}"
        );
    }

    #[test]
    fn no_byte_of_a_message_reaches_the_terminal_as_a_command() {
        let mut line = event(Level::INFO, "fratmae");
        line.message = "case \u{1b}[2J\u{202e}x".to_owned();
        let shown = drawn(PLAIN, None, &line);
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
}
