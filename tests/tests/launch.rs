//! `fratmae launch` on this machine: what it starts goes on in the background, is followed, changed, stopped and launched
//! again, and comes to the weights of an undisturbed run. A worker finds its coordinator by the run.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Call, Job, Signal, Undisturbed, address_of, coordinator, fratmae, phantoms, scratch, wait_for,
    wait_until,
};
use serde_json::Value;
use tempfile::TempDir;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
/// How long a launched run may take for anything.
const PATIENCE: Duration = Duration::from_secs(180);

const SETS: [&str; 3] = [
    "train.steps=300",
    "checkpoint.every=200",
    "workers.threads=1",
];

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| {
    Undisturbed::of(|run| SETS.iter().fold(Job::tiny(run), |job, set| job.set(set)))
});

/// A run that is launched into folders of its own; whatever is left of it ends with the value.
struct Launch {
    folder: TempDir,
    run: PathBuf,
}

impl Launch {
    fn new() -> Self {
        let folder = scratch();
        let run = folder.path().join("run");
        Self { folder, run }
    }

    fn call(&self, words: &[&str]) -> Call {
        let state = self.folder.path().join("state");
        fratmae(["launch"].iter().chain(words)).with("XDG_STATE_HOME", &state.display().to_string())
    }

    /// The call that launches it.
    fn launch(&self, sets: &[&str]) -> Call {
        let call = self.call(&["--on", "local", "--config", CONFIG, "--data"]);
        let call = call.and(&phantoms().data).and("--run").and(&self.run);
        let sets = sets.iter();
        sets.fold(call, |call, set| call.and("--set").and(*set))
    }

    /// A question about it.
    fn ask(&self, question: &str) -> Call {
        self.call(&[question]).and(&self.run)
    }

    fn status(&self) -> Value {
        self.ask("status").and("--json").run().succeeded().json()
    }

    /// Waits until its status is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, PATIENCE, || Some(self.status()).filter(&is_so))
    }

    fn processes(&self) -> usize {
        self.status()["members"].as_array().map_or(0, Vec::len)
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        if self.run.join("launch").exists() {
            self.ask("reap").run();
        }
    }
}

fn n_members(status: &Value) -> usize {
    let members = status["status"]["members"].as_array();
    members.map_or(0, Vec::len)
}

#[test]
fn a_launched_run_is_stopped_and_launched_again_and_comes_to_the_same_weights() {
    let launch = Launch::new();
    let launched = launch.launch(&SETS).run().succeeded();
    assert!(
        launched.stdout.contains("launched run\n"),
        "{}",
        launched.stdout
    );
    let twice = launch.launch(&SETS).run();
    assert_eq!(twice.code, Some(1), "{}", twice.stderr);
    assert!(
        twice.error_line().contains("fratmae launch status"),
        "{}",
        twice.stderr
    );
    launch.until("a step", |status| {
        status["status"]["step"].as_u64() >= Some(1)
    });
    assert!(
        launch
            .ask("logs")
            .run()
            .succeeded()
            .stdout
            .contains("worker")
    );
    let listed = launch.call(&["list"]).run().succeeded();
    assert!(listed.stdout.contains("run  "), "{}", listed.stdout);
    launch.ask("stop").run().succeeded();
    launch.until("the end of its processes", |status| {
        status["members"].as_array().is_some_and(Vec::is_empty)
    });
    let shown = launch.ask("status").run().succeeded().stdout;
    assert!(shown.contains("interrupted: asked to stop"), "{shown}");
    launch.launch(&SETS).run().succeeded();
    let finished = launch.until("the end of the run", |status| {
        status["status"]["state"] == "finished"
    });
    let digest = &finished["status"]["summary"]["weights_digest"];
    assert_eq!(digest, UNDISTURBED.digest.as_str());
    let over = launch.launch(&SETS).run();
    assert!(over.error_line().contains("is finished"), "{}", over.stderr);
    wait_until("the end of its processes", PATIENCE, || {
        launch.processes() == 0
    });
}

#[test]
fn workers_come_and_go_while_it_runs() {
    let launch = Launch::new();
    let sets = [
        "train.steps=100000",
        "checkpoint.every=100000",
        "workers.threads=1",
        "workers.count=3",
        "workers.min=1",
        "launch.workers=2",
    ];
    launch.launch(&sets).run().succeeded();
    let comes_to = |count: usize| {
        launch.until(&format!("{count} workers"), |status| {
            n_members(status) == count && status["status"]["state"] == "running"
        });
    };
    let resize = |count: &str| launch.ask("resize").and(count).run();
    comes_to(2);
    for count in [1, 3] {
        resize(&count.to_string()).succeeded();
        comes_to(count);
    }
    let refused = resize("4");
    assert!(
        refused.error_line().contains("here 1 to 3"),
        "{}",
        refused.stderr
    );
    launch.ask("stop").run().succeeded();
    wait_until("the end of its processes", PATIENCE, || {
        launch.processes() == 0
    });
    let verdicts = launch.status()["status"]["verdicts"].clone();
    assert_eq!(verdicts, Value::Array(Vec::new()));
}

#[test]
fn what_cannot_run_says_so_at_once_and_nothing_is_left() {
    let launch = Launch::new();
    let failed = launch.launch(&["model.init_from=/nowhere"]).run();
    assert!(
        failed.error_line().contains("/nowhere"),
        "{}",
        failed.stderr
    );
    let listed = launch.call(&["list"]).run().succeeded().stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let absent = launch.ask("status").run();
    assert!(
        absent.error_line().contains("was not launched"),
        "{}",
        absent.stderr
    );
}

#[test]
fn a_plan_shows_what_would_be_started_and_starts_nothing() {
    let launch = Launch::new();
    let plan = launch.call(&["plan", "--config", CONFIG, "--workers", "1:4"]);
    let plan = plan
        .and("--set=launch.price=2")
        .and("--run")
        .and(&launch.run);
    let text = plan.run().succeeded().stdout;
    for part in [
        "# ---- job.toml\n",
        "# ---- start.sh\n#!/bin/sh\n",
        "4 (1 to 4), each with",
        "samples/s",
        "checkpoints",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let json = plan.and("--json").run().succeeded().json();
    assert_eq!(json["files"][0]["name"], "job.toml");
    assert!(json["forecast"]["price"].as_f64() > Some(0.0), "{json}");
    assert!(!launch.run.exists());
}

fn worker_of(run: &Path) -> Call {
    fratmae(["worker", "--threads", "1", "--wait", "150s", "--run"])
        .and(run)
        .within(PATIENCE)
}

#[test]
fn a_worker_finds_its_coordinator_by_the_run_also_when_it_has_moved() {
    let folder = scratch();
    let run = folder.path().join("run");
    let led = || {
        let call = coordinator(&run).and("--workers=1:2").within(PATIENCE);
        SETS.iter()
            .fold(call, |call, set| call.and("--set").and(*set))
    };
    // It is there before the run is.
    let early = worker_of(&run).start();
    let mut first = led().start();
    address_of(&mut first);
    first.runs_until_step(2);
    first.signal(Signal::SIGKILL);
    first.wait();
    // The store names a coordinator that is gone.
    let late = worker_of(&run).start();
    let finished = led().run().succeeded();
    assert_eq!(finished.digest(), UNDISTURBED.digest);
    early.wait().succeeded();
    late.wait().succeeded();
    // Nobody is needed any more.
    worker_of(&run).run().succeeded();
}
