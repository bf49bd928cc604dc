//! A group breaks although its members live: the statements of all are collected and weighed.
//!
//! If A cannot reach B and both reach the coordinator, A's statement alone does not show whose fault that is. So the
//! coordinator collects the others' for a moment. If another group breaks in the same way before a step, the one with the
//! most broken links goes.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving, RunOutcome};
use crate::event::{Accusation, Departure};
use crate::ids::{Generation, Millis, Rank, WorkerId};
use crate::state::State;
use crate::verdict::Verdict;

/// How long statements are collected after the first accusation; the members' deadlines end at about the same time.
const ACCUSATION_WINDOW: Millis = Millis::new(1_000);
/// Steps after which a member that once differed from its peers is as good as any.
const GOOD_STEPS: u64 = 100;

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
        let accused = match accusation {
            Some(Accusation::Unreachable(rank)) => self.member_at(rank),
            Some(Accusation::Diverged(rank)) => {
                if let State::TakingOver(takeover) = &mut self.state {
                    takeover.is_broken = true;
                    let blamed = takeover.claims.get(&(rank.get() as usize)).copied();
                    takeover.differing.extend(blamed);
                    let verdict = blamed.and_then(|it| self.finding_on(it, reason.to_owned()));
                    return verdict.map(report).into_iter().collect();
                }
                let blamed = self.member_at(rank).unwrap_or(worker);
                return self.differs(now, (worker, blamed), reason);
            }
            None => None,
        };
        let statement = self.statement(worker, reason);
        let training = match &mut self.state {
            State::Training(training) => training,
            State::TakingOver(takeover) => {
                takeover.is_broken = true;
                return vec![statement];
            }
            State::Gathering(_) | State::Recording(_) | State::Preparing(_) | State::Ended => {
                return Vec::new();
            }
        };
        training.reported_broken.insert(worker);
        let links = &mut self.trouble.broken_links;
        links.extend(accused.map(|accused| (worker, accused, generation)));
        if !links.is_empty() {
            // Who accused another before may do so again, and be heard after those who only saw it leave.
            training.accusation_window.get_or_insert(now);
        }
        let n_reported = training.reported_broken.len();
        let mut commands = vec![statement];
        if training.accusation_window.is_none() || self.membership.is_everybody(n_reported) {
            let who = self.describe_registered(worker).unwrap_or_default();
            commands.extend(self.regroup_broken(now, &format!("{who} reports: {reason}")));
        }
        commands
    }

    /// What a live member says of its group's failure.
    fn statement(&self, worker: WorkerId, reason: &str) -> Command {
        Command::Statement {
            worker: self.describe_registered(worker).unwrap_or_default(),
            reason: reason.to_owned(),
        }
    }

    /// A member's state is not its peers': it says so itself, or more than half of the group do.
    ///
    /// It takes their state. One that differs again soon is given up: its memory is faulty, or it computes wrongly. That
    /// is its failure, and the run ends for none of it.
    fn differs(
        &mut self,
        now: Millis,
        (accuser, blamed): (WorkerId, WorkerId),
        reason: &str,
    ) -> Vec<Command> {
        let verdict = self.finding_on(blamed, reason.to_owned());
        let size = self.membership.group().len();
        let State::Training(training) = &mut self.state else {
            return Vec::new();
        };
        training.reported_broken.insert(accuser);
        let accusers = training.said_to_differ.entry(blamed).or_default();
        accusers.insert(accuser);
        if accuser != blamed && accusers.len() * 2 <= size {
            training.accusation_window.get_or_insert(now);
            return Vec::new();
        }
        let applied = self.lineage.applied;
        let Some(member) = self.membership.member_mut(blamed) else {
            return Vec::new();
        };
        let before = member.differed.replace(applied);
        if let Some(before) = before
            && applied.get().saturating_sub(before.get()) < GOOD_STEPS
        {
            let reason = format!(
                "{reason}; it differed at step {before} too, so its memory is faulty or it computes wrongly"
            );
            return self.evict(now, vec![(blamed, Departure::Unfit { reason })]);
        }
        let mut commands: Vec<_> = verdict.map(report).into_iter().collect();
        commands.extend(self.start_generation(Leaving::AtOnce));
        commands
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

    /// Makes a new generation of a broken group, without the one that most accuse if one before it broke so too.
    pub(crate) fn regroup_broken(&mut self, now: Millis, why: &str) -> Vec<Command> {
        let trouble = &mut self.trouble;
        trouble.without_step += 1;
        if trouble.without_step >= self.settings.max_without_step {
            let reason = format!(
                "{} generations in a row broke without a step; of the last, {why}",
                trouble.without_step
            );
            return self.end(RunOutcome::Failed { reason });
        }
        let suspect = trouble.suspect(self.lineage.generation, &self.membership);
        if let Some((suspect, departure)) = suspect {
            trouble.forget(suspect);
            return self.evict(now, vec![(suspect, departure)]);
        }
        self.start_generation(Leaving::AtOnce)
    }
}

fn report(verdict: Verdict) -> Command {
    Command::Report {
        verdict: Box::new(verdict),
    }
}
