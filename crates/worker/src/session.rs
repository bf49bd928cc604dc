//! What a worker keeps from one generation to the next, and one generation's life.

use crate::digest::weights_digest;
use crate::error::WorkerError;
use crate::optimizer::AdamW;
use crate::plan::Plan;
use crate::run::places;
use crate::shared::Shared;
use crate::shares::ShareWriter;
use crate::step::{Group, StepReport};
use crate::stream::Outbox;
use crate::trainer::Start;
use fratmae_checkpoint::{CheckpointId, State, TensorSpec, load_manifest, restore};
use fratmae_collective::{AbortHandle, Membership, TcpGroup, TcpSettings};
use fratmae_config::Config;
use fratmae_control::{Assignment, Source, Step};
use fratmae_dataset::{DataSet, Loader, StackOptions};
use fratmae_model::{Device, FratMae, Parameter, Tokenizer};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_store::Location;
use fratmae_telemetry::PhaseLedger;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
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

/// A worker that has the job, the data and the model in its hands.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) device: Device,
    pub(crate) model: FratMae,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) optimizer: AdamW,
    pub(crate) plan: Plan,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) ledger: PhaseLedger,
    pub(crate) shared: Arc<Shared>,
    data: Arc<DataSet>,
    run: Location,
    run_id: String,
    listener: TcpListener,
    outbox: Outbox,
    runtime: tokio::runtime::Handle,
}

impl Session {
    /// Opens data, store and device, and makes the model of the job's seed.
    pub(crate) fn open(start: Start) -> Result<Self, WorkerError> {
        let Start {
            config,
            welcome,
            outbox,
            listener,
            shared,
            ledger,
            runtime,
        } = start;
        let (run, place) = places(&welcome)?;
        let data = runtime.block_on(DataSet::open(&place))?;
        same_data(&data, &welcome)?;
        let device = fratmae_model::open(device_kind(&config)?)?;
        let model = FratMae::new(&config.model, config.run.seed, &device);
        let parameters = model.parameters();
        let cases = u32::try_from(data.manifest.cases.len()).unwrap_or(u32::MAX);
        Ok(Self {
            optimizer: AdamW::new(&config.train, &parameters),
            plan: Plan::new(&config, cases),
            tokenizer: Tokenizer::new(),
            run_id: welcome.run_id,
            data: Arc::new(data),
            config,
            device,
            model,
            parameters,
            ledger,
            shared,
            run,
            listener,
            outbox,
            runtime,
        })
    }

    /// Trains one generation, from its source's state to the end of the job, a drain, or a failure.
    pub(crate) fn train(&mut self, assignment: Assignment) -> Result<Ending, WorkerError> {
        let mut state = self.state(assignment.source)?;
        self.model = self.model.clone().with_flat(&state.parameters)?;
        let mut group = self.join(&assignment)?;
        let generation = assignment.generation;
        let mut shares = ShareWriter::new(
            self.run.clone(),
            self.tensors(),
            &self.config,
            generation,
            group.process.as_ref(),
        );
        let mut report = None;
        while state.step.get() < self.config.train.steps {
            let applied = self.step(&mut state, &mut group)?;
            self.say_applied(generation.get(), &group, &applied);
            let step = state.step.get();
            let is_due = step.is_multiple_of(self.config.checkpoint.every)
                || step == self.config.train.steps;
            if is_due || applied.is_draining {
                shares.write(
                    &state,
                    &self.parameters,
                    &applied,
                    &self.outbox,
                    &self.runtime,
                )?;
            }
            let is_draining = applied.is_draining;
            report = Some(applied);
            if is_draining {
                break;
            }
        }
        shares.finish(&self.runtime)?;
        let is_drained = report.is_some_and(|report| report.is_draining)
            && state.step.get() < self.config.train.steps;
        if is_drained {
            return Ok(Ending::Drained {
                step: state.step.get(),
            });
        }
        Ok(Ending::Finished {
            weights_digest: weights_digest(&self.parameters, &state.parameters),
        })
    }

    /// The state that a generation begins with.
    fn state(&self, source: Source) -> Result<State, WorkerError> {
        match source {
            Source::Initial => {
                // Made anew, since a generation that was broken off has moved the weights.
                let model = FratMae::new(&self.config.model, self.config.run.seed, &self.device);
                let parameters = model.to_flat()?;
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
        let prefetch = self.config.data.prefetch;
        let loader = Loader::start(
            Arc::clone(&self.data),
            self.stack_options(),
            Box::new(samples),
            prefetch,
            &self.runtime,
        );
        Ok(Group {
            tree: membership.tree(),
            process: Box::new(process),
            slots: membership.slots,
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
            depth: self.config.model.stack[0],
            stride: data.stride,
            suv_window: data.suv_window.map(|edge| edge as f32),
            hu_window: data.hu_window.map(|edge| edge as f32),
            seed: self.config.run.seed,
            with_diagnosis: data.diagnosis_in_sentence,
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

fn same_data(data: &DataSet, welcome: &pb::Welcome) -> Result<(), WorkerError> {
    let found = data.manifest.digest();
    if found == welcome.data_digest {
        return Ok(());
    }
    Err(WorkerError::OtherData {
        url: welcome.data_url.clone(),
        found,
        expected: welcome.data_digest.clone(),
    })
}

/// `auto` is a GPU where this build and this machine have one, else the CPU.
fn device_kind(config: &Config) -> Result<fratmae_model::DeviceKind, WorkerError> {
    use fratmae_config::Device as Wanted;
    use fratmae_model::DeviceKind;
    let cuda = DeviceKind::Cuda { index: 0 };
    Ok(match config.workers.device {
        Wanted::Cpu => DeviceKind::Cpu,
        Wanted::Cuda => cuda,
        Wanted::Auto => match fratmae_model::open(cuda) {
            Ok(_) => cuda,
            Err(reason) => {
                tracing::debug!(%reason, "training on the CPU");
                DeviceKind::Cpu
            }
        },
    })
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
