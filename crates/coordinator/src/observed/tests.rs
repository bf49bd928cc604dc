//! What a run's objects say is what happened in it.

use super::*;
use fratmae_checkpoint::{CommitDigests, CoordinatorMark, Journal};
use fratmae_observe::{Lost, RankFile, Row, TimeFile};
use fratmae_telemetry::Account;

const SECOND: u64 = 1_000_000_000;

fn place() -> (tempfile::TempDir, Location) {
    let folder = tempfile::tempdir().unwrap();
    let run = Location::open(folder.path().to_str().unwrap()).unwrap();
    (folder, run)
}

fn verdict(worker: &str) -> serde_json::Value {
    serde_json::json!({
        "line": "worker b: its connection closed", "worker": worker, "host": "h2", "rank": 1, "generation": 1,
        "step": 4, "phase": "forward", "collective": null, "sequence": null, "reason": "its connection closed",
        "evidence": []
    })
}

/// Two generations: the first breaks after step 4, the second one does step 4 again and ends with step 8.
async fn journal(run: &Location) {
    let mark = CoordinatorMark {
        address: "http://127.0.0.1:1".to_owned(),
        version: "0.1.0".to_owned(),
        nonce: "n".to_owned(),
        host: String::new(),
        step: None,
    };
    let (mut journal, _) = Journal::take_over(run, mark).await.unwrap();
    let generation = |generation, members: &[&str]| Record::Generation {
        generation,
        members: members.iter().map(|name| (*name).to_owned()).collect(),
        seats: Vec::new(),
        kinds: Vec::new(),
    };
    for record in [
        generation(1, &["a", "b"]),
        Record::Commit {
            step: 3,
            generation: 1,
            digests: CommitDigests::default(),
        },
        Record::Verdict {
            generation: 1,
            verdict: verdict("b"),
        },
        generation(2, &["a"]),
        Record::Interrupted {
            step: 8,
            reason: "SIGTERM".to_owned(),
        },
    ] {
        journal.append(record).await.unwrap();
    }
}

fn ranks(
    generation: u64,
    steps: std::ops::RangeInclusive<u64>,
    members: &[&str],
    at_s: u64,
) -> Vec<RankRow> {
    let first = *steps.start();
    let of_step = |step: u64| {
        (0..).zip(members).map(move |(rank, worker)| RankRow {
            step,
            generation,
            rank,
            worker: (*worker).to_owned(),
            host: format!("host of {worker}"),
            slots: 2,
            unix_ms: 1_000 * (at_s + step - first),
            accounts: [(Account::Forward, SECOND)].into_iter().collect(),
            calls: Vec::new(),
        })
    };
    steps.flat_map(of_step).collect()
}

fn stretch(worker: &str, incarnation: u64, end_s: u64, forward_s: u64, rewind_s: u64) -> LedgerRow {
    LedgerRow {
        worker: worker.to_owned(),
        incarnation,
        host: format!("host of {worker}"),
        begin_unix_ms: 100_000,
        end_unix_ms: 1_000 * end_s,
        accounts: [
            (Account::Forward, forward_s * SECOND),
            (Account::Regroup, SECOND),
        ]
        .into_iter()
        .collect(),
        lost: Lost {
            rewind: rewind_s * SECOND,
            ..Lost::default()
        },
        ..LedgerRow::default()
    }
}

async fn put<R: Row>(run: &Location, object: String, rows: &[R]) {
    run.put(&object, R::encode(rows).unwrap()).await.unwrap();
}

async fn disturbed(run: &Location) {
    journal(run).await;
    let file = |first, generation| {
        let fence = 1;
        RankFile {
            first,
            generation,
            fence,
        }
        .object()
    };
    put(run, file(1, 1), &ranks(1, 1..=4, &["a", "b"], 101)).await;
    put(run, file(4, 2), &ranks(2, 4..=8, &["a"], 107)).await;
    let one = |number| TimeFile { fence: 1, number };
    let rows = [
        stretch("a", 1, 112, 9, 1),
        stretch("b", 2, 105, 4, 0),
        // The same worker before it was started again.
        stretch("a", 0, 101, 1, 0),
    ];
    put(run, one(0).of_ledger(), &rows).await;
    let capacity = CapacityRow {
        fence: 1,
        begin_unix_ms: 100_000,
        end_unix_ms: 112_000,
        wanted: 2,
        present_ns: 18 * SECOND,
        missing_ns: 6 * SECOND,
        best_step: 8,
        progress_unix_ms: 111_000,
        counts: Counts {
            steps_applied: 9,
            steps_repeated: 1,
            telemetry_dropped: 2,
            ..Counts::default()
        },
    };
    put(run, one(0).of_capacity(), &[capacity]).await;
}

