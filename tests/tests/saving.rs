//! Checkpoints beside those of every so many steps: on demand, and when the newest has become old. Neither moves a bit.

use std::time::Duration;

use fratmae_tests::{Job, Signal, Undisturbed, committed_steps, fratmae, journal, scratch, status};

const PATIENCE: Duration = Duration::from_secs(90);

/// A job that stores nothing before its last step unless it is asked.
fn quiet(run: impl AsRef<std::path::Path>) -> Job {
    Job::tiny(run)
        .set("train.steps=40")
        .set("checkpoint.every=1000")
        .told_as_json()
}

#[test]
fn a_run_that_trains_stores_on_demand_and_comes_to_the_same_weights() {
    let undisturbed = Undisturbed::of(quiet);
    let folder = scratch();
    let run = folder.path().join("run");
    let job = quiet(&run).workers(3);
    let mut running = job.start();
    let mut saved = vec![];
    for step in [2, 9] {
        running.runs_until_step(step);
        let call = fratmae(["checkpoint", "save", "--json"]).and(&run);
        let output = call.run().succeeded().json();
        assert_eq!(output["run"], job.run_url());
        saved.push(output["step"].as_u64().unwrap());
    }
    let finished = running.wait().succeeded();
    undisturbed.assert_reached(&job, &finished.digest(), &finished.stderr);
    assert!(saved[0] >= 2 && saved[1] >= 9, "{saved:?}");
    let committed = committed_steps(&run);
    assert!(
        saved.iter().all(|step| committed.contains(step)),
        "{saved:?} {committed:?}"
    );
    fratmae(["checkpoint", "verify", "--all"])
        .and(&run)
        .run()
        .succeeded();
}

#[test]
fn without_a_coordinator_there_is_nobody_to_ask() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).finish();
    let save = fratmae(["checkpoint", "save"]);
    let line = save.clone().and(&run).run().only_line();
    assert!(line.contains("no coordinator is running"), "{line}");
    assert!(line.contains("newest checkpoint is of step 6"), "{line}");
    let line = save.and(folder.path().join("nowhere")).run().only_line();
    assert!(line.contains("no run at"), "{line}");
}

#[test]
fn the_newest_checkpoint_is_followed_by_another_when_it_is_old() {
    let folder = scratch();
    let run = folder.path().join("run");
    // More steps than any machine makes before the second checkpoint.
    let job = quiet(&run)
        .set("train.steps=100000")
        .set("checkpoint.every=1000000")
        .set("checkpoint.every_s=1");
    let mut running = job.start();
    running.runs_until("two checkpoints by time", PATIENCE, |_| {
        let committed = || journal(&run).into_iter().filter(|r| r["kind"] == "commit");
        run.join("journal").is_dir() && committed().count() >= 2
    });
    running.signal(Signal::SIGTERM);
    running.wait().no_panic();
    let output = status(job.run_url());
    assert_eq!(output["state"], "interrupted", "{output}");
}

#[test]
fn checkpoints_by_time_move_no_bit() {
    let undisturbed = Undisturbed::of(quiet);
    let folder = scratch();
    let job = quiet(folder.path().join("run")).set("checkpoint.every_s=1");
    let finished = job.finish();
    undisturbed.assert_reached(&job, finished.digest(), "with checkpoint.every_s");
}
