//! Who is registered, and who of them waits: for people to read, nothing is decided here.

use crate::cluster::Cluster;
use crate::ids::{Millis, WorkerId};
use crate::state::State;

/// What a run that gathers its first group waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Workers that are there.
    pub registered: usize,
    /// Workers with which it begins.
    pub wanted: usize,
    /// How long it still waits.
    pub left: Millis,
}

impl Cluster {
    /// What the first group waits for, while it gathers.
    #[must_use]
    pub fn gathering(&self, now: Millis) -> Option<Gathering> {
        let State::Gathering(wait) = &self.state else {
            return None;
        };
        Some(Gathering {
            registered: self.membership.n_staying(),
            wanted: self.wanted(self.settings.least_workers),
            left: self.settings.join_timeout.since(now.since(wait.since)),
        })
    }

    /// Registered workers that have no seat since all are taken, with their names, in the order they came.
    #[must_use]
    pub fn standing_by(&self) -> Vec<(WorkerId, &str)> {
        let is_full = self.membership.group().len() >= self.limit();
        let members = match is_full && self.state != State::Ended {
            true => self.membership.workers(),
            false => Vec::new(),
        };
        let is_seated = |id: &WorkerId| self.membership.rank_of(*id).is_some();
        let unseated = members.into_iter().filter(|id| !is_seated(id));
        let named = unseated.filter_map(|id| Some((id, self.membership.member(id)?)));
        let staying = named.filter(|(_, member)| !member.is_leaving);
        staying
            .map(|(id, member)| (id, member.name.as_str()))
            .collect()
    }

    /// Everybody registered, in the order they came.
    #[must_use]
    pub fn registered_workers(&self) -> Vec<WorkerId> {
        self.membership.workers()
    }

    /// Whether a worker is registered.
    #[must_use]
    pub fn is_registered(&self, worker: WorkerId) -> bool {
        self.membership.member(worker).is_some()
    }

    /// The group's members that are still registered, in rank order.
    #[must_use]
    pub fn group_workers(&self) -> Vec<WorkerId> {
        let members = self.membership.group_members();
        members.map(|(worker, _)| worker).collect()
    }

    /// Whether a registered worker was asked to leave.
    #[must_use]
    pub fn is_leaving(&self, worker: WorkerId) -> bool {
        let member = self.membership.member(worker);
        member.is_some_and(|member| member.is_leaving)
    }

    /// How many workers are registered.
    #[must_use]
    pub fn n_registered(&self) -> usize {
        self.membership.count()
    }
}
