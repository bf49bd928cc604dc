//! The pauses of the thread that writes checkpoints, in proportion to its work.
//! It owns the waiting; `rate` decides which share of the time may be work.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::idle::IdleCores;
use super::rate::{RateController, Remaining};

/// Shorter pauses are added up: waking up costs more than they give.
const SHORTEST: Duration = Duration::from_millis(2);

/// Bytes of an upload that the processor handles in a second: the copy to the system, or encryption.
const UPLOAD_RATE: f64 = 1e9;

/// How the training thread controls the writer.
#[derive(Debug)]
pub(super) struct WriterControl {
    /// A std lock, held only to read or change it.
    state: Mutex<ControlState>,
    changed: Condvar,
}

#[derive(Debug)]
struct ControlState {
    rate: RateController,
    idle: IdleCores,
    mode: Mode,
}

/// How fast the writer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// With pauses.
    Limited,
    /// Without pauses: somebody waits.
    Full,
    /// Not at all: nobody needs this checkpoint.
    Cancelled,
}

impl WriterControl {
    pub(super) fn new(rate: RateController) -> Arc<Self> {
        let mode = Mode::Limited;
        Arc::new(Self {
            state: Mutex::new(ControlState {
                rate,
                idle: IdleCores::default(),
                mode,
            }),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ControlState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the mode, also for a pause that has begun.
    pub(super) fn set_mode(&self, mode: Mode) {
        self.lock().mode = mode;
        self.changed.notify_all();
    }

    /// A checkpoint begins, with pauses.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        state.rate.begin();
        state.mode = Mode::Limited;
    }

    /// Records the time of a step.
    pub(super) fn step_took(&self, seconds: f64, is_disturbed: bool) {
        let mut state = self.lock();
        let ControlState { rate, idle, .. } = &mut *state;
        if is_disturbed {
            rate.disturbed_step(seconds);
            idle.forget();
        } else {
            rate.quiet_step(seconds);
            if let Some(cores) = idle.look(rate.n_cores()) {
                rate.idle_cores(cores);
            }
        }
    }
}

/// The work and the pauses of the writer during one checkpoint.
#[derive(Debug)]
pub(super) struct Limiter {
    control: Arc<WriterControl>,
    began: Instant,
    /// When the present work began.
    working: Instant,
    /// Seconds of work so far.
    worked: f64,
    /// Bytes hashed and uploaded so far.
    done: u64,
    total: u64,
    /// Seconds of pauses that are due.
    due: f64,
}

/// The checkpoint is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cancelled;

impl Limiter {
    /// For a checkpoint of `total` bytes, each to be hashed and uploaded.
    pub(super) fn new(control: Arc<WriterControl>, total: u64) -> Self {
        let now = Instant::now();
        Self {
            control,
            began: now,
            working: now,
            worked: 0.0,
            done: 0,
            total,
            due: 0.0,
        }
    }

    /// Work begins, after waiting for something else.
    pub(super) fn resume(&mut self) {
        self.working = Instant::now();
    }

    /// Pauses for the work since the last call, which was hashing.
    pub(super) fn hashed(&mut self) -> Result<(), Cancelled> {
        self.pause(self.working.elapsed().as_secs_f64())
    }

    /// Pauses for an upload, which other threads do.
    pub(super) fn uploaded(&mut self, bytes: u64) -> Result<(), Cancelled> {
        self.done += bytes;
        self.pause(bytes as f64 / UPLOAD_RATE)
    }

    fn pause(&mut self, worked: f64) -> Result<(), Cancelled> {
        self.worked += worked;
        let left = Remaining {
            bytes: self.total.saturating_sub(self.done),
            seconds_per_byte: self.worked / self.done.max(1) as f64,
            elapsed: self.began.elapsed().as_secs_f64(),
        };
        let control = Arc::clone(&self.control);
        let mut state = control.lock();
        // What a byte costs is known once the first are done.
        let share = match self.done {
            0 => state.rate.share(Remaining { bytes: 0, ..left }),
            _ => state.rate.share(left),
        };
        self.due += worked * (1.0 / share - 1.0);
        let pause = Duration::try_from_secs_f64(self.due).unwrap_or_default();
        if pause > SHORTEST {
            self.due = 0.0;
            let is_limited = |state: &mut ControlState| state.mode == Mode::Limited;
            let waited = control.changed.wait_timeout_while(state, pause, is_limited);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mode = state.mode;
        drop(state);
        self.resume();
        match mode {
            Mode::Cancelled => Err(Cancelled),
            Mode::Limited | Mode::Full => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(share: f64) -> (Arc<WriterControl>, Limiter) {
        let control = WriterControl::new(RateController::new(share, 1, 1));
        (Arc::clone(&control), Limiter::new(control, 1 << 40))
    }

    #[test]
    fn full_speed_has_no_pauses_however_many_are_due() {
        let (control, mut limiter) = limiter(0.01);
        control.set_mode(Mode::Full);
        // Limited, this would be a pause of more than a day.
        assert_eq!(limiter.uploaded(1_000_000_000_000), Ok(()));
    }

    #[test]
    fn full_speed_ends_a_pause_that_has_begun() {
        let (control, mut limiter) = limiter(0.01);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || limiter.uploaded(1_000_000_000_000));
            control.set_mode(Mode::Full);
            assert_eq!(writer.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn a_cancelled_writer_stops_at_its_next_pause() {
        let (control, mut limiter) = limiter(1.0);
        assert_eq!(limiter.uploaded(1), Ok(()));
        control.set_mode(Mode::Cancelled);
        assert_eq!(limiter.hashed(), Err(Cancelled));
    }
}
