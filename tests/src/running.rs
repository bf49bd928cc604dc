//! A program that runs: what it has said so far, signals to it, and its end. Nothing outlives the value.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};

use crate::call::Finished;
use crate::events::{applied, events};
use crate::processes::{children_of, pid, send};
use crate::waiting::wait_until;

/// How long the children of an ended program may still hold its standard error.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// How long a run of the tests may take to come to a step.
const STEP_PATIENCE: Duration = Duration::from_secs(90);

/// A process and its children; dropping it kills those that still run.
#[derive(Debug)]
pub struct Running {
    call: String,
    child: Child,
    patience: Duration,
    started: Instant,
    stdout: Stream,
    stderr: Stream,
}

#[derive(Debug)]
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn spawn(
        mut command: Command,
        call: String,
        patience: Duration,
        has_reader: bool,
    ) -> Self {
        let started = Instant::now();
        let mut child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {call}: {error}"));
        let stdout = child.stdout.take().filter(|_| has_reader);
        let stderr = child.stderr.take();
        Self {
            call,
            child,
            patience,
            started,
            stdout: Stream::of(stdout),
            stderr: Stream::of(stderr),
        }
    }

    /// Gives the number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lists its living children.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// Gives what it and its children have written to standard error so far.
    pub fn said(&self) -> String {
        self.stderr.so_far()
    }

    /// Gives what it has written to standard output so far.
    pub fn printed(&self) -> String {
        self.stdout.so_far()
    }

    /// Tells whether the process itself has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until `is_so`, which it asks only while the process runs.
    ///
    /// # Panics
    /// When the process ends before, or `patience` runs out.
    pub fn runs_until(
        &mut self,
        what: &str,
        patience: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) {
        wait_until(what, patience, || {
            let runs = self.is_running();
            let so = is_so(self);
            assert!(
                so || runs,
                "{} ended before {what}:\n{}",
                self.call,
                self.said()
            );
            so
        });
    }

    /// Waits until a run that is told as JSON has applied a step.
    ///
    /// # Panics
    /// When the process ends before, or too much time passes.
    pub fn runs_until_step(&mut self, step: u64) {
        self.runs_until(&format!("step {step}"), STEP_PATIENCE, |running| {
            let steps = applied(&events(&running.said()));
            steps.iter().any(|applied| *applied >= step)
        });
    }

    /// Lets it run for a time, or to its end if that comes first.
    pub fn runs_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        wait_until("a moment to pass", self.patience, || {
            Instant::now() >= end || !self.is_running()
        });
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    /// Sends a signal to the process and all its children, as a terminal does.
    ///
    /// # Panics
    /// When none of them is there any more.
    pub fn signal_all(&self, signal: Signal) {
        killpg(pid(self.id()), signal).expect("the process group is there");
    }

    /// Kills the process and all its children at once.
    pub fn kill_all(&self) {
        // The group is gone when all of them have ended already.
        let _ = killpg(pid(self.id()), Signal::SIGKILL);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes longer than its call allows.
    pub fn wait(mut self) -> Finished {
        let patience = self.patience.saturating_sub(self.started.elapsed());
        let deadline = Instant::now() + patience;
        wait_until("the end of a call", patience + LAST_WORDS, || {
            let runs = self.is_running();
            assert!(
                !runs || Instant::now() < deadline,
                "{} took longer than {:?}; it said:\n{}",
                self.call,
                self.patience,
                self.said()
            );
            !runs
        });
        let seconds = self.started.elapsed().as_secs_f64();
        wait_until("the last words of children", LAST_WORDS, || {
            self.stdout.has_ended() && self.stderr.has_ended()
        });
        let status = self.child.wait().expect("the process has ended");
        Finished {
            call: self.call.clone(),
            code: status.code(),
            stdout: self.stdout.so_far(),
            stderr: self.stderr.so_far(),
            seconds,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_all();
        // It fails only where there is nothing left to collect.
        let _ = self.child.wait();
    }
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        let reader = source.map(|source| std::thread::spawn(move || collect(source, &sink)));
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn has_ended(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

fn collect(source: impl Read, sink: &Mutex<String>) {
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        sink.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&text);
        line.clear();
    }
}
