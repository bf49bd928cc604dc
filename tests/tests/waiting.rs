//! Who waits says on what: a coordinator for workers, a worker for others or for a seat; and a group begins with what
//! is there, and grows.

use std::time::Duration;

use fratmae_tests::{
    Call, Job, RunEvent, address_of, coordinator, events, fratmae, logged, scratch, status,
};

const PATIENCE: Duration = Duration::from_secs(120);

fn worker(address: &str, name: &str) -> Call {
    fratmae([
        "worker",
        "--threads",
        "1",
        "--coordinator",
        address,
        "--name",
        name,
    ])
}

fn worlds(stderr: &str) -> Vec<usize> {
    let members = |events: RunEvent| match events {
        RunEvent::Began { members, .. } => Some(members.len()),
        _ => None,
    };
    events(stderr).into_iter().filter_map(members).collect()
}

#[test]
fn a_coordinator_says_whom_it_waits_for_and_a_worker_what_for() {
    let folder = scratch();
    let call = coordinator(&folder.path().join("run")).and("--workers=2");
    let mut led = call.start();
    let address = address_of(&mut led);
    led.runs_until("a line on the wait", PATIENCE, |led| {
        let waits = logged(&led.said(), "waiting for workers");
        waits
            .iter()
            .any(|wait| wait["wanted"] == 2 && wait["address"] == address)
    });
    let mut first = worker(&address, "first").start();
    first.runs_until("a line on the wait", PATIENCE, |first| {
        first
            .said()
            .contains("1 of 2 workers are here, waiting for 1 more")
    });
    led.runs_until("a line on the worker", PATIENCE, |led| {
        let came = logged(&led.said(), "worker registered");
        came.iter().any(|came| came["name"] == "first")
    });
    let second = worker(&address, "second").start();
    led.wait().succeeded();
    let said = first.wait().succeeded().stderr;
    assert!(said.contains("of 2 in generation 1, from step 0"), "{said}");
    second.wait().succeeded();
}

#[test]
fn too_few_workers_name_the_key_that_bounds_the_wait() {
    let folder = scratch();
    let call = coordinator(&folder.path().join("run")).and("--workers=2");
    let line = call
        .and("--set=coordinator.join_timeout_s=1")
        .run()
        .error_line();
    assert!(
        line.contains("0 of 2 workers") && line.contains("coordinator.join_timeout_s"),
        "{line}"
    );
}

#[test]
fn a_worker_beyond_the_most_says_that_it_stands_by_and_so_does_status() {
    let folder = scratch();
    let run = folder.path().join("run");
    let call = coordinator(&run)
        .and("--workers=1")
        .and("--set=train.steps=4000");
    let mut led = call.start();
    let address = address_of(&mut led);
    let _seated = worker(&address, "seated").start();
    led.runs_until_step(1);
    let mut extra = worker(&address, "extra").start();
    extra.runs_until("a line on standing by", PATIENCE, |extra| {
        extra
            .said()
            .contains("standing by: no seat is free (--workers 1)")
    });
    led.runs_until("the coordinator's line", PATIENCE, |led| {
        !logged(&led.said(), "worker stands by").is_empty()
    });
    let status = status(&run.display().to_string());
    assert_eq!(
        status["standing_by"],
        serde_json::json!(["extra"]),
        "{status}"
    );
}

#[test]
fn a_run_begins_with_what_is_there_and_grows_to_the_most_with_the_same_bits() {
    let folder = scratch();
    let job = |name: &str| Job::tiny(folder.path().join(name)).set("train.steps=24");
    let expected = job("alone").workers(1).finish();
    let run = folder.path().join("run");
    let call = coordinator(&run)
        .and("--workers=1:2")
        .and("--set=train.steps=24");
    let mut led = call.start();
    let address = address_of(&mut led);
    let first = worker(&address, "first").start();
    led.runs_until_step(1);
    let second = worker(&address, "second").start();
    let finished = led.wait().succeeded();
    for worker in [first, second] {
        worker.wait().succeeded();
    }
    assert_eq!(worlds(&finished.stderr), [1, 2], "{}", finished.stderr);
    assert_eq!(finished.digest(), expected.digest());
}

#[test]
fn workers_of_this_machine_are_started_to_the_most() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).told_as_json();
    let call = job.call().and("--workers=1:3");
    let finished = call.run().succeeded();
    assert_eq!(
        worlds(&finished.stderr).last(),
        Some(&3),
        "{}",
        finished.stderr
    );
}
