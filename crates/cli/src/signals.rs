//! Signals that ask this process to stop: the first one is answered at once, a second Ctrl-C ends it at once.
//! Each command decides what a stop means for it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{exit::Exit, terminal};

/// A signal that comes so soon after the first is the same request: timeout(1) and shells that end send theirs twice.
const TWICE: Duration = Duration::from_millis(100);
/// How long an orderly end may take once it is to be at once.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Whether the process was asked to stop.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Asked,
    AtOnce,
}

/// The requests to stop that this process gets.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    stage: watch::Receiver<Stage>,
    /// What is written where the first request ends the process at once.
    ending: Arc<Mutex<Option<String>>>,
}

impl Signals {
    /// Catches SIGINT, SIGTERM, SIGHUP and SIGUSR1 (as Slurm sends it). Until [`Self::stop_in_order`] is called the first
    /// of them writes `ending` and ends the process, whatever it does at that moment.
    ///
    /// # Errors
    /// When the system does not let signals be caught.
    pub(crate) fn catch(ending: &str) -> Result<Self> {
        Self::follow(Caught::new()?, Some(ending.to_owned()))
    }

    /// As [`Self::catch`], with an orderly stop from the beginning.
    ///
    /// # Errors
    /// As [`Self::catch`].
    pub(crate) fn catch_in_order() -> Result<Self> {
        Self::follow(Caught::new()?, None)
    }

    /// As [`Self::catch_in_order`], for a process whose parent answers Ctrl-C and the end of the terminal for it.
    ///
    /// # Errors
    /// As [`Self::catch`].
    pub(crate) fn catch_as_child() -> Result<Self> {
        let caught = Caught {
            is_child: true,
            ..Caught::new()?
        };
        Self::follow(caught, None)
    }

    fn follow(caught: Caught, ending: Option<String>) -> Result<Self> {
        let (sender, stage) = watch::channel(Stage::Running);
        let ending = Arc::new(Mutex::new(ending));
        tokio::spawn(follow(caught, sender, Arc::clone(&ending)));
        Ok(Self { stage, ending })
    }

    /// From now on there is something to save.
    pub(crate) fn stop_in_order(&self) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for the first request.
    pub(crate) fn asked(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reaches(Stage::Asked)
    }

    /// Waits for the second one.
    pub(crate) fn at_once(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reaches(Stage::AtOnce)
    }

    fn reaches(&self, wanted: Stage) -> impl Future<Output = ()> + Send + 'static {
        let mut stage = self.stage.clone();
        async move {
            if stage.wait_for(|stage| *stage >= wanted).await.is_err() {
                // Nobody catches signals any more: the process ends.
                std::future::pending().await
            }
        }
    }
}

/// Whether a request was caught, for work that looks for it now and then.
pub(crate) fn is_asked() -> bool {
    IS_ASKED.load(Ordering::SeqCst)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever presses Ctrl-C must not wait for work that does not look at it"
)]
async fn follow(
    mut caught: Caught,
    sender: watch::Sender<Stage>,
    ending: Arc<Mutex<Option<String>>>,
) {
    caught.first().await;
    IS_ASKED.store(true, Ordering::SeqCst);
    let again = async {
        loop {
            caught.first().await;
        }
    };
    let _: Result<(), _> = tokio::time::timeout(TWICE, again).await;
    let line = ending.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(line) = line {
        terminal::parting_line(&line);
        std::process::exit(i32::from(Exit::Stopped.code()));
    }
    sender.send_replace(Stage::Asked);
    caught.again().await;
    sender.send_replace(Stage::AtOnce);
    let _ = tokio::time::timeout(LAST_MOMENT, std::future::pending::<()>()).await;
    terminal::parting_line("stopped at once");
    std::process::exit(i32::from(Exit::StoppedAtOnce.code()));
}

/// The signals that are caught.
struct Caught {
    interrupt: Signal,
    terminate: Signal,
    user: Signal,
    /// None where it is ignored, as nohup(1) wants it.
    hangup: Option<Signal>,
    /// Whether Ctrl-C and the end of the terminal are left to the parent.
    is_child: bool,
    /// Caught so that a file beyond `ulimit -f` is an error of the write and not the end of the process.
    _file_size: Signal,
}

impl Caught {
    fn new() -> Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        let hangup = SignalKind::hangup();
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            user: catch(SignalKind::user_defined1())?,
            hangup: match is_ignored(hangup) {
                true => None,
                false => Some(catch(hangup)?),
            },
            is_child: false,
            _file_size: catch(SignalKind::from_raw(nix::libc::SIGXFSZ))?,
        })
    }

    /// Waits for any request.
    async fn first(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.user.recv() => return,
                _ = self.interrupt.recv() => if !self.is_child { return },
                () = received(&mut self.hangup) => if !self.is_child { return },
            }
        }
    }

    /// Waits for a Ctrl-C. Other signals that follow a request ask for nothing else: a scheduler sends SIGTERM after
    /// SIGUSR1, and the kernel SIGHUP after the shell's.
    async fn again(&mut self) {
        while self.is_child || self.interrupt.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started this process had it ignore a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status, kind.as_raw_value())
}

/// Reads `SigIgn`, the mask of signals that are ignored, from a process's status.
fn ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_found_in_the_mask() {
        let status = "Name:\tfratmae\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(ignored(status, 1));
        assert!(ignored(status, 13));
        assert!(!ignored(status, 2));
        assert!(!ignored("", 1));
        assert!(!ignored("SigIgn:\tnot a mask", 1));
    }
}
