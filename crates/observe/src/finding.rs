//! What is wrong with a run, or may be: detectors over a snapshot. They observe and never act; `status`, pages and alerts
//! show the same findings.

use crate::bottleneck::Bottleneck;
use crate::signs::Losses;
use crate::snapshot::{RunState, Snapshot};
use crate::straggler::Straggler;
use serde::{Deserialize, Serialize};

/// No new step for so many times the time of one, and for so long at least.
const STALLED_STEPS: f64 = 10.0;
const STALLED_MS: f64 = 120_000.0;

/// Generations in a row that got no further.
const WITHOUT_STEP: u64 = 3;

/// Restarts within a quarter of an hour.
const STORM: u64 = 5;

/// How many times the planned distance a checkpoint may be old, and how much beyond that.
const CHECKPOINTS: u64 = 3;
const CHECKPOINT_MS: u64 = 120_000;

/// Steps before which nothing is said of losses, and the part of a job that they are at least.
const WARM_UP: u64 = 1_000;
const WARM_UP_PART: u64 = 20;

/// A model that is no better than this share of guessing has learnt nothing.
const GUESSING: f64 = 0.98;

/// What a detector looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// No step is applied that had never been applied before.
    NoProgress,
    /// Groups form and break before they get any further.
    GenerationsWithoutStep,
    /// Groups break again and again.
    RestartStorm,
    /// The newest checkpoint is old.
    CheckpointOld,
    /// All wait for one rank.
    Straggler,
    /// Steps wait for samples, or for the copy of the state.
    Bottleneck,
    /// Items of telemetry were dropped: what is shown has gaps.
    TelemetryDropped,
    /// Masked voxels are predicted no better than by their mean.
    ReconstructionPlateau,
    /// Pairs of image and text are told apart no better than by guessing.
    ContrastiveAtChance,
}

/// One thing that a detector found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: FindingKind,
    /// All of it in one line.
    pub line: String,
    /// Whom it is about, if it is about one rank, and where that is slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl Finding {
    const fn of_run(kind: FindingKind, line: String) -> Self {
        Self {
            kind,
            line,
            rank: None,
            worker: None,
            host: None,
            account: None,
        }
    }
}

/// All that is found in a snapshot, the most urgent first; in a sound run nothing.
#[must_use]
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    if snapshot.state == RunState::Training {
        found.extend(no_progress(snapshot));
        found.extend(without_step(snapshot));
        found.extend(restart_storm(snapshot));
        found.extend(checkpoint_old(snapshot));
        found.extend(snapshot.signs.stragglers.iter().map(of_straggler));
        found.extend(of_bottleneck(snapshot));
    }
    found.extend(dropped(snapshot));
    found.extend(of_losses(snapshot));
    found
}

fn no_progress(snapshot: &Snapshot) -> Option<Finding> {
    let since = snapshot.unix_ms.checked_sub(snapshot.progress_unix_ms?)? as f64;
    let step_ms = snapshot.step_seconds.unwrap_or(0.0) * 1e3;
    (since > (STALLED_STEPS * step_ms).max(STALLED_MS)).then(|| {
        let line = format!(
            "no new step for {}; the newest is {}, and one takes {}",
            spoken(since / 1e3),
            snapshot.best_step,
            spoken(step_ms / 1e3)
        );
        Finding::of_run(FindingKind::NoProgress, line)
    })
}

fn without_step(snapshot: &Snapshot) -> Option<Finding> {
    let count = snapshot.signs.generations_without_step;
    (count >= WITHOUT_STEP).then(|| {
        let line = format!(
            "{count} generations began since step {} was applied, and none got further",
            snapshot.best_step
        );
        Finding::of_run(FindingKind::GenerationsWithoutStep, line)
    })
}

fn restart_storm(snapshot: &Snapshot) -> Option<Finding> {
    let count = snapshot.signs.restarts;
    (count >= STORM).then(|| {
        let line = format!("{count} groups broke within the last 15 minutes");
        Finding::of_run(FindingKind::RestartStorm, line)
    })
}

