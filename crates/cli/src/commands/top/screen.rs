//! The terminal that `top` has for itself: it is taken, drawn on and given back whole, and its keys are read.

use std::{
    io::{Read as _, Stdout, Write as _},
    os::fd::AsFd as _,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::{
    Frame, Terminal,
    prelude::TermionBackend,
    termion::{
        cursor,
        event::Key,
        raw::{IntoRawMode as _, RawTerminal},
        screen::{ToAlternateScreen, ToMainScreen},
    },
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::terminal;

/// How soon the thread that reads keys sees that nobody wants them any more, in milliseconds.
const GLANCE: u16 = 100;
/// Keys that may wait: somebody leans on one.
const KEYS: usize = 64;

/// The terminal as it is to be again; its settings come back when this is dropped.
static TAKEN: Mutex<Option<RawTerminal<Stdout>>> = Mutex::new(None);

/// The whole terminal, until it is dropped. A panic gives it back as well, before it is reported.
pub(super) struct Screen {
    terminal: Terminal<TermionBackend<Stdout>>,
    colour: bool,
}

impl Screen {
    /// Takes the terminal at standard output. Lines of this process wait until it is given back.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn open(colour: bool) -> Result<Self> {
        give_back_after_a_panic();
        let context = "cannot draw on this terminal";
        terminal::settle();
        let raw = std::io::stdout().into_raw_mode().context(context)?;
        *taken() = Some(raw);
        terminal::hold();
        let opened = write!(std::io::stdout(), "{ToAlternateScreen}{}", cursor::Hide);
        let opened = opened.and_then(|()| Terminal::new(TermionBackend::new(std::io::stdout())));
        match opened {
            Ok(terminal) => Ok(Self { terminal, colour }),
            Err(error) => {
                give_back();
                Err(error).context(context)
            }
        }
    }

    /// Draws all of it; only what changed is sent.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>, bool)) -> Result<()> {
        let colour = self.colour;
        let drawn = self.terminal.draw(|frame| draw(frame, colour));
        drawn.context("cannot draw on this terminal")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn taken() -> std::sync::MutexGuard<'static, Option<RawTerminal<Stdout>>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves the terminal as it was; a second time does nothing.
fn give_back() {
    if let Some(mut raw) = taken().take() {
        // A terminal that is gone needs nothing back.
        let _ = write!(raw, "{ToMainScreen}{}", cursor::Show);
        let _ = raw.flush();
    }
    terminal::release();
}

/// Has a panic of any thread told on a terminal that is whole.
fn give_back_after_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            report(panic);
        }));
    });
}

/// What came from the terminal.
#[derive(Debug)]
pub(super) enum Input {
    Key(Key),
    Resized,
    /// There is no terminal any more.
    Gone,
}

