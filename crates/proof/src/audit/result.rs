//! The result: the weights that a finished run names are those that it came to.

use super::{Check, Judgement};
use crate::evidence::Evidence;
use crate::is_same;
use fratmae_checkpoint::Record;
use fratmae_coordinator::{HistoryRow, Summary};
use fratmae_telemetry::LOSS;
use serde_json::Value;

pub(super) fn check(evidence: &Evidence, rows: &[HistoryRow], judgement: &mut Judgement) {
    let subject = &evidence.subject;
    let Some(summary) = finished(evidence) else {
        let last = judgement.last;
        return judgement.note(format!(
            "The run has not finished: its records are judged up to step {last}."
        ));
    };
    let Ok(summary) = serde_json::from_value::<Summary>(summary.clone()) else {
        return judgement.find(Check::Result, "the record of it cannot be read");
    };
    let train = &subject.config.train;
    if summary.step != train.steps {
        let (step, steps) = (summary.step, train.steps);
        let line = format!("it is of step {step}, and the job has {steps}");
        judgement.find(Check::Result, line);
    }
    let (seen, samples) = (
        summary.samples_seen,
        subject.run_file.samples_at(summary.step, train.batch),
    );
    if seen != samples {
        let line = format!("it counts {seen} samples, not {samples}");
        judgement.find(Check::Result, line);
    }
    check_weights(evidence, &summary, judgement);
    let row = rows.iter().find(|row| row.step == summary.step);
    let (loss, named) = (row.map(HistoryRow::loss), summary.metrics.get(LOSS));
    if let Some(loss) = loss.filter(|loss| !is_same(*loss, named)) {
        let line = format!("it has loss {named}, and the history {loss}");
        judgement.find(Check::Result, line);
    }
}

/// The result that stands: a rollback takes one away.
fn finished(evidence: &Evidence) -> Option<&Value> {
    let mut finished = None;
    for record in evidence.subject.records() {
        match record {
            Record::Finished { summary } => finished = Some(summary),
            Record::RolledBack { .. } => finished = None,
            _ => {}
        }
    }
    finished
}

/// Its weights are those of the checkpoints of its step, on the store and in the journal.
fn check_weights(evidence: &Evidence, summary: &Summary, judgement: &mut Judgement) {
    let of_record = |record| match record {
        &Record::Commit {
            step, ref digests, ..
        } if step == summary.step => Some(digests.weights.as_str()),
        _ => None,
    };
    let recorded = evidence.subject.records().filter_map(of_record);
    let found = evidence.checkpoints.iter();
    let found = found.filter_map(|checkpoint| checkpoint.found.as_ref().ok());
    let found = found.filter(|(manifest, _)| manifest.step == summary.step);
    let known = recorded.chain(found.map(|(_, weights)| weights.as_str()));
    let known: Vec<_> = known.filter(|digest| !digest.is_empty()).collect();
    let digest = summary.weights_digest.as_str();
    if let Some(other) = known.iter().find(|known| **known != digest) {
        let line =
            format!("it names weights {digest}, and the checkpoint of that step has {other}");
        judgement.find(Check::Result, line);
    }
    if known.is_empty() {
        let line = "no checkpoint of its step is left or recorded";
        judgement.find(Check::Result, line);
    }
}
