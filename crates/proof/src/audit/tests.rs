//! A sound run passes, and each forgery is named by the check that it falls under.

use super::*;
use crate::evidence::{FoundCheckpoint, FoundData};
use crate::subject::{Subject, checkpoint};
use fratmae_checkpoint::{
    CommitDigests, CoordinatorMark, Entry, FORMAT_VERSION, Manifest, PartRecord, Record, WorkerKind,
};
use fratmae_config::Config;
use fratmae_coordinator::{HistoryFile, HistoryRow, Origin, RunFile};
use fratmae_dataset::SampleOrder;
use fratmae_store::Location;
use fratmae_trainer::learning_rate;

const BATCH: usize = 16;
const STEPS: u64 = 6;
const CASES: u32 = 12;

/// A run of six steps with commits of steps 3 and 6, the second one by another generation and coordinator.
fn sound() -> Evidence {
    let mut config = Config::default();
    config.run.seed = 7;
    (config.train.steps, config.train.batch, config.train.slots) = (STEPS, BATCH, 8);
    let run_file = RunFile {
        run_id: "r".to_owned(),
        config: serde_json::Value::Null,
        data_digest: "d".to_owned(),
        manifest_digest: None,
        cases: CASES as usize,
        schedule: 2,
        origin: None,
    };
    let rows: Vec<HistoryRow> = (1..=STEPS).map(|step| row(&config, step)).collect();
    let files = [1..=3, 4..=6].map(|steps| file(&rows, steps));
    let checkpoints = [(3, 1, 1), (6, 2, 2)].map(|at| found(&config, at, &rows));
    let entries = entries(&checkpoints, &files);
    let data = FoundData {
        case_ids: (0..CASES).map(|case| format!("case-{case}")).collect(),
        faults: Vec::new(),
        is_read: true,
    };
    let subject = Subject {
        run: Location::open("/nowhere").unwrap(),
        run_file,
        config,
        version: "1".to_owned(),
        entries: Some(entries),
        unread: Vec::new(),
        journal: (7, "j".to_owned()),
        files: files.into(),
        kept: checkpoints.iter().map(|found| found.id).collect(),
        data_url: String::new(),
        data: Err("not opened".to_owned()),
    };
    Evidence {
        subject,
        checkpoints: checkpoints.into(),
        data,
    }
}

fn row(config: &Config, step: u64) -> HistoryRow {
    let first = (step - 1) * BATCH as u64;
    let order = SampleOrder {
        seed: 7,
        cases: CASES,
    };
    let rate = learning_rate(&config.train, step);
    let metrics = [
        ("loss", 1.0 / step as f64),
        ("gradient_norm", 2.0),
        ("learning_rate", rate),
    ];
    let mut row = HistoryRow {
        step,
        generation: if step > 3 { 2 } else { 1 },
        samples: step * BATCH as u64,
        metrics: metrics.into_iter().collect(),
        ..HistoryRow::default()
    };
    let trained = row.trained.get_or_insert_default();
    for sample in order.samples(first).take(BATCH) {
        trained.positions.push(sample.position);
        trained.cases.push(sample.case);
    }
    row
}

fn file(rows: &[HistoryRow], steps: std::ops::RangeInclusive<u64>) -> HistoryFile {
    let (first, last) = (*steps.start(), *steps.end());
    let rows = rows.iter().filter(|row| steps.contains(&row.step));
    HistoryFile {
        name: format!("history/steps-{first:012}-{last:012}.parquet"),
        digest: format!("h{last}"),
        rows: Ok(rows.cloned().collect()),
    }
}

fn found(
    config: &Config,
    (step, generation, fence): (u64, u64, u64),
    rows: &[HistoryRow],
) -> FoundCheckpoint {
    let part = PartRecord {
        index: 0,
        name: "part-00000.safetensors".to_owned(),
        bytes: 4,
        digest: "p".to_owned(),
    };
    let weights = format!("w{step}");
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        step,
        generation,
        fence,
        parts: vec![part],
        weights_digest: weights.clone(),
        samples_seen: step * BATCH as u64,
        loss: rows[step as usize - 1].loss(),
        config_digest: config.digest(),
        data_digest: "d".to_owned(),
        seed: 7,
    };
    FoundCheckpoint {
        id: manifest.id(),
        found: Ok((manifest, weights)),
    }
}

