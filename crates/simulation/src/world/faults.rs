//! What goes wrong, and when it stops going wrong.

use super::streams::KEEP_ALIVE;
use super::{Happening, World};
use crate::worker::Memory;
use fratmae_control::Event;

/// A thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KillWorker,
    PauseWorker,
    /// The training of a group's member gets on no more, although its heart beats; that does not heal by itself.
    HangWorker,
    /// A worker's own store fails for good; another process at its place is sound.
    FailWorkerStore,
    /// The next part that a member writes is not on the store, although it says so.
    LosePart,
    /// A bit of a member's memory is flipped.
    FlipBit,
    /// A bit of a member's memory is stuck, for as long as its process lives.
    StickBit,
    /// An outsider comes.
    Lie,
    /// A part of the newest checkpoint is damaged, and now and then all workers are killed, who have to read it then.
    DamageCheckpoint,
    /// Somebody wants a checkpoint of now, which is no fault and must not become one.
    AskToSave,
    /// A worker is asked to leave; another one comes to its place when it has.
    AskToLeave,
    BreakStream,
    /// Nothing reaches a worker's host, or nothing that it sends reaches anybody.
    CutWorker,
    CutPeers,
    KillCoordinator,
    PauseCoordinator,
    /// A second coordinator starts while the first one leads.
    RivalCoordinator,
    /// Nothing of any worker reaches the coordinator, or nothing of it any worker.
    CutCoordinator,
    /// A coordinator's clock jumps forwards.
    JumpClock,
    /// Requests to the store are refused, slow, or answered with a failure although they did what they should.
    SickStore,
}

const FAULTS: [Fault; 20] = [
    Fault::KillWorker,
    Fault::PauseWorker,
    Fault::HangWorker,
    Fault::FailWorkerStore,
    Fault::LosePart,
    Fault::FlipBit,
    Fault::StickBit,
    Fault::Lie,
    Fault::DamageCheckpoint,
    Fault::AskToSave,
    Fault::AskToLeave,
    Fault::BreakStream,
    Fault::CutWorker,
    Fault::CutPeers,
    Fault::KillCoordinator,
    Fault::PauseCoordinator,
    Fault::RivalCoordinator,
    Fault::CutCoordinator,
    Fault::JumpClock,
    Fault::SickStore,
];

/// The longest that a coordinator is away: beyond what its workers bear with.
const LONGEST_ABSENCE: u64 = 15_000;
/// How far a clock jumps at most.
const LONGEST_JUMP: u64 = 10_000;
/// How long a run may take once everything is healed.
const HEALING: u64 = 60_000;

impl World {
    pub(super) fn plan_faults(&mut self) {
        let short = self.random.between(1_500, 9_000);
        let horizon = match self.random.chance(200) {
            true => short + LONGEST_ABSENCE,
            false => short,
        };
        for _ in 0..self.random.below(16) {
            let fault = FAULTS[self.random.below(FAULTS.len() as u64) as usize];
            let time = self.random.between(300, horizon);
            self.agenda.at(time, Happening::Fault(fault));
        }
        self.agenda.at(horizon, Happening::Heal);
        self.agenda.at(horizon + HEALING, Happening::GiveUp);
    }

    pub(super) fn strike(&mut self, fault: Fault) {
        let place = self.random.below(self.workers.len() as u64) as usize;
        let other = self.random.below(self.workers.len() as u64) as usize;
        let duration = self.random.between(100, 5_000);
        let until = self.agenda.now() + duration;
        let leads = self.coordinators.iter().rposition(|leader| leader.is_up);
        match fault {
            Fault::KillWorker => self.kill_worker(place),
            Fault::PauseWorker => self.pause_worker(place, until),
            Fault::HangWorker => self.hang_worker(place),
            Fault::FailWorkerStore => self.fall_unfit(place),
            Fault::LosePart => self.workers[place].loses_part = true,
            Fault::FlipBit => self.spoil_memory(place, Memory::Flipped),
            Fault::StickBit => self.spoil_memory(place, Memory::Stuck),
            Fault::Lie => leads.into_iter().for_each(|c| self.begin_to_lie(c)),
            Fault::DamageCheckpoint => self.damage_checkpoint(),
            Fault::AskToSave => leads.into_iter().for_each(|c| self.ask_to_save(c)),
            Fault::AskToLeave => self.ask_to_leave(place),
            Fault::BreakStream => self.break_stream(place),
            Fault::CutWorker => self.cut_worker(place, until),
            Fault::CutPeers if place == other => {}
            Fault::CutPeers => {
                self.cut_peers.insert((place, other), until);
                self.disturb(place, until);
                self.disturb(other, until);
            }
            Fault::KillCoordinator => leads.into_iter().for_each(|c| self.end_coordinator(c)),
            Fault::PauseCoordinator => leads
                .into_iter()
                .for_each(|c| self.pause_coordinator(c, until)),
            Fault::RivalCoordinator => self.start_coordinator(),
            Fault::CutCoordinator => leads
                .into_iter()
                .for_each(|c| self.cut_coordinator(c, until)),
            Fault::JumpClock => leads.into_iter().for_each(|c| self.jump_clock(c)),
            Fault::SickStore => self.store_is_sick_until = until,
        }
    }

