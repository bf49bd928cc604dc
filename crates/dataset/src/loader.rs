//! Owns the background reading of stacks, in their order, ahead of who trains on them, within a bound on its bytes.
//!
//! Fetching runs on the runtime, unpacking on its blocking threads. What a stack is, and which samples come, is
//! decided elsewhere; what replaces a damaged sample is decided in `replacement`.

mod memory_budget;
mod replacement;

use std::num::NonZero;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::DataSetError;
use crate::order::Sample;
use crate::reader::{DataSet, Origin, task_failure, unblocked};
use crate::stack::{Stack, StackOptions, Windowed};
use memory_budget::{MemoryBudget, MemoryPermit};
pub use replacement::{BadSample, SkippedSample};

/// Stacks that are on their way at once: enough to hide a store, few enough not to storm it where stacks are small.
const AT_ONCE: usize = 16;

/// Stacks that may begin for one that is handed out. A loader that filled its room at once would take the cores from
/// the first steps of a group, which others wait for after a failure.
const FOR_ONE: usize = 2;

/// Stacks that may wait; where they are so small, their bytes are no matter.
const MOST_WAITING: usize = 4096;

/// Says how much a loader reads ahead, and what it does about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Bytes that reading ahead may take: what is fetched, what is unpacked, and finished stacks until they are handed
    /// out. One stack is always read, be it larger.
    pub bytes: u64,
    /// What becomes of a damaged sample.
    pub bad_sample: BadSample,
}

/// Reads stacks ahead; dropping it stops the reading.
#[derive(Debug)]
pub struct Loader {
    runtime: Handle,
    stacks: mpsc::Receiver<Waiting>,
    /// Stacks that may still begin.
    allowed: Arc<Semaphore>,
    _feed: Task<()>,
}

/// A stack on its way or waiting, with the room it takes.
type Waiting = Task<(Result<Stack, DataSetError>, MemoryPermit)>;

impl Loader {
    /// Starts reading the samples ahead of [`Loader::next`].
    pub fn start(
        data: Arc<DataSet>,
        stacks: StackOptions,
        samples: Box<dyn Iterator<Item = Sample> + Send>,
        options: LoaderOptions,
        runtime: &Handle,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        let work = Arc::new(Work {
            data,
            stacks,
            bad_sample: options.bad_sample,
            unpacking: Arc::new(Semaphore::new(cores())),
        });
        let allowed = Arc::new(Semaphore::new(AT_ONCE));
        let budget = MemoryBudget::new(options.bytes);
        let feed = runtime.spawn(feed(work, samples, Arc::clone(&allowed), budget, sender));
        Self {
            runtime: runtime.clone(),
            stacks: receiver,
            allowed,
            _feed: Task(feed),
        }
    }

    /// Waits for the next stack; none once the samples are at an end.
    ///
    /// It blocks, so it is called from a thread of the caller's own and never from a task of the runtime.
    ///
    /// # Errors
    /// What [`DataSet::read_slices`] says; later samples can still be asked for.
    #[expect(
        clippy::should_implement_trait,
        reason = "a blocking call is no iterator's next"
    )]
    pub fn next(&mut self) -> Option<Result<Stack, DataSetError>> {
        let mut stack = self.stacks.blocking_recv()?;
        self.allowed.add_permits(FOR_ONE);
        match self.runtime.block_on(&mut stack.0) {
            Ok((stack, _taken)) => Some(stack),
            Err(failure) => Some(Err(task_failure(failure))),
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Begins one stack after the other, each only when there is room for all that it will take.
async fn feed(
    work: Arc<Work>,
    samples: Box<dyn Iterator<Item = Sample> + Send>,
    allowed: Arc<Semaphore>,
    budget: MemoryBudget,
    sender: mpsc::Sender<Waiting>,
) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let footprint = work.stacks.footprint(&work.data);
    for sample in samples {
        let Ok(place) = sender.reserve().await else {
            return;
        };
        // Neither semaphore is ever closed.
        let (Ok(allowance), Ok(turn)) = (
            allowed.acquire().await,
            Arc::clone(&at_once).acquire_owned().await,
        ) else {
            return;
        };
        allowance.forget();
        let mut taken = budget.take(footprint.largest).await;
        let work = Arc::clone(&work);
        place.send(Task(tokio::spawn(async move {
            let stack = work.load_or_replace(sample).await;
            taken.shrink_to(footprint.finished);
            drop(turn);
            (stack, taken)
        })));
    }
}

/// Ends its task when dropped.
#[derive(Debug)]
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What every stack is read with.
#[derive(Debug)]
struct Work {
    data: Arc<DataSet>,
    stacks: StackOptions,
    bad_sample: BadSample,
    /// As many at once as there are cores: more would only take turns, each with cold caches and memory of its own.
    unpacking: Arc<Semaphore>,
}

impl Work {
    /// Loads a sample; damage is looked at a second time, past the cache, before it counts.
    async fn load(&self, sample: Sample) -> Result<Stack, DataSetError> {
        self.stacks.check(&self.data.manifest)?;
        match self.load_from(sample, Origin::Nearest).await {
            Err(DataSetError::ChecksumMismatch { .. }) => {
                self.load_from(sample, Origin::Store).await
            }
            loaded => loaded,
        }
    }

    async fn load_from(&self, sample: Sample, origin: Origin) -> Result<Stack, DataSetError> {
        let (data, options) = (&self.data, self.stacks.clone());
        let (axis, grid) = (options.axis, data.manifest.grid);
        let rows = options.rows(&data.manifest, sample).unwrap_or_default();
        let packed = data
            .fetch(
                sample.case,
                &axis.coronal_rows(&rows, grid),
                options.with_label,
                origin,
            )
            .await?;
        let entry = data.manifest.cases.get(sample.case as usize);
        let (case_id, sentence) = entry
            .map(|case| {
                let sentence = case.metadata.sentence(options.with_diagnosis);
                (case.case_id.clone(), sentence)
            })
            .unwrap_or_default();
        // The semaphore is never closed.
        let turn = Arc::clone(&self.unpacking).acquire_owned().await.ok();
        unblocked(move || {
            let _turn = turn;
            let Windowed { pet, ct, label } = options.windowed(packed, &rows, grid)?;
            Ok(Stack {
                sample,
                case_id,
                sentence,
                pet,
                ct,
                label,
                skipped: Vec::new(),
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests;
