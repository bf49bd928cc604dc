//! `fratmae doctor` on the machine that tests run on, and on one whose GPUs are the stand-in's.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use fratmae_tests::{Call, Finished, Job, Running, fratmae, phantoms, scratch, wait_for};
use serde_json::Value;

/// A report in which a check is looked up by its name.
struct Report(Value);

impl Report {
    fn of(finished: &Finished) -> Self {
        finished.no_panic();
        Self(finished.json())
    }

    fn check(&self, name: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["check"] == name);
        found.unwrap_or_else(|| panic!("no check {name} in {:#}", self.0))
    }

    fn state(&self, name: &str) -> &str {
        self.check(name)["state"].as_str().unwrap()
    }

    fn found(&self, name: &str) -> &str {
        self.check(name)["found"].as_str().unwrap()
    }

    fn missing(&self) -> Vec<&str> {
        let missing = self.0["missing"].as_array().unwrap();
        missing.iter().map(|name| name.as_str().unwrap()).collect()
    }
}

fn doctor() -> Call {
    fratmae(["doctor", "--json"])
}

/// The doctor for a job whose run lies in `folder`.
fn for_job(folder: &Path, sets: &[&str]) -> Call {
    let data = &phantoms().data;
    let run = folder.join("run");
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
    let call = doctor().and("--config").and(config);
    let call = call.and("--run").and(run).and("--data").and(data);
    sets.iter()
        .fold(call, |call, set| call.and("--set").and(*set))
}

/// The job over NCCL, with the stand-in in the place of both libraries.
fn over_nccl(folder: &Path, faults: &str) -> Call {
    let tests = std::env::current_exe().unwrap();
    let library = tests.with_file_name("libfratmae_nccl_standin.so");
    let library = library.display();
    let nccl = format!("collective.nccl_library={library}");
    let cuda = format!("collective.cuda_library={library}");
    let sets = ["collective.backend=nccl", &nccl, &cuda];
    for_job(folder, &sets).with("FRATMAE_STANDIN", faults)
}

#[test]
fn a_plain_machine_lacks_nothing_and_is_told_so_calmly() {
    let finished = doctor().run().succeeded();
    let report = Report::of(&finished);
    for check in ["cores", "kernels", "memory", "open files", "disk", "NCCL"] {
        assert!(!report.found(check).is_empty());
    }
    assert_eq!(report.missing(), [""; 0]);
    assert_eq!(finished.stderr, "");
    let table = fratmae(["doctor"]).run().succeeded().stdout;
    assert!(table.contains(" checks ok; --all shows them"), "{table}");
    let all = fratmae(["doctor", "--all"]).run().succeeded().stdout;
    assert!(all.lines().any(|line| line.starts_with("cores ")), "{all}");
}

#[test]
fn a_job_on_the_cpu_is_served_and_leaves_no_trace() {
    let folder = scratch();
    let report = Report::of(
        &for_job(folder.path(), &["workers.device=cpu"])
            .run()
            .succeeded(),
    );
    assert_eq!((report.state("run"), report.state("data")), ("ok", "ok"));
    assert!(report.found("run").contains("conditional create works"));
    assert!(
        report
            .found("memory")
            .contains("a worker of this job takes")
    );
    assert!(!folder.path().join("run").exists());
}

#[test]
fn what_pretrain_would_refuse_is_missing() {
    let folder = scratch();
    let sets = ["data.grid=[32,44,48]", "model.init_from=nofile.safetensors"];
    let finished = for_job(folder.path(), &sets).run();
    assert!(
        finished
            .only_line()
            .contains("checks failed: data, weights"),
        "{}",
        finished.stderr
    );
    let report = Report::of(&finished);
    assert!(report.found("data").contains("has the grid [32, 40, 48]"));
    assert!(report.found("weights").contains("nofile.safetensors"));
}

#[test]
fn a_gpu_that_is_demanded_and_not_there_fails_in_one_line() {
    let folder = scratch();
    let sets = [
        "workers.device=cuda",
        "collective.cuda_library=/nowhere/libcuda.so.1",
    ];
    let finished = for_job(folder.path(), &sets).run();
    let line = finished.only_line();
    assert!(line.contains("checks failed: driver, build"), "{line}");
    let report = Report::of(&finished);
    assert!(report.found("driver").contains("/nowhere/libcuda.so.1"));
    assert!(
        report.check("driver")["advice"]
            .as_str()
            .unwrap()
            .contains("install NVIDIA's driver")
    );
}

