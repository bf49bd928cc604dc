//! Workers that form groups, step together, and lose each other.

use super::{Happening, Share, World};
use crate::group::{Group, Stage};
use crate::observation::Observation;
use crate::worker::{CoordinatorMessage, Fact, Order, State, slots};
use fratmae_control::{Assignment, CheckpointId, Event, Leaving, Rank, Source};

/// How long before its end a step may be applied by some ranks and not by others.
const RAGGED: u64 = 20;
/// How long a group waits for a member.
const PATIENCE: u64 = 3_000;

impl World {
    /// A worker reads its stream.
    pub(super) fn hear(&mut self, place: usize, stream: u64, message: CoordinatorMessage) {
        let incarnation = self.workers[place].incarnation;
        let again = Happening::ToWorker(place, stream, message.clone());
        let is_open = self.workers[place]
            .stream
            .is_some_and(|(its, _)| its == stream);
        if !is_open || !self.is_alive(place, incarnation, &again) {
            return;
        }
        let worker = &mut self.workers[place];
        match message {
            CoordinatorMessage::Stop => return self.kill_worker(place),
            CoordinatorMessage::Save => worker.is_saving = true,
            CoordinatorMessage::Prepare(generation, leaving) => {
                worker.announced = worker.announced.max(generation);
                worker.orders.push_back(Order::Prepare(generation));
                if leaving == Leaving::AtOnce && worker.gets_on() {
                    self.leave(place);
                }
            }
            CoordinatorMessage::Begin(assignment) => {
                worker.orders.push_back(Order::Begin(assignment))
            }
        }
        self.work(place);
    }

    /// A worker without a group follows its orders.
    pub(super) fn work(&mut self, place: usize) {
        while self.workers[place].group.is_none() && self.workers[place].gets_on() {
            match self.workers[place].orders.pop_front() {
                Some(Order::Prepare(generation)) => {
                    let held = self.workers[place].held.map(|state| state.step);
                    if let Some(worker) = self.identity(place) {
                        let prepared = Event::Prepared {
                            worker,
                            generation,
                            held,
                        };
                        self.say(place, prepared);
                    }
                }
                Some(Order::Begin(assignment)) => self.join(place, &assignment),
                None => return,
            }
        }
    }

    fn join(&mut self, place: usize, assignment: &Assignment) {
        let (generation, rank) = (assignment.generation, assignment.rank);
        let group = *self.group_of.entry(generation).or_insert_with(|| {
            self.groups.push(Group::forming(assignment));
            let group = self.groups.len() - 1;
            self.agenda.after(PATIENCE, Happening::Deadline(group));
            group
        });
        let worker = &mut self.workers[place];
        worker.place = Some((generation, rank));
        worker.facts.clear();
        if worker.is_unfit {
            return self.tell_fact(place, Fact::Unfit);
        }
        worker.group = Some(group);
        let incarnation = worker.incarnation;
        let forming = &mut self.groups[group];
        if forming.stage == Stage::Over {
            return self
                .agenda
                .after(5, Happening::Failed(place, incarnation, group));
        }
        if let Some(seat) = forming.members.get_mut(rank.get() as usize) {
            *seat = Some((place, incarnation));
        }
        if forming.is_complete() {
            let delay = self.random.between(10, 80);
            self.agenda.after(delay, Happening::Formed(group));
        }
    }

    /// All are there: those without the state get it, and the first step begins.
    pub(super) fn formed(&mut self, group: usize) {
        if self.groups[group].stage != Stage::Forming {
            return;
        }
        let assignment = self.groups[group].assignment.clone();
        if self.store.is_damaged(assignment.source) {
            return self.find_damage(group, assignment.source);
        }
        if self.reads_wrong(group, assignment.source) || self.finds_difference(group) {
            return;
        }
        let Some(state) = self.state_of(group, assignment.source) else {
            let trouble = Some("a group begins from a state that nobody has".to_owned());
            return self.laws.observe(&Observation::Over { trouble });
        };
        self.groups[group].state = state;
        for (_, place, _) in self.members(group) {
            self.workers[place].held = Some(state);
        }
        if self.is_due(state) && state.step > assignment.committed {
            self.store_shares(group);
        } else if state.step == self.settings.last_step {
            // It was committed before: there is nothing to store, and no more to do.
            for (_, place, _) in self.members(group) {
                self.tell_fact(place, Fact::Finished(state.digest));
            }
        }
        self.go_on(group);
    }