fn entries(checkpoints: &[FoundCheckpoint], files: &[HistoryFile]) -> Vec<Entry> {
    let fence = |fence: u64| Record::Fence {
        fence,
        mark: CoordinatorMark {
            address: String::new(),
            version: "1".to_owned(),
            nonce: format!("n{fence}"),
            host: String::new(),
            step: None,
        },
    };
    let generation = |generation| Record::Generation {
        generation,
        members: vec!["a".to_owned()],
        seats: Vec::new(),
        kinds: vec![WorkerKind {
            version: "1".to_owned(),
            kernels: "k".to_owned(),
            device: "cpu".to_owned(),
        }],
    };
    let commit = |at: usize| {
        let (manifest, _) = checkpoints[at].found.as_ref().unwrap();
        let history = [(files[at].name.clone(), files[at].digest.clone())].into();
        Record::commit(manifest.id(), CommitDigests::of(manifest, history).unwrap())
    };
    let summary = serde_json::json!({"run": "r", "step": STEPS, "loss": 1.0 / 6.0, "weights_digest": "w6",
        "samples_seen": STEPS * BATCH as u64, "seconds": 1.0});
    let records = [
        (1, fence(1)),
        (1, generation(1)),
        (1, commit(0)),
        (2, fence(2)),
        (2, generation(2)),
        (2, commit(1)),
        (2, Record::Finished { summary }),
    ];
    let entry = |(number, (fence, record))| Entry {
        number,
        fence,
        nonce: format!("n{fence}"),
        record,
    };
    (0..).zip(records).map(entry).collect()
}

/// What the audit says of a run that was changed.
fn judged(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = sound();
    change(&mut evidence);
    let findings = judge(&evidence).findings;
    findings.iter().map(ToString::to_string).collect()
}

/// Checks that a change is found, first of all by this line.
fn assert_found(line: &str, change: impl FnOnce(&mut Evidence)) {
    let found = judged(change);
    assert!(
        found.iter().any(|found| found.contains(line)),
        "{line} in {found:#?}"
    );
}

fn entries_of(evidence: &mut Evidence) -> &mut Vec<Entry> {
    evidence.subject.entries.as_mut().unwrap()
}

fn rows_of(evidence: &mut Evidence, file: usize) -> &mut Vec<HistoryRow> {
    evidence.subject.files[file].rows.as_mut().unwrap()
}

fn manifest_of(evidence: &mut Evidence, at: usize) -> &mut Manifest {
    let found = evidence.checkpoints[at].found.as_mut().unwrap();
    &mut found.0
}

#[test]
fn a_sound_run_has_no_finding_and_nothing_left_to_say() {
    let judgement = judge(&sound());
    assert_eq!(judgement.findings, []);
    assert_eq!(
        (judgement.notes.as_slice(), judgement.last),
        (&[][..], STEPS)
    );
}

#[test]
fn another_seed_job_or_data_set_in_config_json_is_found() {
    let seed = |evidence: &mut Evidence| evidence.subject.config.run.seed = 8;
    assert_found(
        "job: step-000000000003.generation-000001 was trained with seed 7, and config.json has 8",
        seed,
    );
    assert_found("samples: step 1 trained on case number", seed);
    assert_found("was trained by another job", |evidence| {
        evidence.subject.config.train.lr *= 2.0;
    });
    assert_found("was trained by another data set (d)", |evidence| {
        "e".clone_into(&mut evidence.subject.run_file.data_digest);
    });
}

