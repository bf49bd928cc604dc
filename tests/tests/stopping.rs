//! A run that is asked to stop: it says so, ends with its checkpoint and a code of its own, and resumes to the same
//! weights; asked twice it ends at once, also where its store answers nobody.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Call, Finished, Job, Running, Seeded, SickNetwork, Sickness, Signal, Undisturbed,
    committed_steps, events, fratmae, is_alive, lacks_right, logged, phantoms, scratch, send, skip,
    variable, wait_until,
};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
const STEPS: u64 = 30;
const PATIENCE: Duration = Duration::from_secs(60);
/// Undoes what `nohup` does, under which these tests may run too.
const HEARS_SIGHUP: &[&str] = &["env", "--default-signal=HUP"];
/// Exit codes, as `fratmae --help` lists them.
const RESUMES: Option<i32> = Some(75);
const AT_ONCE: Option<i32> = Some(130);

fn plain(run: impl AsRef<Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=100")
        .set("workers.threads=1")
}

fn job(run: impl AsRef<Path>) -> Job {
    plain(run).workers(2).told_as_json()
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(plain));

/// Waits until the request was answered.
fn answered(running: &mut Running) {
    running.runs_until("an answer", PATIENCE, |running| {
        !logged(&running.said(), "stopping").is_empty()
    });
}

fn no_failure(stopped: &Finished) {
    let text = &stopped.stderr;
    assert!(!text.contains("error:"), "{text}");
    assert!(!text.contains("in trouble"), "{text}");
    assert!(!text.contains("started again"), "{text}");
}

/// A coordinator that waits for workers from elsewhere.
fn coordinator(run: &Path) -> Call {
    let data = phantoms().data.display().to_string();
    fratmae([
        "coordinator",
        "--log",
        "json",
        "--workers",
        "1",
        "--config",
        CONFIG,
    ])
    .and("--data")
    .and(data)
    .and("--run")
    .and(run)
    .and("--set")
    .and("train.steps=2000")
}

fn serving(running: &mut Running) -> String {
    let mut address = None;
    running.runs_until("the coordinator's address", PATIENCE, |running| {
        address = events(&running.said())
            .into_iter()
            .find_map(|event| match event {
                fratmae_tests::RunEvent::Serving { address } => Some(address),
                _ => None,
            });
        address.is_some()
    });
    address.unwrap_or_default()
}

#[test]
fn every_signal_stops_a_run_with_its_checkpoint_and_the_same_command_resumes() {
    let folder = scratch();
    let run = folder.path().join("run");
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    for (signal, step) in signals.into_iter().zip([4, 12, 20]) {
        let mut running = job(&run).call().through(HEARS_SIGHUP).start();
        running.runs_until_step(step);
        // As a terminal does it, and a scheduler that ends a whole group of processes.
        running.signal_all(signal);
        let stopped = running.wait();
        assert_eq!(stopped.code, RESUMES, "{signal}: {}", stopped.stderr);
        no_failure(&stopped);
        assert_eq!(logged(&stopped.stderr, "stopping").len(), 1, "{signal}");
        let saved = committed_steps(&run).last().copied().unwrap_or_default();
        let last = stopped.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(&format!("stopped at step {saved}")), "{last}");
        assert!(last.contains("checkpoint saved"), "{last}");
    }
    let job = job(&run);
    UNDISTURBED.assert_reached(&job, job.finish().digest(), "resumed");
}

#[test]
fn a_second_ctrl_c_ends_a_run_at_once_with_its_workers_and_it_resumes_soundly() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut running = job(&run).set("train.steps=100000").start();
    running.runs_until_step(4);
    let workers = running.children();
    assert_eq!(workers.len(), 2);
    // The step at hand does not end before the second request.
    workers
        .iter()
        .for_each(|worker| send(*worker, Signal::SIGSTOP));
    running.signal(Signal::SIGINT);
    answered(&mut running);
    running.signal(Signal::SIGINT);
    let stopped = running.wait();
    assert_eq!(stopped.code, AT_ONCE, "{}", stopped.stderr);
    no_failure(&stopped);
    wait_until("the end of the workers", PATIENCE, || {
        !workers.iter().any(|worker| is_alive(*worker))
    });
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let mut running = job.start();
    running.runs_until_step(8);
    running.signal(Signal::SIGINT);
    answered(&mut running);
    running.signal(Signal::SIGINT);
    let code = running.wait().code;
    assert!([RESUMES, AT_ONCE].contains(&code), "{code:?}");
    UNDISTURBED.assert_reached(&job, job.finish().digest(), "ended at once");
}

