//! Puts rows on the run's store in the background, and reads what earlier coordinators put there.
//!
//! A store that is slow or away holds nobody up: one page waits for it, and what does not fit is not handed over.

mod reading;

use fratmae_observe::{
    CapacityRow, FILE_ROWS, LedgerRow, RankBlock, RankFile, RankRow, Row, TimeFile, compact, is_due,
};
use fratmae_store::Location;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Recorded;
use crate::error::CoordinatorError;
use reading::read;

/// How long the end of a run waits for its last rows.
const LAST_ROWS: Duration = Duration::from_secs(5);

/// How long a coordinator that was replaced may take to put its last page on the store: it is read after that, and what it
/// has is not counted again.
const LAST_PAGE: Duration = Duration::from_secs(1);

/// How long it is until a store that failed is read again.
const AGAIN: Duration = Duration::from_secs(5);

/// Files that are full and wait for a store that fails.
const MOST_FILES: usize = 4;

/// Rows since the page before.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) closed: Vec<LedgerRow>,
    /// Stretches that go on, and will come again.
    pub(super) open: Vec<LedgerRow>,
    pub(super) ranks: Vec<RankRow>,
    pub(super) capacity: Vec<CapacityRow>,
    pub(super) open_capacity: CapacityRow,
}

/// The way to the background.
pub(super) struct Keeper {
    pages: mpsc::Sender<Page>,
    recorded: Option<oneshot::Receiver<Recorded>>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts for the coordinator that holds `fence`.
    pub(super) fn start(run: Location, fence: u64, committed: u64) -> Self {
        let (pages, receiver) = mpsc::channel(1);
        let (sender, recorded) = oneshot::channel();
        Self {
            pages,
            recorded: Some(recorded),
            task: tokio::spawn(keep(run, (fence, committed), receiver, sender)),
        }
    }

    /// What earlier coordinators put down; given once.
    pub(super) fn recorded(&mut self) -> Option<Recorded> {
        let recorded = self.recorded.as_mut()?.try_recv().ok()?;
        self.recorded = None;
        Some(recorded)
    }

    /// Waits for that, for a while.
    pub(super) async fn await_recorded(&mut self) -> Option<Recorded> {
        let recorded = self.recorded.take()?;
        let read = tokio::time::timeout(LAST_ROWS, recorded).await;
        read.ok()?.ok()
    }

    /// Room for a page, if the one before is at the store.
    pub(super) fn room(&self) -> Option<mpsc::OwnedPermit<Page>> {
        self.pages.clone().try_reserve_owned().ok()
    }

    /// Hands over the last page, and waits until it is at the store, for a while.
    pub(super) async fn finish(self, page: Page) {
        let (pages, mut task) = (self.pages, self.task);
        let kept = async {
            // Without a receiver there is nobody to write it.
            let _ = pages.send(page).await;
            drop(pages);
            let _ = (&mut task).await;
        };
        if tokio::time::timeout(LAST_ROWS, kept).await.is_err() {
            tracing::debug!("the store did not take the last rows of the ledger in time");
            task.abort();
        }
    }
}

async fn keep(
    run: Location,
    (fence, committed): (u64, u64),
    mut pages: mpsc::Receiver<Page>,
    recorded: oneshot::Sender<Recorded>,
) {
    let pause = match fence {
        0 | 1 => Duration::ZERO,
        _ => LAST_PAGE,
    };
    let mut tries = tokio::time::interval_at(Instant::now() + pause, AGAIN);
    let (read, ranks) = loop {
        tries.tick().await;
        match read(&run, committed).await {
            Ok(read) => break read,
            Err(error) => tracing::debug!(%error, "ledger not read"),
        }
        if pages.is_closed() {
            return;
        }
    };
    // Whoever asked may be gone.
    let _ = recorded.send(read);
    let mut shelves = Shelves::new(fence, ranks);
    while let Some(page) = pages.recv().await {
        if let Err(error) = shelves.keep(&run, page).await {
            tracing::debug!(%error, "ledger not written");
        }
    }
}

/// All files that grow, or are not on the store yet.
struct Shelves {
    fence: u64,
    ledger: Shelf<TimeFile, LedgerRow>,
    capacity: Shelf<TimeFile, CapacityRow>,
    ranks: Shelf<RankFile, RankRow>,
    /// Files of ranks with a row for each step.
    detailed: BTreeSet<RankFile>,
    /// The newest step, and its number of ranks.
    newest: (u64, u32),
}

impl Shelves {
    fn new(fence: u64, detailed: BTreeSet<RankFile>) -> Self {
        Self {
            fence,
            ledger: Shelf::default(),
            capacity: Shelf::default(),
            ranks: Shelf::default(),
            detailed,
            newest: (0, 0),
        }
    }

