//! A group breaks although its members live: the statements of all are collected and weighed.
//!
//! If A cannot reach B and both reach the coordinator, A's statement alone does not show whose fault that is. So the
//! coordinator collects the others' for a moment. If the next group breaks in the same way, the member with the most
//! broken links goes.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving, RunOutcome};
use crate::event::Accusation;
use crate::ids::{Generation, Millis, Rank, WorkerId};
use crate::state::State;

/// How long statements are collected after the first accusation; the members' deadlines end at about the same time.
const ACCUSATION_WINDOW: Millis = Millis::new(1_000);
/// Generations in a row without a step after which a member is removed.
const PATIENCE: u32 = 2;

impl Cluster {
    /// A live worker saw its group fail: everybody regroups. If a peer died, its own departure follows.
    ///
    /// A group that breaks again and again without a step, although nobody is lost, ends the run.
    pub(crate) fn group_broken(
        &mut self,
        now: Millis,
        worker: WorkerId,
        generation: Generation,
        (reason, accusation): (&str, Option<Accusation>),
    ) -> Vec<Command> {
        let mut commands = self.report_broken(worker, reason, accusation);
        if generation != self.lineage.generation || commands.is_empty() {
            return Vec::new();
        }
        let accused = match accusation {
            Some(Accusation::Unreachable(rank)) => self.member_at(rank),
            Some(Accusation::Diverged(_)) | None => None,
        };
        let training = match &mut self.state {
            State::Training(training) => training,
            State::TakingOver(takeover) => {
                takeover.is_broken = true;
                return commands;
            }
            State::Gathering(_) | State::Recording(_) | State::Preparing(_) | State::Ended => {
                return Vec::new();
            }
        };
        training.reported_broken.insert(worker);
        if let Some(accused) = accused {
            let links = &mut self.trouble.broken_links;
            links.insert((worker, accused), generation);
            training.accusation_window.get_or_insert(now);
        }
        let n_reported = training.reported_broken.len();
        if training.accusation_window.is_none() || self.membership.is_everybody(n_reported) {
            let who = self.describe_registered(worker).unwrap_or_default();
            commands.extend(self.regroup_broken(now, &format!("{who} reports: {reason}")));
        }
        commands
    }

    /// The statement of a live member, or the verdict on one whose state is not its peers'.
    fn report_broken(
        &self,
        worker: WorkerId,
        reason: &str,
        accusation: Option<Accusation>,
    ) -> Vec<Command> {
        let reason = reason.to_owned();
        let said = if let Some(Accusation::Diverged(rank)) = accusation {
            let blamed = self.member_at(rank).unwrap_or(worker);
            let verdict = self.verdict_on(blamed, reason, Vec::new()).map(Box::new);
            verdict.map(|verdict| Command::Report { verdict })
        } else {
            let worker = self.describe_registered(worker);
            worker.map(|worker| Command::Statement { worker, reason })
        };
        said.into_iter().collect()
    }

    fn member_at(&self, rank: Rank) -> Option<WorkerId> {
        self.membership.group().get(rank.get() as usize).copied()
    }

    /// Regroups when the time for statements is over.
    pub(crate) fn close_accusations(&mut self, now: Millis) -> Vec<Command> {
        let State::Training(training) = &self.state else {
            return Vec::new();
        };
        match training.accusation_window {
            Some(began) if now.since(began) >= ACCUSATION_WINDOW => {
                self.regroup_broken(now, "its members do not reach each other")
            }
            _ => Vec::new(),
        }
    }

    /// Makes a new generation of a broken group, without the one that most accuse if it is not the first to break.
    fn regroup_broken(&mut self, now: Millis, why: &str) -> Vec<Command> {
        let trouble = &mut self.trouble;
        trouble.without_step += 1;
        if trouble.without_step >= self.settings.max_without_step {
            let reason = format!(
                "{} generations in a row broke without a step; of the last, {why}",
                trouble.without_step
            );
            return self.end(RunOutcome::Failed { reason });
        }
        if trouble.without_step >= PATIENCE
            && let Some((suspect, departure)) =
                trouble.suspect(self.lineage.generation, &self.membership)
        {
            trouble.forget(suspect);
            return self.evict(now, vec![(suspect, departure)]);
        }
        self.start_generation(Leaving::AtOnce)
    }
}