    pub(super) fn state_of(&self, group: usize, source: Source) -> Option<State> {
        match source {
            Source::Initial => Some(State::initial()),
            Source::Checkpoint { step, generation } => {
                let id = CheckpointId { step, generation };
                self.checkpoints.get(&id).copied()
            }
            Source::Peers { step } => {
                let seats = &self.groups[group].assignment.seats;
                let is_holder = |rank: Rank| seats[rank.get() as usize].is_holder;
                let holders = self.members(group).into_iter();
                let mut holders = holders.filter(|(rank, ..)| is_holder(*rank));
                let (_, place, _) = holders.next()?;
                self.workers[place].held.filter(|state| state.step == step)
            }
        }
    }

    /// The ranks that are in the group, with place and incarnation.
    pub(super) fn members(&self, group: usize) -> Vec<(Rank, usize, u64)> {
        let members = (0..).zip(&self.groups[group].members);
        let present = members.filter_map(|(rank, member)| {
            let (place, incarnation) = (*member)?;
            let worker = &self.workers[place];
            let is_in = worker.group == Some(group) && worker.incarnation == incarnation;
            is_in.then_some((Rank::new(rank), place, incarnation))
        });
        present.collect()
    }

    fn is_due(&self, state: State) -> bool {
        let is_last = state.step == self.settings.last_step;
        is_last || state.step.get().is_multiple_of(self.checkpoint_every)
    }

    /// Begins the next step, or ends the group after the last.
    fn go_on(&mut self, group: usize) {
        if self.groups[group].state.step == self.settings.last_step {
            return self.disband(group);
        }
        let generation = self.groups[group].assignment.generation;
        let members = self.members(group);
        let mut announced = members
            .iter()
            .map(|(_, place, _)| self.workers[*place].announced);
        let is_leaving = announced.any(|announced| announced > generation);
        let mut is_saving = false;
        for (_, place, _) in &members {
            is_saving |= std::mem::take(&mut self.workers[*place].is_saving);
        }
        let began = self.agenda.now();
        let ends = began + self.random.between(80, 120);
        let stepping = &mut self.groups[group];
        stepping.is_leaving = is_leaving;
        stepping.is_saving = is_saving;
        stepping.n_steps += 1;
        stepping.deadline = began + PATIENCE;
        stepping.stage = Stage::Stepping { began, ends };
        self.agenda.at(ends, Happening::StepEnds(group, ends));
    }

    pub(super) fn step_ends(&mut self, group: usize, ends: u64) {
        let Stage::Stepping { began, ends: its } = self.groups[group].stage else {
            return;
        };
        if ends != its {
            return;
        }
        let members = self.members(group);
        if self.is_held_up(&members) {
            if ends >= self.groups[group].deadline {
                return self.break_group(group);
            }
            let ends = ends + 50;
            self.groups[group].stage = Stage::Stepping { began, ends };
            return self.agenda.at(ends, Happening::StepEnds(group, ends));
        }
        if self.finds_difference(group) {
            return;
        }
        let next = self.next_state(group);
        self.groups[group].state = next;
        for (rank, place, incarnation) in members {
            self.apply_step(group, rank, (place, incarnation), next);
        }
        if self.groups[group].is_leaving {
            return self.disband(group);
        }
        if self.is_due(next) || self.groups[group].is_saving {
            self.store_shares(group);
        }
        self.go_on(group);
    }

    /// Whether some member keeps the others waiting.
    pub(super) fn is_held_up(&self, members: &[(Rank, usize, u64)]) -> bool {
        members.iter().any(|(_, place, _)| {
            let is_cut_off = |other: &(Rank, usize, u64)| self.is_cut((*place, other.1));
            !self.workers[*place].gets_on() || members.iter().any(is_cut_off)
        })
    }

    /// The first member that one at this place got no answer from.
    fn accused(&self, group: usize, place: usize) -> Option<Rank> {
        let is_mute = |member: &Option<(usize, u64)>| {
            member.is_none_or(|(other, incarnation)| {
                let peer = &self.workers[other];
                let is_gone = peer.incarnation != incarnation || !peer.gets_on();
                is_gone || self.is_cut((place, other)) || self.is_cut((other, place))
            })
        };
        let rank = self.groups[group].members.iter().position(is_mute)?;
        u32::try_from(rank).ok().map(Rank::new)
    }

    fn next_state(&self, group: usize) -> State {
        let group = &self.groups[group];
        group.state.next(slots(&group.assignment))
    }

    fn apply_step(&mut self, group: usize, rank: Rank, process: (usize, u64), state: State) {
        let generation = self.groups[group].assignment.generation;
        let (place, incarnation) = process;
        self.workers[place].held = Some(state);
        self.workers[place].n_applied += 1;
        // A group that its coordinator has replaced says nothing of the workers in the newest.
        let newest = self.group_of.last_key_value();
        if newest.is_some_and(|(_, newest)| *newest == group) {
            self.unfit_since = None;
        }
        self.laws.observe(&Observation::Applied {
            generation,
            process: (place as u64) << 32 | incarnation,
            step: state.step,
            digest: state.digest,
        });
        let fact = Fact::Applied(state.step);
        self.workers[place].facts.push(fact);
        if let Some(worker) = self.identity(place).filter(|_| rank == Rank::new(0)) {
            self.say(place, fact.event(worker, generation));
        }
    }

