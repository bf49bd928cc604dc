//! A rank's share of every checkpoint: copied while a step computes, hashed and uploaded while the next ones do.
//!
//! It owns the order of things and the time that the training thread waits for them. At most one checkpoint is under
//! way: the next one waits for it, and hurries it.

use crate::error::WorkerError;
use crate::pace::Pace;
use crate::snapshot::{Copier, Copying, Reader};
use crate::throttle::{Order, Reins, Throttle};
use crate::upload::{Progress, UPLOADS, Upload, WrittenPart};
use fratmae_checkpoint::{CheckpointError, CheckpointId, Draft, PartPlan, Reserve, State, Vectors};
use fratmae_control::{Generation, Step};
use fratmae_store::Location;
use fratmae_trainer::{SharedWeights, TrainError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Bytes that all threads surely copy in a millisecond, fresh memory and a busy machine included.
const COPIED_IN_A_MS: u64 = 1 << 20;

/// How checkpoints share the machine with the steps.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotSettings {
    /// How long a step may wait for its checkpoint.
    pub max_stall: Duration,
    /// By which fraction steps may slow down while one is written.
    pub max_slowdown: f64,
    /// Bytes of copied state that may wait for their upload.
    pub memory: u64,
    /// Steps from one checkpoint to the next.
    pub every: u64,
}

/// Called with a share's parts, in their order, once all are on the store.
pub type Report = Box<dyn FnOnce(Vec<WrittenPart>) + Send>;

/// Writes this rank's parts of one checkpoint after the other.
pub struct Snapshots {
    run: Location,
    runtime: Handle,
    mine: Vec<PartPlan>,
    settings: SnapshotSettings,
    /// Where copies have their memory from.
    reserve: Reserve,
    reins: Arc<Reins>,
    /// None where the whole share is copied at once within the stall that is allowed.
    copier: Option<Copier>,
    /// What is still to be copied before the state may change.
    copying: Option<Copying>,
    is_lent: bool,
    progress: Progress,
    writing: Option<JoinHandle<Result<(), CheckpointError>>>,
    /// What was under way when the step began.
    at_begin: UnderWay,
    stall: Duration,
    is_warned: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    Nothing,
    Copying,
    Writing,
}

impl Snapshots {
    /// Makes ready to write the parts `mine` of each checkpoint to `run`, with copies in memory of the reserve.
    ///
    /// # Errors
    /// [`WorkerError::Thread`] if the system gives no thread.
    pub fn new(
        run: Location,
        runtime: Handle,
        mine: Vec<PartPlan>,
        settings: SnapshotSettings,
        reserve: Reserve,
    ) -> Result<Self, WorkerError> {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = settings.max_stall.as_millis() as u64 * COPIED_IN_A_MS;
        let size: u64 = mine.iter().map(PartPlan::bytes).sum();
        let copier = if size > at_once {
            let sizes = sizes_within(settings.memory, &mine)?;
            Some(Copier::start(sizes, reserve.clone())?)
        } else {
            None
        };
        Ok(Self {
            copier,
            reins: Reins::new(Pace::new(settings.max_slowdown, settings.every, n_cores)),
            run,
            runtime,
            mine,
            settings,
            reserve,
            copying: None,
            is_lent: false,
            progress: Arc::new(|| ()),
            writing: None,
            at_begin: UnderWay::Nothing,
            stall: Duration::ZERO,
            is_warned: false,
        })
    }

