//! Who is registered, who is in the group, and what each has reported.
//! Owns no decision: it answers questions about what is known.

use crate::ids::{Millis, Step, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one registered worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) last_heard: Millis,
    /// What it reported in the current generation.
    pub(crate) reported: Reported,
}

/// What a worker has reported since its generation was made; forgotten with the generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reported {
    pub(crate) is_prepared: bool,
    pub(crate) written: BTreeSet<Step>,
    pub(crate) weights_digest: Option<String>,
    pub(crate) drained_at: Option<Step>,
}

/// All registered workers, and the ordered group of the current generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Membership {
    members: BTreeMap<WorkerId, Member>,
    /// Workers of the current generation in rank order.
    group: Vec<WorkerId>,
}

impl Membership {
    pub(crate) fn insert(&mut self, worker: WorkerId, member: Member) {
        self.members.insert(worker, member);
    }

    pub(crate) fn remove(&mut self, worker: WorkerId) -> Option<Member> {
        self.members.remove(&worker)
    }

    pub(crate) fn member(&self, worker: WorkerId) -> Option<&Member> {
        self.members.get(&worker)
    }

    pub(crate) fn member_mut(&mut self, worker: WorkerId) -> Option<&mut Member> {
        self.members.get_mut(&worker)
    }

    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// Everybody registered, in the order they came.
    pub(crate) fn workers(&self) -> Vec<WorkerId> {
        self.members.keys().copied().collect()
    }

    /// The group's workers in rank order.
    pub(crate) fn group(&self) -> &[WorkerId] {
        &self.group
    }

    pub(crate) fn rank_of(&self, worker: WorkerId) -> Option<usize> {
        self.group.iter().position(|&member| member == worker)
    }

    /// Makes a new group of at most `limit` workers in the order they came; old reports are forgotten.
    pub(crate) fn regroup(&mut self, limit: usize) {
        self.group = self.members.keys().copied().take(limit).collect();
        for member in self.members.values_mut() {
            member.reported = Reported::default();
        }
    }

    /// The group's members that are still registered, in rank order.
    pub(crate) fn group_members(&self) -> impl Iterator<Item = (WorkerId, &Member)> {
        self.group
            .iter()
            .filter_map(|id| self.members.get(id).map(|member| (*id, member)))
    }

    /// Whether every member of the group is registered and satisfies `fact`.
    pub(crate) fn all(&self, fact: impl Fn(&Member) -> bool) -> bool {
        !self.group.is_empty()
            && self
                .group
                .iter()
                .all(|id| self.members.get(id).is_some_and(&fact))
    }

    /// Workers last heard of before `limit` milliseconds ago.
    pub(crate) fn silent(&self, now: Millis, limit: Millis) -> Vec<WorkerId> {
        self.members
            .iter()
            .filter(|(_, member)| now.since(member.last_heard) > limit)
            .map(|(id, _)| *id)
            .collect()
    }
}
