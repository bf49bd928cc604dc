//! Where the time of a run went is on its store, and whoever is slow is named: in real processes, with a small task.

use std::path::Path;
use std::time::Duration;

use fratmae_observe::{RankRow, Records, Straggler, stragglers};
use fratmae_store::Location;
use fratmae_tests::{
    Finished, LateLink, Running, Signal, address_of, coordinator, fratmae, program_call, scratch,
    send, status,
};
use serde_json::Value;

/// Steps after which whoever is slow is to be named.
const WINDOW: u64 = 50;

/// How long a run may take where other work occupies the machine.
const PATIENCE: Duration = Duration::from_secs(600);

fn leader(run: &Path, settings: &[&str]) -> Running {
    let call = ["train.lr=0.01", "checkpoint.every=1000"]
        .iter()
        .chain(settings)
        .fold(coordinator(run), |call, set| call.and("--set").and(*set));
    call.within(PATIENCE).start()
}

fn worker(address: &str, name: usize, settings: &[&str]) -> Running {
    let call = program_call(
        env!("CARGO_BIN_EXE_dice-worker"),
        [address, &name.to_string()],
    );
    let call = settings
        .iter()
        .fold(call, |call, setting| call.and(*setting));
    call.within(PATIENCE).start()
}

/// Looks at a run that trains with these workers until it has a finding of the kind, 50 steps at most after the first
/// one that they took together.
fn straggler_of(workers: &[&[&str]]) -> Option<Value> {
    let folder = scratch();
    let run = folder.path().join("run");
    let count = format!("workers.count={}", workers.len());
    let mut leader = leader(&run, &["train.steps=4000", &count]);
    let address = address_of(&mut leader);
    let started: Vec<Running> = (0..)
        .zip(workers)
        .map(|(name, settings)| {
            let worker = worker(&address, name, settings);
            // They get their ranks in the order in which they come.
            leader.runs_until("a worker", Duration::from_secs(30), |leader| {
                leader.said().matches("worker registered").count() > name
            });
            worker
        })
        .collect();
    leader.runs_until_step(WINDOW + 5);
    let mut found = None;
    leader.runs_until("its records", Duration::from_secs(30), |_| {
        let status = status(&run.display().to_string());
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        let named = |finding: &&Value| finding["kind"] == "straggler";
        found = findings.iter().find(named).cloned();
        found.is_some() || status["step"].as_u64() > Some(4 * WINDOW)
    });
    leader.kill_all();
    started
        .iter()
        .for_each(|worker| worker.signal(Signal::SIGKILL));
    found
}

#[test]
fn a_rank_whose_forward_pass_is_half_as_slow_again_is_named() {
    let (quick, slow): (&[&str], &[&str]) = (&["forward_ms=20"], &["forward_ms=30"]);
    let found = straggler_of(&[quick, quick, slow, quick]).expect("a straggler");
    assert_eq!(
        (&found["worker"], &found["account"]),
        (&"2".into(), &"forward".into()),
        "{found}"
    );
}

#[test]
fn a_rank_that_waits_for_its_samples_is_named() {
    let (quick, slow): (&[&str], &[&str]) = (&["forward_ms=10"], &["forward_ms=10", "sample_ms=4"]);
    let found = straggler_of(&[quick, slow, quick]).expect("a straggler");
    assert_eq!(
        (&found["worker"], &found["account"]),
        (&"1".into(), &"load".into()),
        "{found}"
    );
}

#[test]
fn a_rank_whose_data_come_late_is_named() {
    let link = LateLink::start(Duration::from_millis(30));
    let listen = format!("listen={}", link.behind());
    let advertise = format!("advertise={}", link.address());
    let late: &[&str] = &["forward_ms=10", &listen, &advertise];
    let quick: &[&str] = &["forward_ms=10"];
    let found = straggler_of(&[late, quick, quick]).expect("a straggler");
    assert_eq!(
        (&found["worker"], &found["account"]),
        (&"0".into(), &"transfer".into()),
        "{found}"
    );
}

