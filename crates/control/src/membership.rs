//! Who is registered, and who is in the group.
//! Makes no decision: it answers questions about what is known.

use crate::ids::{Generation, Millis, Rank, Step, WorkerId};
use crate::progress::{Phase, Progress};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one registered worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) last_heard: Millis,
    /// When its host was last asked for a sign of life.
    pub(crate) probed: Option<Millis>,
    /// The step that the state in its memory was after when it last said so.
    pub(crate) held: Option<Step>,
    /// The last group that began with it, and its rank there.
    pub(crate) seat: Option<(Generation, usize)>,
    /// Whether it was asked to leave.
    pub(crate) is_leaving: bool,
    /// Whether it registered before the first unfit worker, or with a state, so that it may be fit although others are not.
    pub(crate) predates_first_unfit: bool,
    /// The newest step when its state was last found to be another one than its peers'.
    pub(crate) differed: Option<Step>,
    /// Whether it has found a checkpoint damaged since the last applied step.
    pub(crate) has_reported_damage: bool,
    /// Where it was in its work when it last said so.
    pub(crate) progress: Option<(Millis, Progress)>,
    /// Since when it has said that it is not at work in the present group, if it has.
    pub(crate) idle_since: Option<Millis>,
    /// What it has done at least once: its first time may take longer than anybody's later ones.
    pub(crate) done: BTreeSet<Phase>,
}

/// All registered workers, and the ordered group of the current generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Membership {
    members: BTreeMap<WorkerId, Member>,
    /// How many of them were asked to leave.
    n_leaving: usize,
    /// Workers of the current generation in rank order.
    group: Vec<WorkerId>,
    /// Theirs, or those that are claimed before there is a group.
    ranks: BTreeMap<WorkerId, usize>,
    /// The same the other way round.
    holders: BTreeMap<usize, WorkerId>,
}

impl Membership {
    pub(crate) fn insert(&mut self, worker: WorkerId, member: Member) {
        self.members.insert(worker, member);
    }

    pub(crate) fn remove(&mut self, worker: WorkerId) -> Option<Member> {
        let member = self.members.remove(&worker)?;
        self.n_leaving -= usize::from(member.is_leaving);
        Some(member)
    }

    /// Notes that a worker was asked to leave; says whether that is news.
    pub(crate) fn ask_to_leave(&mut self, worker: WorkerId) -> bool {
        let Some(member) = self.members.get_mut(&worker) else {
            return false;
        };
        let is_news = !std::mem::replace(&mut member.is_leaving, true);
        self.n_leaving += usize::from(is_news);
        is_news
    }

    pub(crate) fn member(&self, worker: WorkerId) -> Option<&Member> {
        self.members.get(&worker)
    }

    pub(crate) fn member_mut(&mut self, worker: WorkerId) -> Option<&mut Member> {
        self.members.get_mut(&worker)
    }

    /// Everybody registered but one.
    pub(crate) fn others(&self, worker: WorkerId) -> impl Iterator<Item = &Member> {
        let members = self.members.iter();
        members.filter_map(move |(id, member)| (*id != worker).then_some(member))
    }

