//! One process of a run: its start, its lines, signals to it and its end. It ends with the value.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::SyncSender,
    thread::JoinHandle,
    time::Instant,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A line that a process wrote.
pub(crate) struct Line {
    /// The process's number among those that chaos started.
    pub(crate) from: usize,
    /// When it came.
    pub(crate) at: Instant,
    /// Without its end.
    pub(crate) text: String,
    /// Whether it came on standard output.
    pub(crate) is_result: bool,
}

/// A process that was started.
pub(crate) struct Process {
    /// Its number among those that chaos started.
    pub(crate) number: usize,
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a command; its lines go to `lines` and, with those of its predecessors, to the file `log`.
    ///
    /// # Errors
    /// When the system does not start it, or the file cannot be written.
    pub(crate) fn start(
        words: &[String],
        number: usize,
        log: &Path,
        lines: &SyncSender<Line>,
    ) -> Result<Self> {
        let (program, arguments) = words
            .split_first()
            .context("there is no program to start")?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(read(stdout, (number, true), open(log)?, lines.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(read(stderr, (number, false), open(log)?, lines.clone()));
        }
        Ok(Self {
            number,
            child,
            readers,
        })
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal; one that has ended does not notice.
    pub(crate) fn signal(&self, signal: Signal) {
        // Its number is not given away before it is waited for.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), signal);
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// How it ended, once it has and all its lines are read.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.readers
            .iter()
            .all(JoinHandle::is_finished)
            .then_some(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(log: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(log);
    file.with_context(|| format!("cannot write {}", log.display()))
}

fn read(
    source: impl Read + Send + 'static,
    (from, is_result): (usize, bool),
    mut log: File,
    lines: SyncSender<Line>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(source);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            // A log that cannot be written is missed by nobody but the reader of logs.
            let _ = log.write_all(&bytes);
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            let line = Line {
                from,
                at: Instant::now(),
                text,
                is_result,
            };
            if lines.send(line).is_err() {
                return;
            }
        }
    })
}
