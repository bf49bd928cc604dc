//! What `control` costs with many workers: a whole life of a run with nothing but `control` in the loop.

use fratmae_control::{
    Cluster, Command, Departure, Event, Generation, Millis, Past, Recorded, Settings, Source, Step,
    WorkerId,
};
use std::time::Instant;

/// Checkpoints in the life that is measured.
const CHECKPOINTS: u64 = 10;

/// What a life with so many workers took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Workers in the group.
    pub workers: u32,
    /// Events handled.
    pub events: u64,
    /// Commands given.
    pub commands: u64,
    /// Time in `control`.
    pub seconds: f64,
    /// Growth of this process's resident memory, in KiB; nothing where the system does not say.
    pub memory_kib: Option<u64>,
}

/// Registers so many workers, trains, commits, loses one, takes one in, and finishes.
#[must_use]
pub fn measure(workers: u32) -> Scale {
    let before = resident_kib();
    let started = Instant::now();
    let mut life = Life::new(workers, CHECKPOINTS + 2);
    life.gather();
    let mut step = 0;
    for _ in 0..CHECKPOINTS {
        step += 1;
        life.train_to(step);
    }
    life.lose_one_and_take_one_in(step);
    life.finish();
    Scale {
        workers,
        events: life.events,
        commands: life.commands,
        seconds: started.elapsed().as_secs_f64(),
        memory_kib: before
            .zip(resident_kib())
            .map(|(before, after)| after.saturating_sub(before)),
    }
}

/// A run's life with nothing but `control` in the loop.
pub(crate) struct Life {
    pub(crate) cluster: Cluster,
    pub(crate) workers: Vec<WorkerId>,
    pub(crate) generation: Generation,
    pub(crate) now: u64,
    events: u64,
    commands: u64,
}

impl Life {
    pub(crate) fn new(workers: u32, last_step: u64) -> Self {
        let settings = Settings {
            slots: workers,
            workers,
            last_step: Step::new(last_step),
            least_timeout: Millis::new(5_000),
            store_patience: Millis::new(0),
            worker_timeout: Millis::new(30_000),
            join_timeout: Millis::new(60_000),
            return_timeout: Millis::new(2_000),
            leave_timeout: Millis::new(120_000),
            max_fruitless: 5,
        };
        let now = Millis::new(0);
        Self {
            cluster: Cluster::new(settings, now, Recorded::default(), Source::Initial),
            workers: (0..u64::from(workers)).map(WorkerId::new).collect(),
            generation: Generation::new(0),
            now: 1,
            events: 0,
            commands: 0,
        }
    }

    /// Hands an event over, and completes what is to be made durable.
    ///
    /// Gives everything else that was commanded.
    pub(crate) fn see(&mut self, event: Event) -> Vec<Command> {
        self.events += 1;
        let (mut completions, mut others) = (Vec::new(), Vec::new());
        for command in self.cluster.handle(Millis::new(self.now), event) {
            self.commands += 1;
            match command {
                Command::RecordGeneration { generation, .. } => {
                    self.generation = generation;
                    completions.push(Event::GenerationRecorded { generation });
                }
                Command::CommitCheckpoint { generation, step } => {
                    completions.push(Event::CheckpointCommitted { generation, step });
                }
                other => others.push(other),
            }
        }
        for event in completions {
            others.extend(self.see(event));
        }
        others
    }

    fn register(&mut self, worker: WorkerId) {
        self.see(Event::Registered {
            worker,
            name: format!("host-{worker}"),
            address: format!("10.0.0.1:{worker}"),
            past: Past::default(),
        });
    }

    fn of_all(&mut self, event: impl Fn(WorkerId, Generation) -> Event) {
        for worker in self.workers.clone() {
            self.see(event(worker, self.generation));
        }
    }

    fn prepare(&mut self, step: u64) {
        let held = Some(Step::new(step));
        self.of_all(|worker, generation| Event::Prepared {
            worker,
            generation,
            held,
        });
    }

    pub(crate) fn gather(&mut self) {
        for worker in self.workers.clone() {
            self.register(worker);
        }
        self.prepare(0);
    }

    /// A step, a heartbeat of everybody, and a checkpoint.
    fn train_to(&mut self, step: u64) {
        let (step, generation) = (Step::new(step), self.generation);
        self.see(Event::Applied { generation, step });
        self.of_all(|worker, _| Event::Heard { worker });
        self.see(Event::Tick);
        self.of_all(|worker, generation| Event::PartsWritten {
            worker,
            generation,
            step,
        });
    }

    fn lose_one_and_take_one_in(&mut self, step: u64) {
        let Some(worker) = self.workers.pop() else {
            return;
        };
        let departure = Departure::StreamClosed;
        self.see(Event::Departed { worker, departure });
        self.prepare(step);
        self.train_to(step + 1);
        let newcomer = WorkerId::new(u64::from(u32::MAX));
        self.register(newcomer);
        self.workers.push(newcomer);
        self.prepare(step + 1);
    }

    fn finish(&mut self) {
        self.train_to(CHECKPOINTS + 2);
        self.of_all(|worker, generation| Event::Finished {
            worker,
            generation,
            weights_digest: "digest".to_owned(),
        });
    }
}

fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_that_is_measured_ends_well() {
        let mut life = Life::new(3, CHECKPOINTS + 2);
        life.gather();
        (1..=CHECKPOINTS).for_each(|step| life.train_to(step));
        life.lose_one_and_take_one_in(CHECKPOINTS);
        assert_eq!(life.generation, Generation::new(3));
        life.finish();
        assert_eq!(life.cluster.phase(), fratmae_control::Phase::Ended);
    }
}
