//! Where a run is in its life, with what is known in that phase alone.

use crate::command::Leaving;
use crate::ids::{Millis, Step, WorkerId};
use crate::membership::Membership;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Waiting for the group that an earlier coordinator left.
    TakingOver,
    /// Waiting for enough workers.
    Gathering,
    /// Waiting for the generation record to be durable.
    Recording,
    /// Waiting for every member to leave its old group.
    Preparing,
    /// The group trains; no step waits for this cluster.
    Training,
    /// The outcome is known.
    Ended,
}

/// A [`RunPhase`] and its data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    TakingOver(Takeover),
    Gathering(Wait),
    Recording(Forming),
    Preparing(Preparing),
    Training(Training),
    Ended,
}

impl State {
    pub(crate) const fn phase(&self) -> RunPhase {
        match self {
            Self::TakingOver(_) => RunPhase::TakingOver,
            Self::Gathering(_) => RunPhase::Gathering,
            Self::Recording(_) => RunPhase::Recording,
            Self::Preparing(_) => RunPhase::Preparing,
            Self::Training(_) => RunPhase::Training,
            Self::Ended => RunPhase::Ended,
        }
    }

    pub(crate) const fn is_training(&self) -> bool {
        matches!(self, Self::Training(_))
    }

    /// What the members have reported: of a group that trains, or of an old group that may still train.
    pub(crate) const fn reports(&self) -> Option<&Reports> {
        match self {
            Self::TakingOver(takeover) => Some(&takeover.reports),
            Self::Training(training) => Some(&training.reports),
            Self::Gathering(_) | Self::Recording(_) | Self::Preparing(_) | Self::Ended => None,
        }
    }

    /// The same, to be added to.
    pub(crate) const fn reports_mut(&mut self) -> Option<&mut Reports> {
        match self {
            Self::TakingOver(takeover) => Some(&mut takeover.reports),
            Self::Training(training) => Some(&mut training.reports),
            Self::Gathering(_) | Self::Recording(_) | Self::Preparing(_) | Self::Ended => None,
        }
    }

    /// How the new group is made, while there is none.
    pub(crate) const fn forming_mut(&mut self) -> Option<&mut Forming> {
        match self {
            Self::Recording(forming) => Some(forming),
            Self::Preparing(preparing) => Some(&mut preparing.forming),
            Self::TakingOver(_) | Self::Gathering(_) | Self::Training(_) | Self::Ended => None,
        }
    }

    /// Whether the group that forms never begins, as members of it were lost: nothing is decided until the next one.
    pub(crate) const fn lacks_members(&self) -> bool {
        match self {
            Self::Recording(forming) => forming.lacks_members,
            Self::Preparing(preparing) => preparing.forming.lacks_members,
            Self::TakingOver(_) | Self::Gathering(_) | Self::Training(_) | Self::Ended => false,
        }
    }

    /// When the waits began that this phase limits.
    pub(crate) fn since_mut(&mut self) -> impl Iterator<Item = &mut Millis> {
        let (one, other) = match self {
            Self::TakingOver(takeover) => (Some(&mut takeover.wait.since), None),
            Self::Gathering(wait) => (Some(&mut wait.since), None),
            Self::Preparing(preparing) => (Some(&mut preparing.since), None),
            Self::Training(training) => (
                Some(&mut training.since),
                training.accusation_window.as_mut(),
            ),
            Self::Recording(_) | Self::Ended => (None, None),
        };
        one.into_iter().chain(other)
    }
}

/// The wait for workers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wait {
    pub(crate) since: Millis,
    /// When the newest worker registered.
    pub(crate) newest_came: Millis,
    /// The newest loss that left nobody.
    pub(crate) last_lost: Option<String>,
}

/// The wait for the members of a group that this coordinator or an earlier one lost sight of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Takeover {
    pub(crate) wait: Wait,
    /// How many members the group has.
    pub(crate) awaited: usize,
    /// Who has come back, by the rank it had.
    pub(crate) claims: BTreeMap<usize, WorkerId>,
    /// Who has come back to a seat, or holds a state from an older group.
    pub(crate) returned: BTreeSet<WorkerId>,
    /// Whether a member said that the group is broken.
    pub(crate) is_broken: bool,
    /// Who was found to hold another state than most of the group.
    pub(crate) differing: BTreeSet<WorkerId>,
    pub(crate) reports: Reports,
    /// Members whose streams closed while this coordinator was away, by their ranks: what to say of those who do not
    /// come back.
    pub(crate) closed: BTreeMap<usize, Box<Verdict>>,
}