    /// The group has applied a step: what was wrong before is forgotten.
    pub(crate) fn forget_trouble(&mut self) {
        for member in self.members.values_mut() {
            member.predates_first_unfit = true;
            member.has_reported_damage = false;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// How many are registered and were not asked to leave.
    pub(crate) fn n_staying(&self) -> usize {
        self.members.len() - self.n_leaving
    }

    /// Everybody who was asked to leave and has no seat.
    pub(crate) fn leavers(&self) -> Vec<WorkerId> {
        let ids = self.members.keys().copied();
        ids.filter(|id| self.is_leaver(*id)).collect()
    }

    /// Whether a worker was asked to leave and has no seat.
    pub(crate) fn is_leaver(&self, worker: WorkerId) -> bool {
        let is_seated = self.ranks.contains_key(&worker);
        !is_seated && self.members.get(&worker).is_some_and(|m| m.is_leaving)
    }

    /// Whether a member of the group was asked to leave.
    pub(crate) fn has_leaver(&self) -> bool {
        self.group_members().any(|(_, member)| member.is_leaving)
    }

    /// Whether nobody who stays is known to hold a state as new as one who leaves.
    pub(crate) fn needs_leavers(&self) -> bool {
        let newest = |is_leaving| {
            let members = self.members.values();
            let those = members.filter(|member| member.is_leaving == is_leaving);
            those.map(|member| member.held).max().flatten()
        };
        newest(true) > newest(false)
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
        self.ranks.get(&worker).copied()
    }

    /// Who has a seat.
    pub(crate) fn holder(&self, rank: Rank) -> Option<WorkerId> {
        self.holders.get(&(rank.get() as usize)).copied()
    }

    /// Whether this many reports, one a worker, are everybody's.
    pub(crate) fn is_everybody(&self, reports: usize) -> bool {
        reports > 0 && reports == self.group.len()
    }

    /// A worker's rank and what is known of it, if it is in the group and registered.
    pub(crate) fn seated(&self, worker: WorkerId) -> Option<(usize, &Member)> {
        Some((self.rank_of(worker)?, self.members.get(&worker)?))
    }

    /// Gives a worker a seat before there is a group.
    pub(crate) fn seat(&mut self, worker: WorkerId, rank: usize) {
        self.ranks.insert(worker, rank);
        self.holders.insert(rank, worker);
    }

    /// Takes a worker's seat away; gives its rank.
    pub(crate) fn unseat(&mut self, worker: WorkerId) -> Option<usize> {
        let rank = self.ranks.remove(&worker)?;
        self.holders.remove(&rank);
        Some(rank)
    }

    /// The group begins: each of its members has its seat.
    pub(crate) fn begin(&mut self, generation: Generation) {
        for (rank, worker) in self.group.iter().enumerate() {
            if let Some(member) = self.members.get_mut(worker) {
                member.seat = Some((generation, rank));
            }
        }
    }

    /// Takes these for the group, in rank order.
    pub(crate) fn adopt(&mut self, group: Vec<WorkerId>) {
        let ranks = group.iter().enumerate().map(|(rank, id)| (*id, rank));
        self.ranks = ranks.collect();
        self.holders = group.iter().copied().enumerate().collect();
        self.group = group;
    }

    /// Makes a new group of at most `limit` workers.
    ///
    /// Who was in the group stays, then come those who hold the newest state, then those who came first.
    /// Leavers have no part in it unless they are asked to, or nobody else is there.
    pub(crate) fn regroup(&mut self, limit: usize, with_leavers: bool) {
        let with_leavers = with_leavers || self.n_staying() == 0;
        let is_wanted = |(_, member): &(&WorkerId, &Member)| with_leavers || !member.is_leaving;
        let mut order: Vec<_> = self.members.iter().filter(is_wanted).collect();
        order
            .sort_by_key(|(id, member)| (!self.ranks.contains_key(id), Reverse(member.held), **id));
        self.adopt(order.into_iter().map(|(id, _)| *id).take(limit).collect());
    }

    /// The group's members that are still registered, in rank order.
    pub(crate) fn group_members(&self) -> impl Iterator<Item = (WorkerId, &Member)> {
        self.group
            .iter()
            .filter_map(|id| self.members.get(id).map(|member| (*id, member)))
    }

    /// Whether there are several workers, and none was heard of within `limit` milliseconds.
    pub(crate) fn all_silent(&self, now: Millis, limit: Millis) -> bool {
        let mut members = self.members.values();
        self.members.len() > 1 && members.all(|member| now.since(member.last_heard) > limit)
    }

    /// Counts everybody as heard at a time, which may be in the future.
    pub(crate) fn count_as_heard(&mut self, until: Millis) {
        for member in self.members.values_mut() {
            member.last_heard = member.last_heard.max(until);
            if let Some((heard, _)) = &mut member.progress {
                *heard = until.max(*heard);
            }
            if let Some(since) = &mut member.idle_since {
                *since = until.max(*since);
            }
        }
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
