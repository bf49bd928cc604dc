//! The journal of a run: numbered records, each created once, with one writer at a time.
//! Owns the numbers, the fence and taking over; what records mean to a run is the coordinator's.

pub(crate) mod record;

use bytes::Bytes;
use fratmae_control::Fence;
use fratmae_store::{Created, Location};
use futures::{StreamExt, TryStreamExt};

use crate::error::CheckpointError;
use crate::journal::record::{CoordinatorMark, Entry, Record};
use crate::layout::{JOURNAL, journal_number, journal_record};

/// Records read at a time.
const AT_ONCE: usize = 16;

/// Times a coordinator that meets others taking over tries again before it gives way.
const TAKE_OVERS: usize = 5;

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
        let mut lost = String::new();
        for _ in 0..TAKE_OVERS {
            let entries = Self::replay(run).await?;
            let mut journal = Self {
                run: run.clone(),
                mark: coordinator.clone(),
                fence: newest_fence(&entries).next(),
                next: entries.len() as u64,
            };
            match journal.create_fence().await? {
                Created::New | Created::Ours => {
                    journal.next += 1;
                    let records = entries.into_iter().map(|entry| entry.record).collect();
                    return Ok((journal, records));
                }
                Created::Taken => lost = run.url_of(&journal_record(journal.next)),
            }
        }
        Err(CheckpointError::Contended { object: lost })
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
        let entries = futures::stream::iter(numbers).map(read);
        entries.buffered(AT_ONCE).try_collect().await
    }

    /// Reads the newest fence record of `run` and all records after it, oldest first: who leads it, and what came of it.
    ///
    /// # Errors
    /// As [`Self::replay`], for these records.
    pub async fn since_newest_fence(run: &Location) -> Result<Vec<Record>, CheckpointError> {
        let objects = run.list(JOURNAL).await?;
        let names = objects.iter().map(|object| object.relative.as_str());
        let numbers: Vec<u64> = names.filter_map(journal_number).collect();
        let mut newest = Vec::new();
        for &number in numbers.iter().rev() {
            let record = read(run.clone(), number).await?.record;
            let is_fence = matches!(record, Record::Fence { .. });
            newest.push(record);
            if is_fence {
                break;
            }
        }
        newest.reverse();
        Ok(newest)
    }

    /// Makes sure that no other coordinator has taken over, without writing anything.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if one has; failures of the store as they are.
    pub async fn ensure_held(&mut self) -> Result<(), CheckpointError> {
        let next = journal_record(self.next);
        match self.run.get_if_present(&next).await? {
            None => Ok(()),
            Some(_) => self.pass_over_own().await,
        }
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

fn newest_fence(entries: &[Entry]) -> Fence {
    let fences = entries.iter().map(|entry| Fence::new(entry.fence));
    fences.max().unwrap_or_default()
}

async fn read(run: Location, number: u64) -> Result<Entry, CheckpointError> {
    let name = journal_record(number);
    let bytes: Bytes = run.get(&name).await?;
    Entry::decode(&run.url_of(&name), number, &bytes)
}

#[cfg(test)]
mod tests;