    /// Tells of each part that is on the store.
    #[must_use]
    pub fn telling(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Begins a checkpoint of `state`, which must not change before [`Self::secure`]; the report follows the last part.
    ///
    /// # Errors
    /// What went wrong with the checkpoint before; [`WorkerError::Thread`] if the system gives no thread.
    pub fn begin(
        &mut self,
        id: CheckpointId,
        state: &State,
        report: Report,
    ) -> Result<(), WorkerError> {
        let began = Instant::now();
        self.finish(state)?;
        self.copying = Some(self.open(id, report, || Ok(()))?);
        self.stall = Duration::ZERO;
        if self.copier.is_none() {
            self.copy_rest(state)?;
        }
        self.stall += began.elapsed();
        Ok(())
    }

    /// Begins a checkpoint of vectors that nobody will change: the reader copies them for as long as it takes.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_of_unchanging(
        &mut self,
        id: CheckpointId,
        vectors: impl Vectors + Send + 'static,
        reader: &Reader,
        report: Report,
    ) -> Result<(), WorkerError> {
        let began = Instant::now();
        self.wait()?;
        let (copied, outcome) = sync_channel(1);
        let gone = move |_| CheckpointError::Unwritable {
            object: id.to_string(),
            reason: "the thread that copies it has ended; its message says why".to_owned(),
        };
        let copied_well = move || outcome.recv().map_err(gone)?;
        let copying = self.open(id, report, copied_well)?;
        // Nobody hears it where the checkpoint was given up.
        reader.give(move || drop(copied.send(copying.all(&vectors))))?;
        self.stall = began.elapsed();
        Ok(())
    }

