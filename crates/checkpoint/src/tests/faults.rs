//! A store that fails on purpose at a chosen operation.
//! Owns no test.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fratmae_store::{Location, RetryPolicy};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What goes wrong at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done and a failure is reported.
    Refuse,
    /// It is done, and a failure is reported.
    LoseAnswer,
    /// Nothing is done, then or ever after: the process is dead.
    Die,
    /// It is done, and nothing ever after.
    DieAfter,
}

impl Fault {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] = [Self::Refuse, Self::LoseAnswer, Self::Die, Self::DieAfter];
}

/// A store in memory with a counter of operations and at most one fault.
#[derive(Debug, Default)]
pub(crate) struct FaultyStore {
    inner: Arc<InMemory>,
    operations: Arc<Operations>,
}

/// The count of operations, and the fault that waits for one of them.
#[derive(Debug, Default)]
struct Operations {
    count: AtomicUsize,
    fault: Mutex<Option<(usize, Fault)>>,
}

impl FaultyStore {
    /// A location on a new store, and the store itself. Nothing is tried again: every failure is the caller's.
    pub(crate) fn new() -> (Arc<Self>, Location) {
        let store = Arc::new(Self::default());
        let patience = RetryPolicy {
            stall: Duration::from_secs(4),
            total: Duration::ZERO,
        };
        let run = Location::over(store.clone(), "run", "mem://run").with_retry_policy(patience);
        (store, run)
    }

    /// Plans a fault at the `operation`-th operation from now, counted from 0.
    pub(crate) fn plan(&self, operation: usize, fault: Fault) {
        self.operations.count.store(0, Ordering::Relaxed);
        *self.operations.fault.lock().unwrap() = Some((operation, fault));
    }

    /// Lets everything succeed again, and counts from 0.
    pub(crate) fn heal(&self) {
        self.operations.count.store(0, Ordering::Relaxed);
        *self.operations.fault.lock().unwrap() = None;
    }

    /// Operations begun since the last plan.
    pub(crate) fn count(&self) -> usize {
        self.operations.count.load(Ordering::Relaxed)
    }

    async fn disturb<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        self.operations.disturb(operation).await
    }
}

impl Operations {
    /// Whether this operation is done, and whether its success is reported.
    fn next(&self) -> (bool, bool) {
        let now = self.count.fetch_add(1, Ordering::Relaxed);
        match *self.fault.lock().unwrap() {
            Some((at, Fault::Refuse)) if now == at => (false, false),
            Some((at, Fault::LoseAnswer)) if now == at => (true, false),
            Some((at, Fault::Die)) if now >= at => (false, false),
            Some((at, Fault::DieAfter)) if now >= at => (now == at, false),
            _ => (true, true),
        }
    }

    async fn disturb<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let (is_done, is_reported) = self.next();
        let result = if is_done {
            operation.await
        } else {
            Err(failure())
        };
        if is_reported {
            result
        } else {
            result.and(Err(failure()))
        }
    }
}

fn failure() -> object_store::Error {
    object_store::Error::Generic {
        store: "faulty",
        source: "Server returned non-2xx status code: 503 Service Unavailable: ".into(),
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, data: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.disturb(self.inner.put_opts(path, data, how)).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, how).await
    }

    async fn get_opts(&self, path: &Path, how: GetOptions) -> Result<GetResult> {
        self.disturb(self.inner.get_opts(path, how)).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, operations) = (Arc::clone(&self.inner), Arc::clone(&self.operations));
        let delete = move |path: Result<Path>| {
            let (inner, operations) = (Arc::clone(&inner), Arc::clone(&operations));
            async move {
                let path = path?;
                operations.disturb(inner.delete(&path)).await?;
                Ok(path)
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.operations.next() {
            (true, true) => self.inner.list(prefix),
            _ => stream::once(async { Err(failure()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.disturb(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, how).await
    }
}
