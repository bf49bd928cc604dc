//! From a durable generation record to a group that trains.

use crate::cluster::{Cluster, Phase};
use crate::command::Command;
use crate::ids::{Generation, Rank, WorkerId};

impl Cluster {
    /// The record is durable: nobody may act in an older generation any more.
    pub(crate) fn generation_recorded(&mut self, generation: Generation) -> Vec<Command> {
        if self.phase != Phase::Recording || generation != self.generation {
            return Vec::new();
        }
        self.phase = Phase::Preparing;
        let prepare = |&worker: &WorkerId| Command::Prepare { worker, generation };
        self.membership.group().iter().map(prepare).collect()
    }

    /// Lets the group begin once its last member has left its old one.
    pub(crate) fn prepared(&mut self, worker: WorkerId, generation: Generation) -> Vec<Command> {
        if self.phase != Phase::Preparing || generation != self.generation {
            return Vec::new();
        }
        if let Some(member) = self.membership.member_mut(worker) {
            member.reported.is_prepared = true;
        }
        if !self.membership.all(|member| member.reported.is_prepared) {
            return Vec::new();
        }
        self.phase = Phase::Training;
        let begin = |(rank, &worker): (u32, &WorkerId)| Command::Begin {
            worker,
            assignment: self.assignment(Rank::new(rank)),
        };
        (0..).zip(self.membership.group()).map(begin).collect()
    }

    /// A step of the current generation shows that it is worth having.
    pub(crate) fn applied(&mut self, generation: Generation) -> Vec<Command> {
        if generation == self.generation {
            self.fruitless = 0;
        }
        Vec::new()
    }
}