fn checkpoint_old(snapshot: &Snapshot) -> Option<Finding> {
    let every = snapshot.signs.checkpoint_every_ms?;
    let age = snapshot.unix_ms.checked_sub(snapshot.committed_unix_ms?)?;
    let is_behind = snapshot.committed_step < Some(snapshot.step);
    let bound = every
        .saturating_mul(CHECKPOINTS)
        .saturating_add(CHECKPOINT_MS);
    (is_behind && age > bound).then(|| {
        let line = format!(
            "the newest checkpoint, of step {}, is {} old; one is due every {}",
            snapshot.committed_step.unwrap_or(0),
            spoken(age as f64 / 1e3),
            spoken(every as f64 / 1e3)
        );
        Finding::of_run(FindingKind::CheckpointOld, line)
    })
}

fn of_straggler(straggler: &Straggler) -> Finding {
    let Straggler {
        rank,
        worker,
        host,
        account,
        own_ms,
        others_ms,
        cost_ms,
        cost_share,
        ..
    } = straggler;
    let percent = 100.0 * cost_share;
    let why = match account.as_str() {
        "transfer" => {
            "it computes as fast as the others, but its data come late: look at its network"
                .to_owned()
        }
        account => format!(
            "{own_ms:.0} ms of {account} a step, where the others would take {others_ms:.0} ms"
        ),
    };
    Finding {
        rank: Some(*rank),
        worker: Some(worker.clone()),
        host: Some(host.clone()),
        account: Some(account.clone()),
        ..Finding::of_run(
            FindingKind::Straggler,
            format!(
                "all wait for rank {rank} ({worker} on {host}): {why}; this costs {cost_ms:.0} ms a step ({percent:.0} %)"
            ),
        )
    }
}

/// A bottleneck that no straggler explains.
fn of_bottleneck(snapshot: &Snapshot) -> Option<Finding> {
    let signs = &snapshot.signs;
    let Bottleneck {
        account,
        rank,
        worker,
        host,
        share,
        own_ms,
    } = signs.bottleneck.as_ref()?;
    if signs.stragglers.iter().any(|it| it.account == *account) {
        return None;
    }
    let what = match account.as_str() {
        "load" => "samples",
        _ => "the copy of the state",
    };
    let line = format!(
        "steps wait for {what}: {own_ms:.0} ms of {account} a step ({:.0} %), most on rank {rank} ({worker} on {host})",
        100.0 * share
    );
    Some(Finding {
        rank: Some(*rank),
        worker: Some(worker.clone()),
        host: Some(host.clone()),
        account: Some(account.clone()),
        ..Finding::of_run(FindingKind::Bottleneck, line)
    })
}

fn dropped(snapshot: &Snapshot) -> Option<Finding> {
    let count = snapshot.counts.telemetry_dropped;
    (count > 0).then(|| {
        let line = format!("{count} items of telemetry were dropped, so what is shown has gaps");
        Finding::of_run(FindingKind::TelemetryDropped, line)
    })
}

fn of_losses(snapshot: &Snapshot) -> Vec<Finding> {
    let warm_up = WARM_UP.max(snapshot.last_step / WARM_UP_PART);
    let losses = snapshot
        .signs
        .losses
        .filter(|losses| losses.steps >= warm_up);
    let Some(losses) = losses else {
        return Vec::new();
    };
    let plateau = plateau(&losses);
    plateau
        .into_iter()
        .chain(at_chance(&losses, snapshot.batch))
        .collect()
}

fn plateau(losses: &Losses) -> Option<Finding> {
    let (reconstruction, baseline) = losses.reconstruction.zip(losses.mean_baseline)?;
    (reconstruction >= GUESSING * baseline).then(|| {
        let line = format!(
            "after {} steps the reconstruction loss is {reconstruction:.4}; predicting the mean gives {baseline:.4}",
            losses.steps
        );
        Finding::of_run(FindingKind::ReconstructionPlateau, line)
    })
}

fn at_chance(losses: &Losses, batch: u64) -> Option<Finding> {
    let (contrastive, chance) = (losses.contrastive?, (batch.max(1) as f64).ln());
    (chance > 0.0 && contrastive >= GUESSING * chance).then(|| {
        let line = format!(
            "after {} steps the contrastive loss is {contrastive:.4}; guessing in a batch of {batch} gives {chance:.4}",
            losses.steps
        );
        Finding::of_run(FindingKind::ContrastiveAtChance, line)
    })
}

/// A length of time for people.
fn spoken(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests;
