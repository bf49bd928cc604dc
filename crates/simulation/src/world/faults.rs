//! What goes wrong, and when it stops going wrong.

use super::{Happening, World};
use fratmae_control::Event;

/// A thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KillWorker,
    PauseWorker,
    /// A worker is asked to leave; another one comes to its place when it has.
    AskToLeave,
    BreakStream,
    /// Messages to a worker arrive late, or those from it.
    CutStream,
    CutPeers,
    KillCoordinator,
    PauseCoordinator,
    /// A second coordinator starts while the first one leads.
    RivalCoordinator,
}

const FAULTS: [Fault; 9] = [
    Fault::KillWorker,
    Fault::PauseWorker,
    Fault::AskToLeave,
    Fault::BreakStream,
    Fault::CutStream,
    Fault::CutPeers,
    Fault::KillCoordinator,
    Fault::PauseCoordinator,
    Fault::RivalCoordinator,
];

/// How long a run may take once everything is healed.
const HEALING: u64 = 60_000;

impl World {
    pub(super) fn plan_faults(&mut self) {
        let horizon = self.random.between(1_500, 9_000);
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
            Fault::PauseWorker => {
                self.workers[place].is_paused = true;
                let incarnation = self.workers[place].incarnation;
                self.agenda
                    .at(until, Happening::ResumeWorker(place, incarnation));
            }
            Fault::AskToLeave => self.ask_to_leave(place),
            Fault::BreakStream => self.break_stream(place),
            Fault::CutStream => {
                let worker = &mut self.workers[place];
                let (inbound, outbound) = match self.random.chance(500) {
                    true => (until, 0),
                    false => (0, until),
                };
                worker.inbound_from = worker.inbound_from.max(inbound);
                worker.outbound_from = worker.outbound_from.max(outbound);
            }
            Fault::CutPeers => {
                self.cut_peers.insert((place, other), until);
            }
            Fault::KillCoordinator => leads.into_iter().for_each(|c| self.end_coordinator(c)),
            Fault::PauseCoordinator => {
                if let Some(coordinator) = leads {
                    self.coordinators[coordinator].is_paused = true;
                    self.agenda
                        .at(until, Happening::ResumeCoordinator(coordinator));
                }
            }
            Fault::RivalCoordinator => self.start_coordinator(),
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
            worker.is_paused = false;
            let backlog = std::mem::take(&mut worker.backlog);
            for happening in backlog {
                self.agenda.after(0, happening);
            }
        }
    }

    pub(super) fn resume_coordinator(&mut self, coordinator: usize) {
        self.coordinators[coordinator].is_paused = false;
        self.pump(coordinator);
    }

    pub(super) fn heal(&mut self) {
        self.is_healed = true;
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
