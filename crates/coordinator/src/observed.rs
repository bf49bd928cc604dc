//! A run as its objects on the store tell it: what there is to see of it without a coordinator, or beside one.

use crate::clock::unix_us;
use crate::error::CoordinatorError;
use crate::history::HistoryRow;
use crate::job::RunFile;
use crate::status::{Look, RunStatus, look};
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::{Entry, Record};
use fratmae_observe::{
    Blame, CapacityRow, Counts, Evidence, Group, LedgerRow, NEWEST_STEPS, RankRow, Records, Report,
    RunState, Seat, Signs, Snapshot, Totals, Watch, WorkerView, current,
};
use fratmae_store::Location;
use fratmae_telemetry::{Accounts, Metrics};
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

/// Steps whose median is how long a step takes.
const RECENT: usize = 100;

/// Steps with their metrics and their ranks' times.
type Steps = BTreeMap<u64, (Metrics, Vec<RankRow>)>;

/// Reads what there is to see of a run, in one moment.
///
/// # Errors
/// `NoRun`, or the store's. What is damaged is left out: [`status`](crate::status) says what.
pub async fn snapshot(run: &Location) -> Result<Snapshot, CoordinatorError> {
    Ok(look(run).await?.snapshot)
}

/// Reads all that a run's store has of its time, and works out what it comes to.
///
/// # Errors
/// As [`snapshot`].
pub async fn report(run: &Location) -> Result<(Snapshot, Report), CoordinatorError> {
    let Look {
        snapshot, groups, ..
    } = look(run).await?;
    let records = Records::list(run).await?;
    let evidence = Evidence {
        groups,
        ranks: records.ranks(0..=u64::MAX).await?.rows,
        blocks: records.blocks().await?.rows,
        ledger: records.ledger().await?.rows,
        capacity: records.capacity().await?.rows,
    };
    Ok((snapshot, Report::of(&evidence)))
}

/// The records of a run's time that its snapshot is made of.
pub(crate) struct Times {
    /// Of the newest steps.
    ranks: Vec<RankRow>,
    ledger: Vec<LedgerRow>,
    capacity: Vec<CapacityRow>,
    pub(crate) damaged: Vec<String>,
}

impl Times {
    pub(crate) async fn read(run: &Location) -> Result<Self, CoordinatorError> {
        let records = Records::list(run).await?;
        let ranks = records.newest_ranks(2 * NEWEST_STEPS as u64).await?;
        let (ledger, capacity) = (records.ledger().await?, records.capacity().await?);
        let damaged = [ranks.damaged, ledger.damaged, capacity.damaged].concat();
        Ok(Self {
            ranks: current(ranks.rows),
            ledger: ledger.rows,
            capacity: capacity.rows,
            damaged,
        })
    }
}

/// The objects of a run, read once.
pub(crate) struct Objects<'a> {
    pub(crate) status: &'a RunStatus,
    pub(crate) run_file: Option<&'a RunFile>,
    pub(crate) entries: &'a [Entry],
    /// When each record was written, by its number.
    pub(crate) written: &'a BTreeMap<u64, u64>,
    pub(crate) history: &'a [HistoryRow],
    pub(crate) times: Times,
}

