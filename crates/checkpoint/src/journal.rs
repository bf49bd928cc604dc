//! The journal of a run: numbered records, each created once, with one writer at a time.
//! Owns the numbers, the fence and taking over; what records mean to a run is the coordinator's.

pub(crate) mod record;

use bytes::Bytes;
use fratmae_control::Fence;
use fratmae_store::{Created, Location};
use futures::StreamExt;

use crate::error::CheckpointError;
use crate::journal::record::{CoordinatorMark, Entry, Record};
use crate::layout::{JOURNAL, journal_number, journal_record};

/// Records read at a time.
const AT_ONCE: usize = 16;

/// Times a coordinator that meets others taking over tries again before it gives way.
const TAKE_OVERS: usize = 5;

/// What a journal holds.
#[derive(Debug)]
pub struct Replayed {
    /// The records, oldest first.
    pub entries: Vec<Entry>,
    /// Records that cannot be read and are passed over, oldest first: each was the last that its coordinator wrote, as
    /// a power cut leaves it. What they said is lost; whoever takes over counts as if each had been a fence and a
    /// generation.
    pub torn: Vec<CheckpointError>,
}

/// The right to write a run's journal, held until another coordinator takes over.
#[derive(Debug)]
pub struct Journal {
    run: Location,
    mark: CoordinatorMark,
    fence: Fence,
    /// The number of the next record.
    next: u64,
}

impl Journal {
    /// Replays the journal of `run` and takes it over by creating the next fence record.
    ///
    /// Gives the records found, oldest first, without the new fence. From then on every append of the coordinator
    /// before fails. `coordinator` must be unlike every other's: its nonce tells two of them apart that write the same.
    ///
    /// # Errors
    /// As [`Self::replay`]; [`CheckpointError::Contended`] if others take over in between, again and again.
    pub async fn take_over(
        run: &Location,
        coordinator: CoordinatorMark,
    ) -> Result<(Self, Vec<Record>), CheckpointError> {
        for _ in 0..TAKE_OVERS {
            let replayed = Self::read(run).await?;
            if let Some(taken) = Self::follow(run, coordinator.clone(), replayed).await? {
                return Ok(taken);
            }
        }
        let object = run.url_of(JOURNAL);
        Err(CheckpointError::Contended { object })
    }

    /// Takes `run` over from whoever wrote the last of what was read; none if another coordinator wrote since.
    ///
    /// # Errors
    /// As [`Self::replay`].
    pub async fn follow(
        run: &Location,
        coordinator: CoordinatorMark,
        replayed: Replayed,
    ) -> Result<Option<(Self, Vec<Record>)>, CheckpointError> {
        let mut journal = Self {
            run: run.clone(),
            mark: coordinator,
            fence: replayed.next_fence(),
            next: replayed.next_number(),
        };
        Ok(match journal.create_fence().await? {
            Created::New | Created::Ours => {
                journal.next += 1;
                Some((journal, replayed.into_records()))
            }
            Created::Taken => None,
        })
    }

    /// Writes the next record; it is durable when this returns.
    ///
    /// Safe to repeat after a failure: a record that reached the store although its answer did not is recognised as
    /// our own, also when another record is appended after it.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if another coordinator wrote the next number; failures of the store as they are.
    pub async fn append(&mut self, record: Record) -> Result<(), CheckpointError> {
        loop {
            match self.create(&record).await? {
                Created::New | Created::Ours => {
                    self.next += 1;
                    return Ok(());
                }
                Created::Taken => self.pass_over_own().await?,
            }
        }
    }

    /// The fence this coordinator holds.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// Reads all records of `run`, oldest first, without taking anything over.
    ///
    /// # Errors
    /// [`CheckpointError::Gap`] names a record that is missing, [`CheckpointError::Damaged`] one that is not what was
    /// written, [`CheckpointError::Newer`] one of a newer version; failures of the store as they are.
    pub async fn replay(run: &Location) -> Result<Vec<Entry>, CheckpointError> {
        Ok(Self::read(run).await?.entries)
    }

    /// The same with what was passed over.
    ///
    /// # Errors
    /// As [`Self::replay`].
    pub async fn read(run: &Location) -> Result<Replayed, CheckpointError> {
        let objects = run.list(JOURNAL).await?;
        let names = objects.iter().map(|object| object.relative.as_str());
        let numbers = names.filter_map(journal_number);
        for (expected, number) in (0..).zip(numbers.clone()) {
            if number != expected {
                let object = run.url_of(&journal_record(expected));
                return Err(CheckpointError::Gap { object });
            }
        }
        let numbers: Vec<u64> = numbers.collect();
        let read = |number| read(run.clone(), number);
        let read = futures::stream::iter(numbers).map(read);
        let mut found = Found::default();
        let read: Vec<_> = read.buffered(AT_ONCE).collect().await;
        for record in read.into_iter().rev() {
            found.take_earlier(record)?;
        }
        Ok(found.replayed())
    }

