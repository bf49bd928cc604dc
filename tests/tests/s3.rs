//! A job on S3 gives the weights of the job on local files, and a store that cannot be used is told in one line.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use fratmae_tests::{Call, Job, fratmae, losses, phantoms, scratch, skip, variable};

const URL: &str = "FRATMAE_TEST_S3_URL";
/// From start to failure: the promise is 15 seconds, the rest is for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(17);

/// The bucket to write to, when there is one.
fn bucket(test: &str) -> Option<String> {
    let url = variable(URL);
    if url.is_none() {
        skip(
            test,
            &format!("{URL} is not set; `cargo xtask test` starts a store and sets it"),
        );
    }
    url
}

/// A place in the bucket that no other test uses.
fn place(bucket: &str, folder: &tempfile::TempDir) -> String {
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    format!("{bucket}/{name}")
}

#[test]
fn a_job_on_s3_gives_the_weights_of_the_job_on_local_files() {
    let Some(bucket) = bucket("the job on S3") else {
        return;
    };
    let folder = scratch();
    let place = place(&bucket, &folder);
    let (data, run) = (format!("{place}/data"), format!("{place}/run"));
    let local = Job::tiny(folder.path().join("local"));
    let source = format!("data.source={}", phantoms().source.display());
    let remote = Job::on(&data, &run).set(&source);
    let (on_files, on_s3) = (local.finish(), remote.finish());
    assert_eq!(on_s3.digest(), on_files.digest());
    assert_eq!(losses(&run), losses(local.run_url()));
    assert_eq!(
        remote.finish().line,
        on_s3.line,
        "a finished run is left as it is"
    );
    fratmae(["checkpoint", "verify", "--all", &run])
        .run()
        .succeeded();
    fratmae(["dataset", "verify", &data]).run().succeeded();
}

#[test]
fn a_run_on_s3_goes_on_after_everything_was_killed() {
    let Some(bucket) = bucket("killed on S3") else {
        return;
    };
    let folder = scratch();
    let run = format!("{}/run", place(&bucket, &folder));
    let data = phantoms().data.display().to_string();
    let long = |run: &str| {
        Job::on(&data, run)
            .set("train.steps=12")
            .set("checkpoint.every=2")
    };
    let digest = long(&folder.path().join("local").display().to_string()).finish();
    let job = long(&run);
    let mut running = job.start();
    let list = fratmae(["checkpoint", "list", "--json", &run]);
    running.runs_until("a checkpoint on S3", Duration::from_secs(60), |_| {
        let listed = list.run();
        listed.code == Some(0) && !listed.json()["checkpoints"].as_array().unwrap().is_empty()
    });
    running.kill_all();
    running.wait();
    assert_eq!(job.finish().digest(), digest.digest());
}

/// Every way to a store, with the words for `place`.
fn ways_to(place: &str) -> Vec<Call> {
    let run = format!("{place}/run");
    let data = format!("{place}/data");
    let prepare = fratmae(["prepare", "--quiet", "--grid=32x40x48", "--out", &data]);
    vec![
        Job::on(&phantoms().data.display().to_string(), &run)
            .call()
            .and("--quiet"),
        prepare.and(&phantoms().source),
        fratmae(["status", "--quiet", &run]),
        fratmae(["dataset", "inspect", "--quiet", &data]),
        fratmae(["checkpoint", "list", "--quiet", &run]),
    ]
}

fn told_in_time(call: &Call, place: &str) -> String {
    let finished = call.clone().within(PATIENCE).run();
    let line = finished.only_line();
    assert!(
        finished.seconds < 15.0,
        "{line} took {} s",
        finished.seconds
    );
    assert!(line.contains(place), "{line} does not name {place}");
    line
}

#[test]
fn a_store_that_is_down_is_told_in_one_line() {
    for call in ways_to("s3://somewhere/there") {
        let down = call
            .with("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "somebody")
            .with("AWS_SECRET_ACCESS_KEY", "secret");
        let line = told_in_time(&down, "s3://somewhere/there");
        assert!(
            line.contains("cannot reach") && line.contains("127.0.0.1:9"),
            "{line}"
        );
    }
}

#[test]
fn a_wrong_bucket_is_told_in_one_line() {
    if bucket("the wrong bucket").is_none() {
        return;
    }
    for call in ways_to("s3://fratmae-no-such-bucket/there") {
        let line = told_in_time(&call, "s3://fratmae-no-such-bucket/there");
        assert!(line.contains("bucket"), "{line}");
    }
}

#[test]
fn wrong_credentials_are_told_in_one_line() {
    let Some(bucket) = bucket("wrong credentials") else {
        return;
    };
    for (key, value) in [
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ("AWS_ACCESS_KEY_ID", "nobody"),
    ] {
        for call in ways_to(&format!("{bucket}/there")) {
            let line = told_in_time(&call.with(key, value), &bucket);
            assert!(line.contains("no access"), "{line}");
        }
    }
}
