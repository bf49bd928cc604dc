//! A new run begins with weights and moments of another one and goes on from its step, with whatever else is changed.

use std::path::Path;

use fratmae_tests::{
    Job, committed_steps, fratmae, journal, losses, scratch, skip, status, variable,
};

/// A finished run of six steps with checkpoints of steps 3 and 6.
fn trained(run: &Path) -> Job {
    let job = Job::tiny(run);
    job.finish();
    job
}

fn at(run: &Job, step: u64) -> String {
    format!("{}@{step}", run.run_url())
}

/// The records of a kind, in their order.
fn records(run: &Path, kind: &str) -> Vec<serde_json::Value> {
    let mut records = journal(run);
    records.retain(|record| record["kind"] == kind);
    records
}

#[test]
fn a_fork_with_nothing_changed_repeats_the_run_from_there_bit_for_bit() {
    let folder = scratch();
    let whole = Job::tiny(folder.path().join("whole"));
    let digest = whole.finish().digest().to_owned();
    let place = folder.path().join("fork");
    let fork = Job::tiny(&place).fork(&at(&whole, 3)).finish();
    assert_eq!(fork.digest(), digest);
    assert_eq!(fork.figures["samples_seen"], 96);
    let said = &fork.finished.stderr;
    assert!(said.contains("step 3"), "{said}");
    let place = place.display().to_string();
    assert_eq!(losses(&place), losses(whole.run_url())[3..]);
}

#[test]
fn a_longer_job_has_one_digest_for_every_number_of_workers_and_after_a_kill() {
    let folder = scratch();
    let run = folder.path().join("run");
    let origin = trained(&run);
    let longer = |name: &str| Job::tiny(folder.path().join(name)).set("train.steps=11");
    let digests = [1, 2, 3].map(|workers| {
        let job = longer(&format!("fork-{workers}")).workers(workers);
        let done = job.fork(origin.run_url()).finish();
        assert_eq!(done.figures["step"], 11);
        assert_eq!(done.figures["samples_seen"], 11 * 16);
        done.digest().to_owned()
    });
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);

    let killed = longer("killed").fork(origin.run_url()).told_as_json();
    let mut running = killed.start();
    running.runs_until_step(7);
    running.kill_all();
    running.wait();
    // All that it needs is in it.
    std::fs::rename(&run, folder.path().join("elsewhere")).unwrap();
    assert_eq!(killed.finish().digest(), digests[0]);
    assert_eq!(longer("killed").finish().digest(), digests[0]);
}

#[test]
fn where_it_came_from_is_in_its_journal_once_and_in_its_status() {
    let folder = scratch();
    let run = folder.path().join("run");
    let origin = trained(&run);
    let place = folder.path().join("fork");
    let fork = Job::tiny(&place).set("train.steps=8").fork(&at(&origin, 6));
    fork.finish();
    fork.finish();
    let [record] = &records(&place, "forked")[..] else {
        panic!("{:?}", journal(&place));
    };
    let text = std::fs::read_to_string(run.join("config.json")).unwrap();
    let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
    let last = status(origin.run_url());
    assert_eq!(record["run"], origin.run_url());
    assert_eq!(record["run_id"], theirs["run_id"]);
    assert_eq!(record["step"], 6);
    assert_eq!(record["weights_digest"], last["summary"]["weights_digest"]);
    let shown = status(fork.run_url());
    assert_eq!(shown["forked_from"], at(&origin, 6));
    assert_eq!(committed_steps(&place), [6, 8]);
    fratmae(["checkpoint", "verify", "--all"])
        .and(&place)
        .run()
        .succeeded();
}

#[test]
fn rate_batch_seed_and_masks_may_change_and_the_samples_are_counted_on() {
    let folder = scratch();
    let origin = trained(&folder.path().join("run"));
    let mut digests = vec![];
    for (name, set) in [
        ("rate", "train.lr=5e-4"),
        ("batch", "train.batch=8"),
        ("seed", "run.seed=8"),
        ("masks", "model.mask_ratio=0.75"),
        ("frozen", "model.text.trainable=false"),
    ] {
        let job = |workers: u32| {
            Job::tiny(folder.path().join(format!("{name}-{workers}")))
                .set("train.steps=8")
                .set(set)
                .workers(workers)
                .fork(origin.run_url())
        };
        let done = job(1).finish();
        let batch = if name == "batch" { 8 } else { 16 };
        assert_eq!(done.figures["samples_seen"], 96 + 2 * batch, "{name}");
        assert_eq!(done.digest(), job(2).finish().digest(), "{name}");
        assert!(!digests.contains(&done.digest().to_owned()), "{name}");
        digests.push(done.digest().to_owned());
    }
}

