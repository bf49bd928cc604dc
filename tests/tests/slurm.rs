//! Runs on a real Slurm cluster: workers that come and go by its hand cost no result, and nothing of a run stays behind.
//!
//! A cluster's commands are called where a person or the cluster itself would act: a kill, a node that goes down, a job that
//! is put back into the queue, a time limit.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fratmae_tests::{
    Call, Job, Signal, Slurm, Undisturbed, committed_steps, fratmae, losses, phantoms, program,
    scratch, wait_for, wait_until,
};
use serde_json::Value;
use tempfile::TempDir;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
/// How long the cluster may take for anything. A job on the node that another test takes down waits two minutes for its
/// next turn.
const PATIENCE: Duration = Duration::from_secs(480);
/// How long jobs may be in the queue after the end of their run.
const END_PATIENCE: Duration = Duration::from_secs(150);

/// So many steps that a run never comes to their end: it is stopped.
const ENDLESS: [&str; 3] = [
    "train.steps=1000000",
    "checkpoint.every=1000",
    "workers.min=1",
];

/// A run that is launched on the cluster; whatever is left of it ends with the value.
struct Launch<'a> {
    slurm: &'a Slurm,
    name: String,
    folder: TempDir,
    run: PathBuf,
}

impl<'a> Launch<'a> {
    fn new(slurm: &'a Slurm, name: &str) -> Self {
        let folder = scratch();
        let run = folder.path().join("run");
        let name = format!("{name}-{}", std::process::id());
        Self {
            slurm,
            name,
            folder,
            run,
        }
    }

    fn call(&self, words: &[&str]) -> Call {
        self.slurm.for_call(fratmae(["launch"].iter().chain(words)))
    }

    /// A call with the job: from one worker to `most`, one core each, so that two fit on a node.
    fn job(&self, words: &[&str], most: usize, sets: &[&str]) -> Call {
        let call = self.call(words).and("--config").and(CONFIG);
        let call = call
            .and("--data")
            .and(&phantoms().data)
            .and("--run")
            .and(&self.run);
        let own = [
            format!("launch.name={}", self.name),
            format!("launch.program={}", program().display()),
            format!(
                "launch.slurm.folder={}",
                self.folder.path().join("jobs").display()
            ),
            format!("workers.count={most}"),
            "launch.cpus=1".to_owned(),
            "launch.memory_gib=1".to_owned(),
        ];
        let own = own.iter().map(String::as_str);
        let sets = own.chain(sets.iter().copied());
        sets.fold(call, |call, set| call.and("--set").and(set))
    }

    fn launch(&self, most: usize, sets: &[&str]) {
        self.job(&["--on", "slurm"], most, sets).run().succeeded();
    }

    fn ask(&self, question: &[&str]) -> String {
        let call = self.call(&question[..1]).and(&self.run);
        let call = question[1..]
            .iter()
            .fold(call, |call, word| call.and(*word));
        call.run().succeeded().stdout
    }

    fn status(&self) -> Value {
        let text = self.ask(&["status", "--json"]);
        serde_json::from_str(&text).expect("the status is JSON")
    }

    fn step(&self) -> u64 {
        self.status()["status"]["step"].as_u64().unwrap_or_default()
    }

    /// Waits until a group of so many trains: it has gone some steps further.
    fn trains_with(&self, workers: usize) {
        let mut since = None;
        wait_for(&format!("{workers} workers that train"), PATIENCE, || {
            let status = self.status();
            let status = &status["status"];
            let count = status["members"].as_array().map_or(0, Vec::len);
            let step = status["step"].as_u64().unwrap_or_default();
            if status["state"] != "running" || count != workers {
                since = None;
                return None;
            }
            (step > *since.get_or_insert(step) + 2).then_some(())
        });
    }

    /// Waits until it is some steps further.
    fn goes_on(&self) {
        let before = self.step();
        wait_until("further steps", PATIENCE, || self.step() > before + 5);
    }

    /// The queue's jobs of one kind.
    fn queue(&self, kind: &str) -> Vec<[String; 3]> {
        self.slurm.queue(&format!("fratmae-{}.{kind}", self.name))
    }

    /// A worker that runs, by its number and its node.
    fn a_worker(&self) -> (String, String) {
        wait_for("a running worker", PATIENCE, || {
            let running = self
                .queue("work")
                .into_iter()
                .find(|[_, state, _]| state == "RUNNING");
            running.map(|[id, _, node]| (id, node))
        })
    }

    fn lead(&self) -> String {
        let lead = self.queue("lead").into_iter().next();
        lead.expect("the coordinator's job is in the queue")[0].clone()
    }

