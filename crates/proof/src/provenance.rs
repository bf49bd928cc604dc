//! `provenance.json`: which job, data, programs and workers weights come from, what of that is proved, and what is not.
//!
//! It names no case, no address and no place, so it can go wherever the weights go.

use crate::audit::{Check, Judgement};
use crate::evidence::Evidence;
use crate::subject::digest_of;
use fratmae_checkpoint::{Record, WorkerKind};
use fratmae_coordinator::RunFile;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The version of what is written here.
const FORMAT_VERSION: u32 = 1;

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub format_version: u32,
    /// The program that made the audit.
    pub audited_by: String,
    /// Tells the run from any other.
    pub run_id: String,
    /// Where its first weights are from, if it is a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
    /// The last step that the records cover, and the samples in the lineage of its weights.
    pub step: u64,
    pub samples: u64,
    /// Every checkpoint that was committed, oldest first.
    pub checkpoints: Vec<CheckpointProof>,
    /// BLAKE3 over the values that decide the result, and these values.
    pub job_digest: String,
    pub job: BTreeMap<String, Value>,
    pub data: DataProof,
    /// Versions of the coordinators.
    pub versions: Vec<String>,
    /// What the workers computed with; empty where only older versions led, which did not record it.
    pub workers: Vec<WorkerKind>,
    pub journal: ObjectsProof,
    pub history: ObjectsProof,
    pub course: Course,
    /// What was computed again; nothing if nothing was.
    pub replay: Option<ReplayProof>,
    /// What holds, in sentences.
    pub proved: Vec<Claim>,
    /// What these records cannot show, in sentences.
    pub not_proved: Vec<String>,
}

/// The checkpoint of another run that a fork began from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkedFrom {
    pub run_id: String,
    pub step: u64,
    pub weights_digest: String,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointProof {
    pub step: u64,
    pub generation: u64,
    /// The digest of its weights; empty where neither its parts nor a digest in the journal are left.
    pub weights_digest: String,
    /// Whether its parts were read now.
    pub is_read: bool,
}

/// The data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataProof {
    pub digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    pub cases: usize,
    /// Whether every slice was compared with its digest now.
    pub is_read: bool,
}

/// Objects of a kind: how many, and BLAKE3 over the lines that `b3sum` prints of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsProof {
    pub objects: usize,
    pub digest: String,
}

/// What happened on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    pub coordinators: u64,
    pub generations: u64,
    pub verdicts: u64,
    pub rollbacks: u64,
    /// Steps whose batch moved no weight.
    pub bad_batches: Vec<u64>,
    /// Damaged samples that were replaced by others.
    pub skipped_samples: u64,
}

/// What was computed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayProof {
    /// What the draw followed from.
    pub seed: u64,
    /// Steps that could have been drawn: those near a checkpoint.
    pub among: usize,
    /// Steps that were drawn.
    pub drawn: Vec<u64>,
    /// All steps that were computed, with those on the way to the drawn ones.
    pub computed: u64,
    /// Steps whose weights were compared with a digest in the records.
    pub weights_compared: Vec<u64>,
    /// Ranks that computed.
    pub ranks: usize,
    /// What they computed with.
    pub kernels: String,
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name of the check.
    pub check: String,
    pub claim: String,
}

impl Provenance {
    /// What an audit without a finding, and the replay that belongs to it, prove.
    #[must_use]
    pub fn of(
        evidence: &Evidence,
        judgement: &Judgement,
        replay: Option<ReplayProof>,
        audited_by: &str,
    ) -> Self {
        let subject = &evidence.subject;
        let RunFile {
            run_id,
            data_digest,
            manifest_digest,
            cases,
            origin,
            ..
        } = subject.run_file.clone();
        let files = subject.files.iter();
        let files = files.map(|file| (&*file.name, &*file.digest));
        let forked_from = origin.map(|origin| ForkedFrom {
            run_id: origin.run_id,
            step: origin.step,
            weights_digest: origin.weights_digest,
        });
        Self {
            format_version: FORMAT_VERSION,
            audited_by: audited_by.to_owned(),
            run_id,
            forked_from,
            step: judgement.last,
            samples: subject
                .run_file
                .samples_at(judgement.last, subject.config.train.batch),
            checkpoints: checkpoints(evidence),
            job_digest: subject.config.digest(),
            job: subject.config.identity(),
            data: DataProof {
                digest: data_digest,
                manifest_digest,
                cases,
                is_read: evidence.data.is_read,
            },
            versions: versions(evidence),
            workers: workers(evidence),
            journal: ObjectsProof {
                objects: subject.journal.0,
                digest: subject.journal.1.clone(),
            },
            history: ObjectsProof {
                objects: subject.files.len(),
                digest: digest_of(files),
            },
            course: course(evidence),
            proved: proved(judgement, replay.as_ref()),
            not_proved: not_proved(judgement, replay.as_ref()),
            replay,
        }
    }

