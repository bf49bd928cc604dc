//! One generation's life: its state, its group, its steps, and how it ends well.

use crate::digest::weights_digest;
use crate::error::WorkerError;
use crate::session::Session;
use crate::shares::ShareWriter;
use crate::step::{Group, StepReport};
use fratmae_checkpoint::{CheckpointId, State, TensorSpec, load_manifest, restore};
use fratmae_collective::{AbortHandle, Membership, TcpGroup, TcpSettings};
use fratmae_config::{Axis, BadSample as Wanted};
use fratmae_control::{Assignment, Source, Step};
use fratmae_dataset::{BadSample, Loader, LoaderOptions, StackAxis, StackOptions};
use fratmae_model::{FratMae, Parameter};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
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
}

impl Session {
    /// Trains one generation, from its source's state to the end of the job, a drain, or a failure.
    pub(crate) fn train(&mut self, assignment: Assignment) -> Result<Ending, WorkerError> {
        let mut state = self.state(assignment.source)?;
        let mut group = self.join(&assignment)?;
        let generation = assignment.generation;
        let mut shares = ShareWriter::new(
            self.run.clone(),
            self.tensors(),
            &self.config,
            generation,
            group.process.as_ref(),
        );
        let last = self.config.train.steps;
        while state.step.get() < last {
            let report = self.step(&mut state, &mut group)?;
            self.say_applied(generation.get(), &group, &report);
            let step = report.step;
            let is_due = step.is_multiple_of(self.config.checkpoint.every) || step == last;
            if is_due || report.is_draining {
                let (outbox, runtime) = (&self.outbox, &self.runtime);
                shares.write(&state, &self.parameters, &report.figures, outbox, runtime)?;
            }
            if report.is_draining && step < last {
                shares.finish(&self.runtime)?;
                return Ok(Ending::Drained { step });
            }
        }
        shares.finish(&self.runtime)?;
        Ok(Ending::Finished {
            weights_digest: weights_digest(&self.parameters, &state.parameters),
        })
    }

    /// The state that a generation begins with.
    fn state(&self, source: Source) -> Result<State, WorkerError> {
        match source {
            Source::Initial => {
                // Made anew, since a generation that was broken off has moved the weights.
                let (config, seed) = (&self.config.model, self.config.run.seed);
                let parameters = FratMae::first_values(&self.parameters, config, seed);
                let zeros = vec![0.0; parameters.len()];
                Ok(State {
                    step: Step::new(0),
                    parameters,
                    first_moment: zeros.clone(),
                    second_moment: zeros,
                })
            }
            Source::Checkpoint { step, generation } => {
                let id = CheckpointId { step, generation };
                let tensors = self.tensors();
                let state = self.runtime.block_on(async {
                    let manifest = load_manifest(&self.run, id).await?;
                    restore(&self.run, &manifest, &tensors).await
                })?;
                Ok(state)
            }
        }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let spec = |parameter: &Parameter| TensorSpec {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            offset: parameter.offset,
        };
        self.parameters.iter().map(spec).collect()
    }

    /// Joins the generation's group and starts reading this rank's samples ahead.
    fn join(&self, assignment: &Assignment) -> Result<Group, WorkerError> {
        let generation = assignment.generation.get();
        let membership = self.membership(assignment)?;
        let abort = AbortHandle::new();
        self.shared.set_abort(generation, abort.clone());
        let deadline = Duration::from_secs(self.config.collective.deadline_s);
        let settings = TcpSettings {
            abort,
            ..TcpSettings::new(deadline)
        };
        let process = TcpGroup::connect_with(&self.listener, &membership, settings)?;
        let first = assignment.source.step().get() + 1;
        let mine = membership.slots[membership.rank].clone();
        let samples = self.plan.samples(mine, first, self.config.train.steps);
        let loader = Loader::start(
            Arc::clone(&self.data),
            self.stack_options(),
            Box::new(samples),
            self.loader_options(),
            &self.runtime,
        );
        Ok(Group {
            tree: membership.tree(),
            process: Box::new(process),
            slots: membership.slots,
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

    /// Rank 0 speaks for all: the figures are the same everywhere.
    fn say_applied(&self, generation: u64, group: &Group, report: &StepReport) {
        if group.process.rank() == 0 {
            let (step, figures) = (report.step, Some(report.figures.clone()));
            self.outbox.say(From::Applied(pb::Applied {
                generation,
                step,
                figures,
            }));
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
