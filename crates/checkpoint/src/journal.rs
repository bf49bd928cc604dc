//! The journal of a run: numbered records, each created once, with one writer at a time.
//! Owns the objects and taking over; the rules for writing them, and what a run's records mean, are `control`'s.

pub(crate) mod record;

use bytes::Bytes;
use fratmae_control::{
    Fence, Found, JournalAnswer, JournalProgress, JournalRequest, JournalState, JournalTask,
    JournalWriter, TakeOver,
};
use fratmae_store::{Created, Location};
use futures::StreamExt;

use crate::error::{CheckpointError, damaged, unreadable};
use crate::journal::record::{CoordinatorMark, Entry, Record};
use crate::layout::{JOURNAL, journal_number, journal_record};

/// Records read at a time by whoever looks for the newest coordinator, as every worker may do at once.
const FEW: usize = 16;
/// Records read at a time by whoever needs them all.
const MANY: usize = 64;

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
    writer: JournalWriter,
}

impl Journal {
    /// Reads the journal of `run` and takes it over by creating the next fence record.
    ///
    /// Gives what was found, without the new fence. From then on every append of the coordinator before fails.
    /// `coordinator` must be unlike every other's: its nonce tells two of them apart that write the same.
    ///
    /// # Errors
    /// As [`Self::replay`]; [`CheckpointError::Contended`] if others take over in between, again and again.
    pub async fn take_over(
        run: &Location,
        coordinator: CoordinatorMark,
    ) -> Result<(Self, JournalState), CheckpointError> {
        let mut state = Self::read(run).await?.state();
        let mut take_over = TakeOver::new(state.clone(), Found::default());
        loop {
            let writer = take_over.writer();
            if let Some(taken) = Self::take_fence(run, coordinator.clone(), writer).await? {
                return Ok((taken, state));
            }
            state = Self::read(run).await?.state();
            if !take_over.lost(state.clone()) {
                return Err(Self::contended(run));
            }
        }
    }

    /// Takes `run` over from whoever wrote the last of what was read; none if another coordinator wrote since.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn take_fence(
        run: &Location,
        coordinator: CoordinatorMark,
        writer: JournalWriter,
    ) -> Result<Option<Self>, CheckpointError> {
        let mut journal = Self {
            run: run.clone(),
            mark: coordinator,
            writer,
        };
        let fence = Record::Fence {
            fence: writer.fence().get(),
            mark: journal.mark.clone(),
        };
        let task = JournalTask::TakeFence;
        let request = writer.first(task);
        let (answer, _) = journal.request(request, Some(&fence)).await?;
        let progress = journal.writer.answered(task, request, answer);
        Ok((progress == JournalProgress::Done).then_some(journal))
    }

    /// What a coordinator ends with that met others taking `run` over, again and again.
    #[must_use]
    pub fn contended(run: &Location) -> CheckpointError {
        let object = run.url_of(JOURNAL);
        CheckpointError::Contended { object }
    }

    /// Writes the next record; it is durable when this returns.
    ///
    /// Safe to repeat after a failure: a record that reached the store although its answer did not is recognised as
    /// our own, also when another record is appended after it.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if another coordinator wrote the next number; failures of the store as they are.
    pub async fn append(&mut self, record: Record) -> Result<(), CheckpointError> {
        self.perform(JournalTask::Append, Some(&record)).await
    }

    /// Makes sure that no other coordinator has taken over and that the run is still there, without writing anything.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if one has, [`CheckpointError::Removed`] if the newest record is gone; failures of
    /// the store as they are.
    pub async fn ensure_held(&mut self) -> Result<(), CheckpointError> {
        self.perform(JournalTask::EnsureHeld, None).await
    }

    /// The fence this coordinator holds.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.writer.fence()
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
        let numbers = numbers(run).await?;
        for (expected, &number) in (0..).zip(&numbers) {
            if number != expected {
                let object = run.url_of(&journal_record(expected));
                return Err(CheckpointError::Gap { object });
            }
        }
        let mut reading = Reading::default();
        for record in newest_first(run, &numbers, MANY).await {
            reading.take_earlier(record)?;
        }
        Ok(reading.replayed())
    }

    /// Reads who leads `run`, and what came of it: the newest fence record, the first records after it and the newest
    /// ones, oldest first. How many lie between costs no more than its logarithm.
    ///
    /// # Errors
    /// As [`Self::replay`], for these records.
    pub async fn newest_coordinator(run: &Location) -> Result<Vec<Record>, CheckpointError> {
        let numbers = numbers(run).await?;
        let (older, newest) = numbers.split_at(numbers.len().saturating_sub(FEW));
        let mut reading = Reading::default();
        reading.take_until_fence(newest_first(run, newest, FEW).await)?;
        let fence = reading.entries.last().map(|entry| entry.fence);
        if let (false, Some(fence)) = (reading.has_fence, fence) {
            let first = first_of(run, older, fence).await?;
            let end = older.len().min(first + FEW);
            reading.take_until_fence(newest_first(run, &older[first..end], FEW).await)?;
        }
        let entries = reading.replayed().entries.into_iter();
        Ok(entries.map(|entry| entry.record).collect())
    }

    async fn perform(
        &mut self,
        task: JournalTask,
        record: Option<&Record>,
    ) -> Result<(), CheckpointError> {
        let mut request = self.writer.first(task);
        loop {
            let (answer, found) = self.request(request, record).await?;
            match self.writer.answered(task, request, answer) {
                JournalProgress::Next(next) => request = next,
                JournalProgress::Done => return Ok(()),
                JournalProgress::Lost => return Err(self.fenced(request, found)),
                JournalProgress::Removed => {
                    return Err(CheckpointError::Removed {
                        run: self.run.url().to_owned(),
                        object: self.url_of(request),
                    });
                }
            }
        }
    }

    /// Carries out one request; with the record that was read, if one was.
    async fn request(
        &self,
        request: JournalRequest,
        record: Option<&Record>,
    ) -> Result<(JournalAnswer, Option<Entry>), CheckpointError> {
        let number = request.number();
        let name = journal_record(number);
        if let (JournalRequest::Create(_), Some(record)) = (request, record) {
            let entry = Entry {
                number,
                fence: self.fence().get(),
                nonce: self.mark.nonce.clone(),
                record: record.clone(),
            };
            let created = self.run.create(&name, entry.encode(&name)?).await?;
            return Ok(match created {
                Created::New | Created::Ours => (JournalAnswer::Created, None),
                Created::Taken => (JournalAnswer::Taken, None),
            });
        }
        let Some(bytes) = self.run.get_if_present(&name).await? else {
            return Ok((JournalAnswer::Missing, None));
        };
        if let JournalRequest::Find(_) = request {
            return Ok((JournalAnswer::Own, None));
        }
        let found = decode(&self.run, number, &bytes)?;
        let is_own = found.fence == self.fence().get() && found.nonce == self.mark.nonce;
        let answer = match is_own {
            true => JournalAnswer::Own,
            false => JournalAnswer::Others,
        };
        Ok((answer, Some(found)))
    }

    fn url_of(&self, request: JournalRequest) -> String {
        self.run.url_of(&journal_record(request.number()))
    }

    /// Another coordinator wrote the record that was found.
    fn fenced(&self, request: JournalRequest, found: Option<Entry>) -> CheckpointError {
        let object = self.url_of(request);
        let fence = found.as_ref().map_or(0, |entry| entry.fence);
        let address = match found.map(|entry| entry.record) {
            Some(Record::Fence { mark, .. }) => mark.address,
            _ => "an unknown address".to_owned(),
        };
        CheckpointError::Fenced {
            object,
            fence,
            address,
        }
    }
}