    /// Waits until nothing of the run is in the queue.
    fn leaves_the_queue(&self) {
        wait_until("an empty queue", END_PATIENCE, || self.queue("").is_empty());
    }

    /// What the coordinator and the workers wrote.
    fn logs(&self) -> String {
        let folder = self
            .folder
            .path()
            .join(format!("jobs/fratmae-{}", self.name));
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let logs = files.filter(|file| file.path().extension().is_some_and(|it| it == "out"));
        let text = |file: std::fs::DirEntry| {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            format!("==> {} <==\n{text}\n", file.path().display())
        };
        logs.map(text).collect()
    }
}

impl Drop for Launch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Without standard error nobody can be told.
            let _ = std::io::stderr().write_all(self.logs().as_bytes());
        }
        if self.run.join("launch").exists() {
            self.call(&["reap"]).and(&self.run).run();
        }
    }
}

/// The jobs that `plan` prints would be taken, whatever the layout.
#[test]
fn the_cluster_takes_what_a_plan_shows() {
    const TEST: &str = "the_cluster_takes_what_a_plan_shows";
    let Some(slurm) = Slurm::here(TEST) else {
        return;
    };
    for (sets, scripts) in [
        (
            &["workers.min=1", "launch.hours=1"][..],
            &["lead.sh", "work.sh"][..],
        ),
        (&["launch.slurm.layout=allocation"], &["lead.sh"]),
    ] {
        let launch = Launch::new(&slurm, "plan");
        let plan = launch.job(&["plan", "--on", "slurm", "--json"], 4, sets);
        let plan = plan.run().succeeded().json();
        for script in scripts {
            let files = plan["files"].as_array().expect("a plan has files");
            let file = files.iter().find(|file| file["name"] == *script);
            let text = file.expect("it is there")["text"]
                .as_str()
                .unwrap_or_default();
            let path = launch.folder.path().join(script);
            std::fs::write(&path, text).expect("the folder is ours");
            slurm.ask("sbatch", &["--test-only", &path.display().to_string()]);
        }
        assert!(!launch.run.exists(), "a plan writes nothing");
    }
}

/// In both layouts a run comes to the weights of a local one, and its jobs end with it.
#[test]
fn a_run_finishes_with_the_same_weights_and_leaves_the_queue() {
    const TEST: &str = "a_run_finishes_with_the_same_weights_and_leaves_the_queue";
    let Some(slurm) = Slurm::here(TEST) else {
        return;
    };
    let undisturbed = Undisturbed::of(|run| Job::tiny(run).set("train.steps=40"));
    for sets in [
        &["train.steps=40", "workers.min=1"][..],
        &["train.steps=40", "launch.slurm.layout=allocation"],
    ] {
        let launch = Launch::new(&slurm, "short");
        launch.launch(3, sets);
        let listed = launch
            .call(&["list", "--on", "slurm"])
            .run()
            .succeeded()
            .stdout;
        assert!(
            listed.contains(&format!("{}/lead-", launch.name)),
            "{listed}"
        );
        wait_for("the end of the run", PATIENCE, || {
            (launch.status()["status"]["state"] == "finished").then_some(())
        });
        launch.leaves_the_queue();
        let run = launch.run.display().to_string();
        let status = fratmae(["status", &run, "--json"]).run().succeeded().json();
        let digest = &status["summary"]["weights_digest"];
        assert_eq!(digest, undisturbed.digest.as_str(), "{status}");
        let members = launch.status()["members"].clone();
        let members = members.as_array().expect("Slurm remembers them");
        let bad = members.iter().find(|member| {
            !["ended", "failed"].contains(&member["state"].as_str().unwrap_or_default())
        });
        assert!(bad.is_none(), "{members:?}");
        let logs = launch.ask(&["logs"]);
        assert!(logs.contains("==> lead-"), "{logs}");
    }
}

