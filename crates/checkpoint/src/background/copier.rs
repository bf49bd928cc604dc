//! Copies a state for a checkpoint while the next step computes. It owns which memory is read when.
//!
//! Parameters and moments change only in the optimizer's update, the last and shortest part of a step. Until then one
//! thread copies them into the files of the parts. When the update is about to begin, all threads copy what is left.
//! Hashing and upload take longer and read only the copy (`upload`).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::prelude::*;

use crate::draft::{Draft, Vectors, borrowed};
use crate::error::CheckpointError;
use crate::pool::BufferPool;
use crate::state::{Role, State};

/// Values copied before the thread checks whether it must stop: a fifth of a millisecond.
const PIECE: usize = 1 << 18;

/// Jobs that may wait: those of two generations, one of which is just over.
const QUEUE: usize = 4;

/// Flat parameters that another thread reads while the model computes with them.
pub type SharedWeights = Box<dyn AsRef<[f32]> + Send>;

/// A part that is complete, or why it is not.
pub(super) type CopiedPart = Result<Draft, CheckpointError>;

/// The parts still to be copied, and where complete ones go.
#[derive(Debug)]
pub(super) struct CopyQueue {
    drafts: VecDeque<Draft>,
    complete: SyncSender<CopiedPart>,
}

impl CopyQueue {
    pub(super) const fn new(drafts: VecDeque<Draft>, complete: SyncSender<CopiedPart>) -> Self {
        Self { drafts, complete }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Copies part after part, `piece` values at a time, until all are complete or `stop` is set.
    pub(super) fn copy(&mut self, from: &impl Vectors, piece: usize, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed)
            && let Some(mut draft) = self.drafts.pop_front()
        {
            match draft.copy(from, piece) {
                Ok(()) if !draft.is_whole() => self.drafts.push_front(draft),
                copied => self.hand_over(copied.map(|()| draft)),
            }
        }
    }

    /// Copies what is left, on all threads.
    pub(super) fn copy_rest(&mut self, from: &State) {
        while !self.drafts.is_empty() {
            // No more at once than there are threads: handing them over may have to wait for memory.
            let n = rayon::current_num_threads().min(self.drafts.len());
            let batch: Vec<_> = self.drafts.drain(..n).collect();
            let copy = |mut draft: Draft| draft.copy(from, usize::MAX).map(|()| draft);
            let copied: Vec<_> = batch.into_par_iter().map(copy).collect();
            copied.into_iter().for_each(|part| self.hand_over(part));
        }
    }

    /// Waits until there is room. After a failure, here or in the writer, the other parts are not needed.
    fn hand_over(&mut self, part: CopiedPart) {
        let has_failed = part.is_err();
        if self.complete.send(part).is_err() || has_failed {
            self.drafts.clear();
        }
    }
}

/// The vectors of a state while the copying thread reads them.
struct CopySource {
    parameters: SharedWeights,
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
}

impl Vectors for CopySource {
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
        let vector = match role {
            Role::Parameters => (*self.parameters).as_ref(),
            Role::FirstMoment => &self.first_moment,
            Role::SecondMoment => &self.second_moment,
        };
        borrowed(vector, range)
    }
}

/// What the copying thread gets when a copy starts, and gives back when it stops.
pub(super) struct CopyJob {
    queue: CopyQueue,
    source: CopySource,
}

impl CopyJob {
    /// Takes the moments out of `state`; the parameters are wherever the model computes with them.
    pub(super) fn new(queue: CopyQueue, state: &mut State, parameters: SharedWeights) -> Self {
        let source = CopySource {
            parameters,
            first_moment: std::mem::take(&mut state.first_moment),
            second_moment: std::mem::take(&mut state.second_moment),
        };
        Self { queue, source }
    }

    /// Puts the moments back, lets go of the parameters, and returns what is still to be copied.
    pub(super) fn end(self, state: &mut State) -> CopyQueue {
        state.first_moment = self.source.first_moment;
        state.second_moment = self.source.second_moment;
        self.queue
    }
}

/// The thread that copies states, and the memory of the copies.
///
/// Both live as long as the worker: a GPU's runtime keeps memory for every thread that has ever read from it, and new
/// memory costs more than the copy.
#[derive(Clone, Debug)]
pub struct Copier {
    jobs: SyncSender<Job>,
    pub(super) pool: BufferPool,
}

type Job = Box<dyn FnOnce() + Send>;

impl Copier {
    /// Starts the thread, which ends with the last clone of this; `memory` bytes of copies may wait for their upload.
    ///
    /// # Errors
    /// [`CheckpointError::Thread`] if the system gives none.
    pub fn start(memory: u64) -> Result<Self, CheckpointError> {
        let (jobs, incoming) = sync_channel::<Job>(QUEUE);
        spawn("copier", "copying", move || {
            incoming.into_iter().for_each(|job| job());
        })?;
        Ok(Self {
            jobs,
            pool: BufferPool::new(memory),
        })
    }

    /// Runs a job after all that were given before.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), CheckpointError> {
        self.jobs.send(Box::new(job)).map_err(|_| gone())
    }

    /// Copies until `stop` is set; the job then comes back.
    pub(super) fn copy(
        &self,
        mut job: CopyJob,
        stop: Arc<AtomicBool>,
    ) -> Result<Receiver<CopyJob>, CheckpointError> {
        let (back, stopped) = sync_channel(1);
        self.run(move || {
            job.queue.copy(&job.source, PIECE, &stop);
            // Nobody waits for it once the training thread has ended.
            let _ = back.send(job);
        })?;
        Ok(stopped)
    }
}

/// Starts a thread for a part of the work on checkpoints.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>, CheckpointError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map_err(|error| CheckpointError::Thread {
        reason: format!("no thread for {work} checkpoints: {error}"),
    })
}

/// The copying thread has ended, which it does only by a panic.
pub(super) fn gone() -> CheckpointError {
    CheckpointError::Thread {
        reason: "the thread that copies checkpoints has ended; its message says why".to_owned(),
    }
}