#[test]
fn a_record_of_another_writer_or_in_another_order_is_found() {
    assert_found(
        "journal: record 5: it was not written by the coordinator that led then",
        |it| {
            "x".clone_into(&mut entries_of(it)[5].nonce);
        },
    );
    assert_found("journal: record 3: it names another coordinator", |it| {
        entries_of(it)[3].fence = 3;
    });
    assert_found("journal: record 3: fence 2 comes after fence 2", |it| {
        let entries = entries_of(it);
        let again = entries[3].clone();
        entries.insert(3, again);
    });
    assert_found(
        "journal: record 4: generation 1 begins after generation 1",
        |it| {
            let entries = entries_of(it);
            let (first, second) = (entries[1].record.clone(), &mut entries[4]);
            second.record = first;
        },
    );
    assert_found("journal: record 1: generation 9 had not begun", |it| {
        entries_of(it)[1].record = Record::Verdict {
            generation: 9,
            verdict: serde_json::Value::Null,
        };
    });
    assert_found(
        "journal: step-000000000003.generation-000001 is committed twice",
        |it| {
            let entries = entries_of(it);
            let (fence, nonce) = (entries[5].fence, entries[5].nonce.clone());
            let again = Entry {
                fence,
                nonce,
                ..entries[2].clone()
            };
            entries.insert(6, again);
        },
    );
    assert_found("journal: it has no record", |it| entries_of(it).clear());
    assert_found("journal: record 4 is damaged", |it| {
        it.subject.unread.push("record 4 is damaged".to_owned());
    });
}

#[test]
fn a_forged_commit_is_found_by_what_it_commits() {
    let forge = |it: &mut Evidence| {
        entries_of(it)[2].record = Record::commit(checkpoint(2, 1), CommitDigests::default());
    };
    assert_found(
        "step-000000000002.generation-000001 is committed and not given up, and its manifest is missing",
        forge,
    );
    assert_found(
        "step-000000000003.generation-000001 has a manifest, and the journal no commit of it",
        forge,
    );
    assert_found(
        "journal: step 9 is committed, and the job has steps 0 to 6",
        |it| {
            entries_of(it)[2].record = Record::commit(checkpoint(9, 1), CommitDigests::default());
        },
    );
}

#[test]
fn an_origin_that_only_one_of_journal_and_config_names_is_found() {
    assert_found(
        "journal: it and config.json do not name the same checkpoint of another run",
        |it| {
            it.subject.run_file.origin = Some(Origin {
                run: "o".to_owned(),
                run_id: "o".to_owned(),
                step: 0,
                generation: 1,
                weights_digest: "w".to_owned(),
                samples_seen: 0,
            });
        },
    );
}

#[test]
fn a_missing_changed_or_doubled_step_is_found() {
    assert_found(
        "history: history/steps-000000000004-000000000006.parquet was changed: its digest is x, and the journal has h6",
        |it| {
            "x".clone_into(&mut it.subject.files[1].digest);
        },
    );
    let gone = |it: &mut Evidence| drop(it.subject.files.remove(0));
    assert_found(
        "history: history/steps-000000000001-000000000003.parquet is missing",
        gone,
    );
    assert_found("history: steps 1 to 3 have no figures", gone);
    assert_found(
        "history: history/steps-000000000001-000000000003.parquet does not have the steps of its name",
        |it| {
            rows_of(it, 0).pop();
        },
    );
    assert_found(
        "history: step 3 is in two files with different figures",
        |it| {
            let mut row = rows_of(it, 0)[2].clone();
            row.metrics = [("loss", 9.0)].into_iter().collect();
            rows_of(it, 1).insert(0, row);
        },
    );
    assert_found("history: step 2 counts 33 samples, not 32", |it| {
        rows_of(it, 0)[1].samples += 1
    });
    assert_found("history: step 2 was applied by generation 7", |it| {
        rows_of(it, 0)[1].generation = 7;
    });
    assert_found("history: step 2 has learning rate", |it| {
        let metrics = rows_of(it, 0)[1].metrics.clone();
        let metrics = metrics.iter();
        rows_of(it, 0)[1].metrics = metrics
            .map(|(name, value)| (name.to_owned(), value * 1.001))
            .collect();
    });
    assert_found("history: history/a is damaged", |it| {
        it.subject.files[0].rows = Err("history/a is damaged".to_owned());
    });
}

