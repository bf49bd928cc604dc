//! Writes a rank's parts of every checkpoint: copied while a step computes, hashed and uploaded during the next ones.
//!
//! It owns the order of this and measures how long the training thread waits. At most one checkpoint is being written:
//! the next one waits for it, and makes it work at full speed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fratmae_control::{Generation, Step};
use fratmae_store::Location;
use tokio::runtime::Handle;

use super::copier::{Copier, CopyJob, CopyQueue, SharedWeights, gone, spawn};
use super::limiter::{Limiter, Mode, WriterControl};
use super::rate::RateController;
use super::upload::{OnProgress, UPLOADS, Upload, WrittenPart};
use crate::draft::{Draft, Vectors};
use crate::error::CheckpointError;
use crate::layout::CheckpointId;
use crate::plan::PartPlan;
use crate::state::State;

/// Bytes that all threads can certainly copy in a millisecond, even to new memory on a busy machine.
const COPIED_IN_A_MS: u64 = 1 << 20;

/// How checkpoints share the machine with the steps.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// How long a step may wait for its checkpoint.
    pub max_stall: Duration,
    /// By which fraction steps may slow down while one is written.
    pub max_slowdown: f64,
    /// Steps from one checkpoint to the next.
    pub every: u64,
}

/// Called with the written parts, in their order, once all are on the store.
pub type OnWritten = Box<dyn FnOnce(Vec<WrittenPart>) + Send>;

/// Writes this rank's parts of one checkpoint after the other.
pub struct BackgroundWriter {
    upload: Upload,
    parts: Vec<PartPlan>,
    settings: WriterSettings,
    copier: Copier,
    control: Arc<WriterControl>,
    /// Whether all parts are copied as a checkpoint begins, within the allowed stall.
    copies_at_once: bool,
    /// What must be copied before the state may change.
    queue: Option<CopyQueue>,
    /// The copy that runs while the step computes: its job comes back here.
    running: Option<Receiver<CopyJob>>,
    /// Stops the copier's present job.
    stop: Arc<AtomicBool>,
    writing: Option<JoinHandle<Result<(), CheckpointError>>>,
    at_step_begin: Stage,
    stall: Duration,
    has_warned: bool,
}

/// How far the present checkpoint is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    None,
    Copying,
    Writing,
}

impl BackgroundWriter {
    /// Makes ready to write `parts` of each checkpoint to `run`; `progress` is called for each part on the store.
    ///
    /// # Errors
    /// [`CheckpointError::Thread`] if the copier's thread has ended.
    pub fn new(
        run: Location,
        runtime: Handle,
        parts: Vec<PartPlan>,
        settings: WriterSettings,
        copier: Copier,
        progress: OnProgress,
    ) -> Result<Self, CheckpointError> {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let rate = RateController::new(settings.max_slowdown, settings.every, n_cores);
        let at_once = settings.max_stall.as_millis() as u64 * COPIED_IN_A_MS;
        let mut writer = Self {
            copies_at_once: parts.iter().map(PartPlan::bytes).sum::<u64>() <= at_once,
            upload: Upload {
                run,
                runtime,
                progress,
            },
            control: WriterControl::new(rate),
            parts,
            settings,
            copier,
            queue: None,
            running: None,
            stop: Arc::default(),
            writing: None,
            at_step_begin: Stage::None,
            stall: Duration::ZERO,
            has_warned: false,
        };
        if !writer.copies_at_once {
            let (sizes, stop) = (writer.sizes_of_copies()?, writer.next_job());
            let pool = writer.copier.pool.clone();
            writer.copier.run(move || pool.fill(&sizes, &stop))?;
        }
        Ok(writer)
    }

