//! Signals from the control stream to the training thread, and what the training thread does.

use crate::activity::Activity;
use crate::note::GroupRequest;
use fratmae_collective::AbortHandle;
use fratmae_control::Phase;
use fratmae_protocol::pb;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Flags between the control stream and the training thread.
#[derive(Default)]
pub(crate) struct Signals {
    drain: AtomicBool,
    /// Whether a checkpoint is wanted that no group knows of yet.
    save: AtomicBool,
    /// The highest generation the coordinator has announced.
    announced: AtomicU64,
    /// The highest generation whose predecessors are broken off.
    breaking: AtomicU64,
    /// Ends the current group's calls; a std lock, never held across an await or a call.
    abort: Mutex<Option<AbortHandle>>,
    /// Where the training thread is.
    pub(crate) activity: Arc<Activity>,
    /// Whether it reports what it waits for.
    is_verbose: bool,
    /// How many times ten seconds of the present phase were reported.
    reported_tens: AtomicU64,
}

/// Phases that wait for others, in words.
const WAITS: [(Phase, &str); 3] = [
    (Phase::Restore, "reading the state from the run's store"),
    (Phase::Join, "connecting to the other workers"),
    (Phase::Copy, "copying the state from other workers"),
];

impl Signals {
    /// Signals of a worker that reports what it waits for, or does not.
    pub(crate) fn new(is_verbose: bool, activity: Arc<Activity>) -> Self {
        Self {
            is_verbose,
            activity,
            ..Self::default()
        }
    }

    /// Reports to whoever started this worker.
    pub(crate) fn report(&self, line: &str) {
        if self.is_verbose {
            tracing::info!("{line}");
        }
    }

    /// Reports every ten seconds that the training thread still waits for others.
    pub(crate) fn report_slow(&self, beat: &pb::Heartbeat) {
        let tens = beat.phase_ms / 10_000;
        let reported = self.reported_tens.swap(tens, Ordering::Relaxed);
        let wait = WAITS.iter().find(|(phase, _)| phase.name() == beat.phase);
        if let Some((_, what)) = wait.filter(|_| tens > reported) {
            tracing::info!("still {what} ({} s)", beat.phase_ms / 1000);
        }
    }

    /// Asks the training thread to stop after its step.
    pub(crate) fn drain(&self) {
        self.drain.store(true, Ordering::SeqCst);
    }

    /// Asks the training thread to store a checkpoint after its step.
    pub(crate) fn save(&self) {
        self.save.store(true, Ordering::SeqCst);
    }

    /// What this rank of `generation` was asked for, to be passed on to its group: a checkpoint is asked for once.
    pub(crate) fn take_requests(&self, generation: u64) -> GroupRequest {
        GroupRequest {
            is_draining: self.drain.load(Ordering::SeqCst),
            is_leaving: self.is_superseded(generation),
            is_saving: self.save.swap(false, Ordering::SeqCst),
        }
    }

    /// Notes that `generation` is coming; the group before it leaves after its step.
    pub(crate) fn announce(&self, generation: u64) {
        self.announced.fetch_max(generation, Ordering::SeqCst);
    }

    /// Notes that `generation` is coming and ends the calls of the group before it at once.
    pub(crate) fn break_off(&self, generation: u64) {
        self.announce(generation);
        self.breaking.fetch_max(generation, Ordering::SeqCst);
        if let Some(abort) = self
            .abort
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            abort.abort();
        }
    }

    /// Whether a later generation than `generation` has been announced.
    pub(crate) fn is_superseded(&self, generation: u64) -> bool {
        self.announced.load(Ordering::SeqCst) > generation
    }

    /// Hands over the means to end the current group's calls; ends them at once if they are too late.
    pub(crate) fn set_abort(&self, generation: u64, handle: AbortHandle) {
        *self.abort.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        if self.breaking.load(Ordering::SeqCst) > generation {
            self.break_off(generation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_supersedes_older_generations_only() {
        let signals = Signals::default();
        signals.announce(3);
        signals.announce(2);
        assert!(signals.is_superseded(2));
        assert!(!signals.is_superseded(3));
    }

    #[test]
    fn draining_is_asked_for_once_and_stays() {
        let signals = Signals::default();
        assert!(!signals.take_requests(1).is_draining);
        signals.drain();
        for _ in 0..2 {
            assert!(signals.take_requests(1).is_draining);
        }
    }

    #[test]
    fn a_checkpoint_is_passed_on_once() {
        let signals = Signals::default();
        signals.save();
        signals.save();
        assert!(signals.take_requests(1).is_saving);
        assert!(!signals.take_requests(1).is_saving);
    }

    #[test]
    fn a_group_that_leaves_after_its_step_keeps_its_connections_until_it_breaks() {
        let signals = Signals::default();
        let handle = AbortHandle::new();
        signals.announce(2);
        signals.set_abort(1, handle.clone());
        assert!(signals.take_requests(1).is_leaving);
        assert!(!handle.is_aborted());
        signals.break_off(3);
        assert!(handle.is_aborted());
    }

    #[test]
    fn a_group_that_forms_too_late_is_broken_off_at_once() {
        let signals = Signals::default();
        let handle = AbortHandle::new();
        signals.break_off(2);
        signals.set_abort(1, handle.clone());
        assert!(handle.is_aborted());
    }
}
