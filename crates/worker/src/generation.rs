//! One generation's life: its first state, its group, its steps, and how it ends well.

use crate::error::WorkerError;
use crate::group::Seated;
use crate::handover::share_figures;
use crate::note::{self, GroupRequest};
use crate::parts::PartsWriter;
use crate::session::{Links, Session};
use fratmae_control::{Assignment, Phase};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_telemetry::{StepTime, shortest_calls};
use fratmae_trainer::{Task, TrainError, TrainState, weights_digest};
use std::time::Duration;

/// How a generation ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The job's last step is applied.
    Finished {
        /// Of the parameters after it.
        weights_digest: String,
    },
    /// A stop was asked for on some rank, and all stopped after this step.
    Drained {
        /// The last step applied.
        step: u64,
    },
    /// All left together for the next generation.
    Left,
}

impl<T: Task> Session<T> {
    /// Trains one generation, from its source's state to the end of the job, a drain, the next generation, or a failure.
    ///
    /// Whatever happens, the session holds the state after the last step that was applied.
    pub(crate) fn train(
        &mut self,
        assignment: &Assignment,
        mesh_key: &str,
        figures_until: u64,
    ) -> Result<Ending, WorkerError> {
        fratmae_telemetry::describe("rank", assignment.rank.get());
        let joining = self.trace.join().entered();
        let (generation, step) = (assignment.generation.get(), assignment.source.step().get());
        let activity = &self.links.signals.activity;
        let seat = assignment.seats.get(assignment.rank.get() as usize);
        let n_slots = seat.map_or(0, |seat| seat.slots.end.get() - seat.slots.start.get());
        activity.begin(generation, step, n_slots as usize);
        self.training
            .prepare(assignment.source, &self.job, &self.links)?;
        activity.enter(Phase::Join);
        let mut seated = self.join(assignment, mesh_key)?;
        drop(joining);
        let ended = self.train_seated(&mut seated, assignment, figures_until);
        self.links.signals.activity.leave_group();
        if let Err(error) = &ended {
            if error.invalidates_state() {
                self.training.forget();
            }
            if error.is_evidence() {
                self.links.await_successor(generation, error);
            }
        }
        ended
    }

    /// As [`Self::train`], once the group has formed; the group outlives it.
    fn train_seated(
        &mut self,
        seated: &mut Seated,
        assignment: &Assignment,
        figures_until: u64,
    ) -> Result<Ending, WorkerError> {
        let (activity, process) = (&self.links.signals.activity, seated.group.process.as_mut());
        self.training.share(assignment, process, activity)?;
        share_figures(&self.links.outbox, assignment, process)?;
        let mut state = self.training.take(assignment.source.step().get())?;
        let ended = self.train_from(&mut state, seated, assignment, figures_until);
        self.training.keep(state);
        ended
    }

    fn train_from(
        &mut self,
        state: &mut TrainState,
        seated: &mut Seated,
        assignment: &Assignment,
        figures_until: u64,
    ) -> Result<Ending, WorkerError> {
        let (generation, rank) = (assignment.generation.get(), assignment.rank.get());
        let step = state.step().get();
        self.links.outbox.enter(generation, rank, step);
        self.resend_figures(assignment, figures_until);
        let process = seated.group.process.as_ref();
        let mut parts = PartsWriter::new(self, assignment.generation, process)?;
        // A generation before may have died between this step and its checkpoint.
        if self.job.is_checkpoint_due(state.step()) && state.step() > assignment.committed {
            parts.write(state, &self.links)?;
        }
        while state.step().get() < self.job.config.train.steps {
            let deadline = self.call_deadline();
            seated.group.process.set_deadline(deadline);
            let (request, time) = self.step(state, seated, &mut parts.writer)?;
            let request = self.gather_requests(seated, state.step().get(), request, time)?;
            if request.is_leaving {
                return Ok(Ending::Left);
            }
            let is_stopping = request.is_draining;
            let is_wanted = is_stopping || request.is_saving;
            if is_wanted || self.job.is_checkpoint_due(state.step()) {
                parts.write(state, &self.links)?;
            }
            let step = state.step().get();
            if is_stopping && step < self.job.config.train.steps {
                parts.finish(state)?;
                return Ok(Ending::Drained { step });
            }
        }
        parts.finish(state)?;
        Ok(Ending::Finished {
            weights_digest: self.weights_digest(state)?,
        })
    }

    fn weights_digest(&self, state: &TrainState) -> Result<String, WorkerError> {
        let weights = state.parameters().map_err(TrainError::from)?;
        Ok(weights_digest(self.training.engine.parameters(), &weights))
    }

    /// What all do after the step: what any rank was asked for until now. In a step of minutes that is more than was known
    /// when messages were gathered. All tell how long the step took them, and rank 0 tells the coordinator.
    fn gather_requests(
        &self,
        seated: &mut Seated,
        step: u64,
        request: GroupRequest,
        time: StepTime,
    ) -> Result<GroupRequest, WorkerError> {
        if request.is_draining || request.is_leaving {
            return Ok(request);
        }
        self.links.signals.activity.enter(Phase::Gather);
        self.links.signals.activity.call("all_gather");
        let mut mine = self.links.signals.take_requests(seated.generation);
        // All know of those of the step, and a request to save is taken once.
        mine.is_saving |= request.is_saving;
        let (generation, process) = (seated.generation, seated.group.process.as_mut());
        let notes = process.all_gather(&note::encode_after_step(mine, time))?;
        let notes = note::decode(&notes)?;
        let calls = notes.times.iter().map(|time| time.calls.as_slice());
        let activity = &self.links.signals.activity;
        activity.divide_calls(&shortest_calls(calls));
        if process.rank() == 0 {
            self.links.outbox.tell_times(pb::StepTimes {
                generation,
                step,
                ranks: notes.times,
            });
        }
        Ok(notes.request)
    }

    /// Sends the figures that the coordinator lacks, since whoever sent them before is gone.
    fn resend_figures(&self, assignment: &Assignment, figures_until: u64) {
        if assignment.rank.get() == 0 {
            let generation = assignment.generation.get();
            self.links.outbox.resend_figures(generation, figures_until);
        }
    }
}

impl Links {
    /// Reports what this rank has found, and keeps the connections until that is known.
    fn await_successor(&self, generation: u64, error: &WorkerError) {
        self.outbox.send_durable(From::GroupBroken(pb::GroupBroken {
            generation,
            reason: error.to_string(),
            accused: error.accused(),
        }));
        let known = async {
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            while !self.signals.is_superseded(generation) {
                looks.tick().await;
            }
        };
        let known = async { tokio::time::timeout(Duration::from_secs(1), known).await };
        if self.runtime.block_on(known).is_err() {
            tracing::debug!("no coordinator answers");
        }
    }
}