#[test]
fn a_request_at_any_moment_is_answered_and_costs_nothing() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut draw = Seeded::new(15);
    for _ in 0..5 {
        let mut running = job(&run).start();
        running.runs_for(Duration::from_millis(draw.below(3_000)));
        if !running.is_running() {
            break;
        }
        running.signal_all(Signal::SIGINT);
        let stopped = running.wait();
        let ended_before = stopped.code == Some(0) || stopped.code.is_none();
        assert!(
            ended_before || stopped.code == RESUMES,
            "{}",
            stopped.stderr
        );
        no_failure(&stopped);
    }
    let job = job(&run);
    UNDISTURBED.assert_reached(&job, job.finish().digest(), "stopped again and again");
}

#[test]
fn nobody_is_started_again_while_a_run_stops() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut running = job(&run).set("train.steps=100000").start();
    running.runs_until_step(4);
    let workers = running.children();
    workers
        .iter()
        .for_each(|worker| send(*worker, Signal::SIGSTOP));
    running.signal(Signal::SIGTERM);
    answered(&mut running);
    send(workers[0], Signal::SIGKILL);
    send(workers[1], Signal::SIGCONT);
    let stopped = running.wait();
    assert_eq!(stopped.code, RESUMES, "{}", stopped.stderr);
    assert!(
        !stopped.stderr.contains("started again"),
        "{}",
        stopped.stderr
    );
    assert!(committed_steps(&run).last() >= Some(&4));
}

#[test]
fn a_run_under_nohup_outlives_the_terminal() {
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let mut running = job.call().through(&["nohup"]).start();
    running.runs_until_step(3);
    running.signal_all(Signal::SIGHUP);
    let finished = running.wait().succeeded();
    UNDISTURBED.assert_reached(&job, &finished.digest(), "under nohup");
}

#[test]
fn a_coordinator_that_waits_for_workers_stops_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let folder = scratch();
        let coordinator = coordinator(&folder.path().join("run"));
        let mut running = coordinator.through(HEARS_SIGHUP).start();
        serving(&mut running);
        running.signal(signal);
        let stopped = running.wait();
        assert_eq!(stopped.code, RESUMES, "{signal}: {}", stopped.stderr);
        no_failure(&stopped);
        assert!(stopped.stderr.contains("before the first checkpoint"));
    }
}

#[test]
fn workers_from_elsewhere_learn_that_the_run_was_stopped_and_leave_well_by_themselves() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut leading = coordinator(&run).start();
    let address = serving(&mut leading);
    let worker = || fratmae(["worker", "--coordinator", &address, "--threads", "1"]).start();
    let first = worker();
    leading.runs_until_step(2);
    let mut second = worker();
    second.runs_until("its place", PATIENCE, |second| {
        second.said().contains("training on")
    });
    second.signal(Signal::SIGTERM);
    let left = second.wait();
    assert_eq!(left.code, RESUMES, "{}", left.stderr);
    assert!(
        left.stderr.contains("leaving after the step at hand"),
        "{}",
        left.stderr
    );
    leading.signal(Signal::SIGTERM);
    assert_eq!(leading.wait().code, RESUMES);
    let stopped = first.wait();
    assert_eq!(stopped.code, RESUMES, "{}", stopped.stderr);
    no_failure(&stopped);
}

#[test]
fn a_worker_that_finds_no_coordinator_stops_at_once() {
    let running = fratmae(["worker", "--coordinator", "http://127.0.0.1:1"]).start();
    let mut running = running;
    running.runs_for(Duration::from_millis(300));
    running.signal(Signal::SIGINT);
    let stopped = running.wait();
    assert_eq!(stopped.code, RESUMES, "{}", stopped.stderr);
}