#[test]
fn a_step_that_moved_no_weight_needs_its_record() {
    let bad = |it: &mut Evidence| {
        let rate = rows_of(it, 0)[1].metrics.get("learning_rate");
        let metrics = [("loss", f64::NAN), ("learning_rate", rate)];
        rows_of(it, 0)[1].metrics = metrics.into_iter().collect();
    };
    assert_found(
        "history: step 2 has no finite loss, and the journal no record of that",
        bad,
    );
    let found = judged(|it| {
        bad(it);
        let entries = entries_of(it);
        let record = Record::BadBatch {
            generation: 1,
            step: 2,
            batch: serde_json::Value::Null,
        };
        let entry = Entry {
            record,
            ..entries[1].clone()
        };
        entries.insert(2, entry);
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_lost_doubled_or_other_sample_is_found() {
    assert_found(
        "samples: step 2 did not train on 1 of its samples, the first at position 20",
        |it| {
            let trained = rows_of(it, 0)[1].trained.get_or_insert_default();
            trained.positions.remove(4);
            trained.cases.remove(4);
        },
    );
    assert_found(
        "samples: the sample at position 3 counted 1 times too often",
        |it| {
            rows_of(it, 0)[1].trained.get_or_insert_default().positions[0] = 3;
        },
    );
    assert_found(
        "samples: step 2 does not have its samples in the order of slots",
        |it| {
            rows_of(it, 0)[1]
                .trained
                .get_or_insert_default()
                .positions
                .swap(0, 1);
        },
    );
    assert_found("samples: step 3 did not train on 16 of its samples", |it| {
        rows_of(it, 0)[2].trained = None;
    });
}

/// Trains on another case at position 20, in slot 2 of step 2; gives the case that belongs there and the other one.
fn replace(evidence: &mut Evidence) -> [u32; 2] {
    let cases = &mut rows_of(evidence, 0)[1]
        .trained
        .get_or_insert_default()
        .cases;
    let asked = cases[4];
    cases[4] = (asked + 1) % CASES;
    [asked, cases[4]]
}

#[test]
fn another_case_needs_a_record_of_the_sample_that_it_replaces() {
    assert_found("samples: step 2 trained on case number", |it| {
        replace(it);
    });
    let skipped = |slot| {
        judged(|it| {
            let [asked, taken] = replace(it);
            let sample = serde_json::json!({"case": format!("case-{asked}"), "shard": "s", "row_group": 0, "slice": 1,
                "offset": 2, "replacement": format!("case-{taken}")});
            let record = Record::Skipped {
                generation: 1,
                step: 2,
                slot,
                sample,
            };
            let entries = entries_of(it);
            let entry = Entry {
                record,
                ..entries[1].clone()
            };
            entries.insert(2, entry);
        })
    };
    assert_eq!(skipped(2), Vec::<String>::new());
    assert_eq!(skipped(3).len(), 1, "of another slot");
}

#[test]
fn a_checkpoint_that_is_not_what_it_was_is_found() {
    assert_found("checkpoints: part-00000 is damaged", |it| {
        it.checkpoints[0].found = Err("part-00000 is damaged".to_owned());
    });
    assert_found(
        "by its manifest the weights in its parts should have another digest: x, not w3",
        |it| {
            it.checkpoints[0].found.as_mut().unwrap().1 = "x".to_owned();
        },
    );
    let forge = |it: &mut Evidence| {
        manifest_of(it, 0).weights_digest = "x".to_owned();
        it.checkpoints[0].found.as_mut().unwrap().1 = "x".to_owned();
    };
    assert_found(
        "by the journal its weights should have another digest: x, not w3",
        forge,
    );
    assert_found("its manifest was changed after it was committed", |it| {
        // A moment, which no digest of weights covers.
        manifest_of(it, 0).parts[0].digest = "x".to_owned();
    });
    assert_found("counts 49 samples, and its step has 48", |it| {
        manifest_of(it, 0).samples_seen += 1
    });
    assert_found("has loss 9, and the history 0.333", |it| {
        manifest_of(it, 0).loss = 9.0
    });
    assert_found("was committed under fence 9, which nobody held", |it| {
        manifest_of(it, 0).fence = 9
    });
}

#[test]
fn a_newest_checkpoint_without_a_record_is_a_note_where_the_run_has_not_finished() {
    let mut evidence = sound();
    let entries = entries_of(&mut evidence);
    entries.truncate(5);
    let judgement = judge(&evidence);
    assert_eq!(judgement.findings, []);
    assert!(
        judgement
            .notes
            .iter()
            .any(|note| note.contains("no record in the journal yet"))
    );
    assert!(
        judgement
            .notes
            .iter()
            .any(|note| note.contains("has not finished"))
    );
}

#[test]
fn a_result_that_is_not_the_runs_is_found() {
    let summary = |it: &mut Evidence, key: &str, value: serde_json::Value| {
        if let Record::Finished { summary } = &mut entries_of(it)[6].record {
            summary[key] = value;
        }
    };
    for (key, value, line) in [
        (
            "weights_digest",
            "x".into(),
            "result: it names weights x, and the checkpoint of that step has w6",
        ),
        (
            "step",
            5.into(),
            "result: it is of step 5, and the job has 6",
        ),
        (
            "samples_seen",
            5.into(),
            "result: it counts 5 samples, not 96",
        ),
        (
            "loss",
            5.into(),
            "result: it has loss 5, and the history 0.1666",
        ),
        (
            "weights_digest",
            serde_json::Value::Null,
            "result: the record of it cannot be read",
        ),
    ] {
        assert_found(line, |it| summary(it, key, value));
    }
}

#[test]
fn steps_that_were_given_up_and_done_again_are_sound() {
    let found = judged(|it| {
        // Rolled back to step 3 after the end, and finished again with the same files.
        let entries = entries_of(it);
        let template = entries[6].clone();
        let ending = [entries[5].record.clone(), entries[6].record.clone()];
        let mark = match &entries[3].record {
            Record::Fence { mark, .. } => CoordinatorMark {
                nonce: "n3".to_owned(),
                ..mark.clone()
            },
            _ => unreachable!("the fourth record is a fence"),
        };
        let mut generation = entries[4].record.clone();
        if let Record::Generation { generation, .. } = &mut generation {
            *generation = 3;
        }
        let records = [
            Record::Fence { fence: 3, mark },
            Record::RolledBack {
                step: 3,
                generation: 1,
            },
            Record::Removed {
                step: 6,
                generation: 2,
            },
            generation,
        ];
        for record in records {
            entries.push(Entry {
                fence: 3,
                nonce: "n3".to_owned(),
                record,
                ..template.clone()
            });
        }
        let [_, finished] = ending;
        let (mut manifest, weights) = it.checkpoints.remove(1).found.unwrap();
        (manifest.generation, manifest.fence) = (3, 3);
        let history = [(it.subject.files[1].name.clone(), "h6".to_owned())].into();
        let commit = Record::commit(
            manifest.id(),
            CommitDigests::of(&manifest, history).unwrap(),
        );
        for record in [commit, finished] {
            entries_of(it).push(Entry {
                fence: 3,
                nonce: "n3".to_owned(),
                record,
                ..template.clone()
            });
        }
        it.checkpoints.push(FoundCheckpoint {
            id: manifest.id(),
            found: Ok((manifest, weights)),
        });
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_record_of_an_older_version_says_less_and_is_no_finding() {
    let mut evidence = sound();
    for entry in entries_of(&mut evidence) {
        match &mut entry.record {
            Record::Commit { digests, .. } => *digests = CommitDigests::default(),
            Record::Generation { kinds, .. } => kinds.clear(),
            _ => {}
        }
    }
    let judgement = judge(&evidence);
    assert_eq!(judgement.findings, []);
    assert_eq!(judgement.notes.len(), 3, "{:#?}", judgement.notes);
}

#[test]
fn what_is_wrong_with_the_data_set_is_a_finding_and_what_was_not_read_a_note() {
    assert_found("data: case a: slice 3 does not match", |it| {
        it.data
            .faults
            .push("case a: slice 3 does not match".to_owned());
    });
    let mut evidence = sound();
    evidence.data.is_read = false;
    let judgement = judge(&evidence);
    assert!(judgement.findings.is_empty() && judgement.notes.len() == 1);
}
