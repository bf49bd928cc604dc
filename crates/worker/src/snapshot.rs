//! The copy of a state that a checkpoint is written from, taken while the next step computes.
//!
//! It owns whose memory is read when. Parameters and moments change in the optimizer's update alone, which is the last
//! and shortest part of a step: until then a thread copies them, straight into the files of the parts, and what is
//! missing when the update wants to begin is copied by all threads before it does. The hashing and the upload, which
//! take longer, read the copy alone (`upload`).

use crate::error::WorkerError;
use fratmae_checkpoint::{CheckpointError, Draft, Reserve, Role, State, Vectors, borrowed};
use fratmae_trainer::SharedWeights;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Values copied before the thread looks whether it must stop: a fifth of a millisecond.
const PIECE: usize = 1 << 18;

/// Bytes of new memory that are written to before the thread looks whether there is a loan.
const TAKEN_AT_ONCE: usize = 1 << 20;

/// The parts that are still to be copied, and where those go that are whole.
#[derive(Debug)]
pub(crate) struct Copying {
    drafts: VecDeque<Draft>,
    whole: SyncSender<Draft>,
}

impl Copying {
    pub(crate) fn new(drafts: VecDeque<Draft>, whole: SyncSender<Draft>) -> Self {
        Self { drafts, whole }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Copies part after part until all are whole or it is told to stop.
    fn until(&mut self, stop: &AtomicBool, from: &Lent) -> Result<(), CheckpointError> {
        while let Some(draft) = self.drafts.front_mut() {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            draft.copy(from, PIECE)?;
            if draft.is_whole() {
                let draft = self.drafts.pop_front();
                draft.into_iter().for_each(|draft| self.hand_over(draft));
            }
        }
        Ok(())
    }

    /// Copies everything, part after part, from vectors that nobody changes.
    pub(crate) fn all(mut self, from: &impl Vectors) -> Result<(), CheckpointError> {
        while let Some(mut draft) = self.drafts.pop_front() {
            draft.copy(from, usize::MAX)?;
            if self.whole.send(draft).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Copies what is left, on all threads.
    pub(crate) fn rest(&mut self, from: &State) -> Result<(), CheckpointError> {
        while !self.drafts.is_empty() {
            // No more at once than there are threads: whoever takes them may have to wait for memory.
            let n = rayon::current_num_threads().min(self.drafts.len());
            let mut batch: Vec<_> = self.drafts.drain(..n).collect();
            let copy = |draft: &mut Draft| draft.copy(from, usize::MAX);
            batch.par_iter_mut().try_for_each(copy)?;
            batch.into_iter().for_each(|draft| self.hand_over(draft));
        }
        Ok(())
    }

    /// Waits until there is room. A writer that has failed takes nothing more and says why when it is asked.
    fn hand_over(&self, draft: Draft) {
        let _ = self.whole.send(draft);
    }
}

/// The vectors of a state while the copying thread has them.
struct Lent {
    parameters: SharedWeights,
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
}

impl Vectors for Lent {
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
        let vector = match role {
            Role::Parameters => (*self.parameters).as_ref(),
            Role::FirstMoment => &self.first_moment,
            Role::SecondMoment => &self.second_moment,
        };
        borrowed(vector, range)
    }
}

/// What goes to the copying thread and comes back.
struct Loan {
    copying: Copying,
    lent: Lent,
    copied: Result<(), CheckpointError>,
}

/// A thread that copies for one checkpoint after the other, from vectors that nobody changes.
///
/// One for the life of a worker: a GPU's runtime keeps memory for every thread that has ever read from it.
#[derive(Clone, Debug)]
pub struct Reader(SyncSender<Job>);

type Job = Box<dyn FnOnce() + Send>;

impl Reader {
    /// Starts the thread, which ends with the last clone of this.
    ///
    /// # Errors
    /// [`WorkerError::Thread`] if the system gives none.
    pub fn start() -> Result<Self, WorkerError> {
        let (jobs, incoming) = sync_channel::<Job>(1);
        let thread = std::thread::Builder::new().name("reader".to_owned());
        thread
            .spawn(move || incoming.into_iter().for_each(|job| job()))
            .map_err(|error| WorkerError::Thread {
                reason: format!("no thread for reading checkpoints: {error}"),
            })?;
        Ok(Self(jobs))
    }

    /// Has something done after all that it was given before.
    pub(crate) fn give(&self, job: impl FnOnce() + Send + 'static) -> Result<(), WorkerError> {
        self.0.send(Box::new(job)).map_err(|_| gone())
    }
}

/// The copying thread, which has a state's vectors between `lend` and `take_back`.
pub(crate) struct Copier {
    loans: SyncSender<Loan>,
    returned: Receiver<Loan>,
    stop: Arc<AtomicBool>,
}

impl Copier {
    /// Starts the thread; it ends with the copier. It first fills the reserve with what copies of these sizes need.
    pub(crate) fn start(sizes: Vec<usize>, reserve: Reserve) -> Result<Self, WorkerError> {
        let (loans, incoming) = sync_channel::<Loan>(1);
        let (outgoing, returned) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let copy = move || {
            let first = fill(&reserve, &sizes, &incoming);
            for mut loan in first.into_iter().chain(&incoming) {
                loan.copied = loan.copying.until(&stopped, &loan.lent);
                if outgoing.send(loan).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        thread.spawn(copy).map_err(|error| WorkerError::Thread {
            reason: format!("no thread for copying checkpoints: {error}"),
        })?;
        Ok(Self {
            loans,
            returned,
            stop,
        })
    }

    /// Lends the moments of `state` and its parameters, wherever these lie, until they are taken back.
    pub(crate) fn lend(
        &self,
        copying: Copying,
        state: &mut State,
        parameters: SharedWeights,
    ) -> Result<(), WorkerError> {
        self.stop.store(false, Ordering::Relaxed);
        let loan = Loan {
            copying,
            lent: Lent {
                parameters,
                first_moment: std::mem::take(&mut state.first_moment),
                second_moment: std::mem::take(&mut state.second_moment),
            },
            copied: Ok(()),
        };
        self.loans.send(loan).map_err(|back| {
            give_back(back.0.lent, state);
            gone()
        })
    }

    /// Ends the copying within a piece and puts the moments back; nobody reads the parameters any more.
    pub(crate) fn take_back(&self, state: &mut State) -> Result<Copying, WorkerError> {
        self.stop.store(true, Ordering::Relaxed);
        let loan = self.returned.recv().map_err(|_| gone())?;
        give_back(loan.lent, state);
        loan.copied?;
        Ok(loan.copying)
    }
}

/// Takes the memory that copies of these sizes need from the system, as far as it does not lie ready, until there is a
/// loan.
fn fill(reserve: &Reserve, sizes: &[usize], incoming: &Receiver<Loan>) -> Option<Loan> {
    let mut ready = reserve.bytes();
    for &size in sizes {
        if let Some(rest) = ready.checked_sub(size) {
            ready = rest;
            continue;
        }
        let mut memory: Vec<u8> = Vec::with_capacity(size);
        while memory.len() < size {
            memory.resize(size.min(memory.len() + TAKEN_AT_ONCE), 0);
            match incoming.try_recv() {
                Ok(loan) => {
                    reserve.keep(memory);
                    return Some(loan);
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
        }
        reserve.keep(memory);
    }
    None
}

fn give_back(lent: Lent, state: &mut State) {
    state.first_moment = lent.first_moment;
    state.second_moment = lent.second_moment;
}

fn gone() -> WorkerError {
    WorkerError::Thread {
        reason: "the thread that copies checkpoints has ended; its message says why".to_owned(),
    }
}
