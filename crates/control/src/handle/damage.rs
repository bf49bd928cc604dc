//! A checkpoint turns out to be damaged when a generation begins from it: an older one has to do.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Command, Leaving, Source};
use crate::ids::{Generation, Millis, Step, WorkerId};

impl Cluster {
    /// Passes over a damaged checkpoint. Everybody regroups meanwhile; whoever could read it keeps its state.
    ///
    /// One that finds the next one damaged as well, which was found good just now, reads wrongly itself.
    pub(crate) fn damaged(
        &mut self,
        now: Millis,
        worker: WorkerId,
        generation: Generation,
        (checkpoint, reason): ((Generation, Step), String),
    ) -> Vec<Command> {
        let is_known = matches!(self.phase, RunPhase::Training | RunPhase::Returning);
        let Some(who) = self.describe_registered(worker) else {
            return Vec::new();
        };
        if !is_known || generation != self.generation {
            return Vec::new();
        }
        let member = self.membership.member_mut(worker);
        if member.is_some_and(|member| std::mem::replace(&mut member.has_doubted, true)) {
            return self.unfit(now, worker, reason);
        }
        let mut commands = Vec::new();
        if self.newest == source(checkpoint) && self.doubted.is_none() {
            self.doubted = Some(checkpoint);
            let reason = format!("{who}: {reason}");
            commands.push(Command::PassOver { checkpoint, reason });
        }
        if self.phase == RunPhase::Returning {
            self.is_broken = true;
            return commands;
        }
        commands.extend(self.start_generation(Leaving::AtOnce));
        commands
    }

    /// An older checkpoint is the newest good one now, unless one that was under way has been committed meanwhile.
    pub(crate) fn passed_over(
        &mut self,
        checkpoint: (Generation, Step),
        newest: Source,
    ) -> Vec<Command> {
        if self.doubted != Some(checkpoint) {
            return Vec::new();
        }
        self.doubted = None;
        if self.newest == source(checkpoint) {
            self.newest = newest;
        }
        self.begin_if_prepared()
    }
}

const fn source((generation, step): (Generation, Step)) -> Source {
    Source::Checkpoint { step, generation }
}
