//! What a job asks of each place, and what is refused.

use super::*;
use crate::sample::spec_of;

fn spec(target: Target, sets: &[&str]) -> Result<Spec, SpecError> {
    let base = [
        "run.url=s3://bucket/runs/Pilot_2",
        "data.url=s3://bucket/data",
    ];
    spec_of(target, &base, sets)
}

fn refused(target: Target, sets: &[&str]) -> String {
    let line = spec(target, sets).unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn a_job_says_what_each_process_is_given() {
    let sets = [
        "workers.count=8",
        "workers.min=2",
        "launch.workers=4",
        "launch.gpus=1",
        "launch.hours=24",
        "launch.price=2.5",
        "data.cache_dir=/scratch/cache",
    ];
    let spec = spec(Target::Slurm, &sets).unwrap();
    let workers = Workers {
        least: 2,
        wanted: 4,
        most: 8,
    };
    assert_eq!((spec.name.as_str(), spec.workers), ("pilot-2", workers));
    let worker = Resources {
        cpus: 4,
        memory_mib: 3000,
        gpus: 1,
    };
    assert_eq!((spec.worker, spec.coordinator.gpus), (worker, 0));
    assert_eq!((spec.hours, spec.price), (Some(24.0), Some(2.5)));
    assert_eq!(
        spec.worker_arguments().join(" "),
        "worker --run=s3://bucket/runs/Pilot_2 --wait=1h --threads=4 --cache-dir=/scratch/cache"
    );
    assert_eq!(
        spec.coordinator_arguments("/x/job.toml", "0.0.0.0:0", Some("pilot:7440"))
            .join(" "),
        "coordinator /x/job.toml --listen=0.0.0.0:0 --advertise=pilot:7440"
    );
}

#[test]
fn the_job_that_is_handed_over_is_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.toml");
    let spec = spec(Target::Slurm, &["train.lr=3e-4", "launch.slurm.account=p7"]).unwrap();
    std::fs::write(&path, &spec.job).unwrap();
    let read = Config::load(Some(&path), &[]).unwrap();
    assert_eq!(
        (read.train.lr, read.launch.slurm.account.as_str()),
        (3e-4, "p7")
    );
    assert_eq!(Spec::of(&read, Target::Slurm, 3000).unwrap(), spec);
}

#[test]
fn numbers_in_the_job_win_over_estimates() {
    let sets = ["launch.memory_gib=16", "workers.threads=6"];
    let given = spec(Target::Local, &sets).unwrap().worker;
    assert_eq!((given.cpus, given.memory_mib), (6, 16 * 1024));
    let given = spec(Target::Local, &["launch.cpus=2", "workers.threads=6"]).unwrap();
    assert_eq!(given.worker.cpus, 2);
}

#[test]
fn a_name_is_made_from_the_runs_place() {
    for (url, expected) in [
        ("runs/a", "a"),
        ("/data/Fold 3.v2/", "fold-3-v2"),
        ("s3://bucket/2026-11", "run-2026-11"),
        ("s3://bucket/--", "run"),
        ("/runs/ä", "run"),
    ] {
        let url = format!("run.url={url}");
        assert_eq!(
            spec(Target::Local, &[&url]).unwrap().name,
            expected,
            "{url}"
        );
    }
    let long = format!("run.url=/runs/{}", "ab-".repeat(30));
    let name = spec(Target::Local, &[&long]).unwrap().name;
    assert!(is_name(&name) && name.len() == LONGEST_NAME, "{name}");
}

#[test]
fn a_name_that_names_no_host_is_refused() {
    let long = "a".repeat(41);
    for name in ["Pilot", "3rd", "a_b", "a-", "-a", "a b", long.as_str()] {
        let line = refused(Target::Local, &[&format!("launch.name={name:?}")]);
        assert!(line.contains("launch.name"), "{line}");
    }
    assert_eq!(
        spec(Target::Local, &["launch.name=a-3"]).unwrap().name,
        "a-3"
    );
}

#[test]
fn what_cannot_be_launched_is_refused_in_one_line() {
    for (target, sets, expected) in [
        (
            Target::Local,
            &["launch.workers=3"][..],
            "launch.workers = 3",
        ),
        (Target::Local, &["launch.workers=1"][..], "here 2 to 2"),
        (Target::Kubernetes, &[][..], "launch.image"),
        (
            Target::Kubernetes,
            &["launch.image=a", "run.url=/x"][..],
            "run.url",
        ),
        (
            Target::Kubernetes,
            &["launch.image=a", "data.url=file:///x"][..],
            "data.url",
        ),
        (Target::Slurm, &["run.url=runs/x"][..], "relative"),
        (Target::Slurm, &["data.url="][..], "data.url is empty"),
        (
            Target::Slurm,
            &["workers.min=1", "launch.slurm.layout=allocation"][..],
            "allocation",
        ),
        (
            Target::Kubernetes,
            &[
                "launch.image=a",
                "workers.min=1",
                "launch.kubernetes.jobset=true",
            ][..],
            "jobset",
        ),
        (
            Target::Slurm,
            &["launch.slurm.options=\"--a\\n--b\""][..],
            "line break",
        ),
    ] {
        let line = refused(target, sets);
        assert!(line.contains(expected), "{line}");
    }
}
