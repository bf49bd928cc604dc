//! A checkpoint turns out to be damaged when a generation begins from it: an older one has to do.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving, Source};
use crate::ids::{Millis, WorkerId};
use crate::lineage::CheckpointId;
use crate::state::State;

impl Cluster {
    /// Passes over a damaged checkpoint. All regroup meanwhile; a member that could read it keeps its state.
    ///
    /// A worker that finds the next one damaged too, which was verified just now, reads wrongly itself.
    pub(crate) fn damaged(
        &mut self,
        now: Millis,
        worker: WorkerId,
        checkpoint: CheckpointId,
        reason: String,
    ) -> Vec<Command> {
        let who = self.describe_registered(worker);
        let (Some(who), Some(member)) = (who, self.membership.member_mut(worker)) else {
            return Vec::new();
        };
        if std::mem::replace(&mut member.has_reported_damage, true) {
            return self.unfit(now, worker, reason);
        }
        let mut commands = Vec::new();
        if self.lineage.pass_over(checkpoint) {
            let reason = format!("{who}: {reason}");
            commands.push(Command::PassOver { checkpoint, reason });
        }
        if let State::TakingOver(takeover) = &mut self.state {
            takeover.is_broken = true;
            return commands;
        }
        commands.extend(self.start_generation(Leaving::AtOnce));
        commands
    }

    /// An older checkpoint was found: those who wait for it may begin.
    pub(crate) fn passed_over(&mut self, checkpoint: CheckpointId, newest: Source) -> Vec<Command> {
        match self.lineage.passed_over(checkpoint, newest) {
            true => self.begin_if_prepared(),
            false => Vec::new(),
        }
    }
}
