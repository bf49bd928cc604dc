//! The faults that chaos knows: what each does to whom, in data. `injection.rs` does them.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// A way to disturb a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// SIGKILL to a worker.
    KillWorker,
    /// SIGKILL to the coordinator.
    KillCoordinator,
    /// SIGSTOP to a worker, and SIGCONT later.
    PauseWorker,
    /// SIGSTOP to the coordinator, and SIGCONT later.
    PauseCoordinator,
    /// SIGSTOP to the coordinator, another one in its place at once, and SIGCONT to the old one later.
    RivalCoordinator,
    /// A worker's host is cut off.
    CutHost,
    /// The coordinator's host is cut off.
    CutCoordinator,
    /// What a worker's host sends arrives nowhere; what is sent to it arrives.
    CutOneWay,
    /// What one worker's host sends to another's does not arrive.
    CutPeers,
    /// A worker's host sends slowly.
    SlowLink,
    /// A worker can open no file and no socket.
    StarveWorker,
    /// The coordinator can open no file and no socket.
    StarveCoordinator,
    /// A byte of a part of the newest checkpoint changes.
    DamagePart,
    /// A part of the newest checkpoint is gone.
    DeletePart,
    /// A bit of a worker's parameters is stuck, for as long as its process lives.
    StickBit,
    /// Nothing that is written to the run's store comes to an end.
    HangStore,
    /// An outsider says to the coordinator what only members may say.
    Lie,
    /// An outsider says far too much to the coordinator.
    Flood,
    /// The coordinator is killed, and the next one's clock is three hours ahead.
    WrongClock,
}

/// A process of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// The one that leads.
    Coordinator,
    /// The worker of a place.
    Worker(usize),
}

/// A fault at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    /// From the first step on.
    pub(crate) at: Duration,
    /// Until it is lifted; what is done at once is over at once.
    pub(crate) lasts: Duration,
    /// Which.
    pub(crate) kind: Kind,
    /// The worker's place, where the kind is about a worker.
    pub(crate) place: usize,
    /// The place of another worker, where there are two.
    pub(crate) other: usize,
}

impl Kind {
    /// Its name, as it is typed.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether it needs hosts with a network of their own.
    pub(crate) const fn needs_hosts(self) -> bool {
        matches!(
            self,
            Self::CutHost
                | Self::CutCoordinator
                | Self::CutOneWay
                | Self::CutPeers
                | Self::SlowLink
        )
    }

    /// Whether it is of no kind that a run may notice.
    pub(crate) const fn befalls_nobody(self) -> bool {
        matches!(self, Self::Lie | Self::Flood)
    }

    /// Whether it is over as soon as it is done.
    pub(crate) const fn is_instant(self) -> bool {
        matches!(
            self,
            Self::KillWorker
                | Self::KillCoordinator
                | Self::DamagePart
                | Self::DeletePart
                | Self::StickBit
        )
    }

    /// Whether it befalls the coordinator.
    pub(crate) const fn befalls_coordinator(self) -> bool {
        matches!(
            self,
            Self::KillCoordinator
                | Self::PauseCoordinator
                | Self::RivalCoordinator
                | Self::CutCoordinator
                | Self::StarveCoordinator
                | Self::HangStore
                | Self::WrongClock
        )
    }

    /// Whether it befalls files alone, so that no process can notice it before it reads them.
    pub(crate) const fn befalls_files(self) -> bool {
        matches!(self, Self::DamagePart | Self::DeletePart)
    }
}

impl Strike {
    /// The kind, and the process that it hits.
    pub(crate) fn what(&self) -> String {
        let (kind, place) = (self.kind.name(), worker_name(self.place));
        match self.kind {
            Kind::CutPeers => format!("{kind} {place} to {}", worker_name(self.other)),
            other
                if other.befalls_coordinator()
                    || other.befalls_files()
                    || other.befalls_nobody() =>
            {
                kind
            }
            _ => format!("{kind} {place}"),
        }
    }

    /// Whom it befalls.
    pub(crate) fn victims(&self) -> Vec<Party> {
        match self.kind {
            kind if kind.befalls_coordinator() => vec![Party::Coordinator],
            kind if kind.befalls_files() || kind.befalls_nobody() => Vec::new(),
            Kind::CutPeers => vec![Party::Worker(self.place), Party::Worker(self.other)],
            _ => vec![Party::Worker(self.place)],
        }
    }
}

impl std::fmt::Display for Strike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind.is_instant() {
            true => write!(f, "{}", self.what()),
            false => write!(f, "{} for {:.1} s", self.what(), self.lasts.as_secs_f64()),
        }
    }
}

/// The name under which the worker of a place registers.
pub(crate) fn worker_name(place: usize) -> String {
    format!("chaos-{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_who_it_befalls_and_for_how_long() {
        let strike = |kind| Strike {
            at: Duration::ZERO,
            lasts: Duration::from_millis(2_340),
            kind,
            place: 1,
            other: 3,
        };
        for (kind, line) in [
            (Kind::KillWorker, "kill-worker chaos-1"),
            (Kind::PauseWorker, "pause-worker chaos-1 for 2.3 s"),
            (Kind::CutPeers, "cut-peers chaos-1 to chaos-3 for 2.3 s"),
            (Kind::RivalCoordinator, "rival-coordinator for 2.3 s"),
            (Kind::DeletePart, "delete-part"),
        ] {
            assert_eq!(strike(kind).to_string(), line);
        }
    }
}
