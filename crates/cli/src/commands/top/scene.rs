//! What there is to draw: a run at one moment, the losses up to it, and what happened.

use fratmae_coordinator::{HistoryRow, RunStatus};
use fratmae_observe::{Counts, RunState, Seat, Snapshot, WorkerView};
use fratmae_telemetry::{Account, Accounts};

/// A run as `top` draws it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scene {
    pub(super) snapshot: Snapshot,
    /// The loss of each step.
    pub(super) losses: Vec<(u64, f64)>,
    /// What happened, a line each, the newest first.
    pub(super) news: Vec<String>,
    /// Why nothing newer is known.
    pub(super) trouble: Option<String>,
}

impl Scene {
    pub(super) fn of(status: RunStatus, history: &[HistoryRow]) -> Self {
        let losses = history.iter().map(|row| (row.step, row.loss()));
        let mut losses: Vec<_> = losses.filter(|(_, loss)| loss.is_finite()).collect();
        let newest = losses.last().map_or(0, |(step, _)| *step);
        losses.extend(
            status
                .loss
                .filter(|_| status.step > newest)
                .map(|loss| (status.step, loss)),
        );
        let news = status.notes.iter().cloned();
        let news = news.chain(status.verdicts.iter().map(|verdict| verdict.line.clone()));
        Self {
            losses,
            news: news.rev().collect(),
            snapshot: snapshot(status, history),
            trouble: None,
        }
    }
}

fn snapshot(status: RunStatus, history: &[HistoryRow]) -> Snapshot {
    let member = |(rank, name): (u32, &String)| WorkerView {
        name: name.clone(),
        seat: Seat::Member,
        rank: Some(rank),
        generation: status.generation,
        step: status.step,
        ..WorkerView::default()
    };
    let standby = |name: &String| WorkerView {
        name: name.clone(),
        seat: Seat::Standby,
        ..WorkerView::default()
    };
    let members = (0..).zip(&status.members).map(member);
    let workers = members
        .chain(status.standing_by.iter().map(standby))
        .collect();
    Snapshot {
        state: match status.state {
            "running" => RunState::Training,
            "finished" => RunState::Finished,
            "interrupted" => RunState::Interrupted,
            "failed" => RunState::Failed,
            _ => RunState::Stopped,
        },
        run: status.run,
        version: status.version,
        reason: status.reason,
        fence: status.fence,
        generation: status.generation,
        step: status.step,
        best_step: status.step,
        last_step: status.last_step,
        batch: status.batch,
        samples: history.last().map_or(0, |row| row.samples),
        committed_step: status.committed_step,
        step_seconds: status.step_seconds,
        samples_per_second: status.samples_per_second,
        eta_seconds: status.eta_seconds,
        metrics: history
            .last()
            .map(|row| row.metrics.clone())
            .unwrap_or_default(),
        wanted: status.workers.unwrap_or_default(),
        workers,
        counts: Counts {
            steps_applied: status.step,
            generations: status.generation,
            verdicts: status.verdicts.len() as u64,
            ..Counts::default()
        },
        accounts: accounts(history),
        ..Snapshot::default()
    }
}

/// Where the time of steps went, by the worker that measured it.
fn accounts(history: &[HistoryRow]) -> Accounts {
    let phases = history.iter().flat_map(|row| &row.phases);
    let spent = phases.filter_map(|(phase, seconds)| {
        let account = match phase.as_str() {
            "load" => Account::Load,
            "forward" => Account::Forward,
            "backward" => Account::Backward,
            "gather" | "reduce" => Account::Transfer,
            "optimizer" => Account::Optimizer,
            "checkpoint" => Account::Checkpoint,
            _ => return None,
        };
        Some((account, (seconds * 1e9) as u64))
    });
    spent.collect()
}
