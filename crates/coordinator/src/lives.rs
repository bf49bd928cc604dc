//! Coordinators that died one after the other without a word and without a step: a cause that returns with every start.

use crate::observed::written;
use fratmae_checkpoint::{Entry, Progress, Record};
use fratmae_store::{Location, StoreError};
use std::collections::BTreeMap;

/// So many of them end the run.
const MOST: usize = 3;

/// A coordinator that did not last so long, until the next one began, may have had no time to hear of a step: workers go
/// on without it, and tell the next one.
const LEAST_MS: u64 = 15_000;

/// The newest step that is known of a run, whose newest checkpoint is of step `committed`.
pub(crate) async fn known_step(run: &Location, committed: u64) -> u64 {
    let progress = Progress::read(run).await;
    progress.map_or(committed, |progress| progress.step.max(committed))
}

/// Why a run is given up whose fence has just been taken, if its last coordinators say so. `entries` are the records
/// before that fence, and `step` is the newest known.
///
/// # Errors
/// The store's.
pub(crate) async fn given_up(
    run: &Location,
    entries: &[Entry],
    step: u64,
) -> Result<Option<String>, StoreError> {
    let is_fence = |entry: &&Entry| matches!(entry.record, Record::Fence { .. });
    if entries.iter().filter(is_fence).count() < MOST {
        return Ok(None);
    }
    let written = written(&run.list("journal").await?);
    Ok(no_progress(entries, &written, step))
}

fn no_progress(entries: &[Entry], written: &BTreeMap<u64, u64>, step: u64) -> Option<String> {
    let newest = entries.last()?.number;
    let mut end = *written.get(&(newest + 1))?;
    let mut count = 0;
    for entry in entries.iter().rev() {
        match &entry.record {
            Record::Fence { mark, .. } if mark.step == Some(step) => {
                let Some(&began) = written.get(&entry.number) else {
                    break;
                };
                if end.saturating_sub(began) >= LEAST_MS {
                    count += 1;
                }
                end = began;
            }
            // It got on, said why it ended, or nobody knows.
            Record::Fence { .. }
            | Record::Commit { .. }
            | Record::Finished { .. }
            | Record::Interrupted { .. }
            | Record::RolledBack { .. } => break,
            Record::Generation { .. }
            | Record::Removed { .. }
            | Record::Skipped { .. }
            | Record::BadBatch { .. }
            | Record::Verdict { .. }
            | Record::Forked { .. } => {}
        }
    }
    (count >= MOST).then(|| {
        let verdict = entries.iter().rev().find_map(|entry| match &entry.record {
            Record::Verdict { verdict, .. } => verdict.get("line")?.as_str(),
            _ => None,
        });
        let cause = verdict.map_or_else(
            || "their own logs say why".to_owned(),
            |line| format!("the last verdict is: {line}"),
        );
        format!(
            "{count} coordinators in a row died without a step beyond step {step}; {cause}; start the run again once the \
             cause is mended"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::CoordinatorMark;
    use serde_json::json;

    fn fence(step: Option<u64>) -> Record {
        let mark = CoordinatorMark {
            address: String::new(),
            version: String::new(),
            nonce: String::new(),
            host: String::new(),
            step,
        };
        Record::Fence { fence: 1, mark }
    }

    fn interrupted() -> Record {
        let reason = "r".to_owned();
        Record::Interrupted { step: 4, reason }
    }

    /// What records come to, each written so many milliseconds after the one before, and a fence after them.
    fn judged(records: Vec<Record>, every: u64) -> Option<String> {
        let entry = |(number, record)| Entry {
            number,
            fence: 1,
            nonce: String::new(),
            record,
        };
        let entries: Vec<Entry> = (0..).zip(records).map(entry).collect();
        let numbers = 0..=entries.len() as u64;
        let written = numbers.map(|number| (number, number * every)).collect();
        no_progress(&entries, &written, 4)
    }

    #[test]
    fn three_that_died_without_a_word_and_a_step_end_the_run_with_the_last_verdict() {
        let silent = || fence(Some(4));
        assert_eq!(judged(vec![silent(), silent()], LEAST_MS), None);
        let line = judged(vec![silent(); 3], LEAST_MS).unwrap();
        assert!(line.contains("step 4; their own logs"), "{line}");
        let verdict = Record::Verdict {
            generation: 1,
            verdict: json!({"line": "worker a: gone"}),
        };
        let line = judged(vec![silent(), silent(), verdict, silent()], LEAST_MS).unwrap();
        assert!(line.contains("worker a: gone"), "{line}");
    }

    #[test]
    fn one_that_got_on_or_said_why_it_ended_begins_the_count_anew() {
        let silent = || fence(Some(4));
        let commit = || Record::Commit {
            step: 4,
            generation: 1,
            digests: fratmae_checkpoint::CommitDigests::default(),
        };
        for other in [fence(Some(3)), fence(None), interrupted(), commit()] {
            let records = vec![silent(), silent(), other, silent()];
            assert_eq!(judged(records, LEAST_MS), None);
        }
    }

    #[test]
    fn those_that_had_no_time_do_not_count() {
        assert_eq!(judged(vec![fence(Some(4)); 9], LEAST_MS - 1), None);
    }
}
