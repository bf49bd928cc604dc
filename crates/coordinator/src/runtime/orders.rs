//! What workers are told, and those who asked for a checkpoint.

use super::Runtime;
use fratmae_control::{Generation, Leaving, RunPhase, Step, WorkerId};
use fratmae_protocol::pb;
use fratmae_protocol::pb::to_worker::Message as To;
use tokio::sync::oneshot;

impl Runtime {
    pub(super) fn prepare(&self, worker: WorkerId, generation: Generation, leaving: Leaving) {
        let prepare = pb::Prepare {
            generation: generation.get(),
            after_the_step: leaving == Leaving::AfterTheStep,
        };
        self.send(worker, To::Prepare(prepare));
    }

    pub(super) fn stop(&mut self, worker: WorkerId, reason: String, failed: bool) {
        if failed {
            let stream = self.streams.get(&worker);
            let launch = stream.and_then(|stream| stream.launch.as_ref());
            self.evicted
                .extend(launch.map(|launch| launch.token.clone()));
            self.last_words = Some(reason.clone());
        }
        let is_short = self.cluster.newest().step().get() < self.job.config.train.steps;
        let is_resumable = !failed && is_short && self.cluster.phase() == RunPhase::Ended;
        let stop = pb::Stop {
            reason,
            failed,
            is_resumable,
        };
        self.send(worker, To::Stop(stop));
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
            let stop = pb::Stop {
                reason: reason.to_owned(),
                failed: true,
                is_resumable: false,
            };
            self.send(*worker, To::Stop(stop));
        }
    }
}
