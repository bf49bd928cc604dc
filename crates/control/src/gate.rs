//! What a message may do, given who sent it: the one place that decides whether an event is heard at all.
//!
//! Nothing but a registration is heard of a worker that has not registered. After that, what concerns a group is heard
//! from its members alone, of its own generation, and within reach of where it is. Whoever keeps more of a message than
//! its event asks here first.

use crate::cluster::Cluster;
use crate::command::Leaving;
use crate::event::{Departure, Event};
use crate::ids::{Generation, Step, WorkerId};
use crate::state::{Reports, State};

/// Damaged samples that a member may tell of between two steps.
const MOST_SKIPPED: u32 = 1_024;

impl Cluster {
    /// Whether an event is heard; one that is not changes nothing.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table of events")]
    pub fn admits(&self, event: &Event) -> bool {
        match event {
            // What the coordinator found out by itself.
            Event::GenerationRecorded { .. }
            | Event::CheckpointCommitted { .. }
            | Event::CheckpointLost { .. }
            | Event::PassedOver { .. }
            | Event::ProbeFailed { .. }
            | Event::DrainRequested
            | Event::SaveRequested
            | Event::Tick => true,
            Event::Registered { worker, .. } => !self.is_registered(*worker),
            Event::Departed { worker, departure } => {
                let is_said_by_it = matches!(departure, Departure::Panicked { .. });
                !is_said_by_it || self.is_registered(*worker)
            }
            // What concerns its sender alone.
            Event::Heard { worker }
            | Event::Beat { worker, .. }
            | Event::LeaveRequested { worker }
            | Event::Unfit { worker, .. } => self.is_registered(*worker),
            Event::Prepared {
                worker,
                generation,
                held,
            } => self.awaits(*worker, *generation) && *held <= Some(self.settings.last_step),
            Event::Applied {
                worker,
                generation,
                step,
                is_recalled,
            } => self.leads_group(*worker, *generation) && self.is_next(*step, *is_recalled),
            Event::BatchSkipped {
                worker,
                generation,
                step,
            } => self.trained_in(*worker, *generation) == Some(0) && self.is_ahead(*step),
            Event::SampleSkipped {
                worker,
                generation,
                step,
            } => self.has_room_for_sample(*worker, *generation) && self.is_ahead(*step),
            Event::PartsWritten {
                worker,
                generation,
                step,
                parts,
            } => {
                let is_news = self.lacks_share(*worker, *generation, *step);
                is_news && self.is_ahead(*step) && self.is_share_of(*worker, parts)
            }
            Event::Finished {
                worker, generation, ..
            }
            | Event::Drained {
                worker, generation, ..
            }
            | Event::GroupBroken {
                worker, generation, ..
            }
            | Event::Damaged {
                worker, generation, ..
            } => self.reports_of(*worker, *generation).is_some(),
        }
    }

    /// Whether a worker is the first member of a group that applies steps, and may tell figures for all of it.
    #[must_use]
    pub fn tells_for(&self, worker: WorkerId, generation: Generation) -> bool {
        self.trained_in(worker, generation) == Some(0)
    }

    /// Whether a worker was asked to leave its group for this generation.
    fn awaits(&self, worker: WorkerId, generation: Generation) -> bool {
        let is_asked = self.is_seated(worker) || self.membership.is_leaver(worker);
        is_asked && generation == self.lineage.generation
    }

    /// Whether a step may be the newest one that was applied: of two streams one may be far behind the other, but one
    /// stream keeps its order.
    fn is_next(&self, step: Step, is_recalled: bool) -> bool {
        let is_next = is_recalled || step <= self.lineage.applied.next();
        is_next && step <= self.settings.last_step
    }

    /// Whether a member of the group has not yet told of too many damaged samples since the last step.
    fn has_room_for_sample(&self, worker: WorkerId, generation: Generation) -> bool {
        let n_told = self.trouble.n_skipped.get(&worker).copied();
        let is_member = self.trained_in(worker, generation).is_some();
        is_member && n_told.unwrap_or_default() < MOST_SKIPPED
    }

    /// Whether a member of the group that trains has not yet told of its share of a checkpoint.
    fn lacks_share(&self, worker: WorkerId, generation: Generation, step: Step) -> bool {
        let reports = self.reports_of(worker, generation);
        let has_told = |reports: &Reports| {
            let writers = reports.written.get(&step);
            writers.is_some_and(|writers| writers.contains(&worker))
        };
        reports.is_some_and(|reports| !has_told(reports))
    }

    /// Whether a step is one that no checkpoint covers yet.
    fn is_ahead(&self, step: Step) -> bool {
        step > self.lineage.newest.step() && step <= self.settings.last_step
    }

    /// Whether a worker has a seat in the group.
    fn is_seated(&self, worker: WorkerId) -> bool {
        self.membership.seated(worker).is_some()
    }

    /// What members of the group that trains have reported, if `worker` is one of them and this is its generation.
    fn reports_of(&self, worker: WorkerId, generation: Generation) -> Option<&Reports> {
        let is_its = generation == self.lineage.generation && self.is_seated(worker);
        self.state.reports().filter(|_| is_its)
    }

    /// A worker's rank in the group of a generation that applies steps: the present one, or the one before where that
    /// leaves after its step.
    fn trained_in(&self, worker: WorkerId, generation: Generation) -> Option<usize> {
        let forming = match &self.state {
            State::TakingOver(_) | State::Training(_) => {
                self.reports_of(worker, generation)?;
                return self.membership.rank_of(worker);
            }
            State::Recording(forming) => forming,
            State::Preparing(preparing) => &preparing.forming,
            State::Gathering(_) | State::Ended => return None,
        };
        let is_last = generation.next() == self.lineage.generation;
        let is_whole = forming.leaving == Leaving::AfterTheStep && is_last;
        let (began_in, rank) = self.membership.member(worker)?.seat?;
        (is_whole && began_in == generation).then_some(rank)
    }

    /// Whether a worker is the first member of the group that trains, which speaks for all.
    fn leads_group(&self, worker: WorkerId, generation: Generation) -> bool {
        let is_first = self.membership.rank_of(worker) == Some(0);
        is_first && self.reports_of(worker, generation).is_some()
    }

    /// Whether parts of these numbers are a member's: part `i` is written by rank `i` modulo the size of the group.
    fn is_share_of(&self, worker: WorkerId, parts: &[u32]) -> bool {
        let size = if let State::TakingOver(takeover) = &self.state {
            takeover.awaited
        } else {
            self.membership.group().len()
        };
        let rank = self.membership.rank_of(worker);
        let is_own = |part: &u32| (*part as usize).checked_rem(size) == rank;
        parts.is_sorted_by(|one, next| one < next) && parts.iter().all(is_own)
    }
}
