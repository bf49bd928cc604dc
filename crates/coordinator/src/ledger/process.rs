//! One worker process: what it told of its time, as stretches that add up to its life.

use super::{Booked, MOST_NS, Moment, sane};
use fratmae_control::WorkerId;
use fratmae_observe::{LedgerRow, Lost};
use fratmae_protocol::pb;
use fratmae_telemetry::{Account, Accounts};
use std::time::{Duration, Instant};

/// How long a stretch lasts at most.
const LONGEST_MS: u64 = 60_000;

/// How long it lasts at least, however fast generations change.
const SHORTEST_MS: u64 = 1_000;

/// A process that joined.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) host: String,
    /// Its stream; none since it closed.
    stream: Option<WorkerId>,
    /// What it told last, and when.
    pub(crate) newest: Newest,
    pub(crate) heard: Instant,
    heard_unix_ms: u64,
    /// What stretches that are closed have of it.
    booked: Booked,
    /// Where the stretch at hand began.
    from_step: u64,
    begin_unix_ms: u64,
    /// Work of steps that are given up; it may be more than the closed stretches have.
    rewound: u64,
    /// What happened after it was last heard, if it is gone.
    tail: Option<Tail>,
}

/// What a process tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest {
    pub(crate) accounts: Accounts,
    pub(crate) generation: u64,
    pub(crate) step: u64,
    pub(crate) phase: String,
    pub(crate) still_ms: u64,
    undivided: u64,
    unfinished: u64,
    partial: u64,
    /// Where time goes; none in a collective call.
    open: Option<Account>,
}

/// The end of a process that was not told.
#[derive(Clone, Copy, Debug)]
struct Tail {
    since: Instant,
    accounts: Accounts,
    lost: Lost,
}

impl Process {
    /// A process that was never heard, of which rows have this.
    pub(super) fn new(host: String, booked: Booked, now: Moment) -> Self {
        Self {
            host,
            stream: None,
            newest: Newest {
                accounts: booked.accounts,
                partial: booked.lost.partial,
                ..Newest::default()
            },
            heard: now.at,
            heard_unix_ms: now.unix_ms,
            booked,
            from_step: booked.step,
            begin_unix_ms: match booked.until_unix_ms {
                0 => now.unix_ms,
                until => until,
            },
            rewound: booked.lost.rewind,
            tail: None,
        }
    }

    /// It is heard on this stream: what was thought of its end was wrong.
    pub(super) fn attach(&mut self, stream: WorkerId) {
        (self.stream, self.tail) = (Some(stream), None);
    }

    /// The stream is closed. What it did last is what it is taken to have done until now.
    pub(super) fn detach(&mut self, stream: WorkerId, now: Moment) {
        if self.stream != Some(stream) {
            return;
        }
        self.stream = None;
        let silent = now.at.duration_since(self.heard).as_nanos();
        let silent = u64::try_from(silent).unwrap_or(MOST_NS).min(MOST_NS);
        let account = self.newest.open.unwrap_or(Account::Wait);
        let mut accounts = Accounts::default();
        accounts[account] += silent;
        accounts[Account::Wait] += self.newest.undivided;
        let lost = Lost {
            rewind: 0,
            partial: self.newest.unfinished,
            silent: match account.is_productive() {
                true => silent,
                false => 0,
            },
        };
        self.tail = Some(Tail {
            since: now.at,
            accounts,
            lost,
        });
    }

    /// Whether it has told nothing yet, here or to an earlier coordinator.
    pub(super) fn was_not_heard(&self) -> bool {
        self.newest.accounts == Accounts::default()
    }

    /// Whether its stream is open.
    pub(super) const fn is_there(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether its stream has been closed for so long.
    pub(super) fn is_gone_for(&self, now: Instant, long: Duration) -> bool {
        let tail = self.tail.as_ref();
        self.stream.is_none() && tail.is_some_and(|tail| now.duration_since(tail.since) >= long)
    }

    /// Ends the stretch at hand, if it is over with what it tells now.
    pub(super) fn close_before(&mut self, beat: &pb::Heartbeat) -> Option<LedgerRow> {
        let lasts = self.heard_unix_ms.saturating_sub(self.begin_unix_ms);
        let enough = match beat.generation == self.newest.generation {
            true => LONGEST_MS,
            false => SHORTEST_MS,
        };
        if lasts < enough {
            return None;
        }
        let row = self.open_row()?;
        self.booked.add(&row);
        self.from_step = row.to_step;
        self.begin_unix_ms = row.end_unix_ms;
        Some(row)
    }

    /// Takes in what it tells.
    pub(super) fn beat(&mut self, beat: &pb::Heartbeat, now: Moment) {
        let times = beat.times.clone().unwrap_or_default();
        let accounts = sane(&times.accounts);
        if self.booked == Booked::default() && self.was_not_heard() {
            // It began as long ago as it is old.
            let age = (accounts.total() + times.undivided.min(MOST_NS)) / 1_000_000;
            self.begin_unix_ms = now.unix_ms.saturating_sub(age);
        }
        let open = times.open.and_then(|open| usize::try_from(open).ok());
        self.newest = Newest {
            accounts,
            generation: beat.generation,
            step: beat.step,
            phase: beat.phase.clone(),
            still_ms: beat.still_ms,
            undivided: times.undivided.min(MOST_NS),
            unfinished: times.unfinished.min(MOST_NS),
            partial: times.partial.min(MOST_NS),
            open: open.and_then(|open| Account::ALL.get(open).copied()),
        };
        (self.heard, self.heard_unix_ms) = (now.at, now.unix_ms);
    }

    /// Work of steps that it did is given up.
    pub(super) fn lose(&mut self, rewind: u64) {
        self.rewound = self.rewound.saturating_add(rewind);
    }

    /// Earlier coordinators' rows have this of it.
    pub(super) fn book(&mut self, booked: Booked) {
        self.booked.accounts += booked.accounts;
        self.booked.lost += booked.lost;
        self.lose(booked.lost.rewind);
        self.begin_unix_ms = self.begin_unix_ms.max(booked.until_unix_ms);
        self.from_step = self.from_step.max(booked.step);
    }

    /// What closed stretches have of it.
    pub(super) const fn booked(&self) -> Booked {
        self.booked
    }

    /// The stretch at hand, with its end if that is known; none without a nanosecond.
    pub(super) fn open_row(&self) -> Option<LedgerRow> {
        let mut accounts = self.newest.accounts.since(&self.booked.accounts);
        let mut lost = Lost {
            rewind: self.rewound.saturating_sub(self.booked.lost.rewind),
            partial: self.newest.partial.saturating_sub(self.booked.lost.partial),
            silent: 0,
        };
        if let Some(tail) = &self.tail {
            accounts += tail.accounts;
            lost += tail.lost;
        }
        let is_something = accounts != Accounts::default() || lost != Lost::default();
        is_something.then(|| LedgerRow {
            host: self.host.clone(),
            generation: self.newest.generation,
            from_step: self.from_step,
            to_step: self.newest.step.max(self.from_step),
            begin_unix_ms: self.begin_unix_ms,
            end_unix_ms: self.heard_unix_ms.max(self.begin_unix_ms),
            accounts,
            lost,
            ..LedgerRow::default()
        })
    }
}