    async fn keep(&mut self, run: &Location, page: Page) -> Result<(), CoordinatorError> {
        let time = self.ledger.next(self.fence);
        self.ledger.add(time, page.closed);
        let time = self.capacity.next(self.fence);
        self.capacity.add(time, page.capacity);
        for row in page.ranks {
            self.newest = (row.step, row.rank + 1);
            let file = self.file_of(&row);
            self.detailed.insert(file);
            self.ranks.add(file, [row]);
        }
        let open_capacity = vec![page.open_capacity];
        let ledger = self.ledger.write(run, TimeFile::of_ledger, page.open).await;
        let capacity = self
            .capacity
            .write(run, TimeFile::of_capacity, open_capacity)
            .await;
        let ranks = match self.ranks.has_news {
            true => self.ranks.write(run, RankFile::object, Vec::new()).await,
            false => Ok(()),
        };
        ledger.and(capacity).and(ranks)?;
        self.compact(run).await
    }

    /// The file that a row belongs to: the newest one, while it has room for it.
    fn file_of(&self, row: &RankRow) -> RankFile {
        let new = RankFile {
            first: row.step,
            generation: row.generation,
            fence: self.fence,
        };
        let Some((file, rows)) = self.ranks.files.back() else {
            return new;
        };
        let is_its = file.generation == row.generation && row.step <= file.last();
        let is_same_step = rows.last().is_some_and(|last| last.step == row.step);
        let follows = rows.last().is_none_or(|last| last.step <= row.step);
        match is_its && follows && (rows.len() < FILE_ROWS || is_same_step) {
            true => *file,
            false => new,
        }
    }

    /// Makes the oldest file of single steps a smaller one, if it is old enough.
    async fn compact(&mut self, run: &Location) -> Result<(), CoordinatorError> {
        let (step, n_ranks) = self.newest;
        let is_old = |file: &&RankFile| is_due(**file, step, n_ranks) && !self.ranks.has(**file);
        let Some(file) = self.detailed.iter().find(is_old).copied() else {
            return Ok(());
        };
        self.detailed.remove(&file);
        let bytes = run.get(&file.object()).await?;
        let name = file.compacted();
        let compacted = tokio::task::spawn_blocking(move || {
            RankBlock::encode(&compact(&RankRow::decode(bytes)?))
        });
        let compacted = compacted
            .await
            .map_err(CoordinatorError::encoding(name.clone()))?;
        let bytes = compacted.map_err(CoordinatorError::encoding(name.clone()))?;
        run.put(&name, bytes).await?;
        Ok(run.delete(&file.object()).await?)
    }
}

/// Files of one kind: the last one grows, and the others wait for the store.
struct Shelf<K, R> {
    files: VecDeque<(K, Vec<R>)>,
    has_news: bool,
}

impl<K, R> Default for Shelf<K, R> {
    fn default() -> Self {
        Self {
            files: VecDeque::new(),
            has_news: false,
        }
    }
}

impl<R> Shelf<TimeFile, R> {
    /// The file that the next rows belong to.
    fn next(&self, fence: u64) -> TimeFile {
        match self.files.back() {
            None => TimeFile { fence, number: 1 },
            Some((file, rows)) if rows.len() < FILE_ROWS => *file,
            Some((file, _)) => TimeFile {
                fence,
                number: file.number + 1,
            },
        }
    }
}

impl<K: Copy + PartialEq, R: Row + Send + 'static> Shelf<K, R> {
    fn has(&self, file: K) -> bool {
        self.files.iter().any(|(kept, _)| *kept == file)
    }

    fn add(&mut self, file: K, rows: impl IntoIterator<Item = R>) {
        if self.files.back().is_none_or(|(last, _)| *last != file) {
            self.files.push_back((file, Vec::new()));
        }
        if self.files.len() > MOST_FILES {
            self.files.pop_front();
        }
        if let Some((_, kept)) = self.files.back_mut() {
            kept.extend(rows);
        }
        self.has_news = true;
    }

    /// Writes all files; the last one with rows that are still to change.
    async fn write(
        &mut self,
        run: &Location,
        name: impl Fn(K) -> String,
        open: Vec<R>,
    ) -> Result<(), CoordinatorError> {
        while self.files.len() > 1
            && let Some((file, rows)) = self.files.front_mut()
        {
            let name = name(*file);
            put(run, &name, rows, Vec::new()).await?;
            self.files.pop_front();
        }
        if let Some((file, rows)) = self.files.back_mut() {
            put(run, &name(*file), rows, open).await?;
        }
        self.has_news = false;
        Ok(())
    }
}

/// Writes a file; encoding takes longer than a thread of the runtime may be busy.
async fn put<R: Row + Send + 'static>(
    run: &Location,
    name: &str,
    rows: &mut Vec<R>,
    open: Vec<R>,
) -> Result<(), CoordinatorError> {
    let (n_closed, mut all) = (rows.len(), std::mem::take(rows));
    all.extend(open);
    let encoded = tokio::task::spawn_blocking(move || {
        let bytes = R::encode(&all);
        all.truncate(n_closed);
        (bytes, all)
    });
    let (bytes, closed) = encoded.await.map_err(CoordinatorError::encoding(name))?;
    *rows = closed;
    let bytes = bytes.map_err(CoordinatorError::encoding(name))?;
    Ok(run.put(name, bytes).await?)
}
