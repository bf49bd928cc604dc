//! One run as it is shown: read from its store, and kept up to date while somebody looks.

use crate::changes::Change;
use crate::figures::Figures;
use crate::timeline::Item;
use crate::view::View;
use fratmae_checkpoint::Journal;
use fratmae_coordinator::{CoordinatorError, is_history_file, read_history_file, snapshot};
use fratmae_observe::{
    CapacityRow, HISTORY, LedgerRow, RankBlock, RankFile, RankRow, Row, RunState, TimeFile,
};
use fratmae_store::{Entry, Location};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often a run that trains is read while somebody looks.
const LIVE: Duration = Duration::from_secs(3);
/// How often one that does not is looked at, as it may go on.
const OVER: Duration = Duration::from_secs(30);
/// How long after somebody has looked a run is kept up to date.
const WATCHED: Duration = Duration::from_secs(60);
/// The most bytes of a file of the history.
const LARGEST: u64 = 256 << 20;
/// Where the journal's records are.
const JOURNAL: &str = "journal";
/// The note that the store does not answer.
pub(crate) const STORE: &str = "store";

/// What of the store has been read.
#[derive(Debug, Default)]
struct Loaded {
    /// When all of it was.
    at: Option<Instant>,
    /// When the run's snapshot was.
    head: Option<Instant>,
    /// Whether the figures of steps and the journal were, which are shown first.
    has_figures: bool,
    /// Size and time of each file of the history that is in the view.
    files: BTreeMap<String, (u64, SystemTime)>,
    /// The number of the next record of the journal.
    next_record: u64,
}

/// A run and what is known of it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) name: String,
    location: Location,
    /// A coordinator of this process leads it and tells where it is.
    pub(crate) is_led_here: bool,
    // A std lock, never held across an await.
    view: Mutex<View>,
    loaded: tokio::sync::Mutex<Loaded>,
    asked: Mutex<Option<Instant>>,
}

impl Run {
    pub(crate) fn new(
        id: String,
        name: String,
        location: Location,
        is_led_here: bool,
        epoch: String,
    ) -> Self {
        Self {
            id,
            name,
            location,
            is_led_here,
            view: Mutex::new(View::new(epoch)),
            loaded: tokio::sync::Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.location.url()
    }

    pub(crate) const fn location(&self) -> &Location {
        &self.location
    }

    /// What is known now.
    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody looks: from now on it is kept up to date for a while.
    pub(crate) fn ask(&self) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = Some(Instant::now());
    }