    /// Reads the newest fence record of `run` and all records after it, oldest first: who leads it, and what came of it.
    ///
    /// # Errors
    /// As [`Self::replay`], for these records.
    pub async fn since_newest_fence(run: &Location) -> Result<Vec<Record>, CheckpointError> {
        let objects = run.list(JOURNAL).await?;
        let names = objects.iter().map(|object| object.relative.as_str());
        let numbers: Vec<u64> = names.filter_map(journal_number).collect();
        let mut found = Found::default();
        for &number in numbers.iter().rev() {
            found.take_earlier(read(run.clone(), number).await)?;
            if found.has_fence {
                break;
            }
        }
        Ok(found.replayed().into_records())
    }

    /// Makes sure that no other coordinator has taken over and that the run is still there, without writing anything.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if one has, [`CheckpointError::Removed`] if the newest record is gone; failures of
    /// the store as they are.
    pub async fn ensure_held(&mut self) -> Result<(), CheckpointError> {
        let next = journal_record(self.next);
        match self.run.get_if_present(&next).await? {
            None => self.ensure_there().await,
            Some(_) => self.pass_over_own().await,
        }
    }

    async fn ensure_there(&self) -> Result<(), CheckpointError> {
        let newest = journal_record(self.next.saturating_sub(1));
        if self.run.get_if_present(&newest).await?.is_some() {
            return Ok(());
        }
        Err(CheckpointError::Removed {
            run: self.run.url().to_owned(),
            object: self.run.url_of(&newest),
        })
    }

    async fn create_fence(&self) -> Result<Created, CheckpointError> {
        self.create(&Record::Fence {
            fence: self.fence.get(),
            mark: self.mark.clone(),
        })
        .await
    }

    async fn create(&self, record: &Record) -> Result<Created, CheckpointError> {
        let object = journal_record(self.next);
        let bytes = self.entry(record).encode(&object)?;
        Ok(self.run.create(&object, bytes).await?)
    }

    fn entry(&self, record: &Record) -> Entry {
        Entry {
            number: self.next,
            fence: self.fence.get(),
            nonce: self.mark.nonce.clone(),
            record: record.clone(),
        }
    }

    /// Steps over a record of our own whose answer was lost; anybody else's ends this coordinator.
    async fn pass_over_own(&mut self) -> Result<(), CheckpointError> {
        let found = read(self.run.clone(), self.next).await?;
        if found.fence == self.fence.get() && found.nonce == self.mark.nonce {
            self.next += 1;
            return Ok(());
        }
        Err(CheckpointError::Fenced {
            object: self.run.url_of(&journal_record(self.next)),
            fence: found.fence,
            address: match found.record {
                Record::Fence { mark, .. } => mark.address,
                _ => "an unknown address".to_owned(),
            },
        })
    }
}

impl Replayed {
    /// The fence that was held last.
    #[must_use]
    pub fn newest_fence(&self) -> Fence {
        let fences = self.entries.iter().map(|entry| Fence::new(entry.fence));
        fences.max().unwrap_or_default()
    }

    /// A fence above every one that there may have been.
    fn next_fence(&self) -> Fence {
        let torn = self.torn.len() as u64;
        Fence::new(self.newest_fence().get().saturating_add(torn)).next()
    }

    fn next_number(&self) -> u64 {
        (self.entries.len() + self.torn.len()) as u64
    }

    fn into_records(self) -> Vec<Record> {
        self.entries.into_iter().map(|entry| entry.record).collect()
    }
}

/// Records as they are taken in, from the newest to the oldest.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    torn: Vec<CheckpointError>,
    /// Whether a fence is among them.
    has_fence: bool,
    /// Whether the record after the next one belongs to the same coordinator, so that the next one was whole once.
    is_followed: bool,
}

impl Found {
    /// Takes in a record that is older than those before; one that cannot be read is passed over if its coordinator
    /// wrote nothing after it.
    fn take_earlier(
        &mut self,
        record: Result<Entry, CheckpointError>,
    ) -> Result<(), CheckpointError> {
        match record {
            Ok(entry) => {
                let is_fence = matches!(entry.record, Record::Fence { .. });
                self.has_fence |= is_fence;
                self.is_followed = !is_fence;
                self.entries.push(entry);
                Ok(())
            }
            Err(error) if error.is_damage() && !self.is_followed => {
                self.torn.push(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn replayed(mut self) -> Replayed {
        self.entries.reverse();
        self.torn.reverse();
        let Self { entries, torn, .. } = self;
        Replayed { entries, torn }
    }
}

async fn read(run: Location, number: u64) -> Result<Entry, CheckpointError> {
    let name = journal_record(number);
    let bytes: Bytes = run.get(&name).await?;
    let object = run.url_of(&name);
    match Entry::decode(&object, number, &bytes) {
        Err(CheckpointError::Damaged { reason, .. }) => {
            let reason = match bytes.is_empty() {
                true => "it is empty".to_owned(),
                false => reason,
            };
            Err(CheckpointError::DamagedRecord { object, reason })
        }
        read => read,
    }
}

#[cfg(test)]
mod tests;
