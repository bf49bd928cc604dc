//! The workers by themselves: their hearts beat, they come, and the market takes their machines.

use super::prices::Fate;
use super::{BEAT, Due, MINUTE, Market, Worker};
use fratmae_control::{Call, Departure, Event, Millis, Past, Phase, Progress, WorkerId};

impl Market {
    pub(super) fn beat(&mut self) {
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(|(id, known)| (*id, known.generation))
            .collect();
        self.season.present += workers.len() as u64 * BEAT.get();
        let sequence = self.group.step.get();
        for (worker, generation) in workers {
            self.see(Event::Heard { worker });
            let lasts = Millis::new(3);
            let (phase, operation) = match generation.get() {
                0 => (Phase::Idle, ""),
                _ => (Phase::Reduce, "reduce"),
            };
            let progress = Progress {
                generation,
                step: self.group.step,
                phase,
                lasts,
                still: lasts,
                pace: None,
                call: Some(Call {
                    operation: operation.to_owned(),
                    sequence,
                }),
                laps: Vec::new(),
            };
            self.see(Event::Beat { worker, progress });
        }
        self.see(Event::Tick);
        self.plan(BEAT, Due::Beat);
    }

    pub(super) fn minute(&mut self) {
        let safe = self.workers.iter().filter(|(_, known)| !known.is_doomed);
        let machines = safe.map(|(id, known)| (*id, known.zone));
        let fates = self.prices.minute(machines);
        for Fate {
            worker,
            zone,
            notice,
            gone,
            given,
        } in fates
        {
            if let Some(known) = self.workers.get_mut(&worker) {
                known.is_doomed = true;
            }
            if let Some(notice) = notice {
                self.plan(notice, Due::Notice(worker));
            }
            self.plan(gone, Due::Gone(worker));
            self.plan(given, Due::Given(zone));
        }
        self.plan(MINUTE, Due::Minute);
    }

    pub(super) fn join(&mut self, zone: usize) {
        let worker = WorkerId::new(self.next_worker);
        self.next_worker += 1;
        let known = Worker {
            zone,
            ..Worker::default()
        };
        self.workers.insert(worker, known);
        self.see(Event::Registered {
            worker,
            name: format!("host-{worker}"),
            address: format!("10.0.0.1:{worker}"),
            past: Past::default(),
        });
    }

    /// A machine is taken: most have left by then.
    pub(super) fn lose(&mut self, worker: WorkerId) {
        match self.workers.remove(&worker) {
            Some(_) => self.season.lost += 1,
            None => {
                self.season.left += 1;
                return;
            }
        }
        // The others' connections to it break before the coordinator decides.
        if self.group.members.contains(&worker) {
            self.break_off();
        }
        let departure = Departure::StreamClosed;
        self.see(Event::Departed { worker, departure });
    }
}