#[tokio::test]
async fn a_run_that_is_over_tells_what_it_did() {
    let (_folder, run) = place();
    disturbed(&run).await;
    let snapshot = snapshot(&run).await.unwrap();
    assert_eq!(snapshot.state, RunState::Failed);
    assert_eq!((snapshot.generation, snapshot.fence), (2, 1));
    assert_eq!(
        (snapshot.best_step, snapshot.progress_unix_ms),
        (8, Some(111_000))
    );
    let counts = snapshot.counts;
    assert_eq!(
        (counts.generations, counts.verdicts, counts.checkpoints),
        (2, 1, 1)
    );
    assert!(snapshot.committed_unix_ms > Some(1_500_000_000_000));
    assert_eq!(snapshot.accounts[Account::Forward], 14 * SECOND);
    assert_eq!(
        (snapshot.lost.rewind, snapshot.capacity.wanted),
        (SECOND, 2)
    );
    let [a] = &snapshot.workers[..] else {
        panic!("{:?}", snapshot.workers)
    };
    assert_eq!(
        (a.name.as_str(), a.host.as_str(), a.rank),
        ("a", "host of a", Some(0))
    );
    assert_eq!((a.incarnation, a.slots), (1, 2));
    assert_eq!(a.accounts[Account::Forward], 9 * SECOND);
    assert_eq!(snapshot.signs.restarts, 1);
    assert_eq!(snapshot.signs.generations_without_step, 0);
}

#[tokio::test]
async fn its_report_names_the_break_and_what_it_cost() {
    let (_folder, run) = place();
    disturbed(&run).await;
    let (_, report) = report(&run).await.unwrap();
    assert_eq!(report.ratios.availability, Some(0.75));
    assert_eq!(report.ratios.goodput, Some(13.0 / 17.0));
    assert_eq!((report.steps_applied, report.steps_repeated), (9, 1));
    let [cost] = &report.verdicts[..] else {
        panic!("{:?}", report.verdicts)
    };
    assert_eq!(
        (cost.worker.as_str(), cost.step, cost.rank),
        ("b", 4, Some(1))
    );
    assert_eq!(cost.reason, "its connection closed");
    // Step 4 ended at 104 s, and step 5 at 108 s.
    assert!((cost.recovery_s - 4.0).abs() < 1e-9, "{cost:?}");
    assert!(
        (cost.worker_hours_lost - 6.0 / 3_600.0).abs() < 1e-9,
        "{cost:?}"
    );
}

#[tokio::test]
async fn status_shows_the_time_of_its_workers_and_damage_is_a_note() {
    let (_folder, run) = place();
    disturbed(&run).await;
    let damaged = TimeFile {
        fence: 1,
        number: 1,
    };
    run.put(&damaged.of_ledger(), "no parquet").await.unwrap();
    let status = crate::status(&run).await.unwrap();
    let time = status.time.unwrap();
    assert_eq!(time.ratios.availability, Some(0.75));
    let [found] = &status.findings[..] else {
        panic!("{:?}", status.findings)
    };
    assert_eq!(found.kind, fratmae_observe::FindingKind::TelemetryDropped);
    let is_noted = |note: &String| note.contains("ledger-000001-000001");
    assert!(status.notes.iter().any(is_noted), "{:?}", status.notes);
}

#[tokio::test]
async fn a_run_of_an_earlier_version_has_no_time() {
    let (_folder, run) = place();
    journal(&run).await;
    let status = crate::status(&run).await.unwrap();
    assert_eq!(status.time, None);
    let (snapshot, report) = report(&run).await.unwrap();
    assert_eq!(snapshot.counts.verdicts, 1);
    assert_eq!(report.ratios.goodput, None);
    assert_eq!(report.reliability.failures, 1);
}

#[test]
fn a_verdict_belongs_to_the_group_that_it_was_given_in() {
    let entry = |number, record| Entry {
        number,
        fence: 1,
        nonce: String::new(),
        record,
    };
    let generation = |generation| Record::Generation {
        generation,
        members: vec!["a".to_owned()],
        seats: Vec::new(),
        kinds: Vec::new(),
    };
    let on = |generation, verdict| Record::Verdict {
        generation,
        verdict,
    };
    let entries: Vec<Entry> = (0..)
        .zip([
            on(1, verdict("early")),
            generation(1),
            generation(2),
            on(1, verdict("late")),
            on(2, serde_json::json!("of a later version")),
        ])
        .map(|(number, record)| entry(number, record))
        .collect();
    let groups = groups(&entries);
    let blamed: Vec<Vec<&str>> = groups
        .iter()
        .map(|group| group.verdicts.iter().map(|it| it.worker.as_str()).collect())
        .collect();
    assert_eq!(blamed, [vec!["late"], vec![""]]);
}
