//! Carries out what `control` decides: journal, manifests, orders to workers. Decides nothing itself.

mod answers;
mod commit;
mod hearing;
mod notes;
mod observing;
mod orders;
mod pass_over;
mod settings;
mod trace;
mod waits;

use crate::addresses::Addresses;
use crate::admission::Admission;
use crate::beat::Beats;
use crate::collection::Collection;
use crate::error::CoordinatorError;
use crate::estimate::Estimate;
use crate::event::{EventSink, RunEvent};
use crate::history::{History, HistoryRow};
use crate::host_probes::HostProbes;
use crate::job::{Job, RunFile};
use crate::ledger::Ledger;
use crate::mesh_key::MeshKey;
use crate::opening::Opened;
use crate::seats::Seats;
use crate::service::Outbox;
use crate::shares::Shares;
use crate::stopping::Standing;
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::{CheckpointId, CommitDigests, Journal, Lineage, Record};
use fratmae_control::{
    Cluster, Command, Event, Generation, Millis, Operation, RunOutcome, RunPhase, Step, Task,
    Tasks, WorkerId,
};
use fratmae_observe::{Snapshot, Watch};
use fratmae_protocol::pb::to_worker::Message as To;
use fratmae_protocol::{Inflow, pb};
use hearing::Stream;
use settings::{admission, beats, count, ledger, settings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use trace::Trace;
use tracing::Instrument as _;
use waits::Waits;

/// How old the status may be beyond the last tick, where neither phase nor generation has changed.
const STATUS_EVERY: Duration = Duration::from_millis(50);
/// With so many workers all may be told of each one that comes or goes; with more that is told of several at once.
const FEW: usize = 100;

/// Where a run is led from.
pub(crate) struct Place {
    pub(crate) addresses: Addresses,
    /// Whether its workers are started here.
    pub(crate) has_own_workers: bool,
    /// When its coordinator was started.
    pub(crate) started: Instant,
}

/// Where a run is told of.
pub(crate) struct Outlets {
    pub(crate) events: EventSink,
    pub(crate) status: watch::Sender<pb::StatusReply>,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
}

/// The run in this process: the cluster, and everything its commands touch.
pub(crate) struct Runtime {
    job: Job,
    run_file: RunFile,
    pub(crate) cluster: Cluster,
    tasks: Tasks,
    admission: Admission,
    journal: Journal,
    seats: Seats,
    streams: BTreeMap<WorkerId, Stream>,
    pub(crate) host_probes: HostProbes,
    mesh_key: MeshKey,
    shares: Shares,
    history: History,
    pub(crate) ledger: Ledger,
    watch: Watch,
    /// Whether there was a verdict since the newest group began.
    has_verdict: bool,
    /// What the journal will keep of the manifest that was written last.
    committing: Option<(CheckpointId, CommitDigests)>,
    collection: Collection,
    /// The newest step that was applied here, without what it was trained on.
    pub(crate) newest_row: Option<HistoryRow>,
    lineage: Lineage,
    beats: Beats,
    events: EventSink,
    waits: Waits,
    place: Place,
    status: watch::Sender<pb::StatusReply>,
    published: Instant,
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// When the snapshot was taken that was published last.
    observed: Option<Instant>,
    /// When the newest checkpoint was committed, if that was under this coordinator.
    committed_unix_ms: Option<u64>,
    /// Times of ranks of a group that is not whole yet.
    unnamed_times: Vec<pb::StepTimes>,
    /// Phase, generation and number of workers in the status that was published last.
    status_of: Option<(RunPhase, Generation, usize)>,
    estimate: Estimate,
    /// When the step at hand began.
    step_began: Instant,
    standing: watch::Sender<Standing>,
    verdict: Option<RunOutcome>,
    /// Tokens of this machine's workers that were told to end although the run goes on, until they are asked for.
    evicted: Vec<String>,
    /// What was last said to a worker that could not go on.
    last_words: Option<String>,
    /// Who waits for a checkpoint.
    savers: Vec<oneshot::Sender<u64>>,
    trace: Trace,
}

impl Runtime {
    pub(crate) fn new(mut job: Job, opened: Opened, place: Place, outlets: Outlets) -> Self {
        let Outlets {
            events,
            status,
            snapshots,
        } = outlets;
        // Until here a store that does not answer is soon told; a run that is under way bears with it longer.
        job.run = job.run.clone().with_retry_policy(job.patience());
        let admission = admission(&job, &opened, &place);
        let beats = beats(&job, &opened, &place);
        let cluster = Cluster::new(
            settings(&job),
            Millis::new(0),
            opened.recorded,
            opened.newest,
        );
        let ledger = ledger(&job, &opened);
        let lineage = opened.lineage;
        Self {
            lineage: lineage.clone(),
            beats,
            waits: Waits::default(),
            admission,
            job,
            run_file: opened.run_file,
            cluster,
            tasks: opened.tasks,
            journal: opened.journal,
            seats: opened.seats,
            streams: BTreeMap::new(),
            host_probes: HostProbes::default(),
            mesh_key: MeshKey::default(),
            shares: Shares::default(),
            history: History::default(),
            ledger,
            watch: Watch::default(),
            has_verdict: false,
            committing: None,
            collection: Collection::new(opened.collector, lineage, events.clone()),
            newest_row: None,
            events,
            status,
            published: place.started,
            snapshots,
            observed: None,
            committed_unix_ms: None,
            unnamed_times: Vec::new(),
            status_of: None,
            estimate: Estimate::default(),
            step_began: place.started,
            standing: watch::Sender::new(Standing {
                step: None,
                since: place.started,
                step_seconds: None,
            }),
            place,
            verdict: None,
            evicted: Vec::new(),
            last_words: None,
            savers: Vec::new(),
            trace: Trace::none(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.place.started.elapsed().as_secs_f64()
    }

    pub(crate) fn events(&self) -> EventSink {
        self.events.clone()
    }

    /// Makes sure that this coordinator still leads the run, and writes how far it is.
    ///
    /// # Errors
    /// That another one leads it, that the run was removed, or the store's.
    pub(crate) async fn show_life(&mut self) -> Result<(), CoordinatorError> {
        self.journal.ensure_held().await?;
        let loss = self.newest_row.as_ref().map(HistoryRow::loss);
        self.beats.write(self.cluster.applied_step().get(), loss);
        self.ledger.keep();
        Ok(())
    }

    /// Whether what the ledger has must not wait.
    pub(crate) fn is_keeping_urgent(&self) -> bool {
        self.ledger.is_keeping_urgent()
    }

    fn now(&self) -> Millis {
        let elapsed = self.place.started.elapsed().as_millis();
        Millis::new(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Where the run is, for whoever stops it.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(crate) const fn job(&self) -> &Job {
        &self.job
    }

    /// Samples in the lineage of the weights after a step.
    pub(crate) fn samples_at(&self, step: Step) -> u64 {
        let batch = self.job.config.train.batch;
        self.run_file.samples_at(step.get(), batch)
    }

    pub(crate) const fn journal_mut(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// The verdict, once there is one.
    pub(crate) const fn verdict(&self) -> Option<&RunOutcome> {
        self.verdict.as_ref()
    }

    /// A stream opened: its orders go to `outbox` from now on.
    pub(crate) fn open(&mut self, worker: WorkerId, outbox: Outbox, inflow: Inflow) {
        self.streams.insert(worker, Stream::new(outbox, inflow));
    }

    /// A stream is closed: no order goes there any more.
    pub(crate) fn close(&mut self, worker: WorkerId) {
        self.streams.remove(&worker);
        self.admission.forget(worker);
        self.estimate.forget(worker);
        self.shares.forget(worker);
        self.ledger.closed(worker);
    }

    /// Hands an event to `control` and carries out what follows from it.
    pub(crate) async fn handle(&mut self, event: Event) -> Result<(), CoordinatorError> {
        self.tasks.push(event);
        while let Some(task) = self.next_task() {
            match task {
                Task::Operate(operation) => self.operate(operation).await?,
                Task::Carry(command) => self.carry_out(command),
            }
        }
        let is_training = self.cluster.phase() == RunPhase::Training;
        let is_at_a_step = is_training && !self.cluster.has_nothing_to_save();
        let next = (self.cluster.applied_step().get() + 1).min(self.job.config.train.steps);
        self.standing.send_replace(Standing {
            step: is_at_a_step.then_some(next),
            since: self.step_began,
            step_seconds: self.estimate.step_seconds(),
        });
        self.tell_waits();
        self.publish_status();
        self.observe();
        Ok(())
    }

    /// The tokens of this machine's workers that were told to end since this was asked before.
    pub(crate) fn take_evicted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.evicted)
    }

    /// Why the last worker that could not go on could not.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    fn next_task(&mut self) -> Option<Task> {
        let now = self.now();
        self.tasks.next(|event| self.cluster.handle(now, event))
    }

    /// Does one thing at the run's store.
    async fn operate(&mut self, operation: Operation) -> Result<(), CoordinatorError> {
        let record = match operation {
            Operation::EnsureHeld => return Ok(self.journal.ensure_held().await?),
            Operation::WriteManifest(id) => {
                let span = self.trace.commit(id.step.get());
                return self.write_manifest(id).instrument(span).await;
            }
            Operation::FindNewest { damaged, reason } => {
                return self.pass_over(damaged, &reason).await;
            }
            Operation::RecordVerdict(blame) => return self.record_verdict(&blame).await,
            Operation::RecordCommit(id) => return self.record_commit(id).await,
            Operation::RecordGeneration {
                generation,
                members,
            } => {
                self.trace.begin(generation.get(), members.len());
                Record::Generation {
                    generation: generation.get(),
                    seats: self.seats.deal(generation.get(), members.len()),
                    kinds: self.admission.kinds(),
                    members,
                }
            }
        };
        if matches!(record, Record::Generation { .. }) {
            self.ledger.capacity.counts().generations += 1;
        }
        let span = self.trace.forming();
        Ok(self.journal.append(record).instrument(span).await?)
    }

    /// Carries out one command, which has what it needs of the store.
    fn carry_out(&mut self, command: Command) {
        match command {
            // Nobody is told of either but by the commands that follow.
            Command::RecordGeneration { .. } | Command::PassOver { .. } => {}
            Command::CommitCheckpoint { step, .. } => self.committed(step.get()),
            Command::Prepare {
                worker,
                generation,
                leaving,
            } => self.prepare(worker, generation, leaving),
            Command::Begin { worker, assignment } => self.begin(worker, assignment),
            Command::Drain { worker } => self.send(worker, To::Drain(pb::Drain {})),
            Command::Save { worker } => self.send(worker, To::Save(pb::Save {})),
            Command::Saved { step } => self.answer_savers(step),
            Command::ProbeHost(probe) => self.host_probes.ask(probe),
            Command::Stop {
                worker,
                reason,
                parting,
            } => self.stop(worker, reason, parting),
            Command::Report { verdict } => {
                let verdict = Box::new(WorkerVerdict::from(&*verdict));
                self.emit(RunEvent::Verdict { verdict });
            }
            Command::Statement { worker, reason } => {
                self.emit(RunEvent::Broken { worker, reason });
            }
            Command::Gone { name, reason } => self.emit(RunEvent::Gone { name, reason }),
            Command::Left { name } => self.emit(RunEvent::Left { name }),
            Command::End { outcome } => self.verdict = Some(outcome),
        }
    }

    /// Gives up and deletes checkpoints that are not kept; a run that is ending waits for it.
    pub(crate) async fn collect(&mut self, is_ending: bool) -> Result<(), CoordinatorError> {
        let current = self.cluster.generation();
        let (journal, run) = (&mut self.journal, &self.job.run);
        match is_ending {
            true => self.collection.finish(journal, run, current).await,
            false => self.collection.collect(journal, run, current).await,
        }
    }

    /// What is left of it once the run is over: nobody is sent an order any more.
    pub(crate) fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// Tells everybody who follows the run.
    pub(crate) fn emit(&self, event: RunEvent) {
        self.events.emit(event);
    }
}