impl Replayed {
    /// What it comes to.
    #[must_use]
    pub fn state(&self) -> JournalState {
        let mut state = JournalState::default();
        for entry in &self.entries {
            state.add(Fence::new(entry.fence), (&entry.record).into());
        }
        self.torn.iter().for_each(|_| state.add_torn());
        state
    }
}

/// Records as they are taken in, from the newest to the oldest.
#[derive(Default)]
struct Reading {
    entries: Vec<Entry>,
    torn: Vec<CheckpointError>,
    /// Whether a fence is among them.
    has_fence: bool,
    /// Whether the record after the next one belongs to the same coordinator, so that the next one was whole once.
    is_followed: bool,
}

impl Reading {
    /// Takes in records from the newest to the oldest, and ends with a fence.
    fn take_until_fence(
        &mut self,
        records: impl IntoIterator<Item = Result<Entry, CheckpointError>>,
    ) -> Result<(), CheckpointError> {
        for record in records {
            self.take_earlier(record)?;
            if self.has_fence {
                break;
            }
        }
        Ok(())
    }

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

/// The numbers of all records, oldest first.
async fn numbers(run: &Location) -> Result<Vec<u64>, CheckpointError> {
    let objects = run.list(JOURNAL).await?;
    let names = objects.iter().map(|object| object.relative.as_str());
    Ok(names.filter_map(journal_number).collect())
}

/// Reads records, so many at a time.
async fn newest_first(
    run: &Location,
    numbers: &[u64],
    at_once: usize,
) -> impl Iterator<Item = Result<Entry, CheckpointError>> + use<> {
    let read = |number| read(run.clone(), number);
    let read = futures::stream::iter(numbers.to_vec()).map(read);
    let read: Vec<_> = read.buffered(at_once).collect().await;
    read.into_iter().rev()
}

/// The place in `numbers` of the first record under a fence, as fences only rise.
///
/// One that cannot be read was the last of its coordinator, so that it belongs to the one before whoever comes next.
async fn first_of(run: &Location, numbers: &[u64], fence: u64) -> Result<usize, CheckpointError> {
    let (mut first, mut end) = (0, numbers.len());
    while first < end {
        let middle = first.midpoint(end);
        let is_older = match read(run.clone(), numbers[middle]).await {
            Ok(entry) => entry.fence < fence,
            Err(error) if error.is_damage() => true,
            Err(error) => return Err(error),
        };
        match is_older {
            true => first = middle + 1,
            false => end = middle,
        }
    }
    Ok(first)
}

async fn read(run: Location, number: u64) -> Result<Entry, CheckpointError> {
    let object = run.url_of(&journal_record(number));
    match run.get(&journal_record(number)).await {
        Ok(bytes) => decode(&run, number, &bytes),
        Err(error) => Err(of_record(&object, unreadable(object.clone(), error))),
    }
}

/// Damage of a record asks for something else than damage of a checkpoint.
fn of_record(object: &str, error: CheckpointError) -> CheckpointError {
    match error {
        CheckpointError::Damaged { reason, .. } => CheckpointError::DamagedRecord {
            object: object.to_owned(),
            reason,
        },
        error => error,
    }
}

fn decode(run: &Location, number: u64, bytes: &Bytes) -> Result<Entry, CheckpointError> {
    let object = run.url_of(&journal_record(number));
    let decoded = match bytes.is_empty() {
        true => Err(damaged(object.clone(), "it is empty")),
        false => Entry::decode(&object, number, bytes),
    };
    decoded.map_err(|error| of_record(&object, error))
}

#[cfg(test)]
mod tests;
