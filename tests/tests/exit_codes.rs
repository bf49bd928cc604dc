//! The exit code tells a scheduler whether another process is to take this one's place, and where.

use fratmae_tests::{Job, address_of, coordinator, fratmae, scratch, worker};

#[test]
fn a_job_that_is_not_the_runs_is_refused() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = || Job::tiny(&run).set("train.steps=1").workers(1);
    job().finish();
    let other = job().set("train.lr=0.5").start().wait();
    assert_eq!(other.code, Some(78), "{}", other.stderr);
    assert!(other.error_line().contains("train.lr"), "{}", other.stderr);
}

#[test]
fn a_machine_that_lacks_what_the_job_demands_is_unfit_and_the_run_without_any_other_fails() {
    let folder = scratch();
    let mut led = coordinator(&folder.path().join("run"))
        .and("--workers=1")
        .and("--set=workers.device=cuda")
        .and("--set=coordinator.join_timeout_s=5")
        .start();
    let address = address_of(&mut led);
    // Wherever the tests run, this library is no driver.
    let unfit = worker(&address).and("--cuda-library=/dev/null").run();
    assert_eq!(unfit.code, Some(76), "{}", unfit.stderr);
    assert!(unfit.error_line().contains("cuda"), "{}", unfit.stderr);
    let failed = led.wait();
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
}

#[test]
fn a_worker_without_a_coordinator_may_be_started_again() {
    let lonely = fratmae(["worker", "--coordinator", "127.0.0.1:1", "--wait", "1s"]).run();
    assert_eq!(lonely.code, Some(75), "{}", lonely.stderr);
    lonely.error_line();
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
        let ended = call.run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    }
}