impl Objects<'_> {
    /// What they say of the run.
    pub(crate) fn snapshot(&self, groups: &[Group]) -> Snapshot {
        let status = self.status;
        let totals = Totals::sum(&self.times.ledger, &self.times.capacity);
        let state = state(status);
        let unix_ms = match state {
            RunState::Training | RunState::Waiting => unix_us() / 1_000,
            _ => self.ended(),
        };
        let capacity = self.capacity();
        let (best_step, progress) = self
            .best()
            .max((capacity.best_step, capacity.progress_unix_ms));
        let commit = |entry: &&Entry| matches!(entry.record, Record::Commit { .. });
        let committed = self.entries.iter().filter(commit).next_back();
        let step_seconds = status.step_seconds.or_else(|| self.step_seconds());
        Snapshot {
            unix_ms,
            run: status.run.clone(),
            run_id: self
                .run_file
                .map(|file| file.run_id.clone())
                .unwrap_or_default(),
            version: status.version.clone(),
            state,
            reason: status.reason.clone(),
            fence: status.fence,
            generation: status.generation,
            step: status.step,
            best_step: best_step.max(status.step),
            last_step: status.last_step,
            batch: status.batch,
            samples: self.history.last().map_or(0, |row| row.samples),
            committed_step: status.committed_step,
            committed_unix_ms: committed.and_then(|entry| self.written.get(&entry.number).copied()),
            progress_unix_ms: (progress > 0).then_some(progress),
            step_seconds,
            samples_per_second: status.samples_per_second,
            eta_seconds: status.eta_seconds,
            metrics: self
                .history
                .last()
                .map(|row| row.metrics.clone())
                .unwrap_or_default(),
            wanted: status.workers.unwrap_or([0, capacity.wanted]),
            workers: self.workers(),
            counts: self.counts(groups, &capacity),
            accounts: totals.accounts,
            lost: totals.lost,
            capacity,
            signs: self.signs(unix_ms, step_seconds),
        }
    }

    /// The newest step that has a time, and when it ended; zeros without one.
    fn best(&self) -> (u64, u64) {
        let steps = self.times.ranks.iter().map(|row| (row.step, row.unix_ms));
        steps.max().unwrap_or_default()
    }

    /// When a run that is over gave its last sign of life.
    fn ended(&self) -> u64 {
        let ledger = self.times.ledger.iter().map(|row| row.end_unix_ms);
        let ranks = self.times.ranks.iter().map(|row| row.unix_ms);
        let written = self.written.values().copied();
        ledger.chain(ranks).chain(written).max().unwrap_or(0)
    }

    fn step_seconds(&self) -> Option<f64> {
        let newest = self.history.iter().rev().take(RECENT);
        let mut seconds: Vec<f64> = newest.map(|row| row.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    }

    /// All stretches together.
    fn capacity(&self) -> CapacityRow {
        let mut sum = CapacityRow::default();
        self.times.capacity.iter().for_each(|row| sum += *row);
        sum
    }

    /// How often things happened: as coordinators counted, or else as far as the records tell.
    fn counts(&self, groups: &[Group], capacity: &CapacityRow) -> Counts {
        let count = |is: fn(&Record) -> bool| {
            let entries = self.entries.iter().filter(|entry| is(&entry.record));
            entries.count() as u64
        };
        Counts {
            steps_applied: capacity.counts.steps_applied.max(self.history.len() as u64),
            steps_skipped: count(|it| matches!(it, Record::BadBatch { .. })),
            verdicts: groups.iter().map(|it| it.verdicts.len() as u64).sum(),
            generations: groups.len() as u64,
            checkpoints: count(|it| matches!(it, Record::Commit { .. })),
            ..capacity.counts
        }
    }

    /// The members of the newest group and who stands by, with what the ledger says of them.
    fn workers(&self) -> Vec<WorkerView> {
        let status = self.status;
        let members = (0..).zip(&status.members).map(|(rank, name)| {
            // What a worker is called in the records stays the same after a restart.
            let is_it = |row: &&RankRow| row.generation == status.generation && row.rank == rank;
            let row = self.times.ranks.iter().rev().find(is_it);
            WorkerView {
                name: row.map_or(name, |row| &row.worker).clone(),
                seat: Seat::Member,
                rank: Some(rank),
                slots: row.map_or(0, |row| row.slots),
                generation: status.generation,
                step: status.step,
                ..WorkerView::default()
            }
        });
        let others = status.standing_by.iter().map(|name| WorkerView {
            name: name.clone(),
            ..WorkerView::default()
        });
        let mut workers: Vec<_> = members.chain(others).collect();
        workers.iter_mut().for_each(|view| self.add_times(view));
        workers
    }

    /// Adds where the time of a worker's newest process went.
    fn add_times(&self, view: &mut WorkerView) {
        let rows = || {
            self.times
                .ledger
                .iter()
                .filter(|row| row.worker == view.name)
        };
        let newest = rows().map(|row| row.incarnation).max();
        let mut accounts = Accounts::default();
        let mut host = String::new();
        for row in rows().filter(|row| Some(row.incarnation) == newest) {
            accounts += row.accounts;
            host.clone_from(&row.host);
        }
        (view.accounts, view.host) = (accounts, host);
        view.incarnation = newest.unwrap_or(0);
    }

    /// The course of the run, as its records tell it.
    fn signs(&self, unix_ms: u64, step_seconds: Option<f64>) -> Signs {
        let mut watch = Watch::default();
        let mut after_verdict = false;
        let mut steps = self.steps();
        for entry in self.entries {
            match &entry.record {
                Record::Verdict { .. } => after_verdict = true,
                Record::Generation { generation, .. } => {
                    let began = self.written.get(&entry.number).copied().unwrap_or(0);
                    watch.began(began, std::mem::take(&mut after_verdict));
                    for (step, (metrics, rows)) in steps.remove(generation).unwrap_or_default() {
                        watch.applied(step, &metrics);
                        watch.step_times(rows);
                    }
                }
                _ => {}
            }
        }
        watch.signs(unix_ms, self.checkpoint_every_ms(step_seconds))
    }

    /// The steps of each generation: of the newest there are only times yet, and of older ones only metrics.
    fn steps(&self) -> BTreeMap<u64, Steps> {
        let mut steps: BTreeMap<u64, Steps> = BTreeMap::new();
        for row in self.history {
            let of_generation = steps.entry(row.generation).or_default();
            of_generation.entry(row.step).or_default().0 = row.metrics.clone();
        }
        for row in &self.times.ranks {
            let of_generation = steps.entry(row.generation).or_default();
            of_generation
                .entry(row.step)
                .or_default()
                .1
                .push(row.clone());
        }
        steps
    }

    /// How far apart checkpoints are to be, by the job.
    fn checkpoint_every_ms(&self, step_seconds: Option<f64>) -> Option<u64> {
        let config = &self.run_file?.config;
        let number = |key: &str| config.pointer(key)?.as_u64().filter(|value| *value > 0);
        let steps = number("/checkpoint/every").zip(step_seconds);
        let of_steps = steps.map(|(every, seconds)| (every as f64 * seconds * 1e3) as u64);
        let of_time = number("/checkpoint/every_s").map(|seconds| seconds.saturating_mul(1_000));
        of_steps.into_iter().chain(of_time).min()
    }
}