#[test]
fn a_stop_while_data_is_made_leaves_nothing_that_is_in_the_way() {
    let folder = scratch();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let call = fratmae(["pretrain", "--json", "--config", CONFIG])
        .and(format!("--data={}", place("data")))
        .and(format!("--run={}", place("run")))
        .and(format!("--set=data.source={}", place("cases")))
        .and("--set=data.phantoms=60");
    let mut running = call.start();
    running.runs_until("phantoms", PATIENCE, |running| {
        running.said().contains("phantoms")
    });
    running.signal_all(Signal::SIGTERM);
    let stopped = running.wait();
    assert_eq!(stopped.code, RESUMES, "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("stopped before training began"),
        "{}",
        stopped.stderr
    );
    call.run().succeeded();
}

/// A run whose store has stopped to answer, the way to that store, and its place.
fn stalled(test: &str, folder: &Path) -> Option<(Running, SickNetwork, String)> {
    const URL: &str = "FRATMAE_TEST_S3_URL";
    let Some((bucket, endpoint)) = variable(URL).zip(variable("AWS_ENDPOINT_URL")) else {
        let reason = format!("{URL} is not set; `cargo xtask test` starts a store and sets it");
        skip(test, &reason);
        return None;
    };
    let name = folder.file_name().and_then(|name| name.to_str());
    let run = format!("{bucket}/{}/run", name.unwrap_or_default());
    let sound = Sickness {
        seed: 1,
        one_in: u64::MAX,
        stall: Duration::ZERO,
    };
    let network = SickNetwork::start(&endpoint, sound);
    let data = phantoms().data.display().to_string();
    let mut running = Job::on(&data, &run)
        .set("train.steps=100000")
        .set("checkpoint.every=5")
        .set("workers.threads=1")
        .workers(2)
        .told_as_json()
        .with("AWS_ENDPOINT_URL", &network.endpoint())
        .start();
    running.runs_until_step(6);
    network.hold();
    running.runs_for(Duration::from_millis(500));
    Some((running, network, run))
}

/// Waits for the end of workers, and checks what they have left behind.
fn ended_soundly(workers: &[u32], run: &str) {
    wait_until("the end of the workers", PATIENCE, || {
        !workers.iter().any(|worker| is_alive(*worker))
    });
    let whole = fratmae(["checkpoint", "verify", "--all", run]);
    whole.run().succeeded();
}

#[test]
fn a_store_that_answers_nobody_keeps_nobody_from_stopping() {
    let folder = scratch();
    let Some((mut running, _network, run)) = stalled("a stalled store", folder.path()) else {
        return;
    };
    let workers = running.children();
    running.signal_all(Signal::SIGINT);
    answered(&mut running);
    running.signal_all(Signal::SIGINT);
    let stopped = running.wait();
    assert_eq!(stopped.code, AT_ONCE, "{}", stopped.stderr);
    ended_soundly(&workers, &run);
}

#[test]
fn a_store_that_answers_nobody_holds_a_stop_up_for_a_while_only() {
    let folder = scratch();
    let Some((mut running, _network, run)) = stalled("a long stall", folder.path()) else {
        return;
    };
    let workers = running.children();
    running.signal(Signal::SIGTERM);
    answered(&mut running);
    let stopped = running.wait();
    assert_eq!(stopped.code, RESUMES, "{}", stopped.stderr);
    let last = stopped.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("its store does not answer"), "{last}");
    ended_soundly(&workers, &run);
}

#[test]
fn a_machine_without_threads_is_one_line() {
    // Root may always have threads, so another user asks for them.
    let nobody = [
        "setpriv",
        "--reuid=54321",
        "--regid=54321",
        "--clear-groups",
    ];
    let is_root = std::process::Command::new(nobody[0])
        .args(&nobody[1..])
        .arg("true")
        .status()
        .is_ok_and(|status| status.success());
    if !is_root {
        return lacks_right("a limit on threads", "only root can become another user");
    }
    for limit in [0, 2, 5] {
        let limit = format!("--nproc={limit}:{limit}");
        let prefix: Vec<&str> = nobody.into_iter().chain(["prlimit", &limit]).collect();
        for arguments in [
            &["doctor"][..],
            &["worker", "--coordinator", "http://127.0.0.1:1"],
        ] {
            let ended = fratmae(arguments.iter().copied()).through(&prefix).run();
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            ended.no_panic();
            let lines: Vec<_> = ended.stderr.lines().collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(
                lines[0].starts_with("error: cannot start threads"),
                "{lines:?}"
            );
        }
    }
}
