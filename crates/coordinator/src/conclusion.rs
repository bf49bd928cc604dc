//! From a verdict to the caller's outcome, made durable on the way.

use crate::error::CoordinatorError;
use crate::event::RunEvent;
use crate::history::{KeptHistory, read_kept_history};
use crate::runtime::Runtime;
use crate::summary::{Recent, Summary};
use fratmae_checkpoint::Record;
use fratmae_control::{RunOutcome, Step};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Every step is applied and committed.
    Finished(Summary),
    /// It was asked to stop, and goes on from here when run again.
    Interrupted {
        /// The newest committed step.
        step: u64,
        /// Why it was stopped.
        reason: &'static str,
    },
    /// It was asked to stop before it was opened.
    NotBegun,
    /// It was told to end at once: the next start goes on from the newest checkpoint.
    Abandoned,
}

/// Makes the verdict durable and turns it into the caller's outcome.
pub(crate) async fn conclude(runtime: &mut Runtime) -> Result<Outcome, CoordinatorError> {
    let Some(verdict) = runtime.verdict().cloned() else {
        return Err(CoordinatorError::Failed {
            reason: "the run ended without a verdict".to_owned(),
        });
    };
    match verdict {
        RunOutcome::Finished {
            step,
            weights_digest,
        } => {
            let summary = summarise(runtime, step, weights_digest).await?;
            let value = serde_json::to_value(&summary)
                .map_err(CoordinatorError::encoding("the summary"))?;
            runtime
                .journal_mut()
                .append(Record::Finished { summary: value })
                .await?;
            runtime.emit(RunEvent::Finished {
                summary: Box::new(summary.clone()),
            });
            Ok(Outcome::Finished(summary))
        }
        RunOutcome::Interrupted { step, cause } => {
            let reason = cause.reason();
            runtime
                .journal_mut()
                .append(Record::Interrupted {
                    step: step.get(),
                    reason: reason.to_owned(),
                })
                .await?;
            let step = step.get();
            Ok(Outcome::Interrupted { step, reason })
        }
        RunOutcome::Failed { reason } => {
            let step = runtime.cluster.newest().step().get();
            runtime
                .journal_mut()
                .append(Record::Interrupted {
                    step,
                    reason: reason.clone(),
                })
                .await?;
            Err(CoordinatorError::Failed { reason })
        }
    }
}

/// Steps whose means a summary has.
const RECENT: u64 = 20;

/// The last step's figures come from the store where an earlier coordinator saw that step.
async fn summarise(
    runtime: &Runtime,
    step: Step,
    weights_digest: String,
) -> Result<Summary, CoordinatorError> {
    // The weights are none the worse for figures that cannot be read.
    let warn = |warning| runtime.emit(RunEvent::Warned { warning });
    let history = read_kept_history(&runtime.job().run).await;
    let KeptHistory { rows, damaged } = history.unwrap_or_else(|error| KeptHistory {
        rows: Vec::new(),
        damaged: vec![format!("the history cannot be read: {error}")],
    });
    let is_whole = damaged.is_empty();
    damaged.into_iter().for_each(warn);
    let after = step.get().saturating_sub(RECENT);
    let recent = &rows[rows.partition_point(|row| row.step <= after)..];
    let seconds = || rows.iter().map(|row| row.seconds).sum::<f64>();
    let last = runtime.newest_row.as_ref().or(recent.last());
    let config = &runtime.job().config;
    let chance = || (config.train.batch as f64).ln();
    Ok(Summary {
        run: runtime.job().run.url().to_owned(),
        step: step.get(),
        metrics: last.map(|row| row.metrics.clone()).unwrap_or_default(),
        contrastive_chance: config.model.contrastive.then(chance),
        recent: Recent::of(recent),
        weights_digest,
        samples_seen: runtime.samples_at(step),
        seconds: runtime.seconds(),
        training_seconds: is_whole.then(seconds),
    })
}
