//! When to stop waiting: the deadline, an abort, or the first failure among the threads of one call.
//!
//! It touches no socket; `wire.rs` asks it between two slices of a wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::wire::Fault;
use crate::{AbortHandle, CollectiveError};

/// What all threads of one call look at, and where the first failure is kept.
pub(super) struct CallGuard {
    abort: AbortHandle,
    deadline: Instant,
    stopped: AtomicBool,
    first: Mutex<Option<CollectiveError>>,
    failed: Condvar,
}

impl CallGuard {
    pub(super) fn new(abort: &AbortHandle, deadline: Instant) -> Self {
        Self {
            abort: abort.clone(),
            deadline,
            stopped: AtomicBool::new(false),
            first: Mutex::new(None),
            failed: Condvar::new(),
        }
    }

    /// Tells whether to go on.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.is_stopped() {
            Err(Fault::Stopped)
        } else if Instant::now() >= self.deadline {
            Err(Fault::TimedOut)
        } else {
            Ok(())
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.abort.is_aborted() || self.stopped.load(Ordering::SeqCst)
    }

    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Keeps the first failure, which is the cause of the others, and stops the other threads.
    pub(super) fn fail(&self, error: CollectiveError) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_stopped() {
            *first = Some(error);
        }
        self.stopped.store(true, Ordering::SeqCst);
        self.failed.notify_all();
    }

    /// Pauses between two attempts; shorter at the deadline or when another thread fails.
    pub(super) fn pause(&self, pause: Duration) {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if self.check().is_ok() {
            drop(self.failed.wait_timeout(first, pause.min(self.remaining())));
        }
    }

    /// Says how it ended, after all threads have.
    pub(super) fn outcome(self) -> Result<(), CollectiveError> {
        if self.abort.is_aborted() {
            return Err(CollectiveError::Aborted);
        }
        self.first
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), Err)
    }

    /// Starts a named thread whose failure to start fails the call.
    pub(super) fn spawn<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        name: String,
        body: impl FnOnce() + Send + 'scope,
    ) {
        if let Err(source) = thread::Builder::new().name(name).spawn_scoped(scope, body) {
            self.fail(CollectiveError::Thread { source });
        }
    }
}

/// Gives the moment a duration from now; a duration too long for the clock means ten years.
pub(super) fn moment_after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration)
        .unwrap_or_else(|| now + Duration::from_secs(10 * 365 * 24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: &str) -> CollectiveError {
        CollectiveError::Sums {
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_first_failure_is_kept_and_stops_the_others() {
        let guard = CallGuard::new(&AbortHandle::new(), moment_after(Duration::MAX));
        assert!(guard.check().is_ok());
        guard.fail(failure("cause"));
        guard.fail(failure("consequence"));
        assert!(matches!(guard.check(), Err(Fault::Stopped)));
        assert!(guard.outcome().unwrap_err().to_string().contains("cause"));
    }

    #[test]
    fn an_abort_outranks_the_failures_it_causes() {
        let abort = AbortHandle::new();
        let guard = CallGuard::new(&abort, moment_after(Duration::MAX));
        abort.abort();
        guard.fail(failure("closed by the abort"));
        assert!(matches!(guard.outcome(), Err(CollectiveError::Aborted)));
    }

    #[test]
    fn a_failure_or_the_deadline_ends_a_pause() {
        let guard = CallGuard::new(&AbortHandle::new(), moment_after(Duration::MAX));
        let started = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| guard.pause(Duration::from_secs(3600)));
            guard.fail(failure("elsewhere"));
        });
        CallGuard::new(&AbortHandle::new(), started).pause(Duration::from_secs(3600));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_passed_deadline_is_told() {
        let guard = CallGuard::new(&AbortHandle::new(), Instant::now());
        assert!(matches!(guard.check(), Err(Fault::TimedOut)));
        assert_eq!(guard.remaining(), Duration::ZERO);
        assert!(guard.outcome().is_ok());
    }
}
