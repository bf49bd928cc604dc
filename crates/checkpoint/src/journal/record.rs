//! The records of the journal and their text form.
//! Owns the kinds of records; in which order they come is the coordinator's.

use bytes::Bytes;
use fratmae_control::{CheckpointId, Generation, JournalFact, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::error::{CheckpointError, damaged};
use crate::manifest::{FORMAT_VERSION, Manifest, refuse_newer};
use crate::sealed::{seal, unseal};

/// A coordinator, as others need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorMark {
    /// Where workers and people reach it.
    pub address: String,
    /// The version of its program.
    pub version: String,
    /// A text no other coordinator has, not even the same one started again.
    pub nonce: String,
    /// What tells its host from any other: a loopback address is good on that host alone. Empty if unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The newest step that was known when it took over; not known of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
}

/// What decides to which bits a worker comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerKind {
    /// The version of its program.
    pub version: String,
    /// Its CPU's kernel set.
    pub kernels: String,
    /// Where it trains, as `workers.device` names it.
    pub device: String,
}

/// What a commit can be compared with after its objects were changed or deleted; empty in records of older versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitDigests {
    /// The digest of the weights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights: String,
    /// [`Manifest::digest`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// BLAKE3 over each file of the history that was written for it, by the file's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub history: BTreeMap<String, String>,
}

impl CommitDigests {
    /// Those of a checkpoint, and of the files of the history that were written for it.
    ///
    /// # Errors
    /// [`CheckpointError::Unwritable`] for a manifest that could not have been written.
    pub fn of(
        manifest: &Manifest,
        history: BTreeMap<String, String>,
    ) -> Result<Self, CheckpointError> {
        Ok(Self {
            weights: manifest.weights_digest.clone(),
            manifest: manifest.digest()?,
            history,
        })
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A fact about a run that must outlive its coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A coordinator took the run over.
    Fence { fence: u64, mark: CoordinatorMark },
    /// A membership begins.
    Generation {
        generation: u64,
        /// Names of its members in rank order.
        members: Vec<String>,
        /// Digests of the secrets that its members were given, in rank order; none in records of older versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seats: Vec<String>,
        /// The kinds of the workers that were there, each once; none in records of older versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<WorkerKind>,
    },
    /// A checkpoint is committed.
    Commit {
        /// The step it holds.
        step: u64,
        /// The generation that wrote it.
        generation: u64,
        #[serde(default, skip_serializing_if = "CommitDigests::is_empty")]
        digests: CommitDigests,
    },
    /// A checkpoint is given up, with all that lies in its folder: nobody begins from it any more. Written before the
    /// first object of it is deleted, so that whoever takes over knows all that may vanish.
    Removed {
        /// The step it holds.
        step: u64,
        /// The generation that wrote it.
        generation: u64,
    },
    /// A damaged sample of the data set was passed over, and another case trained on in its place. A step that is
    /// repeated after a failure is written down again.
    Skipped {
        /// The generation that passed it over.
        generation: u64,
        /// The step that it belongs to.
        step: u64,
        /// Its slot in the step.
        slot: u32,
        /// What was damaged and what was taken, as the coordinator words it.
        sample: serde_json::Value,
    },
    /// A batch whose loss or gradient was not finite moved no weight. A step that is repeated after a failure is written
    /// down again.
    BadBatch {
        /// The generation that passed it over.
        generation: u64,
        step: u64,
        /// What was not finite, and which slots and cases are to blame, as the coordinator words it.
        batch: serde_json::Value,
    },
    /// Something was wrong with a worker, and the run went on.
    Verdict {
        /// The generation at that time.
        generation: u64,
        /// Who, why and on what grounds, as the coordinator words it.
        verdict: serde_json::Value,
    },
    /// Every step was applied.
    Finished {
        /// The result, as the coordinator words it.
        summary: serde_json::Value,
    },
    /// The coordinator stopped before the end.
    Interrupted {
        /// The newest step that can be gone on from.
        step: u64,
        /// Why, in one line.
        reason: String,
    },
    /// The run begins with the weights and moments of another run's checkpoint, which is copied into it.
    Forked {
        /// The other run's address at that time.
        run: String,
        run_id: String,
        /// The step of its checkpoint, from which this run's steps are numbered on.
        step: u64,
        /// The other run's generation that wrote the checkpoint.
        generation: u64,
        /// The digest of its weights.
        weights_digest: String,
    },
    /// The run was taken back to a checkpoint: all that was committed after its step is given up.
    RolledBack {
        step: u64,
        /// The generation that wrote it.
        generation: u64,
    },
}

impl Record {
    /// The commit of a checkpoint.
    #[must_use]
    pub fn commit(id: CheckpointId, digests: CommitDigests) -> Self {
        Self::Commit {
            step: id.step.get(),
            generation: id.generation.get(),
            digests,
        }
    }
}

/// What the run's course follows from.
impl From<&Record> for JournalFact {
    fn from(record: &Record) -> Self {
        let id = |step, generation| CheckpointId {
            step: Step::new(step),
            generation: Generation::new(generation),
        };
        match record {
            Record::Generation {
                generation,
                members,
                ..
            } => Self::Generation {
                generation: Generation::new(*generation),
                members: u32::try_from(members.len()).unwrap_or(u32::MAX),
            },
            Record::Commit {
                step, generation, ..
            } => Self::Committed(id(*step, *generation)),
            Record::Removed { step, generation } => Self::Removed(id(*step, *generation)),
            Record::RolledBack { step, generation } => Self::RolledBack(id(*step, *generation)),
            Record::Finished { .. } => Self::Finished,
            Record::Interrupted { .. } => Self::Interrupted,
            Record::Fence { .. }
            | Record::Skipped { .. }
            | Record::BadBatch { .. }
            | Record::Verdict { .. }
            | Record::Forked { .. } => Self::Other,
        }
    }
}

/// The kinds of [`Record`] as they are written.
const KINDS: [&str; 11] = [
    "fence",
    "generation",
    "commit",
    "removed",
    "skipped",
    "bad_batch",
    "verdict",
    "finished",
    "interrupted",
    "forked",
    "rolled_back",
];

/// A record in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number in the journal, from 0.
    pub number: u64,
    /// The fence of the coordinator that wrote it.
    pub fence: u64,
    /// The nonce of the coordinator that wrote it, so that no two coordinators ever write the same bytes.
    pub nonce: String,
    pub record: Record,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format_version: u32,
    #[serde(flatten)]
    entry: Entry,
}

