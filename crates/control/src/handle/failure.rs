//! A worker is gone, or cannot go on; the others go on if they can.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving, RunOutcome};
use crate::event::Departure;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;
use crate::state::{State, Wait};

impl Cluster {
    /// A member's loss makes a new generation of the others, who keep the state in their memory. A run that lost all its
    /// workers waits for them, or for new ones, to register. It ends if its only worker panicked before the first step of
    /// its generation, as the next worker would panic too.
    pub(crate) fn departed(
        &mut self,
        now: Millis,
        worker: WorkerId,
        departure: Departure,
    ) -> Vec<Command> {
        if departure == Departure::StreamClosed && self.awaits_return(now, worker) {
            return Vec::new();
        }
        let Departure::Panicked { reason } = &departure else {
            return self.lose(now, vec![(worker, departure)]);
        };
        if self.is_alone_without_a_step(worker) {
            return self.failed(worker, reason);
        }
        let is_known = self.membership.member(worker).is_some();
        // Its process waits for the stop before it ends.
        let mut commands = self.evict(now, vec![(worker, departure)]);
        if is_known && matches!(self.state, State::Gathering(_)) {
            // The first generation does not wait for it.
            self.n_left = self.n_left.saturating_add(1);
            commands.extend(self.gather(now));
        }
        commands
    }

    /// Tells workers to end, and goes on without them.
    pub(crate) fn evict(
        &mut self,
        now: Millis,
        workers: Vec<(WorkerId, Departure)>,
    ) -> Vec<Command> {
        let stop = |(worker, departure): &(WorkerId, Departure)| Command::Stop {
            worker: *worker,
            reason: departure.reason(),
            parting: departure.parting(),
        };
        let mut commands: Vec<_> = workers.iter().map(stop).collect();
        commands.extend(self.lose(now, workers));
        commands
    }

    /// Removes workers. One new generation follows, however many members are among them. There is no verdict on those
    /// without a seat, nor on those whose streams closed while this coordinator was away.
    fn lose(&mut self, now: Millis, workers: Vec<(WorkerId, Departure)>) -> Vec<Command> {
        let mut commands = Vec::new();
        let (mut lost, mut lost_member) = (None, None);
        let is_unfit = |(_, departure): &_| matches!(departure, Departure::Unfit { .. });
        let are_unfit = workers.iter().all(is_unfit);
        for (worker, departure) in workers {
            let is_seated = self.membership.rank_of(worker).is_some();
            let is_excused = departure == Departure::StreamClosed && self.was_away(now);
            let verdict = self.verdict_on(worker, &departure);
            let Some(verdict) = verdict.map(Box::new) else {
                continue;
            };
            let line = verdict.to_string();
            match self.remove(worker) {
                Some(Member {
                    is_leaving: true,
                    name,
                    ..
                }) => {
                    self.n_left = self.n_left.saturating_add(1);
                    commands.push(Command::Left { name });
                }
                Some(member) => {
                    commands.push(match is_seated && !is_excused {
                        true => Command::Report { verdict },
                        false => Command::Gone {
                            name: member.name,
                            reason: verdict.reason,
                        },
                    });
                    lost = Some(line.clone());
                }
                None => {}
            }
            // Whoever is left has a seat in the next group.
            if is_seated || self.state.lacks_members() {
                lost_member = Some(line);
            }
        }
        match (&mut self.state, lost_member) {
            (State::Gathering(wait), _) => wait.last_lost = lost.or(wait.last_lost.take()),
            (State::TakingOver(_) | State::Ended, _) | (_, None) => {}
            (State::Recording(_) | State::Preparing(_) | State::Training(_), Some(line)) => {
                commands.extend(self.go_on_without(now, (line, are_unfit)));
            }
        }
        commands
    }

    /// Whether this worker is the only one, and its generation has applied no step.
    fn is_alone_without_a_step(&self, worker: WorkerId) -> bool {
        let has_group = !matches!(self.state, State::Gathering(_) | State::TakingOver(_));
        let is_alone = self.membership.others(worker).next().is_none();
        has_group && !self.lineage.has_stepped && is_alone
    }

    fn go_on_without(&mut self, now: Millis, (lost, is_unfit): (String, bool)) -> Vec<Command> {
        if self.membership.count() > 0 {
            return match self.state.forming_mut() {
                // All leave their group already. One more follows for whoever is lost until the next tick, as where many
                // machines are taken at once each would make a group of its own.
                Some(forming) if forming.leaving == Leaving::AtOnce => {
                    forming.lacks_members = true;
                    Vec::new()
                }
                _ => self.start_generation(Leaving::AtOnce),
            };
        }
        if let Some(cause) = self.draining {
            return self.interrupt(cause);
        }
        if is_unfit && !self.has_trained {
            // Nobody of it comes back; others may come for as long as a first group is waited for.
            let gathered = std::mem::take(&mut self.gathered);
            self.membership.adopt(Vec::new());
            self.state = State::Gathering(Wait {
                last_lost: Some(lost),
                ..gathered
            });
            return self.give_up_gathering(now);
        }
        self.await_old_group(now, lost);
        Vec::new()
    }

    /// A failure that would repeat in any generation ends the run.
    fn failed(&mut self, worker: WorkerId, reason: &str) -> Vec<Command> {
        let who = self.describe_registered(worker).unwrap_or_default();
        let reason = format!("{who}: {reason}");
        self.end(RunOutcome::Failed { reason })
    }

    /// Evicts a worker that cannot train. If a group has trained and nobody else could go on, the run ends.
    ///
    /// What ails a worker without a seat is its own affair, and so it is before the first group and where members of one
    /// may return.
    pub(crate) fn unfit(&mut self, now: Millis, worker: WorkerId, reason: String) -> Vec<Command> {
        let is_open = matches!(self.state, State::TakingOver(_)) || self.awaits_others(now);
        let is_member = self.membership.seated(worker).is_some();
        if is_member && self.has_trained && !is_open {
            self.trouble.n_unfit += 1;
            if !self.others_go_on(worker) {
                return self.failed(worker, &reason);
            }
        }
        self.evict(now, vec![(worker, Departure::Unfit { reason })])
    }

    /// Whether members of a group that was lost sight of may not be back yet.
    ///
    /// One that was left behind in an older generation can be the first to register, and alone for a while.
    fn awaits_others(&self, now: Millis) -> bool {
        self.lost_sight
            .is_some_and(|began| now.since(began) <= self.settings.return_timeout)
    }

    /// Whether another worker may be able to train.
    ///
    /// If as many workers as a group has seats were unfit, and all those registered before the first of them too, then the
    /// later ones would be unfit as well: the workers are not the cause.
    fn others_go_on(&self, worker: WorkerId) -> bool {
        let mut others = self.membership.others(worker);
        match self.trouble.n_unfit < self.limit() {
            true => others.next().is_some(),
            false => others.any(|other| other.predates_first_unfit),
        }
    }
}
