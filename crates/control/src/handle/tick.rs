//! What time alone decides: silence, members that hang, and a group that never gathers.

use crate::cluster::Cluster;
use crate::command::{Command, RunOutcome};
use crate::deadlines::Limit;
use crate::event::Departure;
use crate::handle::stall::LAST_CALL;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;
use crate::progress::{Pace, Phase, Progress, WaitsFor};
use crate::state::State;
use std::cmp::Reverse;

/// A pause from which on workers may have taken this coordinator for dead and closed their streams.
pub(super) const AWAY: Millis = Millis::new(5_000);

impl Cluster {
    /// Declares silent and stuck workers gone, and gives up on a group that does not gather or return.
    pub(crate) fn tick(&mut self, now: Millis) -> Vec<Command> {
        let rules = [
            Self::evict_silent,
            Self::probe_hosts,
            Self::evict_hanging,
            Self::break_stall,
            Self::close_accusations,
            Self::evict_stuck,
            Self::form_without_lost,
            Self::save_in_time,
            Self::stop_waiting,
            Self::gather,
            Self::give_up_gathering,
        ];
        let commands = rules.into_iter().flat_map(|rule| rule(self, now));
        commands.collect()
    }

    fn evict_silent(&mut self, now: Millis) -> Vec<Command> {
        let mut limit = self.deadlines.silence(&self.settings);
        self.excuse_own_pause(now, limit.allowed);
        limit.allowed = self.silence_allowed(now, limit.allowed);
        let silent = self.membership.silent(now, limit.allowed).into_iter();
        let silent = silent.map(|worker| (worker, Departure::Silent { limit }));
        self.evict(now, silent.collect())
    }

    /// How long a worker may be silent.
    ///
    /// If all are silent, this coordinator was away or is cut off and its workers train on: they have as long as the run
    /// waits for workers to register. Once one is heard again, the others get as much extra time as all were silent, since
    /// a connection is retried after waits that double.
    fn silence_allowed(&mut self, now: Millis, usual: Millis) -> Millis {
        let half = usual.get() / 2;
        if self.membership.all_silent(now, Millis::new(half)) {
            self.all_silent_since.get_or_insert(now);
            return usual.max(self.settings.join_timeout);
        }
        if let Some(since) = self.all_silent_since.take() {
            let lasted = now.since(since).get().saturating_add(half);
            let longest = self.settings.join_timeout.get();
            let until = now.get().saturating_add(lasted.min(longest));
            self.membership.count_as_heard(Millis::new(until));
        }
        usual
    }

    /// A long time between two ticks was this coordinator's own pause, or a jump of its clock. Messages of that time are
    /// still on their way, so it counts for no limit. A pause is long from half of the shortest limit on.
    fn excuse_own_pause(&mut self, now: Millis, silence: Millis) {
        let before = std::mem::replace(&mut self.last_tick, now);
        let pause = now.since(before);
        let shortest = silence.min(self.settings.leave_timeout).min(LAST_CALL);
        if pause.get() <= shortest.get() / 2 {
            return;
        }
        if pause >= AWAY {
            self.excused_until = now.plus(self.settings.return_timeout);
        } else if before < self.excused_until {
            self.excused_until = self.excused_until.plus(pause);
        }
        self.membership.count_as_heard(now);
        let waits = self.state.since_mut();
        for began in waits.chain(&mut self.lost_sight) {
            *began = began.plus(pause).min(now);
        }
    }

    /// Evicts members that have been in one phase for longer than its limit.
    ///
    /// If all members are late at once, the cause is probably none of them, so each has the longest limit there is.
    fn evict_hanging(&mut self, now: Millis) -> Vec<Command> {
        if !self.state.is_training() {
            return Vec::new();
        }
        let furthest = self.furthest();
        let members = self.membership.group_members();
        let hangs = |(id, member)| {
            let departure = self.hangs(member, furthest);
            Some((id, departure.or_else(|| self.idles(now, id, member))?))
        };
        let mut late: Vec<_> = members.filter_map(hangs).collect();
        if late.len() > 1 && self.membership.is_everybody(late.len()) {
            late.retain(|(worker, departure)| self.is_beyond_all_limits(*worker, departure));
        }
        self.evict(now, late)
    }

