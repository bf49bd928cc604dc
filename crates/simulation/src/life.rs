//! A run's life with nothing but `control` in the loop: what is to be made durable is so at once.

use fratmae_control::{
    Accusation, Call, Cluster, Command, Departure, Event, Generation, Lap, Millis, Past, Phase,
    Progress, Rank, Recorded, Settings, Source, Step, WorkerId,
};

/// A cluster, and the workers that it knows.
pub(crate) struct Life {
    pub(crate) cluster: Cluster,
    settings: Settings,
    pub(crate) workers: Vec<WorkerId>,
    next_worker: u64,
    pub(crate) generation: Generation,
    step: Step,
    pub(crate) now: Millis,
    pub(crate) events: u64,
    pub(crate) commands: u64,
}

impl Life {
    pub(crate) fn new(workers: u32, last_step: u64) -> Self {
        let settings = Settings {
            slots: workers,
            workers,
            least_workers: workers,
            settle: Millis::new(0),
            last_step: Step::new(last_step),
            least_timeout: Millis::new(5_000),
            store_patience: Millis::new(0),
            worker_timeout: Millis::new(30_000),
            join_timeout: Millis::new(60_000),
            return_timeout: Millis::new(2_000),
            leave_timeout: Millis::new(120_000),
            max_without_step: 5,
            save_every: None,
        };
        let now = Millis::new(0);
        Self {
            cluster: Cluster::new(settings.clone(), now, Recorded::default(), Source::Initial),
            settings,
            workers: (0..u64::from(workers)).map(WorkerId::new).collect(),
            next_worker: u64::from(workers),
            generation: Generation::new(0),
            step: Step::new(0),
            now: Millis::new(1),
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
        for command in self.cluster.handle(self.now, event) {
            self.commands += 1;
            match command {
                Command::RecordGeneration { generation, .. } => {
                    self.generation = generation;
                    completions.push(Event::GenerationRecorded { generation });
                }
                Command::CommitCheckpoint { generation, step } => {
                    completions.push(Event::CheckpointCommitted { generation, step });
                }
                // Every host answers.
                Command::ProbeHost(_) => {}
                other => others.push(other),
            }
        }
        for event in completions {
            others.extend(self.see(event));
        }
        others
    }

    fn register(&mut self, worker: WorkerId, past: Past) {
        self.see(Event::Registered {
            worker,
            name: format!("host-{worker}"),
            address: format!("10.0.0.1:{worker}"),
            past,
        });
    }

    fn of_all(&mut self, event: impl Fn(WorkerId, Generation) -> Event) {
        for worker in self.workers.clone() {
            self.see(event(worker, self.generation));
        }
    }

    /// All have left their old group with the newest state.
    fn prepare(&mut self) {
        let held = Some(self.step);
        self.of_all(|worker, generation| Event::Prepared {
            worker,
            generation,
            held,
        });
    }

    /// Everybody registers, and the first group begins.
    pub(crate) fn gather(&mut self) {
        for worker in self.workers.clone() {
            self.register(worker, Past::default());
        }
        self.prepare();
    }

    /// A step, and a quarter of a second in which every heart beats.
    pub(crate) fn train(&mut self) {
        self.step = self.step.next();
        self.now = self.now.plus(Millis::new(250));
        let (step, generation) = (self.step, self.generation);
        if let Some(&worker) = self.workers.first() {
            self.see(Event::Applied {
                worker,
                generation,
                step,
                is_recalled: false,
            });
        }
        for worker in self.workers.clone() {
            self.beat(worker, Phase::Reduce, Millis::new(3));
        }
        self.see(Event::Tick);
    }

    /// A heart beats: a pass forward and one backward have been made since the one before.
    pub(crate) fn beat(&mut self, worker: WorkerId, phase: Phase, lasts: Millis) -> Vec<Command> {
        let longest = Millis::new(80);
        let lap = |phase| Lap {
            phase,
            count: 1,
            longest,
        };
        let progress = Progress {
            generation: self.generation,
            step: self.step,
            phase,
            lasts,
            still: lasts,
            pace: None,
            call: Some(Call {
                operation: "reduce".to_owned(),
                sequence: self.step.get(),
            }),
            laps: [Phase::Forward, Phase::Backward].map(lap).to_vec(),
        };
        let mut commands = self.see(Event::Heard { worker });
        commands.extend(self.see(Event::Beat { worker, progress }));
        commands
    }

    /// All shares of a checkpoint of the newest step.
    pub(crate) fn commit(&mut self) {
        let step = self.step;
        self.of_all(|worker, generation| Event::PartsWritten {
            worker,
            generation,
            step,
            parts: Vec::new(),
        });
    }

    /// One is lost, the others go on.
    pub(crate) fn lose_one(&mut self) {
        if let Some(worker) = self.workers.pop() {
            let departure = Departure::StreamClosed;
            self.see(Event::Departed { worker, departure });
            self.prepare();
            self.train();
        }
    }

    /// So many come, and those for whom there is room get their seats after the next step.
    pub(crate) fn take_in(&mut self, newcomers: usize) {
        for _ in 0..newcomers {
            let worker = WorkerId::new(self.next_worker);
            self.next_worker += 1;
            self.register(worker, Past::default());
            self.workers.push(worker);
        }
        self.train();
        self.prepare();
        self.train();
    }

    /// So many of those who came last are asked to go, and go.
    pub(crate) fn let_go(&mut self, leavers: usize) {
        let staying = self.workers.len().saturating_sub(leavers).max(1);
        let leavers: Vec<_> = self.workers.drain(staying..).collect();
        for worker in &leavers {
            self.see(Event::LeaveRequested { worker: *worker });
        }
        for _ in 0..2 {
            self.prepare();
            let (generation, held) = (self.generation, Some(self.step));
            for &worker in &leavers {
                self.see(Event::Prepared {
                    worker,
                    generation,
                    held,
                });
            }
        }
        self.train();
    }

    /// The group breaks as everybody fails to reach the last of them, until that one goes.
    pub(crate) fn accuse_last(&mut self) {
        let before = self.workers.len();
        let rank = u32::try_from(before.saturating_sub(1)).unwrap_or(u32::MAX);
        for _ in 0..2 {
            self.of_all(|worker, generation| Event::GroupBroken {
                worker,
                generation,
                reason: "no answer".to_owned(),
                accusation: Some(Accusation::Unreachable(Rank::new(rank))),
            });
            self.prepare();
        }
        self.workers.pop();
        self.prepare();
        self.train();
    }

    /// Another coordinator takes over, and all come back to it.
    pub(crate) fn take_over(&mut self) {
        let members = u32::try_from(self.workers.len()).unwrap_or(u32::MAX);
        let recorded = Recorded {
            generation: self.generation,
            members,
        };
        let newest = self.cluster.newest();
        self.cluster = Cluster::new(self.settings.clone(), self.now, recorded, newest);
        for (rank, worker) in (0..).zip(self.workers.clone()) {
            let past = Past {
                seat: Some((self.generation, Rank::new(rank))),
                held: Some(self.step),
            };
            self.register(worker, past);
        }
        self.train();
    }

    /// The last step, its checkpoint, and everybody's end.
    pub(crate) fn finish(&mut self) {
        while self.step < self.settings.last_step {
            self.train();
        }
        self.commit();
        self.of_all(|worker, generation| Event::Finished {
            worker,
            generation,
            weights_digest: "digest".to_owned(),
        });
    }
}