/// Trains undisturbed on four workers, and gives whoever is named in any 50 steps.
fn named_in(steps: usize, slots: usize) -> Vec<Straggler> {
    let folder = scratch();
    let run = folder.path().join("run");
    let settings = [
        format!("train.steps={steps}"),
        format!("train.batch={}", 2 * slots),
        format!("train.slots={slots}"),
        "workers.count=4".to_owned(),
    ];
    let mut leader = leader(&run, &settings.each_ref().map(String::as_str));
    let address = address_of(&mut leader);
    let workers: Vec<_> = (0..4)
        .map(|name| worker(&address, name, &["forward_ms=2"]))
        .collect();
    leader.wait().succeeded();
    drop(workers);
    let rows = rank_rows(&run);
    let whole = rows.iter().filter(|row| row.rank == 0).count();
    assert_eq!(whole, steps, "each step has its rows");
    let ends = (4 * 50..=rows.len()).step_by(4 * 10);
    let windows = ends.map(|end| &rows[end - 4 * 50..end]);
    windows.flat_map(stragglers).collect()
}

fn rank_rows(run: &Path) -> Vec<RankRow> {
    let run = Location::open(&run.display().to_string()).expect("a path");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let records = Records::list(&run).await.expect("a list");
        let mut rows = records.ranks(0..=u64::MAX).await.expect("rows").rows;
        rows.sort_by_key(|row| (row.step, row.rank));
        rows
    })
}

#[test]
fn nobody_is_named_in_undisturbed_steps() {
    assert_eq!(named_in(5_000, 8), []);
}

#[test]
fn nobody_is_named_for_having_one_slot_more() {
    assert_eq!(named_in(500, 5), []);
}

fn goodput(run: &Path) -> Value {
    let shown: Finished = fratmae(["goodput", "--json"]).and(run).run().succeeded();
    shown.json()["runs"][0].clone()
}

#[test]
fn a_run_with_a_kill_says_where_its_time_went_and_what_the_verdict_cost() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut leader = leader(&run, &["train.steps=400", "workers.count=2"]);
    let address = address_of(&mut leader);
    let pace = &["forward_ms=2"];
    let (first, second) = (worker(&address, 0, pace), worker(&address, 1, pace));
    leader.runs_until_step(100);
    send(second.id(), Signal::SIGKILL);
    let third = worker(&address, 2, pace);
    leader.wait().succeeded();
    drop((first, third));
    let report = goodput(&run);
    let ratio = |name: &str| report[name].as_f64().unwrap_or(f64::NAN);
    for name in ["availability", "goodput", "overall", "compute_share"] {
        assert!((0.01..=1.0).contains(&ratio(name)), "{name} in {report}");
    }
    let product = ratio("availability") * ratio("goodput");
    assert!((ratio("overall") - product).abs() < 1e-9, "{report}");
    assert_eq!(report["failures"], 1, "{report}");
    assert_eq!(report["verdicts"][0]["worker"], "1", "{report}");
    let recovery = report["recovery_median_s"]
        .as_f64()
        .expect("it got further");
    assert!((0.01..30.0).contains(&recovery), "{report}");
    assert!(
        report["verdicts"][0]["worker_hours_lost"].as_f64() > Some(0.0),
        "{report}"
    );
    let applied = report["steps_applied"].as_u64().unwrap_or(0);
    let repeated = report["steps_repeated"].as_u64().unwrap_or(u64::MAX);
    assert_eq!(applied - repeated, 400, "{report}");
    let text = fratmae(["goodput"]).and(&run).run().succeeded();
    for word in ["availability", "forward", "regroup", "connection"] {
        assert!(text.stdout.contains(word), "{word} in\n{}", text.stdout);
    }
    let time = &status(&run.display().to_string())["time"];
    assert_eq!(time["goodput"], report["goodput"]);
}