#[test]
fn gpus_and_nccl_are_found_and_judged() {
    let folder = scratch();
    let report = Report::of(&over_nccl(folder.path(), "gpus=2").run().succeeded());
    assert_eq!(report.found("driver"), "serves CUDA 13.0");
    for gpu in ["GPU 0", "GPU 1"] {
        assert_eq!(
            report.found(gpu),
            "Stand-in GPU, 80.0 GiB, compute capability 9.0"
        );
    }
    assert_eq!(report.state("peer access"), "ok");
    assert_eq!(
        report.found("NCCL"),
        "2.30.5, 2.18 or later is needed; it encrypts and authenticates nothing: use it on a private network"
    );
    let apart = Report::of(
        &over_nccl(folder.path(), "gpus=3,apart,cuda=12040")
            .run()
            .succeeded(),
    );
    assert_eq!(apart.state("peer access"), "warning");
    assert!(
        apart
            .found("peer access")
            .starts_with("not between 0-1, 0-2, 1-0")
    );
    assert_eq!(apart.found("driver"), "serves CUDA 12.4");
}

#[test]
fn an_nccl_that_is_too_old_and_a_driver_that_refuses_are_named() {
    let folder = scratch();
    let finished = over_nccl(folder.path(), "version=21405,no-device").run();
    let line = finished.only_line();
    assert!(line.contains("failed: NCCL"), "{line}");
    let report = Report::of(&finished);
    assert!(
        report
            .found("NCCL")
            .ends_with("is version 2.14.5, older than 2.18")
    );
    assert!(
        report.check("NCCL")["advice"]
            .as_str()
            .unwrap()
            .contains("collective.nccl_library")
    );
    assert_eq!(report.state("driver"), "note");
    assert!(
        report
            .found("driver")
            .contains("CUDA_ERROR_NO_DEVICE (100)")
    );
}

#[test]
fn a_store_is_measured_or_said_to_be_unwritable() {
    let folder = scratch();
    let sound = folder.path().join("store");
    let report = Report::of(&doctor().and("--store").and(&sound).run().succeeded());
    assert!(
        report.found("store").contains(" MB/s"),
        "{}",
        report.found("store")
    );
    assert!(!sound.exists());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let finished = doctor().and("--store").and(file.join("run")).run();
    assert!(finished.only_line().contains("failed: store"));
    assert!(Report::of(&finished).found("store").contains("file/run"));
}

/// Waits until a process says on standard error where it is reached, between `before` and what no address holds.
fn address(running: &Running, before: &str) -> String {
    wait_for("an address", Duration::from_secs(60), || {
        let said = running.said();
        let (_, rest) = said.split_once(before)?;
        let end = rest.find(['\n', ';'])?;
        Some(rest[..end].to_owned())
    })
}

#[test]
fn clocks_are_compared_with_a_coordinator_that_leads_a_run() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).set("train.steps=100000");
    let running = job.start();
    let at = address(&running, "coordinator at ");
    let report = Report::of(&doctor().and("--coordinator").and(&at).run().succeeded());
    assert_eq!(
        (report.state("coordinator"), report.state("clock")),
        ("ok", "ok")
    );
    assert!(
        report
            .found("clock")
            .contains("the coordinator's, give or take")
    );
    running.kill_all();
    let finished = doctor()
        .and("--coordinator")
        .and("http://127.0.0.1:1")
        .run();
    assert!(finished.only_line().contains("failed: coordinator"));
}

#[test]
fn two_hosts_measure_the_line_between_them() {
    let listening = doctor().and("--listen").and("127.0.0.1:0").start();
    let at = address(&listening, "listening at ");
    let called = Report::of(&doctor().and("--peer").and(&at).run().succeeded());
    let answered = Report::of(&listening.wait().succeeded());
    let figures = |report: &Report| {
        let (_, figures) = report.found("peer").split_once(": ").unwrap();
        assert!(figures.contains(" MB/s, latency "), "{figures}");
        figures.to_owned()
    };
    assert_eq!(figures(&called), figures(&answered));
}

#[test]
fn a_peer_that_does_not_come_or_is_not_there_is_missing() {
    let listening = doctor()
        .and("--listen")
        .and("127.0.0.1:0")
        .and("--for=0.2s");
    let finished = listening.run();
    assert!(finished.error_line().contains("failed: peer"));
    assert!(
        Report::of(&finished)
            .found("peer")
            .contains("no peer connected within 200ms")
    );
    let finished = doctor().and("--peer").and("127.0.0.1:1").run();
    assert!(Report::of(&finished).found("peer").contains("refused"));
}