    fn is_watched(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|at| at.elapsed() < WATCHED)
    }

    /// Reads the run's snapshot, figures and journal unless that was done before.
    ///
    /// # Errors
    /// That there is no run, or the store's.
    pub(crate) async fn load(&self) -> Result<(), CoordinatorError> {
        let mut loaded = self.loaded.lock().await;
        if loaded.has_figures {
            return Ok(());
        }
        if self.view().version == 0 && !self.is_led_here {
            let snapshot = snapshot(&self.location).await?;
            self.view().tell(snapshot);
            loaded.head = Some(Instant::now());
        }
        self.read_history(&mut loaded, is_history_file).await?;
        self.read_journal(&mut loaded).await?;
        loaded.has_figures = true;
        Ok(())
    }

    /// Reads all of the run unless that was done before.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) async fn load_all(&self) -> Result<(), CoordinatorError> {
        self.load().await?;
        let mut loaded = self.loaded.lock().await;
        if loaded.at.is_none() {
            self.read_history(&mut loaded, |_| true).await?;
            loaded.at = Some(Instant::now());
        }
        Ok(())
    }

    /// Reads the run's snapshot unless there is one.
    pub(crate) async fn head(&self) {
        if self.view().version == 0 {
            self.read_head(&mut *self.loaded.lock().await).await;
        }
    }

    /// Reads what is new if somebody looks at the run, or its snapshot if somebody looks at the list, and if it is time.
    pub(crate) async fn refresh(&self, is_listed: bool) {
        let mut loaded = self.loaded.lock().await;
        let every = match self.view().snapshot.state {
            RunState::Waiting | RunState::Training | RunState::Stopping => LIVE,
            _ => OVER,
        };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() >= every);
        // A run that begins here is not on its store at once.
        let begins = self.is_led_here && loaded.at.is_none();
        if self.is_watched() && (begins || is_due(loaded.at)) {
            if let Err(error) = self.read(&mut loaded).await {
                // It is still shown as it was when it was read last.
                self.note(STORE, &error);
                loaded.at = loaded.at.map(|_| Instant::now());
            }
        } else if is_listed && is_due(loaded.head) {
            self.read_head(&mut loaded).await;
        }
    }

    async fn read_head(&self, loaded: &mut Loaded) {
        loaded.head = Some(Instant::now());
        if self.is_led_here {
            return;
        }
        match snapshot(&self.location).await {
            Ok(snapshot) => self.view().tell(snapshot),
            Err(error) => self.note(STORE, &error),
        }
    }

    /// Has it read soon: something has happened.
    pub(crate) async fn expire(&self) {
        let mut loaded = self.loaded.lock().await;
        loaded.at = loaded.at.and_then(|_| Instant::now().checked_sub(OVER));
    }

    async fn read(&self, loaded: &mut Loaded) -> Result<(), CoordinatorError> {
        if !self.is_led_here {
            let snapshot = snapshot(&self.location).await?;
            self.view().tell(snapshot);
        }
        self.read_history(loaded, |_| true).await?;
        self.read_journal(loaded).await?;
        self.view().notes.remove(STORE);
        loaded.has_figures = true;
        loaded.at = Some(Instant::now());
        loaded.head = loaded.at;
        Ok(())
    }

    /// Takes in what is new of the files of the history that are `wanted`.
    async fn read_history(
        &self,
        loaded: &mut Loaded,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), CoordinatorError> {
        let entries = self.location.list(HISTORY).await?;
        let stamp = |entry: &Entry| (entry.size, entry.written);
        let there: BTreeMap<&str, _> = entries
            .iter()
            .map(|it| (it.relative.as_str(), stamp(it)))
            .collect();
        // Figures lie in one table: if a file of them was taken away or changed, all are read again.
        let is_void = |(file, stamp): (&String, &(u64, SystemTime))| {
            is_history_file(file) && there.get(file.as_str()) != Some(stamp)
        };
        if loaded.files.iter().any(is_void) {
            loaded.files.retain(|file, _| !is_history_file(file));
            let mut view = self.view();
            view.figures = Figures::default();
            view.changes.forget();
        }
        loaded
            .files
            .retain(|file, _| there.contains_key(file.as_str()));
        {
            let mut view = self.view();
            view.ranks.retain(|file| there.contains_key(file));
            view.ledger
                .retain(|file, _| there.contains_key(file.as_str()));
            view.capacity
                .retain(|file, _| there.contains_key(file.as_str()));
            view.notes.retain(|file, _| !file.starts_with(HISTORY));
        }
        for entry in entries.iter().filter(|entry| wanted(&entry.relative)) {
            if loaded.files.get(&entry.relative) != Some(&stamp(entry)) {
                self.read_file(&entry.relative).await?;
                loaded.files.insert(entry.relative.clone(), stamp(entry));
            }
        }
        Ok(())
    }

    /// Takes a file of the history in; one that cannot be read is noted.
    async fn read_file(&self, file: &str) -> Result<(), CoordinatorError> {
        if is_history_file(file) {
            match read_history_file(&self.location, file).await {
                Ok(rows) => {
                    let mut view = self.view();
                    let batch = view.snapshot.batch;
                    rows.iter().for_each(|row| view.add(row, batch));
                }
                Err(error @ CoordinatorError::Damaged { .. }) => self.note(file, &error),
                Err(error) => return Err(error),
            }
        } else if RankFile::of(file).is_some() {
            if let Some(rows) = self.rows::<RankRow>(file).await? {
                self.view().ranks.replace(file, &rows);
            }
        } else if RankFile::of_compacted(file).is_some() {
            if let Some(blocks) = self.rows::<RankBlock>(file).await? {
                self.view().ranks.replace_blocks(file, &blocks);
            }
        } else if TimeFile::of::<LedgerRow>(file).is_some() {
            if let Some(rows) = self.rows(file).await? {
                self.view().ledger.insert(file.to_owned(), rows);
            }
        } else if TimeFile::of::<CapacityRow>(file).is_some()
            && let Some(rows) = self.rows(file).await?
        {
            self.view().capacity.insert(file.to_owned(), rows);
        }
        Ok(())
    }

    async fn rows<R: Row>(&self, file: &str) -> Result<Option<Vec<R>>, CoordinatorError> {
        let Some(bytes) = self.location.find_at_most(file, LARGEST).await? else {
            return Ok(None);
        };
        match R::decode(bytes) {
            Ok(rows) => Ok(Some(rows)),
            Err(error) => {
                self.note(file, &error);
                Ok(None)
            }
        }
    }

    fn note(&self, of: &str, error: &dyn std::fmt::Display) {
        self.view().notes.insert(of.to_owned(), error.to_string());
    }

    async fn read_journal(&self, loaded: &mut Loaded) -> Result<(), CoordinatorError> {
        let entries = self.location.list(JOURNAL).await?;
        let number = |entry: &Entry| {
            let name = entry.relative.strip_prefix(JOURNAL)?.strip_prefix('/')?;
            name.strip_suffix(".json")?.parse::<u64>().ok()
        };
        let times: BTreeMap<u64, u64> = entries
            .iter()
            .filter_map(|entry| Some((number(entry)?, unix_ms(entry.written))))
            .collect();
        let Some(next) = times.keys().next_back().map(|last| last + 1) else {
            return Ok(());
        };
        if next <= loaded.next_record {
            return Ok(());
        }
        match Journal::read_from(&self.location, loaded.next_record).await {
            Ok(found) => {
                let mut view = self.view();
                let last = found.entries.last().map_or(0, |entry| entry.number + 1);
                loaded.next_record = next.max(last);
                for entry in found.entries {
                    let (number, time) = (entry.number, times.get(&entry.number).copied());
                    if let Some(item) = Item::of(entry, time) {
                        view.items.push(item);
                        view.changes.push(Change::Record(number));
                    }
                }
                view.notes.remove(JOURNAL);
            }
            Err(error) if error.is_damage() => self.note(JOURNAL, &error),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
