//! Runs over two hosts, each with an address of its own: they give the weights of the run on one, also when one is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use fratmae_tests::{
    Host, Job, Running, TwoHosts, coordinator, fratmae, lacks_right, logged, losses, phantoms,
    scratch, worker,
};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

const PATIENCE: Duration = Duration::from_secs(30);

/// A coordinator on the first host; a worker there and two on the second, or the other way round.
struct Spread {
    coordinator: Running,
    workers: [Running; 3],
}

/// The hosts, where they can be made.
fn hosts() -> Option<TwoHosts> {
    let started = TwoHosts::start();
    if let Err(reason) = &started {
        let reason = format!("network namespaces cannot be made ({reason})");
        lacks_right("two hosts", &reason);
    }
    started.ok()
}

fn begin(hosts: &TwoHosts, places: [Host; 3], run: &Path, settings: &[&str]) -> Spread {
    let run = run.display().to_string();
    let data = phantoms().data.display().to_string();
    let listen = format!("{}:5600", Host::First.address());
    let address = format!("http://{listen}");
    let keys = run_keys(&run);
    let mut call = fratmae(["coordinator", "--json", "--log", "json", "--workers=3"])
        .and("--config")
        .and(CONFIG)
        .and("--data")
        .and(&data)
        .and("--run")
        .and(&run)
        .and("--listen")
        .and(&listen);
    for setting in settings {
        call = call.and("--set").and(*setting);
    }
    let call = call.with("FRATMAE_KEYS", &keys);
    let mut coordinator = call.through(&hosts.on(Host::First)).start();
    coordinator.runs_until("the coordinator's address", PATIENCE, |it| {
        it.said().contains(&listen)
    });
    let workers = places.map(|host| {
        let worker = fratmae(["worker", "--coordinator", &address]);
        let worker = worker.with("FRATMAE_KEYS", &keys);
        worker.through(&hosts.on(host)).start()
    });
    Spread {
        coordinator,
        workers,
    }
}

/// Makes keys beside a run; gives their folder.
fn run_keys(run: &str) -> String {
    let keys = format!("{run}.keys");
    let made = fratmae(["keys", "make", &keys, "--name", "two-hosts"]);
    made.run().succeeded();
    keys
}

#[test]
fn nobody_serves_or_joins_beyond_its_host_without_keys_unless_told_to() {
    let Some(hosts) = hosts() else { return };
    let folder = scratch();
    let listen = format!("{}:5600", Host::First.address());
    let call = coordinator(&folder.path().join("run"))
        .and("--listen")
        .and(&listen);
    let line = call.through(&hosts.on(Host::First)).run().error_line();
    assert!(
        line.contains("fratmae keys make") && line.contains("--keys none"),
        "{line}"
    );
    let line = worker(&listen).run().error_line();
    assert!(
        line.contains("not on this machine") && line.contains("--keys none"),
        "{line}"
    );
}

#[test]
fn a_coordinator_and_workers_on_two_hosts_give_the_weights_of_one() {
    let Some(hosts) = hosts() else { return };
    let folder = scratch();
    let local = Job::tiny(folder.path().join("local"));
    let expected = local.finish();
    let run = folder.path().join("run");
    let places = [Host::First, Host::Second, Host::Second];
    let spread = begin(&hosts, places, &run, &[]);
    let finished = spread.coordinator.wait().succeeded();
    for worker in spread.workers {
        worker.wait().succeeded();
    }
    assert_eq!(finished.digest(), expected.digest(), "{}", finished.stderr);
    let run = run.display().to_string();
    assert_eq!(losses(&run), losses(local.run_url()));
}

#[test]
fn a_host_that_is_cut_off_is_named_within_three_seconds_and_the_others_go_on() {
    let Some(hosts) = hosts() else { return };
    let folder = scratch();
    let steps = "train.steps=40";
    let local = Job::tiny(folder.path().join("local")).set(steps);
    let expected = local.finish();
    let places = [Host::First, Host::First, Host::Second];
    let settings = [steps, "coordinator.heartbeat_ms=20"];
    let run = folder.path().join("run");
    let mut spread = begin(&hosts, places, &run, &settings);
    let coordinator = &mut spread.coordinator;
    coordinator.runs_until_step(20);
    hosts.cut();
    let cut = Instant::now();
    coordinator.runs_until("a verdict", PATIENCE, |it| {
        !logged(&it.said(), "worker in trouble").is_empty()
    });
    let named = cut.elapsed();
    let finished = spread.coordinator.wait().succeeded();
    assert_eq!(finished.digest(), expected.digest(), "{}", finished.stderr);
    let verdicts = logged(&finished.stderr, "worker in trouble");
    let [verdict] = &verdicts[..] else {
        panic!("one verdict: {verdicts:?}")
    };
    assert_eq!(verdict["host"], Host::Second.address(), "{verdict}");
    let reason = verdict["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("its host is gone"), "{reason}");
    assert!(named < Duration::from_secs(3), "{named:?}");
}
