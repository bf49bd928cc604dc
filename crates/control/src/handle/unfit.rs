//! A worker cannot train although others may: it goes, and they go on.

use crate::cluster::{Cluster, RunPhase};
use crate::command::Command;
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};

impl Cluster {
    /// Gives up a worker that cannot train. Before there ever was a group, and where nobody else could go on, that ends
    /// the run.
    pub(crate) fn unfit(&mut self, now: Millis, worker: WorkerId, reason: String) -> Vec<Command> {
        if self.phase == RunPhase::Returning || self.is_new(now) {
            // Those who are well may be on their way.
            return self.evict(now, vec![(worker, Departure::Unfit { reason })]);
        }
        let is_seated = self.membership.seated(worker).is_some();
        self.n_unfit = self.n_unfit.saturating_add(u32::from(is_seated));
        if !self.has_trained || is_seated && !self.others_go_on(worker) {
            return self.failed(worker, &reason);
        }
        self.evict(now, vec![(worker, Departure::Unfit { reason })])
    }

    /// Whether this coordinator found a group to wait for, and members of it may not have found it yet.
    ///
    /// One that was left behind in an older generation can be the first to come, and alone for a while.
    fn is_new(&self, now: Millis) -> bool {
        self.found > 0 && now.since(self.opened) <= self.settings.return_timeout
    }

    /// Whether anybody else may get on.
    ///
    /// Where as many as a group has seats have said one after the other that they cannot train, and so have all who were
    /// there, those who have come since would say the same: then it is not the workers.
    fn others_go_on(&self, worker: WorkerId) -> bool {
        let mut others = self.membership.others(worker);
        match (self.n_unfit as usize) < self.limit() {
            true => others.next().is_some(),
            false => others.any(|other| other.may_differ),
        }
    }
}
