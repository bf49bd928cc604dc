//! Checkpoints: each is whole, is of the job, and is what journal and history say.

use super::journal::committed;
use super::{Check, Judgement};
use crate::evidence::Evidence;
use crate::is_same;
use fratmae_checkpoint::{CheckpointId, CommitDigests, Manifest, Record};
use fratmae_coordinator::HistoryRow;

pub(super) fn check(evidence: &Evidence, rows: &[HistoryRow], judgement: &mut Judgement) {
    let committed = committed(evidence);
    let is_found = |id: &&CheckpointId| evidence.checkpoints.iter().any(|found| found.id == **id);
    for id in committed.keys().filter(|id| !is_found(id)) {
        judgement.find(
            Check::Checkpoints,
            format!("{id} is committed and not given up, and its manifest is missing"),
        );
    }
    for checkpoint in &evidence.checkpoints {
        let id = checkpoint.id;
        let digests = committed.get(&id);
        if digests.is_none() && evidence.subject.entries.is_some() {
            check_uncommitted(evidence, id, judgement);
        }
        match &checkpoint.found {
            Err(line) => judgement.find(Check::Checkpoints, line.clone()),
            Ok((manifest, weights)) => {
                check_job(evidence, manifest, judgement);
                check_weights(manifest, weights, digests, judgement);
                check_figures(evidence, manifest, rows, judgement);
            }
        }
    }
    if committed.values().any(|digests| digests.weights.is_empty()) {
        judgement.note("The journal has no digests of some commits, which an older version made or a later coordinator found: those are compared with their manifests alone.");
    }
}

/// A coordinator that was killed between manifest and record leaves one of its own, newer than all others.
fn check_uncommitted(evidence: &Evidence, id: CheckpointId, judgement: &mut Judgement) {
    let others = committed(evidence);
    let is_newest = others.keys().all(|other| other.step < id.step);
    let has_finished = evidence
        .subject
        .records()
        .any(|record| matches!(record, Record::Finished { .. }));
    if is_newest && !has_finished {
        judgement.note(format!(
            "{id} has a manifest and no record in the journal yet: its coordinator ended in between."
        ));
    } else {
        let line = format!("{id} has a manifest, and the journal no commit of it");
        judgement.find(Check::Checkpoints, line);
    }
}

/// It was trained by the job, the seed and the data set of `config.json`.
fn check_job(evidence: &Evidence, manifest: &Manifest, judgement: &mut Judgement) {
    let subject = &evidence.subject;
    let (id, config) = (manifest.id(), &subject.config);
    if manifest.seed != config.run.seed {
        judgement.find(
            Check::Job,
            format!(
                "{id} was trained with seed {}, and config.json has {}",
                manifest.seed, config.run.seed
            ),
        );
    }
    // Another version knows other keys, and comes to another digest of the same job.
    let is_ours = |record: &Record| match record {
        Record::Fence { mark, .. } => mark.version == subject.version,
        _ => true,
    };
    let expected = subject.records().all(is_ours).then(|| config.digest());
    let digests = [
        ("job", expected, &manifest.config_digest),
        (
            "data set",
            Some(subject.run_file.data_digest.clone()),
            &manifest.data_digest,
        ),
    ];
    for (what, expected, found) in digests {
        if let Some(expected) = expected.filter(|expected| expected != found) {
            judgement.find(
                Check::Job,
                format!(
                    "{id} was trained by another {what} ({found}) than config.json has ({expected})"
                ),
            );
        }
    }
}

/// The weights in its parts are those that manifest and journal name.
fn check_weights(
    manifest: &Manifest,
    weights: &str,
    digests: Option<&CommitDigests>,
    judgement: &mut Judgement,
) {
    let id = manifest.id();
    let mut differs = |what: &str, found: &str, expected: &str| {
        if !expected.is_empty() && found != expected {
            judgement.find(
                Check::Checkpoints,
                format!("{id}: {what} {found}, not {expected}"),
            );
        }
    };
    differs(
        "by its manifest the weights in its parts should have another digest:",
        weights,
        &manifest.weights_digest,
    );
    let Some(digests) = digests else { return };
    differs(
        "by the journal its weights should have another digest:",
        weights,
        &digests.weights,
    );
    let digest = manifest.digest().unwrap_or_default();
    differs(
        "its manifest was changed after it was committed: its digest is",
        &digest,
        &digests.manifest,
    );
}

/// What it says of its step is what the history says.
fn check_figures(
    evidence: &Evidence,
    manifest: &Manifest,
    rows: &[HistoryRow],
    judgement: &mut Judgement,
) {
    let subject = &evidence.subject;
    let (id, step) = (manifest.id(), manifest.step);
    let samples = subject
        .run_file
        .samples_at(step, subject.config.train.batch);
    if manifest.samples_seen != samples {
        let seen = manifest.samples_seen;
        let line = format!("{id} counts {seen} samples, and its step has {samples}");
        judgement.find(Check::Checkpoints, line);
    }
    let row = rows.iter().find(|row| row.step == step);
    // A coordinator that never had the figures commits without them.
    let loss = row
        .map(HistoryRow::loss)
        .filter(|_| manifest.loss.is_finite());
    if let Some(loss) = loss.filter(|loss| !is_same(*loss, manifest.loss)) {
        let line = format!("{id} has loss {}, and the history {loss}", manifest.loss);
        judgement.find(Check::Checkpoints, line);
    }
    let knows_fence = |record: &Record| match record {
        Record::Fence { fence, .. } => *fence == manifest.fence,
        _ => false,
    };
    let subject = &evidence.subject;
    if subject.unread.is_empty() && !subject.records().any(knows_fence) {
        let line = format!(
            "{id} was committed under fence {}, which nobody held",
            manifest.fence
        );
        judgement.find(Check::Checkpoints, line);
    }
}
