//! What a worker says to its coordinator, and says again to the next one.
//!
//! Nobody who speaks ever waits: without a coordinator, facts are kept until there is one.

use crate::figures::RecentFigures;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The way to the coordinator, usable from any thread.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Standing>>);

/// How this worker stands to whoever coordinates; a std lock, never held across an await.
#[derive(Default)]
struct Standing {
    /// None while no coordinator listens.
    stream: Option<mpsc::Sender<pb::FromWorker>>,
    /// The last group it was in.
    place: Option<pb::Place>,
    /// The last step it applied.
    held: Option<u64>,
    figures: RecentFigures,
    /// Whether it was asked to leave.
    is_leaving: bool,
    /// What the coordinator of that group must know, in the order it was said.
    facts: Vec<From>,
}

impl Outbox {
    /// What is said from now on goes to this stream.
    pub(crate) fn connect(&self, stream: mpsc::Sender<pb::FromWorker>) {
        self.lock().stream = Some(stream);
    }

    /// A registration with all that a new coordinator wants to know of this worker.
    pub(crate) fn register(&self, register: &pb::Register) -> pb::Register {
        let standing = self.lock();
        pb::Register {
            place: standing.place,
            held: standing.held,
            ..register.clone()
        }
    }

    /// Registers once more, with the device, at the coordinator that gave out the job.
    pub(crate) fn join(&self, register: &pb::Register) {
        self.say(From::Register(self.register(register)));
    }

    /// Says again what the coordinator that says `welcome` lacks.
    pub(crate) fn repeat(&self, welcome: &pb::Welcome) {
        let mut standing = self.lock();
        standing.forget(welcome.committed);
        if let Some(pb::Place {
            generation,
            rank: 0,
        }) = standing.place
        {
            standing.recall(generation, welcome.figures_until);
        }
        if standing.is_leaving {
            standing.send(From::Leaving(pb::Leaving {}));
        }
        let facts = standing.facts.clone();
        facts.into_iter().for_each(|fact| standing.send(fact));
    }

    /// Notes that this worker is in a new group, which begins at `step`.
    pub(crate) fn enter(&self, place: pb::Place, step: u64) {
        let mut standing = self.lock();
        standing.place = Some(place);
        standing.held = Some(step);
        standing.figures.rewind(step);
        standing.facts.clear();
    }

    /// Keeps the figures of a step; the rank that speaks for all also says them.
    pub(crate) fn applied(&self, applied: pb::Applied, speaks: bool) {
        let mut standing = self.lock();
        standing.held = Some(applied.step);
        let figures = applied.figures.clone().unwrap_or_default();
        standing.figures.push(applied.step, figures);
        if speaks {
            standing.send(From::Applied(applied));
        }
    }

    /// Says the figures of the steps after `after`, as far as they are kept.
    pub(crate) fn recall(&self, generation: u64, after: u64) {
        self.lock().recall(generation, after);
    }

    /// The figures of the steps after `after` up to `until`, as far as they are kept.
    pub(crate) fn figures_between(&self, after: u64, until: u64) -> Vec<pb::StepFigures> {
        self.lock().figures.between(after, until)
    }

    /// Of which steps after `after` up to `until` figures are kept.
    pub(crate) fn runs_of_figures(&self, after: u64, until: u64) -> Vec<RangeInclusive<u64>> {
        self.lock().figures.runs(after, until)
    }

    /// Keeps figures that a peer told of, as far as they are not kept.
    pub(crate) fn fill_figures(&self, told: Vec<pb::StepFigures>) {
        self.lock().figures.fill(told);
    }

    /// Says what the coordinator must know even if it is another one by then.
    pub(crate) fn state(&self, fact: From) {
        let mut standing = self.lock();
        if standing.is_current(&fact) {
            standing.facts.push(fact.clone());
        }
        standing.send(fact);
    }

    /// Says that this worker is to go, to whoever coordinates now and later.
    pub(crate) fn leave(&self) {
        let mut standing = self.lock();
        standing.is_leaving = true;
        standing.send(From::Leaving(pb::Leaving {}));
    }

    /// Says what is of no use to another coordinator.
    pub(crate) fn say(&self, message: From) {
        self.lock().send(message);
    }

    /// Forgets what the checkpoint of `step` makes needless.
    pub(crate) fn forget(&self, step: u64) {
        self.lock().forget(step);
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// A stream that is gone, or whose reader is so far behind, is given up; whoever reads it finds out.
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

    fn recall(&mut self, generation: u64, after: u64) {
        let missing = self.figures.between(after, u64::MAX);
        let messages = pb::Recalled::messages(generation, missing);
        messages
            .into_iter()
            .for_each(|message| self.send(From::Recalled(message)));
    }

    fn is_current(&self, fact: &From) -> bool {
        let generation = match fact {
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
        self.place
            .is_some_and(|place| place.generation == generation)
    }

    fn forget(&mut self, committed: u64) {
        self.figures.forget(committed);
        let is_needed = |fact: &From| match fact {
            From::PartsWritten(written) => written.step > committed,
            From::Skipped(skipped) => skipped.step > committed,
            From::BadBatch(batch) => batch.step > committed,
            _ => true,
        };
        self.facts.retain(is_needed);
    }
}

#[cfg(test)]
mod tests;