impl Entry {
    pub(crate) fn encode(&self, object: &str) -> Result<Bytes, CheckpointError> {
        let stored = Stored {
            format_version: FORMAT_VERSION,
            entry: self.clone(),
        };
        seal(&stored).map_err(|error| CheckpointError::Unwritable {
            object: object.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Reads the entry that should have `number`; `object` is its address for messages.
    pub(crate) fn decode(object: &str, number: u64, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let body = unseal(bytes).map_err(|reason| damaged(object, reason))?;
        refuse_newer(object, &body)?;
        refuse_unknown_kind(object, &body)?;
        let stored: Stored = serde_json::from_str(&body).map_err(|error| damaged(object, error))?;
        if stored.entry.number != number {
            let reason = format!("it is record {} under another name", stored.entry.number);
            return Err(damaged(object, reason));
        }
        Ok(stored.entry)
    }
}

fn refuse_unknown_kind(object: &str, body: &str) -> Result<(), CheckpointError> {
    let value: serde_json::Value =
        serde_json::from_str(body).map_err(|error| damaged(object, error))?;
    match value.pointer("/record/kind").and_then(|kind| kind.as_str()) {
        Some(kind) if !KINDS.contains(&kind) => Err(CheckpointError::Newer {
            object: object.to_owned(),
            what: format!("record kind `{kind}`"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn entries() -> Vec<Entry> {
        let mark = CoordinatorMark {
            address: "http://host:1".to_owned(),
            version: "0.1.0".to_owned(),
            nonce: "n".to_owned(),
            host: "h".to_owned(),
            step: Some(4),
        };
        let records = [
            Record::Fence { fence: 3, mark },
            Record::Generation {
                generation: 7,
                members: vec!["a".to_owned(), "b".to_owned()],
                seats: vec!["0".to_owned(), "1".to_owned()],
                kinds: vec![WorkerKind {
                    version: "0.1.0".to_owned(),
                    kernels: "x86_64+fma".to_owned(),
                    device: "cpu".to_owned(),
                }],
            },
            Record::Commit {
                step: 12,
                generation: 7,
                digests: CommitDigests {
                    weights: "w".to_owned(),
                    manifest: "m".to_owned(),
                    history: [("history/a".to_owned(), "h".to_owned())].into(),
                },
            },
            Record::Removed {
                step: 4,
                generation: 7,
            },
            Record::Skipped {
                generation: 7,
                step: 9,
                slot: 2,
                sample: serde_json::json!({"case": "a", "offset": 17}),
            },
            Record::BadBatch {
                generation: 7,
                step: 9,
                batch: serde_json::json!({"what": "loss"}),
            },
            Record::Verdict {
                generation: 7,
                verdict: serde_json::json!({"worker": "a"}),
            },
            Record::Finished {
                summary: serde_json::json!({"step": 12, "loss": 0.5}),
            },
            Record::Interrupted {
                step: 12,
                reason: "asked to".to_owned(),
            },
            Record::Forked {
                run: "s3://b/other".to_owned(),
                run_id: "r".to_owned(),
                step: 12,
                generation: 3,
                weights_digest: "w".to_owned(),
            },
            Record::RolledBack {
                step: 12,
                generation: 7,
            },
        ];
        let entry = |(number, record)| Entry {
            number,
            fence: 3,
            nonce: "n".to_owned(),
            record,
        };
        (0..).zip(records).map(entry).collect()
    }

    #[test]
    fn every_kind_reads_back() {
        for entry in entries() {
            let bytes = entry.encode("x").unwrap();
            assert_eq!(Entry::decode("x", entry.number, &bytes).unwrap(), entry);
        }
    }

    #[test]
    fn records_of_older_versions_read_as_they_were() {
        let commit = serde_json::json!({"kind": "commit", "step": 12, "generation": 7});
        let generation =
            serde_json::json!({"kind": "generation", "generation": 7, "members": ["a"]});
        for written in [commit, generation] {
            let record: Record = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&record).unwrap(), written);
        }
    }

    #[test]
    fn every_kind_is_known() {
        for (entry, kind) in entries().into_iter().zip(KINDS) {
            let value = serde_json::to_value(&entry).unwrap();
            assert_eq!(value["record"]["kind"], kind);
        }
    }

    #[test]
    fn flipped_byte_names_the_object() {
        let entry = &entries()[1];
        let good = entry.encode("x").unwrap();
        for index in 0..good.len() {
            let mut bad = good.to_vec();
            bad[index] ^= 2;
            let error = Entry::decode("journal/x", entry.number, &bad).unwrap_err();
            assert!(error.is_damage(), "byte {index}: {error}");
            assert!(
                error.to_string().starts_with("journal/x is damaged"),
                "{error}"
            );
        }
    }

    #[test]
    fn record_under_another_number_is_damage() {
        let entry = &entries()[1];
        let error = Entry::decode("x", 9, &entry.encode("x").unwrap()).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }

    #[test]
    fn newer_kinds_and_versions_are_told_apart_from_damage() {
        let kind = serde_json::json!({"format_version": FORMAT_VERSION, "number": 0, "fence": 1, "nonce": "n",
            "record": {"kind": "preemption", "rank": 1}});
        let version = serde_json::json!({"format_version": FORMAT_VERSION + 1, "anything": 1});
        for newer in [kind, version] {
            let error = Entry::decode("x", 0, &seal(&newer).unwrap()).unwrap_err();
            assert!(matches!(error, CheckpointError::Newer { .. }), "{error}");
        }
    }
}
