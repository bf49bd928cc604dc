//! A group breaks although its members live: who says what of whom is heard and weighed.
//!
//! A cannot reach B, and both reach the coordinator: no single statement says whose fault that is. So the others are
//! heard for a moment, and if the next group breaks in the same way, the member with the most broken links goes.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Command, Leaving, Verdict};
use crate::event::{Accusation, Departure};
use crate::ids::{Generation, Millis, Rank, WorkerId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How long the others are heard once one member accuses another; their deadlines end at about the same time.
const HEARING: Millis = Millis::new(1_000);
/// Fruitless generations in a row after which the accused are weighed.
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
        let is_known = matches!(self.phase, RunPhase::Training | RunPhase::Returning);
        if generation != self.generation || !is_known {
            return Vec::new();
        }
        let mut commands = self.report_broken(worker, reason, accusation);
        if commands.is_empty() {
            return commands;
        }
        if self.phase == RunPhase::Returning {
            self.is_broken = true;
            return commands;
        }
        self.broke.insert(worker);
        let accused = match accusation {
            Some(Accusation::Unreachable(rank)) => self.member_at(rank),
            Some(Accusation::Diverged(_)) | None => None,
        };
        if let Some(accused) = accused {
            self.broken_links.insert((worker, accused), generation);
            self.hearing.get_or_insert(now);
        }
        let is_heard = self.membership.is_everybody(self.broke.len());
        if self.hearing.is_none() || is_heard {
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
            let blame = self.blame(blamed, reason, Vec::new()).map(Box::new);
            blame.map(|blame| Command::Report { blame })
        } else {
            let worker = self.describe_registered(worker);
            worker.map(|worker| Command::Statement { worker, reason })
        };
        said.into_iter().collect()
    }

    fn member_at(&self, rank: Rank) -> Option<WorkerId> {
        self.membership.group().get(rank.get() as usize).copied()
    }

    /// Ends a hearing that has lasted long enough.
    pub(crate) fn end_hearing(&mut self, now: Millis) -> Vec<Command> {
        match self.hearing {
            Some(began) if self.phase == RunPhase::Training && now.since(began) >= HEARING => {
                self.regroup_broken(now, "its members do not reach each other")
            }
            _ => Vec::new(),
        }
    }

    /// Makes a new generation of a broken group, without the one that most accuse if it is not the first to break.
    fn regroup_broken(&mut self, now: Millis, why: &str) -> Vec<Command> {
        self.fruitless += 1;
        if self.fruitless >= self.settings.max_fruitless {
            let reason = format!(
                "{} generations in a row broke without a step; of the last, {why}",
                self.fruitless
            );
            return self.end(Verdict::Failed { reason });
        }
        if self.fruitless >= PATIENCE
            && let Some((suspect, departure)) = self.suspect()
        {
            self.broken_links
                .retain(|(accuser, accused), _| *accuser != suspect && *accused != suspect);
            return self.evict(now, vec![(suspect, departure)]);
        }
        self.start_generation(Leaving::AtOnce)
    }

    /// The member with the most links broken in this generation, then before it: who was away then may be back. Of equals
    /// the one without the newest state, then the youngest.
    fn suspect(&self) -> Option<(WorkerId, Departure)> {
        let links = self.broken_links.iter();
        let is_member = |id| self.membership.seated(id).is_some();
        let is_between = |a, b| a != b && is_member(a) && is_member(b);
        let links: Vec<_> = links.filter(|((a, b), _)| is_between(*a, *b)).collect();
        let mut severed: BTreeMap<WorkerId, [BTreeSet<WorkerId>; 2]> = BTreeMap::new();
        for &(&(accuser, accused), generation) in &links {
            for (one, other) in [(accuser, accused), (accused, accuser)] {
                let [now, ever] = severed.entry(one).or_default();
                ever.insert(other);
                if *generation == self.generation {
                    now.insert(other);
                }
            }
        }
        let weighed = severed.iter().filter_map(|(id, [now, ever])| {
            let (rank, member) = self.membership.seated(*id)?;
            let weight = (now.len(), ever.len(), Reverse(member.held), rank);
            Some((weight, *id))
        });
        let (_, suspect) = weighed.max()?;
        let line = |(accuser, accused): &(WorkerId, WorkerId)| {
            let (_, accuser) = self.membership.seated(*accuser)?;
            let (_, accused) = self.membership.seated(*accused)?;
            Some(format!("{} does not reach {}", accuser.name, accused.name))
        };
        let of_it = links.iter().map(|(link, _)| *link);
        let of_it = of_it.filter(|(a, b)| [*a, *b].contains(&suspect));
        let statements = of_it.filter_map(line).collect();
        Some((suspect, Departure::Unreachable { statements }))
    }
}
