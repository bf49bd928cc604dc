//! What is wrong with a worker is said with its name, its place in its work and the grounds: in the log, in the journal
//! and by `status`; and the run goes on to the weights of an undisturbed one.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Frozen, Job, Running, Signal, Undisturbed, journal, logged, scratch, send, status,
};
use serde_json::Value;

const STEPS: u64 = 40;
const PATIENCE: Duration = Duration::from_secs(90);

/// Heartbeats come so fast that the run soon knows how long everything takes.
fn job(run: impl AsRef<Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=100")
        .set("coordinator.heartbeat_ms=20")
        .set("workers.threads=1")
        .told_as_json()
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

/// The verdicts among the lines of a log.
fn verdicts(stderr: &str) -> Vec<Value> {
    logged(stderr, "worker in trouble")
}

/// The verdicts in a run's journal.
fn journaled(run: &Path) -> Vec<Value> {
    let records = journal(run).into_iter();
    let verdicts = records.filter(|record| record["kind"] == "verdict");
    verdicts.map(|record| record["verdict"].clone()).collect()
}

/// A run of three workers of which one is disturbed at step 20: its only verdict, and what the run came to.
fn disturbed(run: &Path, disturb: impl FnOnce(&mut Running, u32)) -> Value {
    let mut running = job(run).workers(3).start();
    running.runs_until_step(20);
    let victim = running.children()[1];
    disturb(&mut running, victim);
    let finished = running.wait().succeeded();
    assert_eq!(finished.digest(), UNDISTURBED.digest);
    let verdicts = verdicts(&finished.stderr);
    let [verdict] = &verdicts[..] else {
        panic!("one verdict: {verdicts:?}\n{}", finished.stderr)
    };
    for (key, value) in [("host", "127.0.0.1"), ("worker", "local-1")] {
        assert_eq!(verdict[key], value, "{verdict}");
    }
    assert!(
        verdict["rank"].is_u64() && verdict["sequence"].is_u64(),
        "{verdict}"
    );
    assert!(verdict["phase"].is_string(), "{verdict}");
    verdict.clone()
}

fn until_verdict(running: &mut Running) {
    running.runs_until("a verdict", PATIENCE, |running| {
        !verdicts(&running.said()).is_empty()
    });
}

#[test]
fn a_killed_worker_is_named_in_log_journal_and_status() {
    let folder = scratch();
    let run = folder.path().join("run");
    let verdict = disturbed(&run, |_, victim| send(victim, Signal::SIGKILL));
    let reason = "its connection closed: the process or its host died";
    assert_eq!(verdict["reason"], reason);
    let journaled = journaled(&run);
    assert_eq!(journaled.len(), 1, "{journaled:?}");
    let status = status(&run.display().to_string());
    let shown = status["verdicts"].as_array().expect("a list");
    assert_eq!(shown.len(), 1, "{shown:?}");
    for kept in [&journaled[0], &shown[0]] {
        for key in [
            "worker",
            "host",
            "rank",
            "phase",
            "collective",
            "sequence",
            "reason",
        ] {
            assert_eq!(kept[key], verdict[key], "{key} in {kept}");
        }
    }
}

#[test]
fn a_stopped_worker_is_named_by_its_silence_and_replaced() {
    let folder = scratch();
    let verdict = disturbed(&folder.path().join("run"), |running, victim| {
        send(victim, Signal::SIGSTOP);
        until_verdict(running);
    });
    let reason = verdict["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("nothing was heard of it for 4.8 s"),
        "{reason}"
    );
}

#[test]
fn a_worker_whose_training_hangs_while_its_heart_beats_is_named() {
    let folder = scratch();
    let verdict = disturbed(&folder.path().join("run"), |running, victim| {
        let frozen = Frozen::thread(victim, "trainer");
        until_verdict(running);
        drop(frozen);
    });
    let reason = verdict["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("although the process is alive"), "{reason}");
    assert!(reason.contains("(limit "), "{reason}");
}

#[test]
fn a_worker_that_may_open_no_more_files_is_given_up_with_its_stores_line() {
    let folder = scratch();
    let verdict = disturbed(&folder.path().join("run"), |running, victim| {
        allow_files(victim, 3);
        until_verdict(running);
    });
    let reason = verdict["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Too many open files"), "{reason}");
}

/// Limits how many files a process may have open; those that it has stay open.
fn allow_files(process: u32, files: u32) {
    let limited = Command::new("prlimit")
        .args(["--pid", &process.to_string()])
        .arg(format!("--nofile={files}:"))
        .status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit");
}
