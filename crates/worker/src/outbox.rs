//! What a worker sends to its coordinator, and sends again to the next one.
//!
//! Sending never waits: without a coordinator, what the next one must know is kept until it is there.

use crate::figures::RecentFigures;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Times of ranks, one a step, that are kept while no coordinator listens: some hundred kilobytes.
const KEPT_TIMES: usize = 4096;

/// The way to the coordinator, usable from any thread.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<OutboxState>>);

/// What was sent, and where to; a std lock, never held across an await.
#[derive(Default)]
struct OutboxState {
    /// None while no coordinator listens.
    stream: Option<mpsc::Sender<pb::FromWorker>>,
    /// The last group it was in.
    place: Option<pb::Place>,
    /// The newest generation that it has a seat in, and what shows that the seat is its own.
    secret: (u64, Vec<u8>),
    /// The last step it applied.
    held: Option<u64>,
    figures: RecentFigures,
    /// How long steps took each rank, as far as no coordinator was told.
    times: VecDeque<pb::StepTimes>,
    /// Whether it was asked to leave.
    is_leaving: bool,
    /// What the coordinator of that group must know, in the order it was sent.
    unacknowledged: Vec<From>,
}

impl Outbox {
    /// Everything goes to this stream from now on.
    pub(crate) fn connect(&self, stream: mpsc::Sender<pb::FromWorker>) {
        self.lock().stream = Some(stream);
    }

    /// A registration with all that a new coordinator wants to know of this worker.
    pub(crate) fn register(&self, register: &pb::Register) -> pb::Register {
        let state = self.lock();
        pb::Register {
            place: state.place.clone(),
            held: state.held,
            ..register.clone()
        }
    }

    /// Registers once more, with the device, at the coordinator that gave out the job.
    pub(crate) fn join(&self, register: &pb::Register) {
        self.send(From::Register(self.register(register)));
    }

    /// Sends again what the coordinator that sent `welcome` lacks.
    pub(crate) fn resend_all(&self, welcome: &pb::Welcome) {
        let mut state = self.lock();
        state.forget(welcome.committed);
        let first = state.place.as_ref().filter(|place| place.rank == 0);
        if let Some(generation) = first.map(|place| place.generation) {
            state.resend_figures(generation, welcome.figures_until);
        }
        state.send_times();
        if state.is_leaving {
            state.send(From::Leaving(pb::Leaving {}));
        }
        let unacknowledged = state.unacknowledged.clone();
        unacknowledged
            .into_iter()
            .for_each(|message| state.send(message));
    }

    /// Keeps what came with a seat that this worker is about to take.
    pub(crate) fn keep_secret(&self, generation: u64, secret: Vec<u8>) {
        self.lock().secret = (generation, secret);
    }

    /// Notes that this worker is in a new group, which begins at `step`.
    pub(crate) fn enter(&self, generation: u64, rank: u32, step: u64) {
        let mut state = self.lock();
        let (its, secret) = &state.secret;
        let secret = match *its == generation {
            true => secret.clone(),
            false => Vec::new(),
        };
        state.place = Some(pb::Place {
            generation,
            rank,
            secret,
        });
        state.held = Some(step);
        state.figures.rewind(step);
        state.unacknowledged.clear();
    }

    /// Keeps the figures of a step; the rank that reports for all also sends them.
    pub(crate) fn applied(&self, applied: pb::Applied, reports: bool) {
        let mut state = self.lock();
        state.held = Some(applied.step);
        let figures = applied.figures.clone().unwrap_or_default();
        state.figures.push(applied.step, figures);
        if reports {
            state.send(From::Applied(applied));
        }
    }

    /// Tells how long a step took each rank, now or as soon as a coordinator listens.
    pub(crate) fn tell_times(&self, times: pb::StepTimes) {
        let mut state = self.lock();
        let n_ranks = times.ranks.len().max(1);
        state.times.push_back(times);
        while state.times.len() > KEPT_TIMES / n_ranks + 1 {
            state.times.pop_front();
        }
        state.send_times();
    }

    /// Sends the last that this worker has to say: the coordinator sees that nothing follows.
    pub(crate) fn close_with(&self, message: From) {
        let mut state = self.lock();
        state.send(message);
        state.stream = None;
    }

    /// Sends the figures of the steps after `after`, as far as they are kept.
    pub(crate) fn resend_figures(&self, generation: u64, after: u64) {
        self.lock().resend_figures(generation, after);
    }

    /// The figures of the steps after `after` up to `until`, as far as they are kept.
    pub(crate) fn figures_between(&self, after: u64, until: u64) -> Vec<pb::StepFigures> {
        self.lock().figures.between(after, until)
    }

    /// Of which steps after `after` up to `until` figures are kept.
    pub(crate) fn runs_of_figures(&self, after: u64, until: u64) -> Vec<RangeInclusive<u64>> {
        self.lock().figures.runs(after, until)
    }

    /// Keeps the figures from a peer that are missing here.
    pub(crate) fn fill_figures(&self, figures: Vec<pb::StepFigures>) {
        self.lock().figures.fill(figures);
    }

    /// Sends what the coordinator must know, even if another one takes over.
    pub(crate) fn send_durable(&self, message: From) {
        let mut state = self.lock();
        if state.is_current(&message) {
            state.unacknowledged.push(message.clone());
        }
        state.send(message);
    }

    /// Tells this coordinator and any later one that this worker leaves.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.is_leaving = true;
        state.send(From::Leaving(pb::Leaving {}));
    }

    /// Sends what is of no use to another coordinator.
    pub(crate) fn send(&self, message: From) {
        self.lock().send(message);
    }

    /// Forgets what the checkpoint of `step` covers.
    pub(crate) fn forget(&self, step: u64) {
        self.lock().forget(step);
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboxState {
    /// Drops a stream that is closed, or full because its reader is far behind.
    fn send(&mut self, message: From) {
        let message = pb::FromWorker {
            message: Some(message),
        };
        let is_sent = self
            .stream
            .as_ref()
            .is_some_and(|stream| stream.try_send(message).is_ok());
        if !is_sent {
            self.stream = None;
        }
    }

    fn send_times(&mut self) {
        while self.stream.is_some()
            && let Some(times) = self.times.pop_front()
        {
            self.send(From::StepTimes(times));
        }
    }

    fn resend_figures(&mut self, generation: u64, after: u64) {
        let missing = self.figures.between(after, u64::MAX);
        let messages = pb::Recalled::messages(generation, missing);
        messages
            .into_iter()
            .for_each(|message| self.send(From::Recalled(message)));
    }

    fn is_current(&self, message: &From) -> bool {
        let generation = match message {
            From::PartsWritten(written) => written.generation,
            From::Finished(finished) => finished.generation,
            From::Drained(drained) => drained.generation,
            From::GroupBroken(broken) => broken.generation,
            From::Skipped(skipped) => skipped.generation,
            From::BadBatch(batch) => batch.generation,
            From::Unfit(pb::Unfit {
                generation: Some(generation),
                ..
            }) => *generation,
            _ => return false,
        };
        let place = self.place.as_ref();
        place.is_some_and(|place| place.generation == generation)
    }

    fn forget(&mut self, committed: u64) {
        self.figures.forget(committed);
        let is_needed = |message: &From| match message {
            From::PartsWritten(written) => written.step > committed,
            From::Skipped(skipped) => skipped.step > committed,
            From::BadBatch(batch) => batch.step > committed,
            _ => true,
        };
        self.unacknowledged.retain(is_needed);
    }
}

#[cfg(test)]
mod tests;
