//! What workers are told, and those who asked for a checkpoint.

use super::Runtime;
use crate::clock::unix_us;
use crate::event::RunEvent;
use fratmae_control::{Assignment, Generation, Leaving, Parting, Rank, Step, WorkerId};
use fratmae_protocol::pb;
use fratmae_protocol::pb::to_worker::Message as To;
use std::time::Instant;
use tokio::sync::oneshot;

impl Runtime {
    pub(super) fn prepare(&self, worker: WorkerId, generation: Generation, leaving: Leaving) {
        let prepare = pb::Prepare {
            generation: generation.get(),
            after_the_step: leaving == Leaving::AfterTheStep,
        };
        self.send(worker, To::Prepare(prepare));
    }

    pub(super) fn begin(&mut self, worker: WorkerId, assignment: Assignment) {
        if assignment.rank == Rank::new(0) {
            let step = assignment.source.step().get();
            self.history.rewind(step);
            self.ledger.capacity.begin(step);
            let is_restart = std::mem::take(&mut self.has_verdict);
            self.watch.began(unix_us() / 1000, is_restart);
            self.step_began = Instant::now();
            self.estimate.begin();
            let generation = assignment.generation.get();
            let members = self.cluster.group_names();
            self.emit(RunEvent::Began {
                generation,
                step,
                steps: self.job.config.train.steps,
                members,
            });
        }
        let (generation, rank) = (assignment.generation.get(), assignment.rank.get());
        let begin = pb::Begin {
            figures_until: self.figures_until(),
            secret: self.seats.secret(generation, rank),
            mesh_key: self.mesh_key.of(assignment.generation),
            trace: self.trace.carried(),
            ..assignment.into()
        };
        if let Some(stream) = self.streams.get(&worker) {
            stream.seat();
        }
        self.send(worker, To::Begin(begin));
    }

    /// A checkpoint is durable.
    pub(super) fn committed(&mut self, step: u64) {
        self.ledger.committed(step);
        self.committed_unix_ms = Some(unix_us() / 1000);
        for &worker in self.streams.keys() {
            self.send(worker, To::Committed(pb::Committed { step }));
        }
        self.emit(RunEvent::Committed { step });
    }

    /// The newest step up to which there are figures of every step.
    fn figures_until(&self) -> u64 {
        let committed = self.cluster.newest().step().get();
        self.history.complete_until(committed)
    }

    pub(super) fn welcome(&self, worker: WorkerId) -> pb::Welcome {
        pb::Welcome {
            worker: worker.get(),
            config: self.job.config.to_json(),
            run_url: self.job.run.url().to_owned(),
            data_url: self.job.data.location.url().to_owned(),
            data_digest: self.run_file.data_digest.clone(),
            manifest_digest: self.job.data.manifest_digest.clone(),
            run_id: self.run_file.run_id.clone(),
            committed: self.cluster.newest().step().get(),
            figures_until: self.figures_until(),
            origin: self.run_file.origin.as_ref().map(|origin| pb::Origin {
                step: origin.step,
                samples: origin.samples_seen,
            }),
        }
    }

    pub(super) fn stop(&mut self, worker: WorkerId, reason: String, parting: Parting) {
        if parting.is_failure() {
            let stream = self.streams.get(&worker);
            let launch = stream.and_then(|stream| stream.launch.as_ref());
            self.evicted
                .extend(launch.map(|launch| launch.token.clone()));
            self.last_words = Some(reason.clone());
        }
        self.send(worker, To::Stop(pb::Stop::with(parting, reason)));
    }

    /// Queues an order. A worker that is gone or no longer reads is found by its stream or its silence.
    pub(super) fn send(&self, worker: WorkerId, message: To) {
        let order = pb::ToWorker {
            message: Some(message),
        };
        let is_sent = self
            .streams
            .get(&worker)
            .is_some_and(|stream| stream.outbox.try_send(Ok(order)).is_ok());
        if !is_sent {
            tracing::debug!(worker = worker.get(), "order not delivered");
        }
    }

    /// Keeps whoever asks for a checkpoint until it is durable.
    pub(crate) fn await_save(&mut self, reply: oneshot::Sender<u64>) {
        self.savers.push(reply);
    }

    /// Tells them the step of a checkpoint that is; one who has left is told nothing.
    pub(super) fn answer_savers(&mut self, step: Step) {
        for reply in self.savers.drain(..) {
            let _ = reply.send(step.get());
        }
    }

    /// Tells every worker that this coordinator gives up; those that were told before do not read it.
    pub(crate) fn stop_all(&self, reason: &str) {
        for worker in self.streams.keys() {
            let stop = pb::Stop::with(Parting::Failed, reason.to_owned());
            self.send(*worker, To::Stop(stop));
        }
    }
}