    fn store_shares(&mut self, group: usize) {
        let generation = self.groups[group].assignment.generation;
        let state = self.groups[group].state;
        for (rank, place, incarnation) in self.members(group) {
            let mut delay = self.random.between(10, 150);
            while self.mishap(50) {
                delay += self.random.between(50, 500);
            }
            let share = Share {
                generation,
                rank,
                state,
            };
            self.workers[place].n_writing += 1;
            self.agenda
                .after(delay, Happening::Parts(place, incarnation, share));
        }
    }

    pub(super) fn share_is_stored(&mut self, place: usize, incarnation: u64, share: Share) {
        let again = Happening::Parts(place, incarnation, share);
        if !self.is_alive(place, incarnation, &again) {
            return;
        }
        let Share {
            generation,
            rank,
            state,
        } = share;
        let step = state.step;
        let id = CheckpointId { step, generation };
        let part = (rank.get(), state.digest);
        self.workers[place].n_writing = self.workers[place].n_writing.saturating_sub(1);
        if std::mem::take(&mut self.workers[place].loses_part) {
            self.workers[place].has_lost_part = true;
            self.lost_parts.insert((id, rank.get()));
        } else {
            self.store.write_part(id, rank.get(), state.digest);
        }
        self.shares.insert((id, place), part);
        self.checkpoints.insert(id, state);
        let is_last = state.step == self.settings.last_step;
        let facts = [
            Some(Fact::Parts(state.step, rank)),
            is_last.then_some(Fact::Finished(state.digest)),
        ];
        for fact in facts.into_iter().flatten() {
            if self.workers[place].place.map(|(newest, _)| newest) == Some(generation) {
                self.tell_fact(place, fact);
            } else if let Some(worker) = self.identity(place) {
                self.say(place, fact.event(worker, generation));
            }
        }
    }

    /// Says what a worker's newest group has come to, and keeps it for the next coordinator.
    pub(super) fn tell_fact(&mut self, place: usize, fact: Fact) {
        self.workers[place].facts.push(fact);
        if let (Some(worker), Some((generation, _))) =
            (self.identity(place), self.workers[place].place)
        {
            self.say(place, fact.event(worker, generation));
        }
    }

    /// All members leave together.
    fn disband(&mut self, group: usize) {
        let members = self.members(group);
        self.groups[group].stage = Stage::Over;
        for (_, place, _) in members {
            self.workers[place].group = None;
            self.work(place);
        }
    }

    /// One member leaves at once, or dies: of a step that was about to end, some apply it and some do not.
    pub(super) fn leave(&mut self, place: usize) {
        let Some(group) = self.workers[place].group.take() else {
            return;
        };
        let now = self.agenda.now();
        if let Stage::Stepping { ends, .. } = self.groups[group].stage
            && ends < now + RAGGED
        {
            let next = self.next_state(group);
            for (rank, other, incarnation) in self.members(group) {
                if self.random.chance(500) && self.workers[other].gets_on() {
                    self.apply_step(group, rank, (other, incarnation), next);
                }
            }
        }
        self.break_group(group);
    }

    pub(super) fn break_group(&mut self, group: usize) {
        self.break_group_after(group, 1);
    }

    /// The members of a group see that it is broken, after some time at least.
    pub(super) fn break_group_after(&mut self, group: usize, least: u64) {
        if self.groups[group].stage == Stage::Over {
            return;
        }
        self.groups[group].stage = Stage::Over;
        for (_, place, incarnation) in self.members(group) {
            let delay = self.random.between(least, least + 29);
            self.agenda
                .after(delay, Happening::Failed(place, incarnation, group));
        }
    }

    pub(super) fn deadline(&mut self, group: usize) {
        if self.groups[group].stage == Stage::Forming {
            self.break_group(group);
        }
    }

    /// A member sees that its group is broken.
    pub(super) fn group_failed(&mut self, place: usize, incarnation: u64, group: usize) {
        let again = Happening::Failed(place, incarnation, group);
        let is_in = self.workers[place].group == Some(group);
        if !is_in || !self.is_alive(place, incarnation, &again) || !self.workers[place].gets_on() {
            return;
        }
        let generation = self.groups[group].assignment.generation;
        let broken = Fact::Broken(self.accused(group, place));
        self.workers[place].group = None;
        self.workers[place].facts.push(broken);
        if let Some(worker) = self.identity(place)
            && self.workers[place].announced <= generation
        {
            self.say(place, broken.event(worker, generation));
        }
        self.work(place);
    }
}
