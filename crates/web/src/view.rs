//! What is known of a run: its snapshot, figures, ranks, times and records, and how they change.

use crate::changes::{Change, Changes};
use crate::figures::{Figures, GENERATION, SAMPLES, SECONDS};
use crate::ranks::Ranks;
use crate::timeline::Item;
use fratmae_coordinator::HistoryRow;
use fratmae_observe::{CapacityRow, LedgerRow, Snapshot};
use std::collections::BTreeMap;

/// What is known of a run.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) snapshot: Snapshot,
    /// Counts the snapshots.
    pub(crate) version: u64,
    pub(crate) figures: Figures,
    pub(crate) ranks: Ranks,
    pub(crate) ledger: BTreeMap<String, Vec<LedgerRow>>,
    pub(crate) capacity: BTreeMap<String, Vec<CapacityRow>>,
    pub(crate) items: Vec<Item>,
    pub(crate) changes: Changes,
    /// What cannot be read, a line each.
    pub(crate) notes: BTreeMap<String, String>,
}

impl View {
    pub(crate) fn new(epoch: String) -> Self {
        Self {
            snapshot: Snapshot::default(),
            version: 0,
            figures: Figures::default(),
            ranks: Ranks::default(),
            ledger: BTreeMap::new(),
            capacity: BTreeMap::new(),
            items: Vec::new(),
            changes: Changes::new(epoch),
            notes: BTreeMap::new(),
        }
    }

    /// All rows of the ledger and of the capacity.
    pub(crate) fn times(&self) -> (Vec<LedgerRow>, Vec<CapacityRow>) {
        let ledger = self.ledger.values().flatten().cloned().collect();
        let capacity = self.capacity.values().flatten().copied().collect();
        (ledger, capacity)
    }

    pub(crate) fn tell(&mut self, snapshot: Snapshot) {
        if snapshot != self.snapshot {
            self.snapshot = snapshot;
            self.version += 1;
        }
    }

    /// Takes a row of the history in.
    pub(crate) fn add(&mut self, row: &HistoryRow, batch: u64) {
        let is_new = self.figures.steps().is_none_or(|(_, last)| row.step > last);
        let phases: Vec<(String, f64)> = row
            .phases
            .iter()
            .map(|(phase, seconds)| (format!("{SECONDS}_{phase}"), *seconds))
            .collect();
        let own = [
            (GENERATION, row.generation as f64),
            (SAMPLES, row.samples as f64),
            (SECONDS, row.seconds),
            ("samples_per_second", batch as f64 / row.seconds),
        ];
        let phases = phases
            .iter()
            .map(|(name, seconds)| (name.as_str(), *seconds));
        self.figures.push(
            row.step,
            own.into_iter().chain(row.metrics.iter()).chain(phases),
        );
        if is_new {
            self.changes.push(Change::Step(row.step));
        }
    }
}