/// How many times as long sound members are waited for where only those came back who differ.
const FOR_THE_SOUND: u64 = 10;

impl Takeover {
    pub(crate) fn of(awaited: usize, wait: Wait) -> Self {
        Self {
            wait,
            awaited,
            ..Self::default()
        }
    }

    /// Gives a worker the seat that it had; another claim to that seat has lapsed, with what was reported under it.
    pub(crate) fn claim(&mut self, worker: WorkerId, rank: usize, membership: &mut Membership) {
        if let Some(lapsed) = self.claims.insert(rank, worker) {
            membership.unseat(lapsed);
            self.reports.forget(lapsed);
            if membership.member(lapsed).is_none_or(|m| m.held.is_none()) {
                self.returned.remove(&lapsed);
            }
        }
        membership.seat(worker, rank);
        self.closed.remove(&rank);
        self.returned.insert(worker);
    }

    /// A worker is gone: its seat is free again, and its reports with it.
    pub(crate) fn forget(&mut self, worker: WorkerId, membership: &mut Membership) {
        if let Some(rank) = membership.unseat(worker) {
            self.claims.remove(&rank);
        }
        self.returned.remove(&worker);
        self.differing.remove(&worker);
        self.reports.forget(worker);
    }

    /// How long members that have not come back are waited for: longer where nobody came back whose state is that of the
    /// others, as a group of those who differ has nobody to find its faults.
    pub(crate) fn patience(&self, return_timeout: Millis) -> Millis {
        match !self.returned.is_empty() && self.returned.is_subset(&self.differing) {
            true => Millis::new(return_timeout.get().saturating_mul(FOR_THE_SOUND)),
            false => return_timeout,
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        !self.is_broken && self.claims.keys().copied().eq(0..self.awaited)
    }
}

/// How a new group is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forming {
    /// How its members leave the group before.
    pub(crate) leaving: Leaving,
    /// Whether the group before was stuck in a call as a whole.
    pub(crate) is_stalled: bool,
    /// Whether members were lost since it was made, so that it never begins.
    pub(crate) lacks_members: bool,
}

impl Forming {
    /// A group whose members leave the one before in this way.
    pub(crate) const fn leaving(leaving: Leaving) -> Self {
        Self {
            leaving,
            is_stalled: false,
            lacks_members: false,
        }
    }
}

/// The wait for the members of a new group to leave the one before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Preparing {
    pub(crate) forming: Forming,
    pub(crate) since: Millis,
    /// Who has left it.
    pub(crate) prepared: BTreeSet<WorkerId>,
}

/// A group trains.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Training {
    /// Since when.
    pub(crate) since: Millis,
    pub(crate) reports: Reports,
    /// When the first member accused another; the others have a moment to do so too.
    pub(crate) accusation_window: Option<Millis>,
    /// Members that said that the group is broken.
    pub(crate) reported_broken: BTreeSet<WorkerId>,
    /// Members of which others said that their state is another one, and who did.
    pub(crate) said_to_differ: BTreeMap<WorkerId, BTreeSet<WorkerId>>,
}

impl Training {
    /// A group that trains from now on.
    pub(crate) fn new(since: Millis, reports: Reports) -> Self {
        Self {
            since,
            reports,
            ..Self::default()
        }
    }
}

/// What members of a group have reported.
///
/// Kept by report, not by worker, so that whether everybody reported is a comparison of two counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reports {
    pub(crate) written: BTreeMap<Step, BTreeSet<WorkerId>>,
    pub(crate) weights_digests: BTreeMap<WorkerId, String>,
    pub(crate) drained: BTreeMap<WorkerId, Step>,
}

/// Checkpoints of which a member's share is remembered while others lack theirs: the newest.
pub const MOST_SHARES: usize = 16;

impl Reports {
    /// Notes a share; of one member's many the oldest are forgotten.
    pub(crate) fn wrote(&mut self, worker: WorkerId, step: Step) {
        self.written.entry(step).or_default().insert(worker);
        let shares = self.written.iter_mut().rev();
        let its = shares.filter(|(_, writers)| writers.contains(&worker));
        its.skip(MOST_SHARES).for_each(|(_, writers)| {
            writers.remove(&worker);
        });
        self.written.retain(|_, writers| !writers.is_empty());
    }

    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.weights_digests.remove(&worker);
        self.drained.remove(&worker);
        self.written.values_mut().for_each(|writers| {
            writers.remove(&worker);
        });
    }
}
