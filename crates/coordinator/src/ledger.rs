//! The time of a run's workers, as they tell it: rows for the store, and sums for whoever looks.
//!
//! It decides nothing, and nobody waits for it. What the store does not take in time is dropped and counted.

mod capacity;
mod keeper;
mod moment;
mod process;
mod work;

pub(crate) use self::moment::Moment;

use self::capacity::Capacity;
use self::keeper::{Keeper, Page};
use self::process::Process;
use self::work::{Shares, Work};
use fratmae_control::WorkerId;
use fratmae_observe::{CapacityRow, LedgerRow, Lost, RankRow};
use fratmae_protocol::{pb, shown};
use fratmae_store::Location;
use fratmae_telemetry::{Accounts, divided, shortest_calls};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long a process that is gone may take to come back: its stream broke, and it lives.
const RETURNS: Duration = Duration::from_secs(60);

/// How long a process that was heard for the first time may wait to be put down.
const SOON: Duration = Duration::from_millis(500);

/// Rows of a kind that wait for a store that is slow.
const MOST_ROWS: usize = 1 << 16;

/// Characters of a worker's name in figures, and of its host's.
const NAME: usize = 128;

/// No run lasts so long, in nanoseconds: sums of these do not overflow.
const MOST_NS: u64 = 1 << 56;

/// Which process a row is of: the worker's stable name, and when the process began.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId {
    pub(crate) worker: String,
    pub(crate) incarnation: u64,
}

/// What earlier coordinators of the run have put down.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recorded {
    /// Time of each process, and what of it was lost.
    pub(crate) booked: BTreeMap<ProcessId, Booked>,
    /// Sums of all stretches of the run.
    pub(crate) capacity: CapacityRow,
    /// Rows of the steps after the newest checkpoint, each as its newest generation applied it.
    pub(crate) ranks: Vec<RankRow>,
}

/// What rows have of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Booked {
    pub(crate) accounts: Accounts,
    pub(crate) lost: Lost,
    /// Where its newest row ends.
    pub(crate) until_unix_ms: u64,
    pub(crate) step: u64,
}

impl Booked {
    pub(crate) fn add(&mut self, row: &LedgerRow) {
        self.accounts += row.accounts;
        self.lost += row.lost;
        self.until_unix_ms = self.until_unix_ms.max(row.end_unix_ms);
        self.step = self.step.max(row.to_step);
    }
}

/// The ledger of one coordinator.
pub(crate) struct Ledger {
    keeper: Keeper,
    /// Processes that are there, or were a moment ago.
    processes: BTreeMap<ProcessId, Process>,
    /// Whose stream is which.
    streams: BTreeMap<WorkerId, ProcessId>,
    /// Of those that are gone, of this coordinator and the ones before.
    booked: BTreeMap<ProcessId, Booked>,
    /// Whether what earlier coordinators put down is known.
    is_loaded: bool,
    pub(crate) capacity: Capacity,
    work: Work,
    /// Closed stretches, and rows of ranks, that are not at the keeper yet.
    closed: Vec<LedgerRow>,
    ranks: Vec<RankRow>,
    /// Whether a process was heard of which no row is at the keeper yet.
    has_newcomer: bool,
    handed_over: Option<Instant>,
}

impl Ledger {
    /// Begins for the coordinator that holds `fence`; what was before is read in the background.
    pub(crate) fn new(run: Location, fence: u64, committed: u64, wanted: u32) -> Self {
        Self {
            keeper: Keeper::start(run, fence, committed),
            processes: BTreeMap::new(),
            streams: BTreeMap::new(),
            booked: BTreeMap::new(),
            is_loaded: false,
            capacity: Capacity::new(fence, committed, wanted, Moment::now()),
            work: Work::default(),
            closed: Vec::new(),
            ranks: Vec::new(),
            has_newcomer: false,
            handed_over: None,
        }
    }

    /// A worker joined; a process that was here before goes on.
    pub(crate) fn registered(&mut self, worker: WorkerId, register: &pb::Register) {
        let now = Moment::now();
        let said = register.process.clone().unwrap_or_default();
        let host = match shown(&said.host, NAME) {
            host if host.is_empty() => register.group_address.clone(),
            host => host,
        };
        let id = ProcessId {
            worker: self.free_name(&said, &register.name),
            incarnation: said.began_unix_us,
        };
        let booked = self.booked.remove(&id);
        let process = self.processes.entry(id.clone()).or_insert_with(|| {
            let booked = booked.unwrap_or_default();
            Process::new(host, booked, now)
        });
        process.attach(worker);
        self.streams.insert(worker, id);
    }