    /// A coordinator is away; those of its workers that notice leave it.
    fn pause_coordinator(&mut self, coordinator: usize, until: u64) {
        let leader = &mut self.coordinators[coordinator];
        let now = self.agenda.now();
        if !leader.is_paused {
            leader.paused_since = now;
        }
        let until = match self.random.chance(300) {
            true => now + self.random.between(KEEP_ALIVE, LONGEST_ABSENCE),
            false => until,
        };
        leader.is_paused = true;
        let resume = Happening::ResumeCoordinator(coordinator);
        self.agenda.at(until, resume);
        for (place, worker) in self.workers.iter().enumerate() {
            if let Some((stream, _)) = worker.stream.filter(|(_, its)| *its == coordinator) {
                let delay = KEEP_ALIVE + self.random.below(KEEP_ALIVE / 4);
                let noticed = Happening::KeepAlive(place, stream);
                self.agenda.after(delay, noticed);
            }
        }
    }

    fn pause_worker(&mut self, place: usize, until: u64) {
        self.workers[place].is_paused = true;
        let incarnation = self.workers[place].incarnation;
        let resume = Happening::ResumeWorker(place, incarnation);
        self.agenda.at(until, resume);
    }

    fn hang_worker(&mut self, place: usize) {
        let now = self.agenda.now();
        let worker = &mut self.workers[place];
        if worker.group.is_some() {
            worker.hangs_since.get_or_insert(now);
        }
    }

    fn cut_worker(&mut self, place: usize, until: u64) {
        let (unheard, mute) = self.one_way(until);
        let worker = &mut self.workers[place];
        worker.hears_nothing_until = worker.hears_nothing_until.max(unheard);
        worker.is_mute_until = worker.is_mute_until.max(mute);
        self.disturb(place, until);
    }

    fn cut_coordinator(&mut self, coordinator: usize, until: u64) {
        let (unheard, mute) = self.one_way(until);
        let leader = &mut self.coordinators[coordinator];
        leader.hears_nothing_until = leader.hears_nothing_until.max(unheard);
        leader.is_mute_until = leader.is_mute_until.max(mute);
        (0..self.workers.len()).for_each(|place| self.disturb(place, until));
    }

    /// Until when nothing is heard, or nothing is said.
    fn one_way(&mut self, until: u64) -> (u64, u64) {
        match self.random.chance(500) {
            true => (until, 0),
            false => (0, until),
        }
    }

    /// Timers that were to ring in the time that never was ring at once.
    fn jump_clock(&mut self, coordinator: usize) {
        let jump = self.random.between(100, LONGEST_JUMP);
        let leader = &mut self.coordinators[coordinator];
        leader.clock.jump(jump);
        leader.is_tick_due = leader.is_serving();
        self.pump(coordinator);
    }

    fn ask_to_save(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if leader.is_serving() {
            leader.inbox.push_back(Event::SaveRequested);
            self.pump(coordinator);
        }
    }

    fn ask_to_leave(&mut self, place: usize) {
        if !self.workers[place].is_up {
            return;
        }
        self.workers[place].is_leaving = true;
        if let Some(worker) = self.identity(place) {
            self.say(place, Event::LeaveRequested { worker });
        }
    }

    /// A worker's process is gone; another one is started at its place.
    pub(super) fn kill_worker(&mut self, place: usize) {
        if !self.workers[place].is_up {
            return;
        }
        self.leave(place);
        self.break_stream(place);
        self.workers[place].die();
        let delay = self.random.between(100, 2_000);
        self.agenda.after(delay, Happening::StartWorker(place));
    }

    pub(super) fn resume_worker(&mut self, place: usize, incarnation: u64) {
        let worker = &mut self.workers[place];
        if worker.incarnation == incarnation {
            let was_paused = std::mem::take(&mut worker.is_paused);
            let backlog = std::mem::take(&mut worker.backlog);
            for happening in backlog {
                self.agenda.after(0, happening);
            }
            if was_paused {
                self.disturb(place, self.agenda.now());
            }
        }
    }

    /// A coordinator looks at time first, or at what has come meanwhile.
    pub(super) fn resume_coordinator(&mut self, coordinator: usize) {
        let is_time_first = self.random.chance(500);
        let leader = &mut self.coordinators[coordinator];
        let was_paused = std::mem::take(&mut leader.is_paused);
        if was_paused {
            leader.back_since = self.agenda.now();
        }
        if was_paused
            && leader.is_free()
            && is_time_first
            && std::mem::take(&mut leader.is_tick_due)
        {
            leader.inbox.push_front(Event::Tick);
        }
        self.pump(coordinator);
    }

    /// Whether the first place of a pair cannot reach the second.
    pub(super) fn is_cut(&self, pair: (usize, usize)) -> bool {
        let until = self.cut_peers.get(&pair);
        until.is_some_and(|until| *until > self.agenda.now())
    }

    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.store_is_sick_until = 0;
        self.cut_peers.clear();
        // What is on its way arrives when it would have: a stream keeps its order.
        for place in 0..self.workers.len() {
            self.resume_worker(place, self.workers[place].incarnation);
        }
        for coordinator in 0..self.coordinators.len() {
            self.resume_coordinator(coordinator);
        }
    }
}