/// The keys, read by a thread of their own, and changes of the terminal's size.
pub(super) struct Keys {
    keys: mpsc::Receiver<Key>,
    sizes: Signal,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Begins to read.
    ///
    /// # Errors
    /// The system gives no thread, or lets no signal be caught.
    pub(super) fn read() -> Result<Self> {
        let sizes = signal(SignalKind::window_change()).context("cannot catch signals")?;
        let (sender, keys) = mpsc::channel(KEYS);
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().name("keys".to_owned());
        let thread = thread
            .spawn(move || read_all(&sender, &ended))
            .context("cannot start a thread")?;
        Ok(Self {
            keys,
            sizes,
            is_over,
            thread: Some(thread),
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Input {
        tokio::select! {
            key = self.keys.recv() => key.map_or(Input::Gone, Input::Key),
            _ = self.sizes.recv() => Input::Resized,
        }
    }

    /// One that has come already.
    pub(super) fn waiting(&mut self) -> Option<Input> {
        self.keys.try_recv().ok().map(Input::Key)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.keys.close();
        if let Some(thread) = self.thread.take() {
            // What panicked has been told.
            drop(thread.join());
        }
    }
}

/// Reads keys until nobody wants them or the terminal is gone.
fn read_all(sender: &mpsc::Sender<Key>, is_over: &AtomicBool) {
    let mut bytes = [0; 256];
    while !is_over.load(Ordering::Relaxed) {
        let mut input = std::io::stdin().lock();
        let mut waiting = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, PollTimeout::from(GLANCE)) {
            Ok(0) | Err(nix::Error::EINTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        let read = match input.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        for key in keys(&bytes[..read]) {
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    }
}

/// The keys in what was read at once; what is none is left out.
///
/// Not by termion's own reader: it panics at a sequence that breaks off.
fn keys(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.chars().peekable();
    let mut keys = Vec::new();
    while let Some(letter) = letters.next() {
        keys.extend(match letter {
            '\u{1b}' if letters.next_if(|it| matches!(it, '[' | 'O')).is_some() => {
                sequence(&mut letters)
            }
            '\u{1b}' if letters.peek().is_none() => Some(Key::Esc),
            '\r' | '\n' => Some(Key::Char('\n')),
            '\t' => Some(Key::Char('\t')),
            '\u{8}' | '\u{7f}' => Some(Key::Backspace),
            '\u{1}'..='\u{1a}' => Some(Key::Ctrl(char::from(letter as u8 - 1 + b'a'))),
            letter if letter.is_control() || letter == char::REPLACEMENT_CHARACTER => None,
            letter => Some(Key::Char(letter)),
        });
    }
    keys
}

/// The key that a control sequence is, from what follows its beginning.
fn sequence(letters: &mut impl Iterator<Item = char>) -> Option<Key> {
    let mut parameters = String::new();
    let last = letters.find(|letter| {
        let is_parameter = matches!(letter, ' '..='?');
        if is_parameter {
            parameters.push(*letter);
        }
        !is_parameter
    })?;
    Some(match (parameters.as_str(), last) {
        ("", 'A') => Key::Up,
        ("", 'B') => Key::Down,
        ("", 'C') => Key::Right,
        ("", 'D') => Key::Left,
        ("", 'H') | ("1" | "7", '~') => Key::Home,
        ("", 'F') | ("4" | "8", '~') => Key::End,
        ("", 'Z') => Key::BackTab,
        ("5", '~') => Key::PageUp,
        ("6", '~') => Key::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Says that a test is called by the test below, on a terminal of its own.
    const ON_A_TERMINAL: &str = "FRATMAE_TEST_PANICS_ON_A_TERMINAL";

    #[test]
    fn keys_are_told_apart_and_rubbish_is_none() {
        let found = keys(b"q\x1b[A\x1bOB\x1b[5~\x03\xc3\xa4\x1b[9;9;9?\xff\x1b[3~/\x1b[12");
        assert_eq!(
            found,
            [
                Key::Char('q'),
                Key::Up,
                Key::Down,
                Key::PageUp,
                Key::Ctrl('c'),
                Key::Char('ä'),
                Key::Char('/')
            ]
        );
        assert_eq!(keys(b"\x1b"), [Key::Esc]);
        assert_eq!(keys(b"\t\r"), [Key::Char('\t'), Key::Char('\n')]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "another test calls this one")]
    fn panics_on_a_terminal() {
        if std::env::var_os(ON_A_TERMINAL).is_some() {
            let mut screen = Screen::open(true).unwrap();
            screen.draw(|_, _| ()).unwrap();
            panic!("as planted");
        }
    }

    #[test]
    fn a_panic_leaves_the_terminal_whole() {
        let test = std::env::current_exe().unwrap();
        let called = format!(
            "before=$(stty -g); {ON_A_TERMINAL}=1 '{}' --exact --nocapture {}::panics_on_a_terminal; \
             after=$(stty -g); [ \"$before\" = \"$after\" ] && echo same settings",
            test.display(),
            module_path!().split_once("::").unwrap().1,
        );
        let call = ["-qec", &called, "/dev/null"];
        let output = Command::new("script").args(call).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let place = |sought: &str| {
            let place = text.find(sought);
            place.unwrap_or_else(|| panic!("no {sought:?} in {text:?}"))
        };
        // The alternate screen is left before the panic is told.
        assert!(place("\u{1b}[?1049h") < place("\u{1b}[?1049l"), "{text:?}");
        assert!(place("\u{1b}[?1049l") < place("as planted"), "{text:?}");
        assert!(place("as planted") < place("same settings"), "{text:?}");
    }
}
