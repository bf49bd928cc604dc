//! A run is taken back to a checkpoint: what came later is given up, and it goes on from there to the same weights.

use std::path::Path;

use fratmae_tests::{
    Finished, Job, committed_steps, copy_folder, fratmae, journal, losses, scratch, status,
};

fn rollback(run: &Path, to: u64) -> Finished {
    let call = fratmae(["checkpoint", "rollback", "--json", "--to"]);
    call.and(to.to_string()).and(run).run()
}

/// A job with a checkpoint of every second step, and figures in files from one to the next.
fn job(run: &Path) -> Job {
    Job::tiny(run)
        .set("train.steps=8")
        .set("checkpoint.every=2")
        .set("checkpoint.keep_last=10")
}

#[test]
fn later_checkpoints_and_figures_are_gone_and_the_run_comes_to_the_same_weights() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = job(&run);
    let digest = job.finish().digest().to_owned();
    let figures = losses(job.run_url());
    let output = rollback(&run, 4).succeeded().json();
    assert_eq!(output["step"], 4);
    assert_eq!(output["given_up"], serde_json::json!([6, 8]));
    assert_eq!(committed_steps(&run), [2, 4]);
    assert_eq!(losses(job.run_url()), figures[..4]);
    let output = status(job.run_url());
    assert_eq!(output["state"], "interrupted", "{output}");
    assert_eq!(output["reason"], "rolled back to step 4");
    assert_eq!(
        (&output["step"], &output["committed_step"]),
        (&4.into(), &4.into())
    );
    let kinds: Vec<_> = journal(&run)
        .into_iter()
        .map(|r| r["kind"].clone())
        .collect();
    assert!(
        kinds.ends_with(&["rolled_back".into(), "removed".into(), "removed".into()]),
        "{kinds:?}"
    );

    // Other files of figures than before: each step is there once all the same.
    let again = Job::tiny(&run)
        .set("train.steps=8")
        .set("checkpoint.every=3")
        .workers(3)
        .finish();
    assert_eq!(again.digest(), digest);
    assert!(
        again.finished.stderr.contains("step 4"),
        "{}",
        again.finished.stderr
    );
    assert_eq!(losses(job.run_url()), figures);
    assert_eq!(
        job.finish().digest(),
        digest,
        "a finished run is left as it is"
    );
}

#[test]
fn within_a_file_of_figures_only_the_later_steps_go() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = job(&run).set("checkpoint.every=1000");
    let whole = job.finish();
    let figures = losses(job.run_url());
    // The same run in two lives: a file of figures then goes over the step that it is taken back to.
    let other = folder.path().join("other");
    let stopped = self::job(&other).set("checkpoint.every=3");
    stopped.finish();
    rollback(&other, 3).succeeded();
    self::job(&other).set("checkpoint.every=5").finish();
    rollback(&other, 5).succeeded();
    assert_eq!(losses(stopped.run_url()), figures[..5]);
    assert_eq!(self::job(&other).finish().digest(), whole.digest());
    assert_eq!(losses(stopped.run_url()), figures);
}

#[test]
fn a_rollback_that_was_broken_off_holds_all_the_same() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = job(&run);
    let digest = job.finish().digest().to_owned();
    let figures = losses(job.run_url());
    let before = folder.path().join("before");
    copy_folder(&run, &before);
    rollback(&run, 4).succeeded();
    // The record is there, and nothing of what follows from it: neither further records nor deletions.
    let records = std::fs::read_dir(run.join("journal")).unwrap();
    let mut records: Vec<_> = records.map(|entry| entry.unwrap().path()).collect();
    records.sort();
    for record in &records[records.len() - 2..] {
        std::fs::remove_file(record).unwrap();
    }
    for part in ["checkpoints", "history"] {
        std::fs::remove_dir_all(run.join(part)).unwrap();
        copy_folder(&before.join(part), &run.join(part));
    }
    let again = job.finish();
    assert!(
        again.finished.stderr.contains("step 4"),
        "{}",
        again.finished.stderr
    );
    assert_eq!(again.digest(), digest);
    assert_eq!(losses(job.run_url()), figures);
}

#[test]
fn a_run_that_is_led_is_not_taken_back() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run).told_as_json();
    let mut running = job.start();
    running.runs_until_step(6);
    let line = rollback(&run, 4).only_line();
    assert!(
        line.contains("it is running (coordinator at http://"),
        "{line}"
    );
    running.wait().succeeded();
}

#[test]
fn what_is_not_there_is_told() {
    let folder = scratch();
    let run = folder.path().join("run");
    job(&run).finish();
    let line = rollback(&run, 5).only_line();
    assert!(
        line.contains("no checkpoint of step 5, but of 2, 4, 6, 8"),
        "{line}"
    );
    let line = rollback(&folder.path().join("nowhere"), 5).only_line();
    assert!(line.contains("no run at"), "{line}");
    let output = rollback(&run, 8).succeeded().json();
    assert_eq!(output["given_up"], serde_json::json!([]));
}