    /// Begins a checkpoint of `state`, which must not change before [`Self::finish_copy`].
    ///
    /// # Errors
    /// Those of the checkpoint before; [`CheckpointError::Thread`] if the system gives no thread.
    pub fn begin(
        &mut self,
        id: CheckpointId,
        state: &State,
        on_written: OnWritten,
    ) -> Result<(), CheckpointError> {
        let began = Instant::now();
        self.finish(state)?;
        let mut queue = self.open(id, on_written)?;
        if self.copies_at_once {
            queue.copy_rest(state);
        }
        self.queue = Some(queue).filter(|queue| !queue.is_empty());
        self.stall = began.elapsed();
        Ok(())
    }

    /// Begins a checkpoint of vectors that never change: they are copied for as long as that takes.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_immutable(
        &mut self,
        id: CheckpointId,
        vectors: impl Vectors + Send + 'static,
        on_written: OnWritten,
    ) -> Result<(), CheckpointError> {
        let began = Instant::now();
        self.wait()?;
        let (mut queue, stop) = (self.open(id, on_written)?, self.next_job());
        self.copier
            .run(move || queue.copy(&vectors, usize::MAX, &stop))?;
        self.stall = began.elapsed();
        Ok(())
    }

    /// Starts the thread that writes a checkpoint, and returns what must be copied for it.
    fn open(
        &mut self,
        id: CheckpointId,
        on_written: OnWritten,
    ) -> Result<CopyQueue, CheckpointError> {
        let pool = &self.copier.pool;
        let drafts = self.parts.iter().map(|plan| Draft::new(id, plan, pool));
        let drafts: VecDeque<_> = drafts.collect::<Result<_, _>>()?;
        let (complete, incoming) = sync_channel(self.n_waiting());
        self.control.begin();
        let total = drafts.iter().map(|draft| draft.size() as u64).sum();
        let limiter = Limiter::new(Arc::clone(&self.control), total);
        let (upload, n_parts) = (self.upload.clone(), drafts.len());
        let span = tracing::Span::current();
        let write = move || {
            let _traced = span.entered();
            let written = upload.write(id, incoming, limiter)?;
            if written.len() == n_parts {
                on_written(written);
            }
            Ok(())
        };
        self.writing = Some(spawn("checkpoint", "writing", write)?);
        Ok(CopyQueue::new(drafts, complete))
    }

    /// A step begins.
    pub fn begin_step(&mut self) {
        self.at_step_begin = self.stage();
    }

    /// A step begins to compute: until [`Self::stop_copy`] the copying thread has the moments of `state`, and reads the
    /// parameters where `weights` says.
    ///
    /// # Errors
    /// [`CheckpointError::Thread`] if the copying thread has ended.
    pub fn start_copy<E: From<CheckpointError>>(
        &mut self,
        state: &mut State,
        weights: impl FnOnce() -> Result<SharedWeights, E>,
    ) -> Result<(), E> {
        self.begin_step();
        if let Some(queue) = self.queue.take() {
            let job = CopyJob::new(queue, state, weights()?);
            let stop = self.next_job();
            self.running = Some(self.copier.copy(job, stop)?);
        }
        Ok(())
    }

    /// The step has computed: nobody else holds any of the state when this returns.
    ///
    /// # Errors
    /// [`CheckpointError::Thread`] if the copying thread has ended.
    pub fn stop_copy(&mut self, state: &mut State) -> Result<(), CheckpointError> {
        let began = Instant::now();
        if let Some(running) = self.running.take() {
            self.make_room();
            self.stop.store(true, Ordering::Relaxed);
            let queue = running.recv().map_err(|_| gone())?.end(state);
            // The writer learns from the end of an empty queue that no more parts come.
            self.queue = Some(queue).filter(|queue| !queue.is_empty());
        }
        self.stall += began.elapsed();
        Ok(())
    }

    /// Copies what is not copied yet: from here on the state may change.
    pub fn finish_copy(&mut self, state: &State) {
        let Some(mut queue) = self.queue.take() else {
            return;
        };
        let began = Instant::now();
        self.make_room();
        queue.copy_rest(state);
        self.control.set_mode(Mode::Limited);
        self.stall += began.elapsed();
    }

    /// Records how long the step took, which controls the rate of writing.
    pub fn step_took(&mut self, seconds: f64) {
        match self.at_step_begin {
            Stage::None if self.stage() == Stage::None => self.control.step_took(seconds, false),
            Stage::Writing => self.control.step_took(seconds, true),
            Stage::None | Stage::Copying => {}
        }
        self.warn_of_stall();
    }

    /// Completes the present checkpoint at full speed.
    ///
    /// # Errors
    /// The copying's and the store's.
    pub fn finish(&mut self, state: &State) -> Result<(), CheckpointError> {
        self.finish_copy(state);
        self.wait()
    }

    /// Completes the present checkpoint at full speed, where no state has to be copied any more.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn wait(&mut self) -> Result<(), CheckpointError> {
        let Some(thread) = self.writing.take() else {
            return Ok(());
        };
        self.control.set_mode(Mode::Full);
        let panicked = |_| CheckpointError::Thread {
            reason: "the thread that writes checkpoints panicked".to_owned(),
        };
        thread.join().map_err(panicked)?
    }

    /// How long the training thread has waited for the checkpoint that began last.
    pub const fn stall(&self) -> Duration {
        self.stall
    }

    /// Whether a checkpoint is not on the store yet.
    pub fn is_busy(&self) -> bool {
        self.stage() != Stage::None
    }

    fn stage(&self) -> Stage {
        let writing = self.writing.as_ref();
        if self.queue.is_some() || self.running.is_some() {
            Stage::Copying
        } else if writing.is_some_and(|thread| !thread.is_finished()) {
            Stage::Writing
        } else {
            Stage::None
        }
    }

    /// Stops the copier's job; what this returns stops the next one.
    fn next_job(&mut self) -> Arc<AtomicBool> {
        self.stop.store(true, Ordering::Relaxed);
        self.stop = Arc::default();
        Arc::clone(&self.stop)
    }

    /// Parts that may wait: all where they fit into the memory together, else what fits beside those in work.
    fn n_waiting(&self) -> usize {
        let (sizes, memory) = (
            self.parts.iter().map(PartPlan::bytes),
            self.copier.pool.limit(),
        );
        if sizes.clone().sum::<u64>() <= memory {
            return self.parts.len().max(1);
        }
        let n = memory / sizes.max().unwrap_or(1).max(1);
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        n.saturating_sub(2 + UPLOADS).max(1)
    }

    /// The copy must not wait for a writer that pauses, where not all parts fit into the memory.
    fn make_room(&self) {
        if self.n_waiting() < self.parts.len() {
            self.control.set_mode(Mode::Full);
        }
    }

    /// The sizes of those copies that fit into the memory together.
    fn sizes_of_copies(&self) -> Result<Vec<usize>, CheckpointError> {
        // In a file its numbers are padded, so the size does not depend on it.
        let id = CheckpointId {
            step: Step::new(0),
            generation: Generation::new(0),
        };
        let draft = |plan| Draft::new(id, plan, &self.copier.pool);
        let sizes = self.parts.iter().map(|plan| Ok(draft(plan)?.size()));
        let sizes: Vec<_> = sizes.collect::<Result<_, CheckpointError>>()?;
        let fits = sizes.iter().scan(self.copier.pool.limit(), |room, &size| {
            *room = room.checked_sub(size as u64)?;
            Some(size)
        });
        Ok(fits.collect())
    }

    fn warn_of_stall(&mut self) {
        if self.queue.is_none() && self.stall > self.settings.max_stall && !self.has_warned {
            self.has_warned = true;
            tracing::warn!(
                "checkpoint stalled a step for {} ms (limit checkpoint.max_stall_ms = {}); further stalls are not reported",
                self.stall.as_millis(),
                self.settings.max_stall.as_millis()
            );
        }
    }
}

impl Drop for BackgroundWriter {
    /// What is not written yet would never be committed: its generation is over.
    fn drop(&mut self) {
        self.control.set_mode(Mode::Cancelled);
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