    /// Whether it speaks of these weights.
    #[must_use]
    pub fn covers(&self, weights_digest: &str) -> bool {
        let mut checkpoints = self.checkpoints.iter();
        checkpoints.any(|checkpoint| checkpoint.weights_digest == weights_digest)
    }
}

fn checkpoints(evidence: &Evidence) -> Vec<CheckpointProof> {
    let mut found: BTreeMap<(u64, u64), CheckpointProof> = BTreeMap::new();
    for record in evidence.subject.records() {
        if let Record::Commit {
            step,
            generation,
            digests,
        } = record
        {
            let proof = CheckpointProof {
                step: *step,
                generation: *generation,
                weights_digest: digests.weights.clone(),
                is_read: false,
            };
            found.insert((*step, *generation), proof);
        }
    }
    for checkpoint in &evidence.checkpoints {
        if let Ok((manifest, weights)) = &checkpoint.found {
            let (step, generation) = (manifest.step, manifest.generation);
            let proof = CheckpointProof {
                step,
                generation,
                weights_digest: weights.clone(),
                is_read: true,
            };
            found.insert((step, generation), proof);
        }
    }
    found.into_values().collect()
}

fn versions(evidence: &Evidence) -> Vec<String> {
    let versions = evidence
        .subject
        .records()
        .filter_map(|record| match record {
            Record::Fence { mark, .. } => Some(mark.version.clone()),
            _ => None,
        });
    let versions: BTreeSet<_> = versions.collect();
    versions.into_iter().collect()
}

fn workers(evidence: &Evidence) -> Vec<WorkerKind> {
    let kinds = evidence
        .subject
        .records()
        .filter_map(|record| match record {
            Record::Generation { kinds, .. } => Some(kinds.iter().cloned()),
            _ => None,
        });
    let kinds: BTreeSet<_> = kinds.flatten().collect();
    kinds.into_iter().collect()
}

fn course(evidence: &Evidence) -> Course {
    let mut course = Course::default();
    for record in evidence.subject.records() {
        match record {
            Record::Fence { .. } => course.coordinators += 1,
            Record::Generation { .. } => course.generations += 1,
            Record::Verdict { .. } => course.verdicts += 1,
            Record::RolledBack { .. } => course.rollbacks += 1,
            Record::BadBatch { step, .. } => course.bad_batches.push(*step),
            Record::Skipped { .. } => course.skipped_samples += 1,
            Record::Commit { .. }
            | Record::Removed { .. }
            | Record::Finished { .. }
            | Record::Interrupted { .. }
            | Record::Forked { .. } => {}
        }
    }
    course.bad_batches.sort_unstable();
    course.bad_batches.dedup();
    course
}

fn proved(judgement: &Judgement, replay: Option<&ReplayProof>) -> Vec<Claim> {
    let replayed = replay.map(|_| Check::Replay);
    let checks = Check::OF_RECORDS.into_iter().chain(replayed);
    let holding = checks.filter(|check| judgement.holds(*check));
    holding
        .map(|check| Claim {
            check: check.to_string(),
            claim: check.claim().to_owned(),
        })
        .collect()
}

/// What no record can show, what this run's cannot, and what was not looked at.
fn not_proved(judgement: &Judgement, replay: Option<&ReplayProof>) -> Vec<String> {
    let mut lines = vec![
        "The records have digests and no signatures: whoever can write to the whole store can make up journal, history and checkpoints that agree. A copy of this file that is kept elsewhere shows later changes.".to_owned(),
        "Times, phases, hosts and the reasons of verdicts are as they were reported.".to_owned(),
        "That the images of the data set are what they are said to be is not asked here.".to_owned(),
    ];
    lines.push(match replay {
        None => "No step was computed again: that the weights follow from job and data is recorded, not proved.".to_owned(),
        Some(replay) => format!(
            "{} of {} steps were computed again, those drawn and those on the way to them; the arithmetic of the others is not proved.",
            replay.computed, judgement.last
        ),
    });
    lines.extend(judgement.notes.iter().cloned());
    lines
}
