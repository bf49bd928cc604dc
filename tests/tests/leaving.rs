//! Workers that are asked to leave: the others go on with what they hold, nobody is at fault, and the weights are those
//! of an undisturbed run.

use std::path::Path;
use std::sync::LazyLock;

use fratmae_tests::{
    Job, RunEvent, Signal, Undisturbed, address_of, applied, committed_steps, coordinator, events,
    scratch, send, status, worker,
};

const STEPS: u64 = 30;

/// Checkpoints are so far apart that going back to one would show.
fn job(run: impl AsRef<Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=100")
        .set("workers.threads=1")
        .told_as_json()
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

fn worlds(events: &[RunEvent]) -> Vec<usize> {
    let world = |event: &RunEvent| match event {
        RunEvent::Began { members, .. } => Some(members.len()),
        _ => None,
    };
    events.iter().filter_map(world).collect()
}

#[test]
fn workers_that_are_told_to_leave_cost_no_step_and_are_not_started_again() {
    let folder = scratch();
    let job = job(folder.path().join("run")).workers(3);
    let mut running = job.start();
    for (step, signal) in [(6, Signal::SIGTERM), (15, Signal::SIGUSR1)] {
        running.runs_until_step(step);
        send(running.children()[0], signal);
    }
    let finished = running.wait().succeeded();
    let events = events(&finished.stderr);
    let steps: Vec<u64> = (1..=STEPS).collect();
    assert_eq!(applied(&events), steps, "{}", finished.stderr);
    assert_eq!(worlds(&events), [3, 2, 1], "{}", finished.stderr);
    let n_left = finished.stderr.matches("worker left as asked").count();
    assert_eq!(n_left, 2, "{}", finished.stderr);
    assert!(
        !finished.stderr.contains("in trouble"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.digest(), UNDISTURBED.digest);
}

#[test]
fn when_every_worker_is_to_leave_the_run_stops_with_a_checkpoint_and_goes_on_from_it() {
    let folder = scratch();
    let run = folder.path().join("run");
    let file = folder.path().join("preempted");
    let preemption = format!("workers.preemption_file={}", file.display());
    let mut running = job(&run).set(&preemption).workers(2).start();
    running.runs_until_step(4);
    std::fs::write(&file, "").expect("the folder is ours");
    let stopped = running.wait();
    assert_eq!(stopped.code, Some(75), "{}", stopped.stderr);
    let last = stopped.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("its last worker was asked to leave"),
        "{last}"
    );
    assert!(!stopped.stderr.contains("in trouble"), "{}", stopped.stderr);
    assert_eq!(committed_steps(&run).len(), 1);
    let status = status(&run.display().to_string());
    assert_eq!(status["reason"], "its last worker was asked to leave");
    let job = job(&run).workers(2);
    UNDISTURBED.assert_reached(&job, job.finish().digest(), "resumed");
}

#[test]
fn a_worker_watches_the_file_that_it_was_started_with_and_none_that_a_coordinator_names() {
    let folder = scratch();
    let file = folder.path().join("preempted");
    std::fs::write(&file, "").expect("the folder is ours");
    let of_job = format!("--set=workers.preemption_file={}", file.display());
    let mut led = coordinator(&folder.path().join("run"))
        .and("--workers=2")
        .and("--set=train.steps=100")
        .and(of_job)
        .start();
    let address = address_of(&mut led);
    let worker = || worker(&address);
    let own_file = folder.path().join("own");
    let (stays, leaves) = (
        worker().start(),
        worker().with("FRATMAE_PREEMPTION_FILE", &own_file.display().to_string()),
    );
    let leaves = leaves.start();
    led.runs_until_step(2);
    std::fs::write(&own_file, "").expect("the folder is ours");
    let left = leaves.wait();
    assert_eq!(left.code, Some(75), "{}", left.stderr);
    assert!(
        left.stderr.contains("preemption file found"),
        "{}",
        left.stderr
    );
    let stayed = stays.wait().succeeded();
    assert!(
        !stayed.stderr.contains("preemption file found"),
        "{}",
        stayed.stderr
    );
    let said = led.wait().succeeded().stderr;
    assert!(
        said.contains("workers.preemption_file is each worker's own"),
        "{said}"
    );
}

#[test]
fn the_signal_of_a_scheduler_to_the_coordinator_stops_the_run_with_a_checkpoint() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut running = job(&run).workers(2).start();
    running.runs_until_step(4);
    running.signal(Signal::SIGUSR1);
    let stopped = running.wait();
    assert_eq!(stopped.code, Some(75), "{}", stopped.stderr);
    assert_eq!(committed_steps(&run).len(), 1);
    let status = status(&run.display().to_string());
    assert_eq!(status["reason"], "asked to stop");
}
