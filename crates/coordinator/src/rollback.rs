//! Takes a run back to one of its checkpoints: all that was committed later is given up, and the next coordinator goes
//! on from there.
//!
//! One record in the journal decides it. What follows from it, the deletion of manifests and figures, may be broken off
//! and is repeated by the next rollback or coordinator.

use crate::error::CoordinatorError;
use crate::fork::at_step;
use crate::history::trim_history;
use crate::incumbent::live_leader;
use crate::job::read_run_file;
use crate::job_match::lineage;
use fratmae_checkpoint::{
    CheckpointId, CoordinatorMark, Journal, Record, Work, list, sweep, verify_of,
};
use fratmae_control::{Generation, JournalState};
use fratmae_network::host_id;
use fratmae_store::Location;
use std::collections::BTreeSet;

/// What a rollback came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The step that the next coordinator goes on from.
    pub step: u64,
    /// Steps of the checkpoints that are given up, in order.
    pub given_up: Vec<u64>,
}

/// Takes `run` back to its checkpoint of step `to`. `version` and `nonce` are those of a coordinator, as which it takes
/// the run over for a moment: none can lead meanwhile.
///
/// # Errors
/// `NoRun`; `Rollback` if a coordinator leads the run or it has no such checkpoint; `Checkpoint` if that is damaged; the
/// store's.
pub async fn rollback(
    run: &Location,
    to: u64,
    (version, nonce): (&str, &str),
) -> Result<RolledBack, CoordinatorError> {
    let run_id = read_run_file(run).await?.run_id;
    if let Some(address) = live_leader(run, &run_id).await? {
        let reason = format!("it is running (coordinator at {address}); stop it first");
        return Err(cannot(run, reason));
    }
    let found = Journal::read(run).await?.state();
    let job = lineage(run, version).await?;
    verify_of(run, &job, target(run, to, &found).await?).await?;
    let mark = CoordinatorMark {
        address: "none (checkpoint rollback)".to_owned(),
        version: version.to_owned(),
        nonce: nonce.to_owned(),
        host: host_id(),
        step: None,
    };
    let (mut journal, found) = Journal::take_over(run, mark).await?;
    // Whoever led until now may have given it up.
    let kept = target(run, to, &found).await?;
    let (step, generation) = (kept.step.get(), kept.generation.get());
    let mut later: BTreeSet<_> = list(run).await?.into_iter().collect();
    later.extend(found.committed());
    let removed = found.removed();
    later.retain(|id| *id > kept && !removed.contains(id));
    journal
        .append(Record::RolledBack { step, generation })
        .await?;
    for id in &later {
        let (step, generation) = (id.step.get(), id.generation.get());
        journal.append(Record::Removed { step, generation }).await?;
    }
    let work = Work {
        removed: later.union(removed).copied().collect(),
        due: BTreeSet::new(),
        over: Generation::new(0),
    };
    sweep(run, &work).await?;
    trim_history(run, step).await?;
    Ok(RolledBack {
        step,
        given_up: later.iter().map(|id| id.step.get()).collect(),
    })
}

/// The newest checkpoint of a step that is not given up.
async fn target(
    run: &Location,
    step: u64,
    found: &JournalState,
) -> Result<CheckpointId, CoordinatorError> {
    let mut kept = list(run).await?;
    kept.retain(|id| !found.removed().contains(id));
    at_step(&kept, step).map_err(|reason| cannot(run, reason))
}

fn cannot(run: &Location, reason: String) -> CoordinatorError {
    CoordinatorError::Rollback {
        run: run.url().to_owned(),
        reason,
    }
}
