//! One generation's life: its group, its steps, and how it ends well. Its first state is `state_source.rs`'s matter.

use crate::error::WorkerError;
use crate::note::Wishes;
use crate::parts::PartsWriter;
use crate::session::Session;
use fratmae_collective::{AbortHandle, Membership, TcpSettings, form};
use fratmae_config::{Axis, BadSample as Wanted};
use fratmae_control::{Assignment, Phase, Step};
use fratmae_dataset::{BadSample, Loader, LoaderOptions, StackAxis, StackOptions};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_trainer::{Group, Task, TrainError, TrainState, weights_digest};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// How many times as long as a step a rank may wait for another one.
const SPREAD: u32 = 3;

/// This worker's seat in the generation that trains.
pub(crate) struct Seated {
    pub(crate) group: Group,
    pub(crate) generation: u64,
    /// Reads the samples of this rank's slots ahead.
    pub(crate) loader: Loader,
}

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
        figures_until: u64,
    ) -> Result<Ending, WorkerError> {
        fratmae_telemetry::describe("rank", assignment.rank.get());
        let begins_at = assignment.source.step().get();
        let activity = &self.shared.activity;
        let seat = assignment.seats.get(assignment.rank.get() as usize);
        let n_slots = seat.map_or(0, |seat| seat.slots.end.get() - seat.slots.start.get());
        activity.begin(assignment.generation.get(), begins_at, n_slots as usize);
        self.prepare_state(assignment.source)?;
        self.shared.activity.enter(Phase::Join);
        let mut seated = self.join(assignment)?;
        let process = seated.group.process.as_mut();
        self.share_state(assignment, process)?;
        self.share_figures(assignment, process)?;
        let step = assignment.source.step().get();
        let state = self.held.take().filter(|state| state.step().get() == step);
        let mut state = self.placed(state.ok_or(WorkerError::NoState { step })?);
        let ended = self.train_from(&mut state, &mut seated, assignment, figures_until);
        let failure = ended.as_ref().err();
        if failure.is_none_or(|error| !error.invalidates_state()) {
            self.held = Some(state);
        } else {
            self.engine.forget_state();
            self.await_successor(assignment.generation.get(), &ended);
        }
        ended
    }

    /// Tells why this rank's state is spoiled, and keeps the connections until that is known: peers that merely saw
    /// them close would be heard first.
    fn await_successor(&self, generation: u64, ended: &Result<Ending, WorkerError>) {
        let Err(error) = ended else {
            return;
        };
        self.outbox.state(From::GroupBroken(pb::GroupBroken {
            generation,
            reason: error.to_string(),
            accused: error.accused(),
        }));
        let known = async {
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            while !self.shared.is_superseded(generation) {
                looks.tick().await;
            }
        };
        let known = async { tokio::time::timeout(Duration::from_secs(1), known).await };
        if self.runtime.block_on(known).is_err() {
            tracing::debug!("no coordinator answers");
        }
    }

    fn train_from(
        &mut self,
        state: &mut TrainState,
        seated: &mut Seated,
        assignment: &Assignment,
        figures_until: u64,
    ) -> Result<Ending, WorkerError> {
        let place = pb::Place {
            generation: assignment.generation.get(),
            rank: assignment.rank.get(),
        };
        self.outbox.enter(place, state.step().get());
        self.recall_figures(assignment, figures_until);
        let process = seated.group.process.as_ref();
        let mut parts = PartsWriter::new(self, assignment.generation, process)?;
        // A generation before may have died between this step and its checkpoint.
        if self.is_checkpoint_due(state.step()) && state.step() > assignment.committed {
            parts.write(state, self)?;
        }
        while state.step().get() < self.config.train.steps {
            let deadline = self.call_deadline();
            seated.group.process.set_deadline(deadline);
            let wishes = self.step(state, seated, &mut parts.writer)?;
            let wishes = self.heed(seated, wishes)?;
            if wishes.is_leaving {
                return Ok(Ending::Left);
            }
            let is_stopping = wishes.is_draining;
            let is_wanted = is_stopping || wishes.is_saving;
            if is_wanted || self.is_checkpoint_due(state.step()) {
                parts.write(state, self)?;
            }
            let step = state.step().get();
            if is_stopping && step < self.config.train.steps {
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
        Ok(weights_digest(self.engine.parameters(), &weights))
    }

    /// What all do after the step: what any rank was asked for until now, which for one that takes minutes is more than
    /// was known in its middle.
    fn heed(&self, seated: &mut Seated, wishes: Wishes) -> Result<Wishes, WorkerError> {
        if wishes.is_draining || wishes.is_leaving {
            return Ok(wishes);
        }
        self.shared.activity.enter(Phase::Gather);
        self.shared.activity.call("all_gather");
        let mut mine = self.shared.take_wishes(seated.generation);
        // All know of those of the step, and a request to save is taken once.
        mine.is_saving |= wishes.is_saving;
        let process = seated.group.process.as_mut();
        Ok(Wishes::of_all(&process.all_gather(&mine.encode())?))
    }

    /// How long a call may wait for the others. On a machine where a step takes minutes its ranks can be minutes apart.
    fn call_deadline(&self) -> Duration {
        let deadline = Duration::from_secs(self.config.collective.deadline_s);
        deadline.max(self.shared.activity.step_takes() * SPREAD)
    }

    fn is_checkpoint_due(&self, step: Step) -> bool {
        let step = step.get();
        step.is_multiple_of(self.config.checkpoint.every) || step == self.config.train.steps
    }

    /// Joins the generation's group and starts reading this rank's samples ahead.
    fn join(&self, assignment: &Assignment) -> Result<Seated, WorkerError> {
        let generation = assignment.generation.get();
        let membership = self.membership(assignment)?;
        let abort = AbortHandle::new();
        self.shared.set_abort(generation, abort.clone());
        let settings = TcpSettings {
            abort,
            ..TcpSettings::new(self.call_deadline())
        };
        let process = form(&self.listener, &membership, settings, &self.link)?;
        let first = assignment.source.step().get() + 1;
        let mine = membership.slots[membership.rank].clone();
        let samples = self.engine.samples(mine, first..=self.config.train.steps);
        let loader = Loader::start(
            Arc::clone(&self.data),
            self.stack_options(),
            samples,
            self.loader_options(),
            &self.runtime,
        );
        Ok(Seated {
            group: Group {
                tree: membership.tree(),
                process,
                slots: membership.slots,
            },
            generation,
            loader,
        })
    }

    fn membership(&self, assignment: &Assignment) -> Result<Membership, WorkerError> {
        let addresses = assignment
            .seats
            .iter()
            .map(|seat| resolve(&seat.address))
            .collect::<Result<_, _>>()?;
        let slots = |seat: &fratmae_control::Seat| {
            seat.slots.start.get() as usize..seat.slots.end.get() as usize
        };
        Ok(Membership {
            run: self.run_id.clone(),
            generation: assignment.generation.get(),
            rank: assignment.rank.get() as usize,
            addresses,
            slots: assignment.seats.iter().map(slots).collect(),
        })
    }

    fn stack_options(&self) -> StackOptions {
        let data = &self.config.data;
        StackOptions {
            axis: match data.axis {
                Axis::Coronal => StackAxis::Coronal,
                Axis::Axial => StackAxis::Axial,
                Axis::Sagittal => StackAxis::Sagittal,
            },
            depth: self.config.model.stack[0],
            stride: data.stride,
            suv_window: data.suv_window.map(|edge| edge as f32),
            hu_window: data.hu_window.map(|edge| edge as f32),
            seed: self.config.run.seed,
            with_diagnosis: data.diagnosis_in_sentence,
        }
    }

    fn loader_options(&self) -> LoaderOptions {
        let data = &self.config.data;
        LoaderOptions {
            bytes: data.prefetch_mib << 20,
            bad_sample: match data.bad_sample {
                Wanted::Fail => BadSample::Fail,
                Wanted::Skip => BadSample::Skip,
            },
        }
    }

    /// Tells the figures that the coordinator lacks, since whoever spoke for the group before is gone.
    fn recall_figures(&self, assignment: &Assignment, figures_until: u64) {
        if assignment.rank.get() == 0 {
            let generation = assignment.generation.get();
            self.outbox.recall(generation, figures_until);
        }
    }
}

fn resolve(address: &str) -> Result<SocketAddr, WorkerError> {
    let unknown = || WorkerError::Job {
        reason: format!("peer address {address} does not resolve"),
    };
    address
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(unknown)
}