    /// Starts writing a checkpoint, and gives what is to be copied for it. The report goes out once all is on the store
    /// and the copying, whose outcome `copied` waits for, has gone well.
    fn open(
        &mut self,
        id: CheckpointId,
        report: Report,
        copied: impl FnOnce() -> Result<(), CheckpointError> + Send + 'static,
    ) -> Result<Copying, WorkerError> {
        let drafts = self
            .mine
            .iter()
            .map(|plan| Draft::new(id, plan, &self.reserve));
        let drafts: VecDeque<_> = drafts.collect::<Result<_, _>>()?;
        let (whole, incoming) = sync_channel(self.n_waiting());
        self.reins.begin();
        let total = drafts.iter().map(|draft| draft.size() as u64).sum();
        let throttle = Throttle::new(Arc::clone(&self.reins), total);
        let upload = Upload {
            run: self.run.clone(),
            id,
            n_parts: drafts.len(),
            runtime: self.runtime.clone(),
            progress: Arc::clone(&self.progress),
        };
        let write = move || {
            let written = upload.write(&incoming, throttle)?;
            // Whoever still copies learns by this that nobody takes it.
            drop(incoming);
            copied()?;
            if let Some(written) = written {
                report(written);
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("checkpoint".to_owned());
        let thread = thread.spawn(write).map_err(|error| WorkerError::Thread {
            reason: format!("no thread for writing checkpoints: {error}"),
        })?;
        self.writing = Some(thread);
        Ok(Copying::new(drafts, whole))
    }

    /// Notes what is under way as a step begins.
    pub fn begin_step(&mut self) {
        self.at_begin = self.under_way();
    }

    /// Lends the state to the copying thread while a step computes; `parameters` are where they lie meanwhile.
    ///
    /// # Errors
    /// [`WorkerError::Thread`] if the thread is gone; the state is then as before.
    pub fn lend(
        &mut self,
        state: &mut State,
        parameters: impl FnOnce() -> Result<SharedWeights, TrainError>,
    ) -> Result<(), WorkerError> {
        self.begin_step();
        if let (Some(copier), Some(copying)) = (&self.copier, self.copying.take()) {
            copier.lend(copying, state, parameters()?)?;
            self.is_lent = true;
        }
        Ok(())
    }

    /// Takes the state back from the copying thread: nobody else holds any of it when this returns.
    ///
    /// # Errors
    /// [`WorkerError::Thread`] if the thread is gone, and what it failed with.
    pub fn take_back(&mut self, state: &mut State) -> Result<(), WorkerError> {
        let began = Instant::now();
        if let (true, Some(copier)) = (std::mem::take(&mut self.is_lent), &self.copier) {
            self.make_room();
            let copying = copier.take_back(state)?;
            // What is complete closes the writer's way in when it goes.
            self.copying = Some(copying).filter(|copying| !copying.is_complete());
        }
        self.stall += began.elapsed();
        Ok(())
    }

    /// Copies what is not copied yet: from here on the state may change.
    ///
    /// # Errors
    /// The copying's.
    pub fn secure(&mut self, state: &State) -> Result<(), WorkerError> {
        if self.copying.is_none() {
            return Ok(());
        }
        let began = Instant::now();
        self.make_room();
        self.copy_rest(state)?;
        self.reins.order(Order::Paced);
        self.stall += began.elapsed();
        Ok(())
    }

    /// Takes in how long the step took, by which the writer paces itself.
    pub fn step_took(&mut self, seconds: f64) {
        match self.at_begin {
            UnderWay::Nothing if self.under_way() == UnderWay::Nothing => {
                self.reins.step(seconds, false);
            }
            UnderWay::Writing => self.reins.step(seconds, true),
            UnderWay::Nothing | UnderWay::Copying => {}
        }
        self.warn_of_stall();
    }

    /// Waits for the checkpoint that is under way, and hurries it.
    ///
    /// # Errors
    /// The store's, which is then [`WorkerError::Checkpoint`].
    pub fn finish(&mut self, state: &State) -> Result<(), WorkerError> {
        if self.writing.is_some() {
            self.secure(state)?;
        }
        self.wait()
    }

    /// Waits for the checkpoint that is under way where nothing is left to be copied from a state, and hurries it.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn wait(&mut self) -> Result<(), WorkerError> {
        let Some(thread) = self.writing.take() else {
            return Ok(());
        };
        self.reins.order(Order::Hurry);
        let written = thread.join().map_err(|_| WorkerError::Thread {
            reason: "the thread that writes checkpoints panicked".to_owned(),
        })?;
        Ok(written?)
    }

    /// How long the training thread has waited for the checkpoint that began last.
    pub const fn stall(&self) -> Duration {
        self.stall
    }

    /// Whether a checkpoint is not on the store yet.
    pub fn is_under_way(&self) -> bool {
        self.under_way() != UnderWay::Nothing
    }

    fn under_way(&self) -> UnderWay {
        let is_writing = self
            .writing
            .as_ref()
            .is_some_and(|thread| !thread.is_finished());
        match (self.copying.is_some() || self.is_lent, is_writing) {
            (true, _) => UnderWay::Copying,
            (false, true) => UnderWay::Writing,
            (false, false) => UnderWay::Nothing,
        }
    }

    fn copy_rest(&mut self, state: &State) -> Result<(), WorkerError> {
        if let Some(copying) = &mut self.copying {
            copying.rest(state)?;
            if copying.is_complete() {
                self.copying = None;
            }
        }
        Ok(())
    }

    /// Parts that may wait: all where the share fits into the memory, else what fits beside those in work.
    fn n_waiting(&self) -> usize {
        let sizes = || self.mine.iter().map(PartPlan::bytes);
        if sizes().sum::<u64>() <= self.settings.memory {
            return self.mine.len().max(1);
        }
        let n = self.settings.memory / sizes().max().unwrap_or(1).max(1);
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        n.saturating_sub(2 + UPLOADS).max(1)
    }

    /// Lets no copy wait for a writer that rests, where not all parts fit into the memory.
    fn make_room(&self) {
        if self.n_waiting() < self.mine.len() {
            self.reins.order(Order::Hurry);
        }
    }

    fn warn_of_stall(&mut self) {
        if self.copying.is_none() && self.stall > self.settings.max_stall && !self.is_warned {
            self.is_warned = true;
            tracing::warn!(
                "checkpoint stalled a step for {} ms (limit checkpoint.max_stall_ms = {}); further stalls are not reported",
                self.stall.as_millis(),
                self.settings.max_stall.as_millis()
            );
        }
    }
}

/// The sizes of those copies of a share that fit into the memory together.
fn sizes_within(memory: u64, mine: &[PartPlan]) -> Result<Vec<usize>, CheckpointError> {
    let id = CheckpointId {
        step: Step::new(0),
        generation: Generation::new(0),
    };
    let sizes = mine
        .iter()
        .map(|plan| Ok(Draft::new(id, plan, &Reserve::default())?.size()));
    let sizes: Vec<_> = sizes.collect::<Result<_, CheckpointError>>()?;
    let fits = sizes.iter().scan(memory, |room, &size| {
        *room = room.checked_sub(size as u64)?;
        Some(size)
    });
    Ok(fits.collect())
}

impl Drop for Snapshots {
    /// What is not written yet would never be committed: its generation is over.
    fn drop(&mut self) {
        self.reins.order(Order::Abandon);
    }
}

#[cfg(test)]
mod tests;