fn state(status: &RunStatus) -> RunState {
    match status.state {
        "running" if status.members.is_empty() => RunState::Waiting,
        "running" => RunState::Training,
        "finished" => RunState::Finished,
        "interrupted" => RunState::Interrupted,
        "failed" => RunState::Failed,
        _ => RunState::Stopped,
    }
}

/// The generations of a run with the verdicts of each.
pub(crate) fn groups(entries: &[Entry]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in entries {
        match &entry.record {
            Record::Generation {
                generation,
                members,
                ..
            } => groups.push(Group {
                generation: *generation,
                members: members.clone(),
                verdicts: Vec::new(),
            }),
            Record::Verdict {
                generation,
                verdict,
            } => {
                let group = groups
                    .iter_mut()
                    .rev()
                    .find(|group| group.generation <= *generation);
                if let Some(group) = group {
                    group.verdicts.push(blame(verdict));
                }
            }
            _ => {}
        }
    }
    groups
}

/// A verdict in short; of one that cannot be read nothing but that it was there.
fn blame(verdict: &serde_json::Value) -> Blame {
    let verdict = serde_json::from_value::<WorkerVerdict>(verdict.clone());
    verdict.map_or_else(
        |_| Blame::default(),
        |verdict| Blame {
            worker: verdict.worker,
            host: verdict.host,
            rank: verdict.rank,
            reason: verdict.reason,
        },
    )
}

/// When each of some objects was written, in milliseconds since 1970, by the number in the order of their names.
pub(crate) fn written(objects: &[fratmae_store::Entry]) -> BTreeMap<u64, u64> {
    let milliseconds = |object: &fratmae_store::Entry| {
        let since = object
            .written
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    };
    (0..).zip(objects.iter().map(milliseconds)).collect()
}

#[cfg(test)]
mod tests;