    /// The stable name that a worker gives itself, unless another process that is there has it.
    fn free_name(&self, said: &pb::Process, name: &str) -> String {
        let label = match said.label.as_str() {
            "" => shown(name, NAME),
            label => shown(label, NAME),
        };
        let is_taken = |name: &String| {
            let mut others = self.processes.iter();
            others.any(|(id, process)| {
                id.worker == *name && id.incarnation != said.began_unix_us && process.is_there()
            })
        };
        let numbered = (2..).map(|number| format!("{label}#{number}"));
        let mut names = std::iter::once(label.clone()).chain(numbered);
        names.find(|name| !is_taken(name)).unwrap_or(label.clone())
    }

    /// A worker that joined says where its time went.
    pub(crate) fn beat(&mut self, worker: WorkerId, beat: &pb::Heartbeat) {
        let Some(id) = self.streams.get(&worker) else {
            return;
        };
        let Some(process) = self.processes.get_mut(id) else {
            return;
        };
        // A stretch that cannot be put down yet goes on.
        if self.is_loaded
            && self.closed.len() < MOST_ROWS
            && let Some(row) = process.close_before(beat)
        {
            self.closed.push(named(id, row));
        }
        self.has_newcomer |= process.was_not_heard();
        process.beat(beat, Moment::now());
    }

    /// A worker's stream is closed.
    pub(crate) fn closed(&mut self, worker: WorkerId) {
        let id = self.streams.remove(&worker);
        if let Some(process) = id.and_then(|id| self.processes.get_mut(&id)) {
            process.detach(worker, Moment::now());
        }
    }

    /// What is known of a worker's process.
    pub(crate) fn process(&self, worker: WorkerId) -> Option<(&ProcessId, &Process)> {
        self.processes.get_key_value(self.streams.get(&worker)?)
    }

    /// How many of those that joined have not left yet.
    pub(crate) fn n_attached(&self) -> usize {
        self.streams.len()
    }

    /// Takes in how long a step took each rank; `members` in rank order, and the slots of each. Gives their rows.
    pub(crate) fn step_times(
        &mut self,
        times: &pb::StepTimes,
        members: &[WorkerId],
        slots: &[Range<u32>],
    ) -> Vec<RankRow> {
        let unix_ms = Moment::now().unix_ms;
        let calls = times.ranks.iter().map(|rank| within(&rank.calls));
        let calls: Vec<Vec<u64>> = calls.collect();
        let shortest = shortest_calls(calls.iter().map(Vec::as_slice));
        let (mut rows, mut shares) = (Vec::new(), Shares::new());
        let ranks = times.ranks.iter().zip(calls).zip(members);
        for (rank, ((time, calls), worker)) in (0..).zip(ranks) {
            let Some((id, process)) = self.process(*worker) else {
                continue;
            };
            let mut accounts = sane(&time.accounts);
            accounts += divided(&calls, &shortest);
            let slots = slots.get(rank as usize).map_or(0, ExactSizeIterator::len);
            shares.push((id.clone(), accounts.productive()));
            rows.push(RankRow {
                step: times.step,
                generation: times.generation,
                rank,
                worker: id.worker.clone(),
                host: process.host.clone(),
                slots: u32::try_from(slots).unwrap_or(u32::MAX),
                unix_ms,
                accounts,
                calls,
            });
        }
        let lost = self.work.put(times.step, times.generation, shares);
        self.lose(lost);
        if self.ranks.len() + rows.len() <= MOST_ROWS {
            self.ranks.extend(rows.iter().cloned());
        } else {
            self.capacity.counts().telemetry_dropped += rows.len() as u64;
        }
        rows
    }

    /// Work of steps that are done again came to nothing.
    fn lose(&mut self, shares: Shares) {
        for (id, rewind) in shares {
            match self.processes.get_mut(&id) {
                Some(process) => process.lose(rewind),
                // It is gone, and so is its last stretch.
                None => {
                    let unix_ms = Moment::now().unix_ms;
                    let mut row = LedgerRow {
                        begin_unix_ms: unix_ms,
                        end_unix_ms: unix_ms,
                        ..LedgerRow::default()
                    };
                    row.lost.rewind = rewind;
                    let row = named(&id, row);
                    self.booked.entry(id).or_default().add(&row);
                    self.closed.push(row);
                }
            }
        }
    }

    /// A checkpoint is durable: no later group begins before its step.
    pub(crate) fn committed(&mut self, step: u64) {
        self.capacity.counts().checkpoints += 1;
        self.work.forget(step);
    }

