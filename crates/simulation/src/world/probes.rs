//! Coordinators ask hosts for a sign of life. A host answers for a process that is paused, and for none.

use super::{Happening, World};
use fratmae_control::{Event, HostProbe, WorkerId};

/// How long a coordinator waits for an answer; shorter than in truth, as all deadlines are here.
const PATIENCE: u64 = 400;

impl World {
    pub(super) fn probe(&mut self, coordinator: usize, probe: &HostProbe) {
        let &HostProbe { worker, asked, .. } = probe;
        if self.answers(coordinator, worker) {
            return;
        }
        let unanswered = Event::ProbeFailed { worker, asked };
        let ends = Happening::Unanswered(coordinator, unanswered);
        self.agenda.after(PATIENCE, ends);
    }

    /// Time for an answer is over; what was cut off at first and is no more has given one to the second question.
    pub(super) fn unanswered(&mut self, coordinator: usize, event: Event) {
        let Event::ProbeFailed { worker, .. } = event else {
            return;
        };
        if self.coordinators[coordinator].is_serving() && !self.answers(coordinator, worker) {
            self.coordinators[coordinator].inbox.push_back(event);
            self.pump(coordinator);
        }
    }

    /// Whether a question and its answer get through now.
    fn answers(&self, coordinator: usize, worker: WorkerId) -> bool {
        let leader = &self.coordinators[coordinator];
        let place = leader.streams.get(&worker.get()).map(|link| link.place);
        let is_whole = |place: usize| {
            let worker = &self.workers[place];
            let cuts = [worker.hears_nothing_until, worker.is_mute_until];
            let own = [leader.hears_nothing_until, leader.is_mute_until];
            cuts.iter()
                .chain(&own)
                .all(|until| *until <= self.agenda.now())
        };
        place.is_none_or(is_whole)
    }
}
