//! What truly is the matter with a worker that a coordinator strikes off.

use super::World;
use crate::observation::Observation;
use crate::worker::{LOST, Worker};
use fratmae_control::{Departure, Event, Verdict, WorkerId};

/// Whoever was undisturbed for so long is known to its coordinator, in milliseconds.
const UNDISTURBED: u64 = 1_000;

impl World {
    /// What the world knows of the one that is struck off, and no coordinator can.
    pub(super) fn observe_striking_off(
        &mut self,
        coordinator: usize,
        worker: WorkerId,
        reason: String,
    ) {
        let stream = worker.get();
        let Some(link) = self.coordinators[coordinator].streams.get(&stream) else {
            return;
        };
        let now = self.agenda.now();
        let worker = &self.workers[link.place];
        let is_culprit = reason == LOST && worker.has_lost_part;
        let is_there = worker.is_up
            && worker.can_train()
            && !is_culprit
            && worker.stream == Some((stream, coordinator));
        self.laws.observe(&Observation::StruckOff {
            place: link.place,
            reason,
            silence: now - link.heard,
            undisturbed: match is_there {
                true => now.saturating_sub(worker.is_disturbed_until),
                false => 0,
            },
        });
    }

    /// What the world knows of the one that a verdict names: whether it left a coordinator that was away, and is well.
    pub(super) fn observe_verdict(&mut self, coordinator: usize, verdict: &Verdict) {
        let place = verdict.worker.strip_prefix("place-");
        let Some(place) = place.and_then(|place| place.parse::<usize>().ok()) else {
            return;
        };
        let now = self.agenda.now();
        let worker = &self.workers[place];
        let is_well = worker.is_up && worker.can_train() && worker.is_disturbed_until <= now;
        let is_for_leaving = verdict.reason == Departure::StreamClosed.reason();
        let is_sought = is_for_leaving && worker.has_left_absent && is_well;
        let back_since = self.coordinators[coordinator].back_since;
        self.laws.observe(&Observation::Blamed {
            place,
            reason: verdict.reason.clone(),
            back_for: is_sought.then_some(now - back_since),
        });
    }

    /// A coordinator ends the run since nobody is left who can train.
    ///
    /// Who holds a state can, and so can who was there before the first who could not; unless it was asked to leave. One
    /// that does not lead any more gives nothing up but itself, and who has registered is known once that is read.
    pub(super) fn observe_giving_up(&mut self, coordinator: usize) {
        if self.store.leader() != Some(coordinator) {
            return;
        }
        let unread = self.coordinators[coordinator].inbox.iter();
        let unread: Vec<u64> = unread
            .filter_map(|event| match event {
                Event::Registered { worker, .. } => Some(worker.get()),
                _ => None,
            })
            .collect();
        let now = self.agenda.now();
        let first = self.unfit_since.unwrap_or(now);
        let is_well = |worker: &Worker| {
            let is_there = worker
                .stream
                .is_some_and(|(stream, its)| its == coordinator && !unread.contains(&stream));
            let known_since = worker.is_disturbed_until + UNDISTURBED;
            let is_hopeful = known_since < now && worker.held.is_some() || known_since < first;
            let is_sound = worker.can_train() && !worker.has_lost_part;
            worker.is_up && is_there && is_sound && !worker.is_leaving && is_hopeful
        };
        // One damaged checkpoint ends no run; who finds a second one damaged may be taken for unfit.
        let is_unfit = |worker: &Worker| worker.is_up && worker.is_unfit;
        let is_groundless = self.unfit_since.is_none()
            && !self.workers.iter().any(is_unfit)
            && self.store.n_damaged() < 2;
        if is_groundless || self.workers.iter().any(is_well) {
            let trouble = Some("the run was given up although a worker gets on".to_owned());
            self.laws.observe(&Observation::Over { trouble });
        }
    }

    /// Notes that a worker is not itself, or not heard or reached, until some time.
    pub(super) fn disturb(&mut self, place: usize, until: u64) {
        let disturbed = &mut self.workers[place].is_disturbed_until;
        *disturbed = until.max(*disturbed);
    }
}