/// Whatever the cluster does with the jobs of a run, it goes on, and its losses are those of a local run.
#[test]
fn a_run_survives_what_a_cluster_does() {
    const TEST: &str = "a_run_survives_what_a_cluster_does";
    let Some(slurm) = Slurm::here(TEST) else {
        return;
    };
    let launch = Launch::new(&slurm, "long");
    let own: Vec<&str> = ENDLESS.into_iter().chain(["launch.workers=3"]).collect();
    launch.launch(4, &own);
    launch.trains_with(3);

    // A worker is killed, and its script is not: it is started again where it was.
    let (worker, _) = launch.a_worker();
    slurm.ask("scancel", &["--signal=KILL", &format!("{worker}.0")]);
    launch.trains_with(2);
    launch.trains_with(3);
    // Another one is asked to leave, a third is put back into the queue.
    let (worker, _) = launch.a_worker();
    slurm.ask("scancel", &["--signal=USR1", &worker]);
    launch.trains_with(3);
    let (worker, _) = launch.a_worker();
    slurm.ask("scontrol", &["requeue", &worker]);
    launch.goes_on();
    launch.trains_with(3);

    // A node goes down and comes back.
    let (_, node) = launch.a_worker();
    let node = format!("NodeName={node}");
    slurm.ask("scontrol", &["update", &node, "State=DOWN", "Reason=test"]);
    slurm.ask("scontrol", &["update", &node, "State=RESUME"]);
    launch.trains_with(3);

    // The coordinator is put back into the queue.
    slurm.ask("scontrol", &["requeue", &launch.lead()]);
    launch.goes_on();

    // More and fewer workers.
    for workers in [2, 4, 1] {
        launch.ask(&["resize", &workers.to_string()]);
        launch.trains_with(workers);
    }

    stops_as_a_local_run_would(&launch);
}

/// The time limit of a job is a departure like any other: it starts again, and the run goes on.
#[test]
fn a_run_survives_the_time_limit_of_its_jobs() {
    const TEST: &str = "a_run_survives_the_time_limit_of_its_jobs";
    let Some(slurm) = Slurm::here(TEST) else {
        return;
    };
    let launch = Launch::new(&slurm, "limit");
    // Two minutes, of which the last are for leaving.
    let limit = ["launch.hours=0.03", "workers.grace_s=5"];
    let own: Vec<&str> = ENDLESS.into_iter().chain(limit).collect();
    launch.launch(2, &own);
    launch.trains_with(2);
    for kind in ["lead", "work"] {
        wait_for("a second start", PATIENCE, || {
            let queue = launch.queue(kind);
            let restarts = queue
                .iter()
                .map(|[id, ..]| slurm.ask("scontrol", &["show", "job", "--oneliner", id]));
            restarts
                .into_iter()
                .any(|job| !job.contains(" Restarts=0 "))
                .then_some(())
        });
    }
    launch.goes_on();
    stops_as_a_local_run_would(&launch);
}

/// Stops it. A departure may have cost one step that was done again, a failure two; the checkpoint is a local run's.
fn stops_as_a_local_run_would(launch: &Launch<'_>) {
    launch.ask(&["stop"]);
    launch.leaves_the_queue();
    let status = launch.status()["status"].clone();
    assert_eq!(status["reason"], "asked to stop", "{status}");
    let last = status["committed_step"].as_u64();
    let last = last.expect("it stopped with a checkpoint");
    let run = launch.run.display().to_string();
    for broken in breaks(&run) {
        let verdicts = broken["verdicts"].as_array().map_or(0, Vec::len);
        let bound = if verdicts == 0 { 1 } else { 2 };
        assert!(broken["repeated"].as_u64() <= Some(bound), "{broken}");
    }
    let folder = scratch();
    let local = folder.path().join("run");
    trains_to(&local, last);
    let local = local.display().to_string();
    assert_eq!(digest_at(&run, last), digest_at(&local, last));
    let count = usize::try_from(last).expect("few steps");
    let (found, expected) = (losses(&run), losses(&local));
    assert_eq!(found.len(), count, "each step once");
    assert_eq!(found[..], expected[..count]);
}

fn breaks(run: &str) -> Vec<Value> {
    let report = fratmae(["goodput", run, "--json"]).run().succeeded().json();
    let breaks = report["runs"][0]["breaks"].as_array();
    breaks.expect("the report names breaks").clone()
}

/// Runs the same job here until it has a checkpoint of that step.
fn trains_to(run: &Path, step: u64) {
    let job = ENDLESS.iter().fold(Job::tiny(run), |job, set| job.set(set));
    let job = job.set(&format!("checkpoint.every={step}")).workers(1);
    let running = job.call().within(PATIENCE + PATIENCE).start();
    wait_until("the same checkpoint", PATIENCE, || {
        committed_steps(run).contains(&step)
    });
    running.signal(Signal::SIGTERM);
    running.wait();
}

/// The digest of the weights of a checkpoint.
fn digest_at(run: &str, step: u64) -> String {
    let list = fratmae(["checkpoint", "list", run, "--json"]);
    let list = list.run().succeeded().json();
    let checkpoints = list["checkpoints"].as_array().into_iter().flatten();
    let mut found = checkpoints.filter(|one| one["step"].as_u64() == Some(step));
    let found = found.next().expect("there is a checkpoint of this step");
    found["weights_digest"]
        .as_str()
        .expect("a digest")
        .to_owned()
}
