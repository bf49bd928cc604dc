//! Groups that are stuck in a collective call, and members that do not leave their group when asked.
//!
//! A member that hangs in a call and those that wait for it look alike. So all are asked to leave, and those that can
//! do so at once.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving};
use crate::deadlines::{Basis, Limit, step_ceiling};
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;
use crate::progress::{Phase, WaitsFor};
use crate::state::{Forming, Preparing, State};

/// How long a member may take to leave a call in which all are stuck.
pub(super) const LAST_CALL: Millis = Millis::new(2_000);

impl Cluster {
    /// Breaks off a group of which all members are stuck in a call.
    pub(crate) fn break_stall(&mut self, now: Millis) -> Vec<Command> {
        let stalls = |(_, member): (WorkerId, &Member)| self.is_in_long_call(now, member);
        let State::Training(training) = &self.state else {
            return Vec::new();
        };
        if training.accusation_window.is_some()
            || self.membership.group().len() < 2
            || !self.membership.group_members().all(stalls)
        {
            return Vec::new();
        }
        self.regroup(Forming {
            is_stalled: true,
            ..Forming::leaving(Leaving::AtOnce)
        })
    }

    fn is_in_long_call(&self, now: Millis, member: &Member) -> bool {
        let Some((heard, progress)) = &member.progress else {
            return false;
        };
        let is_call = matches!(progress.phase, Phase::Gather | Phase::Reduce);
        let ceiling = progress.phase.ceiling(&self.settings, progress.pace);
        let limit = self
            .deadlines
            .phase(progress.phase, &self.settings, true, ceiling);
        let lasts = progress.lasts.plus(now.since(*heard));
        is_call
            && progress.generation == self.lineage.generation
            && limit.is_some_and(|limit| lasts > limit.allowed)
    }

    /// Evicts members that do not leave the old group in time.
    ///
    /// If a last step does not end, it is unknown who holds it up: all members are asked to leave at once first.
    pub(crate) fn evict_stuck(&mut self, now: Millis) -> Vec<Command> {
        let State::Preparing(preparing) = &self.state else {
            return Vec::new();
        };
        let stuck = self.stuck(now, preparing);
        if !stuck.is_empty() && preparing.forming.leaving == Leaving::AfterTheStep {
            return self.start_generation(Leaving::AtOnce);
        }
        self.evict(now, stuck)
    }

    /// Members that have not left their old group in time.
    fn stuck(&self, now: Millis, preparing: &Preparing) -> Vec<(WorkerId, Departure)> {
        let waited = now.since(preparing.since);
        let members = self.membership.group_members();
        let unprepared = members.filter(|(worker, _)| !preparing.prepared.contains(worker));
        let stuck = unprepared.filter_map(|(worker, member)| {
            let limit = self.leave_limit(member, preparing.forming);
            let phase = member
                .progress
                .as_ref()
                .map_or(Phase::Idle, |(_, p)| p.phase);
            (waited > limit.allowed).then_some((worker, Departure::Stuck { phase, limit }))
        });
        stuck.collect()
    }

    /// A member leaves between two slots, or after the step. One that opens its data or waits for the store has the longest
    /// limit.
    fn leave_limit(&self, member: &Member, forming: Forming) -> Limit {
        let progress = member.progress.as_ref().map(|(_, progress)| progress);
        let pace = progress.and_then(|progress| progress.pace);
        let ceiling = match forming.leaving {
            Leaving::AtOnce => Phase::Forward.ceiling(&self.settings, pace),
            Leaving::AfterTheStep => step_ceiling(&self.settings, pace),
        };
        let is_free =
            progress.is_some_and(|progress| progress.phase.waits_for() != WaitsFor::Store);
        if !is_free || !member.done.contains(&Phase::Forward) {
            return ceiling;
        }
        if forming.is_stalled {
            return Limit {
                allowed: LAST_CALL.min(self.settings.leave_timeout),
                basis: Basis::LastCall,
            };
        }
        let passes = [Phase::Forward, Phase::Backward].into_iter();
        let limits =
            passes.filter_map(|phase| self.deadlines.phase(phase, &self.settings, false, ceiling));
        let longest = limits.max_by_key(|limit| limit.allowed);
        longest.unwrap_or(ceiling)
    }
}