    /// Time passes, with so many workers registered.
    pub(crate) fn tick(&mut self, n_registered: usize) {
        if let Some(recorded) = self.keeper.recorded() {
            self.load(recorded);
        }
        self.capacity.tick(Moment::now(), n_registered);
    }

    /// Whether a process was heard for the first time: if it and this coordinator are killed, nobody else knows of it.
    pub(crate) fn is_keeping_urgent(&self) -> bool {
        let is_long_ago = |before: Instant| before.elapsed() >= SOON;
        self.has_newcomer && self.is_loaded && self.handed_over.is_none_or(is_long_ago)
    }

    /// Hands what there is over to be written, unless what was before is still being written.
    pub(crate) fn keep(&mut self) {
        if !self.is_loaded {
            return;
        }
        let now = Moment::now();
        self.close_gone(now);
        if let Some(room) = self.keeper.room() {
            (self.has_newcomer, self.handed_over) = (false, Some(now.at));
            room.send(self.page(now));
        }
    }

    /// Puts all of it on the store, if that takes it in time.
    pub(crate) async fn finish(mut self) {
        if let Some(recorded) = self.keeper.await_recorded().await {
            self.load(recorded);
        }
        if !self.is_loaded {
            // Whether its rows are news is not known.
            return;
        }
        let page = self.page(Moment::now());
        self.keeper.finish(page).await;
    }

    fn page(&mut self, now: Moment) -> Page {
        let open = self.processes.iter();
        let open = open.filter_map(|(id, process)| Some(named(id, process.open_row()?)));
        let (stretches, stretch) = self.capacity.take(now);
        Page {
            open: open.collect(),
            closed: std::mem::take(&mut self.closed),
            ranks: std::mem::take(&mut self.ranks),
            capacity: stretches,
            open_capacity: stretch,
        }
    }

    /// Takes in what earlier coordinators put down.
    fn load(&mut self, recorded: Recorded) {
        self.is_loaded = true;
        let Recorded {
            booked,
            capacity,
            ranks,
        } = recorded;
        // Of the processes with a worker's name a row is of the newest that had begun by then.
        let process = |row: &RankRow| {
            let last = ProcessId {
                worker: row.worker.clone(),
                incarnation: row.unix_ms.saturating_mul(1000),
            };
            let begun = booked.range(..=last).next_back();
            let (id, _) = begun.filter(|(id, _)| id.worker == row.worker)?;
            Some((id.clone(), row.accounts.productive()))
        };
        let mut lost = Shares::new();
        for rows in ranks.chunk_by(|row, next| row.step == next.step) {
            let shares = rows.iter().filter_map(process).collect();
            lost.extend(self.work.put(rows[0].step, rows[0].generation, shares));
        }
        self.capacity.load(capacity);
        for (id, booked) in booked {
            match self.processes.get_mut(&id) {
                Some(process) => process.book(booked),
                None => drop(self.booked.insert(id, booked)),
            }
        }
        self.lose(lost);
    }

    /// Closes the last stretch of processes that will not come back.
    fn close_gone(&mut self, now: Moment) {
        let is_gone = |_: &ProcessId, process: &mut Process| process.is_gone_for(now.at, RETURNS);
        for (id, process) in self.processes.extract_if(.., is_gone) {
            let mut booked = process.booked();
            if let Some(row) = process.open_row() {
                booked.add(&row);
                self.closed.push(named(&id, row));
            }
            self.booked.insert(id, booked);
        }
    }

    /// The time of all processes of the run, and what of it was lost.
    pub(crate) fn totals(&self) -> (Accounts, Lost) {
        let mut sum = Booked::default();
        for booked in self.booked.values() {
            sum.accounts += booked.accounts;
            sum.lost += booked.lost;
        }
        for process in self.processes.values() {
            let mut booked = process.booked();
            if let Some(row) = process.open_row() {
                booked.add(&row);
            }
            sum.accounts += booked.accounts;
            sum.lost += booked.lost;
        }
        (sum.accounts, sum.lost)
    }
}

/// A row of a process, with its name.
fn named(id: &ProcessId, row: LedgerRow) -> LedgerRow {
    LedgerRow {
        worker: id.worker.clone(),
        incarnation: id.incarnation,
        ..row
    }
}

/// Accounts as a worker tells them, within what a run can last.
fn sane(values: &[u64]) -> Accounts {
    Accounts::of(&within(values))
}

fn within(values: &[u64]) -> Vec<u64> {
    values.iter().map(|value| (*value).min(MOST_NS)).collect()
}

#[cfg(test)]
mod tests;
