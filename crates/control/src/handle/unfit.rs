//! A worker cannot train although others may: it goes, and they go on.

use crate::cluster::Cluster;
use crate::command::Command;
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::state::State;

impl Cluster {
    /// Gives up a worker that cannot train. Before there ever was a group, and where nobody else could go on, that ends
    /// the run.
    pub(crate) fn unfit(&mut self, now: Millis, worker: WorkerId, reason: String) -> Vec<Command> {
        if matches!(self.state, State::TakingOver(_)) || self.is_new(now) {
            // Those who are well may be on their way.
            return self.evict(now, vec![(worker, Departure::Unfit { reason })]);
        }
        let is_seated = self.membership.seated(worker).is_some();
        self.trouble.n_unfit += usize::from(is_seated);
        if !self.has_trained || is_seated && !self.others_go_on(worker) {
            return self.failed(worker, &reason);
        }
        self.evict(now, vec![(worker, Departure::Unfit { reason })])
    }

    /// Whether this coordinator found a group to wait for, and members of it may not have found it yet.
    ///
    /// One that was left behind in an older generation can be the first to come, and alone for a while.
    fn is_new(&self, now: Millis) -> bool {
        self.taken_over
            .is_some_and(|began| now.since(began) <= self.settings.return_timeout)
    }

    /// Whether anybody else may get on.
    ///
    /// Where as many as a group has seats have said one after the other that they cannot train, and so have all who were
    /// there, those who have come since would say the same: then it is not the workers.
    fn others_go_on(&self, worker: WorkerId) -> bool {
        let mut others = self.membership.others(worker);
        match self.trouble.n_unfit < self.limit() {
            true => others.next().is_some(),
            false => others.any(|other| other.predates_first_unfit),
        }
    }
}
