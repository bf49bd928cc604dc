//! The records of a run's journal as they are shown: what happened and when, without secrets, digests and cases.

use fratmae_checkpoint::{Entry, Record};
use fratmae_coordinator::WorkerVerdict;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Item {
    /// Its number in the journal.
    pub(crate) number: u64,
    /// When it was written, in milliseconds since 1970 by the store's clock.
    pub(crate) unix_ms: Option<u64>,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    Fence {
        fence: u64,
        version: String,
    },
    Generation {
        generation: u64,
        members: Vec<String>,
        /// The step that it went on from, as far as figures tell.
        step: Option<u64>,
    },
    Commit {
        step: u64,
        generation: u64,
    },
    Removed {
        step: u64,
        generation: u64,
    },
    Skipped {
        step: u64,
        slot: u32,
        generation: u64,
    },
    BadBatch {
        step: u64,
        generation: u64,
    },
    Verdict(Box<WorkerVerdict>),
    Finished {
        step: Option<u64>,
    },
    Interrupted {
        step: u64,
        reason: String,
    },
    Forked {
        run: String,
        step: u64,
    },
    RolledBack {
        step: u64,
        generation: u64,
    },
}

/// A checkpoint that was committed once.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Checkpoint {
    pub(crate) step: u64,
    pub(crate) generation: u64,
    pub(crate) unix_ms: Option<u64>,
    /// Whether it was not given up since.
    pub(crate) is_kept: bool,
}

impl Item {
    /// A record, written then; none if this version cannot read what it says.
    pub(crate) fn of(entry: Entry, unix_ms: Option<u64>) -> Option<Self> {
        Some(Self {
            number: entry.number,
            unix_ms,
            what: What::of(entry.record)?,
        })
    }
}

impl What {
    fn of(record: Record) -> Option<Self> {
        Some(match record {
            Record::Fence { fence, mark } => Self::Fence {
                fence,
                version: mark.version,
            },
            Record::Generation {
                generation,
                members,
                ..
            } => Self::Generation {
                generation,
                members,
                step: None,
            },
            Record::Commit {
                step, generation, ..
            } => Self::Commit { step, generation },
            Record::Removed { step, generation } => Self::Removed { step, generation },
            Record::Skipped {
                generation,
                step,
                slot,
                ..
            } => Self::Skipped {
                step,
                slot,
                generation,
            },
            Record::BadBatch {
                generation, step, ..
            } => Self::BadBatch { step, generation },
            Record::Verdict { verdict, .. } => Self::Verdict(serde_json::from_value(verdict).ok()?),
            Record::Finished { summary } => Self::Finished {
                step: summary.get("step").and_then(serde_json::Value::as_u64),
            },
            Record::Interrupted { step, reason } => Self::Interrupted { step, reason },
            Record::Forked { run, step, .. } => Self::Forked { run, step },
            Record::RolledBack { step, generation } => Self::RolledBack { step, generation },
        })
    }
}

/// The records with the step that each generation went on from, given the first step that each applied.
pub(crate) fn placed(items: &[Item], first_steps: &BTreeMap<u64, u64>) -> Vec<Item> {
    let placed = items.iter().cloned().map(|mut item| {
        if let What::Generation {
            generation, step, ..
        } = &mut item.what
        {
            *step = first_steps
                .get(generation)
                .map(|first| first.saturating_sub(1));
        }
        item
    });
    placed.collect()
}

/// The checkpoints that were committed, in the order of their records.
pub(crate) fn checkpoints(items: &[Item]) -> Vec<Checkpoint> {
    let removed = items.iter().filter_map(|item| match item.what {
        What::Removed { step, generation } => Some((step, generation)),
        _ => None,
    });
    let removed: BTreeSet<(u64, u64)> = removed.collect();
    let committed = items.iter().filter_map(|item| match item.what {
        What::Commit { step, generation } => Some(Checkpoint {
            step,
            generation,
            unix_ms: item.unix_ms,
            is_kept: !removed.contains(&(step, generation)),
        }),
        _ => None,
    });
    committed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::CommitDigests;
    use serde_json::json;

    fn item(number: u64, record: Record) -> Item {
        let entry = Entry {
            number,
            fence: 1,
            nonce: "a-nonce".to_owned(),
            record,
        };
        Item::of(entry, Some(1000 * number)).unwrap()
    }

    fn generation(number: u64, generation: u64) -> Item {
        let record = Record::Generation {
            generation,
            members: vec!["local-0".to_owned()],
            seats: vec!["a-digest".to_owned()],
            kinds: Vec::new(),
        };
        item(number, record)
    }

    #[test]
    fn what_is_secret_or_of_a_case_is_not_shown() {
        let skipped = Record::Skipped {
            generation: 1,
            step: 4,
            slot: 2,
            sample: json!({"case": "case-7", "replacement": "case-9"}),
        };
        let bad = Record::BadBatch {
            generation: 1,
            step: 5,
            batch: json!({"slots": [{"slot": 0, "cases": ["case-7"]}]}),
        };
        let items = [generation(0, 1), item(1, skipped), item(2, bad)];
        let json = serde_json::to_string(&items).unwrap();
        for secret in ["a-nonce", "a-digest", "case-"] {
            assert!(!json.contains(secret), "{json}");
        }
        assert!(
            json.contains(r#""kind":"skipped","step":4,"slot":2"#),
            "{json}"
        );
    }

    #[test]
    fn a_verdict_is_shown_with_its_fields() {
        let verdict = json!({"line": "w is silent", "worker": "w", "host": "h", "rank": 1, "generation": 2, "step": 7,
            "phase": "forward", "collective": null, "sequence": null, "reason": "silent", "evidence": []});
        let record = Record::Verdict {
            generation: 2,
            verdict,
        };
        let json = serde_json::to_value(item(3, record)).unwrap();
        assert_eq!(
            (&json["kind"], &json["step"]),
            (&json!("verdict"), &json!(7))
        );
        let unreadable = Record::Verdict {
            generation: 2,
            verdict: json!("of a later version"),
        };
        let entry = Entry {
            number: 0,
            fence: 1,
            nonce: String::new(),
            record: unreadable,
        };
        assert_eq!(Item::of(entry, None), None);
    }

    #[test]
    fn a_generation_stands_at_the_step_it_went_on_from() {
        let items = [generation(0, 1), generation(1, 2), generation(2, 3)];
        let steps = placed(&items, &[(1, 1), (3, 41)].into());
        let steps = steps.iter().map(|item| match item.what {
            What::Generation { step, .. } => step,
            _ => None,
        });
        assert_eq!(steps.collect::<Vec<_>>(), [Some(0), None, Some(40)]);
    }

    #[test]
    fn a_checkpoint_that_was_given_up_is_not_kept() {
        let records = [
            Record::Commit {
                step: 10,
                generation: 1,
                digests: CommitDigests::default(),
            },
            Record::Commit {
                step: 20,
                generation: 1,
                digests: CommitDigests::default(),
            },
            Record::Removed {
                step: 10,
                generation: 1,
            },
        ];
        let items: Vec<_> = (0..)
            .zip(records)
            .map(|(number, it)| item(number, it))
            .collect();
        let kept: Vec<_> = checkpoints(&items)
            .iter()
            .map(|it| (it.step, it.is_kept))
            .collect();
        assert_eq!(kept, [(10, false), (20, true)]);
    }
}
