//! What a run's store has of some steps: the time of each rank, the loss, and what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};
use fratmae_checkpoint::{Journal, Record};
use fratmae_control::Cause;
use fratmae_coordinator::{HistoryRow, RunStatus, WorkerVerdict, read_kept_history, status};
use fratmae_observe::{RankRow, Records, current};
use fratmae_store::Location;
use fratmae_telemetry::{Account, one_line};
use fratmae_viewers::Moment;

use crate::commands::steps::Steps;

/// How often steps to come are looked for.
const EVERY: Duration = Duration::from_secs(1);

/// What was recorded of some steps.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) rows: Vec<RankRow>,
    pub(super) losses: Vec<(u64, f64)>,
    pub(super) moments: Vec<Moment>,
    /// Files that cannot be read, a line each.
    pub(super) damaged: Vec<String>,
    /// Which steps there are.
    pub(super) known: String,
}

impl Recorded {
    /// Reads what there is of some steps.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(run: &Location, steps: Steps) -> Result<Self> {
        let kept = read_kept_history(run).await?;
        let mut damaged = kept.damaged;
        let happened = Happened::read(run).await.unwrap_or_else(|error| {
            damaged.push(format!(
                "the trace lacks events: {}",
                one_line(error.as_ref())
            ));
            Happened::default()
        });
        let known = match (kept.rows.first(), kept.rows.last()) {
            (Some(first), Some(last)) => {
                format!("there are steps {} to {}", first.step, last.step)
            }
            _ => "there is none of any step yet".to_owned(),
        };
        let asked = |step: u64| steps.range().contains(&step);
        let history: Vec<_> = kept.rows.iter().filter(|row| asked(row.step)).collect();
        let records = Records::list(run).await?;
        let ranks = records.ranks(steps.range()).await?;
        damaged.extend(ranks.damaged);
        let mut rows = current(ranks.rows);
        // Of old steps, and of runs of earlier versions, there is only what one rank measured.
        let with_ranks: BTreeSet<u64> = rows.iter().map(|row| row.step).collect();
        let others = history.iter().filter(|row| !with_ranks.contains(&row.step));
        rows.extend(others.map(|row| measured(row, &happened.members)));
        Ok(Self {
            rows,
            losses: history.iter().map(|row| (row.step, row.loss())).collect(),
            moments: happened.moments,
            damaged,
            known,
        })
    }

    /// Waits for the next so many steps of a run that goes on, or for its end.
    ///
    /// # Errors
    /// Nobody leads it; the store's.
    pub(super) async fn wait(run: &Location, now: &RunStatus, count: u64) -> Result<Self> {
        if now.state != "running" {
            bail!(
                "{} is {}: only a run that goes on has steps to come; --steps shows those that it had",
                run.url(),
                now.state
            );
        }
        let steps = Steps {
            first: now.step + 1,
            last: now.step.saturating_add(count).min(now.last_step),
        };
        let mut looks = tokio::time::interval(EVERY);
        loop {
            looks.tick().await;
            let recorded = Self::read(run, steps).await?;
            let is_whole = recorded.rows.iter().any(|row| row.step == steps.last);
            if is_whole || status(run).await?.state != "running" {
                return Ok(recorded);
            }
        }
    }
}

/// The time of the one rank that measured a step.
fn measured(row: &HistoryRow, members: &BTreeMap<u64, Vec<String>>) -> RankRow {
    let spent = |phase: &str| {
        row.phases
            .get(phase)
            .map_or(0, |seconds| (seconds * 1e9) as u64)
    };
    // The call after a step was not measured.
    let calls = vec![0, spent("gather"), spent("reduce")];
    let phases = [
        (Account::Load, "load"),
        (Account::Forward, "forward"),
        (Account::Backward, "backward"),
        (Account::Optimizer, "optimizer"),
        (Account::Checkpoint, "checkpoint"),
    ];
    let accounts = phases.map(|(account, phase)| (account, spent(phase)));
    let inside = calls.iter().sum();
    let accounts = accounts.into_iter().chain([(Account::Transfer, inside)]);
    let members = members.get(&row.generation);
    RankRow {
        step: row.step,
        generation: row.generation,
        worker: members
            .and_then(|names| names.first())
            .cloned()
            .unwrap_or_default(),
        accounts: accounts.collect(),
        calls,
        ..RankRow::default()
    }
}

/// What the journal says, as far as it can be read.
#[derive(Default)]
struct Happened {
    /// By the store's clock.
    moments: Vec<Moment>,
    /// The members of each generation.
    members: BTreeMap<u64, Vec<String>>,
}

impl Happened {
    async fn read(run: &Location) -> Result<Self> {
        let number = |object: &str| {
            let number = object.strip_prefix("journal/")?.strip_suffix(".json")?;
            number.parse::<u64>().ok()
        };
        let objects = run.list("journal").await?.into_iter();
        let written = objects.filter_map(|it| Some((number(&it.relative)?, it.written)));
        let written: BTreeMap<u64, SystemTime> = written.collect();
        let mut happened = Self::default();
        for entry in Journal::replay(run).await? {
            if let Record::Generation {
                generation,
                members,
                ..
            } = &entry.record
            {
                happened.members.insert(*generation, members.clone());
            }
            let since = written.get(&entry.number).copied();
            let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let words = in_words(entry.record).zip(since);
            happened
                .moments
                .extend(words.map(|((name, detail), since)| Moment {
                    unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                    name: name.to_owned(),
                    detail,
                }));
        }
        Ok(happened)
    }
}

/// A record in words. A trace is shown to others, so it has no text that may name a case: no reason that a worker gave.
fn in_words(record: Record) -> Option<(&'static str, String)> {
    Some(match record {
        Record::Fence { fence, .. } => ("coordinator took over", format!("fence {fence}")),
        Record::Generation {
            generation,
            members,
            ..
        } => (
            "generation",
            format!("{generation}: {}", members.join(", ")),
        ),
        Record::Commit { step, .. } => ("checkpoint committed", format!("step {step}")),
        Record::Skipped { step, .. } => ("damaged sample skipped", format!("step {step}")),
        Record::BadBatch { step, .. } => ("bad batch passed over", format!("step {step}")),
        Record::Verdict { verdict, .. } => {
            let verdict: WorkerVerdict = serde_json::from_value(verdict).ok()?;
            let rank = verdict
                .rank
                .map_or_else(|| "no rank".to_owned(), |rank| format!("rank {rank}"));
            (
                "verdict",
                format!("{} ({rank}), in {}", verdict.worker, verdict.phase),
            )
        }
        Record::Finished { .. } => ("finished", String::new()),
        Record::Interrupted { reason, .. } if Cause::is_one(&reason) => ("interrupted", reason),
        Record::Interrupted { step, .. } => ("failed", format!("step {step}")),
        Record::RolledBack { step, .. } => ("rolled back", format!("step {step}")),
        Record::Removed { .. } | Record::Forked { .. } => return None,
    })
}