    fn is_beyond_all_limits(&self, worker: WorkerId, departure: &Departure) -> bool {
        let Departure::Hangs { phase, lasts, .. } = departure else {
            return false;
        };
        *lasts > phase.ceiling(&self.settings, self.pace(worker)).allowed
    }

    /// How fast a worker says that it is.
    fn pace(&self, worker: WorkerId) -> Option<Pace> {
        let (_, progress) = self.membership.member(worker)?.progress.as_ref()?;
        progress.pace
    }

    /// The number of the newest call that any member has begun, and when the first member got there.
    fn furthest(&self) -> Option<(u64, Millis)> {
        let members = self.membership.group_members();
        let reached = members.filter_map(|(_, member)| {
            let (heard, progress) = member.progress.as_ref()?;
            let since = heard.get().saturating_sub(progress.lasts.get());
            Some((self.sequence(progress)?, Reverse(Millis::new(since))))
        });
        reached
            .max()
            .map(|(newest, Reverse(since))| (newest, since))
    }

    /// The number of the call that was begun last in this generation.
    fn sequence(&self, progress: &Progress) -> Option<u64> {
        let is_current = progress.generation == self.lineage.generation;
        let call = progress.call.as_ref().filter(|_| is_current)?;
        Some(call.sequence)
    }

    /// Only time that a member reported counts: what a silent one does is unknown.
    ///
    /// A member that waits for others is late from the moment when one of them got ahead, as far as it reported since
    /// then. Before that all waited alike.
    fn hangs(&self, member: &Member, furthest: Option<(u64, Millis)>) -> Option<Departure> {
        let (heard, progress) = member.progress.as_ref()?;
        if progress.generation != self.lineage.generation {
            return None;
        }
        let is_further = |(newest, _): &(u64, Millis)| self.sequence(progress) < Some(*newest);
        let behind = furthest.filter(is_further);
        let phase = progress.phase;
        let ceiling = phase.ceiling(&self.settings, progress.pace);
        let mut limit = self
            .deadlines
            .phase(phase, &self.settings, behind.is_some(), ceiling)?;
        if !member.done.contains(&phase) {
            limit = ceiling;
        }
        let lasts = match (phase.waits_for(), behind) {
            (WaitsFor::Others, Some((_, since))) => progress.lasts.min(heard.since(since)),
            (WaitsFor::Others, None) => progress.lasts,
            (WaitsFor::Nobody | WaitsFor::Store, _) => progress.still,
        };
        (lasts > limit.allowed).then_some(Departure::Hangs {
            phase,
            lasts,
            limit,
        })
    }

    /// A member whose heart beats has begun to work, or said how its work ended, within the longest limit there is.
    fn idles(&self, now: Millis, worker: WorkerId, member: &Member) -> Option<Departure> {
        let State::Training(training) = &self.state else {
            return None;
        };
        let reports = &training.reports;
        let has_ended = reports.weights_digests.contains_key(&worker)
            || reports.drained.contains_key(&worker)
            || training.reported_broken.contains(&worker);
        let (heard, _) = member.progress.as_ref()?;
        let limit = Limit::of_key(self.settings.leave_timeout);
        // What counts as heard may be in the future.
        let lasts = now
            .min(*heard)
            .since(member.idle_since?.max(training.since));
        (!has_ended && lasts > limit.allowed).then_some(Departure::Hangs {
            phase: Phase::Idle,
            lasts,
            limit,
        })
    }

    pub(super) fn give_up_gathering(&mut self, now: Millis) -> Vec<Command> {
        let State::Gathering(wait) = &self.state else {
            return Vec::new();
        };
        if now.since(wait.since) <= self.settings.join_timeout {
            return Vec::new();
        }
        let last_lost = wait.last_lost.as_ref();
        let last_lost = last_lost.map_or(String::new(), |lost| {
            format!(" after the last was lost ({lost})")
        });
        let reason = format!(
            "{} of {} workers registered within {} s (coordinator.join_timeout_s){last_lost}; start the others sooner, \
             raise that key, or ask for fewer with --workers",
            self.membership.count(),
            self.settings.least_workers,
            self.settings.join_timeout.get() / 1000
        );
        self.end(RunOutcome::Failed { reason })
    }
}
