//! The exit code tells a scheduler whether another process is to take this one's place, and where. Each is reached here by
//! the fault that it stands for; what places do with it is tested beside their rules (`crates/launch`) and on real ones.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fratmae_tests::{
    Finished, Job, OtherVersion, Running, Signal, address_of, coordinator, fratmae, logged,
    scratch, send, worker,
};

const FINISHED: Option<i32> = Some(0);
const FAILED: Option<i32> = Some(1);
const MISUSE: Option<i32> = Some(2);
const GOES_ON: Option<i32> = Some(75);
const UNFIT: Option<i32> = Some(76);
const REFUSED: Option<i32> = Some(78);
const AT_ONCE: Option<i32> = Some(130);

const PATIENCE: Duration = Duration::from_secs(30);

/// Weights that soon grow beyond every bound.
const EXPLODING: [&str; 5] = [
    "train.lr=10",
    "train.weight_decay=1",
    "train.warmup=0",
    "train.clip_norm=1e9",
    "train.steps=200",
];

/// A coordinator for one worker, and its address.
fn led(run: &Path, sets: &[&str]) -> (Running, String) {
    let call = coordinator(run).and("--workers=1");
    let sets = sets.iter();
    let call = sets.fold(call, |call, set| call.and("--set").and(*set));
    let mut led = call.start();
    let address = address_of(&mut led);
    (led, address)
}

fn assert_ended(ended: &Finished, code: Option<i32>) {
    assert_eq!(ended.code, code, "{}", ended.stderr);
    ended.no_panic();
}

#[test]
fn a_run_that_is_finished_is_so_for_all_its_processes_and_for_whoever_starts_them_again() {
    let folder = scratch();
    let run = folder.path().join("run");
    let (led, address) = led(&run, &["train.steps=2"]);
    assert_ended(&worker(&address).run(), FINISHED);
    assert_ended(&led.wait(), FINISHED);
    let again = coordinator(&run).and("--workers=1");
    assert_ended(&again.and("--set=train.steps=2").run(), FINISHED);
    let late = fratmae(["worker", "--threads", "1", "--run"]).and(&run);
    assert_ended(&late.run(), FINISHED);
}

#[test]
fn a_run_whose_weights_diverge_has_failed_for_all_its_processes() {
    let folder = scratch();
    let (led, address) = led(&folder.path().join("run"), &EXPLODING);
    assert_ended(&worker(&address).run(), FAILED);
    let failed = led.wait();
    assert_ended(&failed, FAILED);
    assert!(
        failed.error_line().contains("is not finite"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_call_that_can_never_work_is_misuse() {
    let folder = scratch();
    for call in [
        fratmae(["worker"]).with("FRATMAE_COORDINATOR", ""),
        fratmae(["launch", "--on", "local", "--set", "train.stepz=1"]),
        fratmae(["launch", "status"]),
        fratmae(["launch", "--on", "nowhere"]),
    ] {
        let call = call.with("XDG_STATE_HOME", &folder.path().display().to_string());
        assert_ended(&call.run(), MISUSE);
    }
}

#[test]
fn a_worker_and_a_coordinator_that_are_asked_to_go_may_be_started_again() {
    let folder = scratch();
    let (mut led, address) = led(&folder.path().join("run"), &["train.steps=100000"]);
    let (first, second) = (worker(&address).start(), worker(&address).start());
    led.runs_until_step(2);
    first.signal(Signal::SIGUSR1);
    assert_ended(&first.wait(), GOES_ON);
    led.signal(Signal::SIGTERM);
    assert_ended(&led.wait(), GOES_ON);
    assert_ended(&second.wait(), GOES_ON);
}

#[test]
fn a_worker_without_a_coordinator_may_be_started_again() {
    let lonely = fratmae(["worker", "--coordinator", "127.0.0.1:1", "--wait", "1s"]).run();
    assert_ended(&lonely, GOES_ON);
    lonely.error_line();
}

#[test]
fn a_coordinator_of_a_run_that_another_one_leads_may_be_started_again() {
    let folder = scratch();
    let run = folder.path().join("run");
    let (_led, _) = led(&run, &[]);
    let second = coordinator(&run).and("--workers=1").run();
    assert_ended(&second, GOES_ON);
}

#[test]
fn a_machine_that_lacks_what_the_job_demands_is_unfit_and_the_run_without_any_other_fails() {
    let folder = scratch();
    let sets = ["workers.device=cuda", "coordinator.join_timeout_s=5"];
    let (led, address) = led(&folder.path().join("run"), &sets);
    // Wherever the tests run, this library is no driver.
    let unfit = worker(&address).and("--cuda-library=/dev/null").run();
    assert_ended(&unfit, UNFIT);
    assert!(unfit.error_line().contains("cuda"), "{}", unfit.stderr);
    assert_ended(&led.wait(), FAILED);
}

#[test]
fn a_job_that_is_not_the_runs_is_refused() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = || Job::tiny(&run).set("train.steps=1").workers(1);
    job().finish();
    let other = job().set("train.lr=0.5").start().wait();
    assert_ended(&other, REFUSED);
    assert!(other.error_line().contains("train.lr"), "{}", other.stderr);
}

#[test]
fn a_worker_of_another_version_than_the_coordinators_is_refused() {
    let folder = scratch();
    let other = OtherVersion::lead(&folder.path().join("run"));
    let refused = worker(other.address()).run();
    assert_ended(&refused, REFUSED);
    assert!(
        refused.error_line().contains(OtherVersion::VERSION),
        "{}",
        refused.stderr
    );
}

/// Makes the records of a run as old as if `apart` had passed before each next one.
fn spread(run: &Path, apart: Duration) {
    let entries = fs::read_dir(run.join("journal")).expect("a journal");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for (age, file) in (1..).zip(files.into_iter().rev()) {
        let file = File::options().write(true).open(file).expect("a record");
        let written = file.metadata().and_then(|it| it.modified());
        let before = written.expect("an age") - age * apart;
        file.set_modified(before).expect("another age");
    }
}

#[test]
fn a_run_whose_coordinators_die_one_after_the_other_without_a_step_has_failed_until_it_is_started_again()
 {
    let folder = scratch();
    let run = folder.path().join("run");
    for _ in 0..3 {
        let (led, _) = led(&run, &["train.steps=2"]);
        led.signal(Signal::SIGKILL);
        led.wait();
    }
    spread(&run, Duration::from_secs(20));
    let call = || {
        coordinator(&run)
            .and("--workers=1")
            .and("--set=train.steps=2")
    };
    let given_up = call().run();
    assert_ended(&given_up, FAILED);
    let line = given_up.error_line();
    assert!(
        line.contains("3 coordinators in a row died without a step"),
        "{line}"
    );
    let (led, address) = led(&run, &["train.steps=2"]);
    assert_ended(&worker(&address).run(), FINISHED);
    assert_ended(&led.wait(), FINISHED);
}

#[test]
fn a_run_that_is_told_a_second_time_to_stop_ends_at_once() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).set("train.steps=100000");
    let mut running = job.workers(1).told_as_json().start();
    running.runs_until_step(2);
    // Its last step does not end before the second request.
    running
        .children()
        .iter()
        .for_each(|worker| send(*worker, Signal::SIGSTOP));
    running.signal(Signal::SIGINT);
    running.runs_until("an answer", PATIENCE, |it| {
        !logged(&it.said(), "stopping").is_empty()
    });
    running.signal(Signal::SIGINT);
    assert_ended(&running.wait(), AT_ONCE);
}
