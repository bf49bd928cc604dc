//! Owns the background reading of stacks: a bounded number of samples ahead of who trains on them, in their order.
//!
//! Fetching runs on the runtime, unpacking on its blocking threads. What a stack is, and which samples come, is
//! decided elsewhere.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::DataSetError;
use crate::order::Sample;
use crate::reader::{DataSet, lost, unblocked};
use crate::stack::{Stack, StackOptions};

/// Reads stacks ahead; dropping it stops the reading.
#[derive(Debug)]
pub struct Loader {
    runtime: Handle,
    stacks: mpsc::Receiver<Task<Result<Stack, DataSetError>>>,
    _feed: Task<()>,
}

impl Loader {
    /// Starts reading the samples, at most `prefetch` stacks (at least one) ahead of [`Loader::next`].
    pub fn start(
        data: Arc<DataSet>,
        options: StackOptions,
        samples: Box<dyn Iterator<Item = Sample> + Send>,
        prefetch: usize,
        runtime: &Handle,
    ) -> Self {
        let (sender, stacks) = mpsc::channel(prefetch.max(1));
        let options = Arc::new(options);
        let feed = runtime.spawn(async move {
            for sample in samples {
                // A stack is begun only when there is room for it, so what waits is bounded.
                let Ok(room) = sender.reserve().await else {
                    return;
                };
                let stack = load(Arc::clone(&data), Arc::clone(&options), sample);
                room.send(Task(tokio::spawn(stack)));
            }
        });
        Self {
            runtime: runtime.clone(),
            stacks,
            _feed: Task(feed),
        }
    }

    /// Waits for the next stack; none once the samples are at an end.
    ///
    /// It blocks, so it is called from a thread of the caller's own and never from a task of the runtime.
    ///
    /// # Errors
    /// What [`DataSet::read_slices`] says, wrapped in the sample's case; later samples can still be asked for.
    #[expect(
        clippy::should_implement_trait,
        reason = "a blocking call is no iterator's next"
    )]
    pub fn next(&mut self) -> Option<Result<Stack, DataSetError>> {
        let mut stack = self.stacks.blocking_recv()?;
        Some(
            self.runtime
                .block_on(&mut stack.0)
                .unwrap_or_else(|failure| Err(lost(failure))),
        )
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

async fn load(
    data: Arc<DataSet>,
    options: Arc<StackOptions>,
    sample: Sample,
) -> Result<Stack, DataSetError> {
    options.check(&data.manifest)?;
    let (axis, grid) = (options.axis, data.manifest.grid);
    let rows = options.rows(&data.manifest, sample).unwrap_or_default();
    let packed = data
        .fetch(sample.case, &axis.coronal_rows(&rows, grid))
        .await?;
    let entry = data.manifest.cases.get(sample.case as usize);
    let (case_id, sentence) = entry
        .map(|case| {
            (
                case.case_id.clone(),
                case.metadata.sentence(options.with_diagnosis),
            )
        })
        .unwrap_or_default();
    unblocked(move || {
        let slices = packed.unpack()?;
        let (pet, ct) = (
            options.window_pet(&axis.cut(slices.pet, &rows, grid)),
            options.window_ct(&axis.cut(slices.ct, &rows, grid)),
        );
        Ok(Stack {
            sample,
            case_id,
            sentence,
            pet,
            ct,
        })
    })
    .await
}

#[cfg(test)]
mod tests;