#[test]
fn a_fork_of_a_fork_counts_on() {
    let folder = scratch();
    let origin = trained(&folder.path().join("run"));
    let first = Job::tiny(folder.path().join("first")).fork(&at(&origin, 3));
    let first = first.set("train.batch=8");
    first.finish();
    let second = Job::tiny(folder.path().join("second")).fork(first.run_url());
    let second = second.set("train.steps=7").finish();
    assert_eq!(second.figures["samples_seen"], 48 + 3 * 8 + 16);
}

#[test]
fn what_cannot_be_forked_is_told_and_nothing_is_made() {
    let folder = scratch();
    let origin = trained(&folder.path().join("run"));
    let place = folder.path().join("fork");
    let job = || Job::tiny(&place).set("train.steps=8");
    let nowhere = folder.path().join("nowhere").display().to_string();
    for (job, expected) in [
        (
            job().set("model.encoder.depth=1").fork(origin.run_url()),
            "another shape (model.encoder.depth: now 1, was 2)",
        ),
        (
            job().set("model.contrastive=false").fork(origin.run_url()),
            "another shape (model.contrastive: now false, was true)",
        ),
        (
            Job::tiny(&place).fork(origin.run_url()),
            "train.steps = 6 leaves no step after its checkpoint of step 6",
        ),
        (
            job().fork(&at(&origin, 5)),
            "it has no checkpoint of step 5, but of 3, 6",
        ),
        (job().fork(&nowhere), "no run at"),
        (
            job().set("model.init_digest=abc").fork(origin.run_url()),
            "a fork takes all weights from that run",
        ),
    ] {
        let line = job.call().run().error_line();
        assert!(line.contains(expected), "{line}");
        assert!(!place.join("config.json").exists(), "{line}");
    }
}

#[test]
fn a_run_that_is_there_is_resumed_or_refused_and_never_forked_into() {
    let folder = scratch();
    let origin = trained(&folder.path().join("run"));
    let plain = trained(&folder.path().join("plain"));
    let line = Job::tiny(plain.run_url()).fork(origin.run_url()).call();
    let line = line.run().error_line();
    assert!(line.contains("is not a fork"), "{line}");
    let place = folder.path().join("fork");
    let fork = || Job::tiny(&place).set("train.steps=8");
    fork().fork(&at(&origin, 3)).finish();
    for (from, expected) in [
        (plain.run_url().to_owned(), "was forked from"),
        (at(&origin, 6), "was forked from step 3"),
    ] {
        let line = fork().fork(&from).call().run().error_line();
        assert!(line.contains(expected), "{line}");
    }
    fork().fork(origin.run_url()).finish();
}

#[test]
fn a_job_that_differs_is_told_that_it_may_be_forked_where_it_may() {
    let folder = scratch();
    let run = trained(&folder.path().join("run"));
    let refusal = |set: &str| Job::tiny(run.run_url()).set(set).call().run().error_line();
    let line = refusal("train.steps=8");
    assert!(
        line.contains("different job (train.steps: now 8, was 6)"),
        "{line}"
    );
    assert!(
        line.contains(&format!("--fork {}", run.run_url())),
        "{line}"
    );
    let line = refusal("model.encoder.depth=1");
    assert!(line.contains("now 1, was 2"), "{line}");
    assert!(!line.contains("--fork"), "{line}");
}

#[test]
fn forks_go_from_s3_to_files_and_back() {
    let Some(bucket) = variable("FRATMAE_TEST_S3_URL") else {
        return skip(
            "forks on S3",
            "FRATMAE_TEST_S3_URL is not set; `cargo xtask test` starts a store and sets it",
        );
    };
    let folder = scratch();
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let data = fratmae_tests::phantoms().data.display().to_string();
    let remote = |run: &str| Job::on(&data, &format!("{bucket}/{name}/{run}"));
    let origin = remote("run");
    let digest = origin.finish().digest().to_owned();
    let local = Job::tiny(folder.path().join("fork")).fork(&at(&origin, 3));
    assert_eq!(local.finish().digest(), digest);
    let back = remote("back").fork(&at(&local, 3));
    assert_eq!(back.finish().digest(), digest);
}
