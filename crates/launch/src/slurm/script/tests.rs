//! The scripts: their options, their words, and what they do with each exit code under commands that only note their calls.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::Target;
use crate::sample::spec_of;

fn spec(sets: &[&str]) -> Spec {
    let base = [
        "run.url=/runs/pilot",
        "data.url=/data/autopet",
        "workers.count=8",
        "workers.min=2",
        "launch.workers=4",
        "launch.cpus=8",
        "launch.memory_gib=64",
        "launch.slurm.folder=/shared/jobs",
    ];
    spec_of(Target::Slurm, &base, sets).unwrap()
}

fn text(spec: &Spec, name: &str) -> String {
    let files = render(spec);
    files
        .iter()
        .find(|file| file.name == name)
        .unwrap()
        .text
        .clone()
}

fn options(script: &str) -> Vec<&str> {
    let lines = script.lines();
    lines
        .filter_map(|line| line.strip_prefix("#SBATCH "))
        .collect()
}

fn assert_has(script: &str, expected: &[&str]) {
    let options = options(script);
    for option in expected {
        assert!(options.contains(option), "{option} in\n{script}");
    }
}

#[test]
fn an_array_has_a_task_for_each_of_the_most_workers_and_runs_those_wanted() {
    let sets = [
        "launch.gpus=1",
        "launch.hours=24",
        "launch.slurm.partition=gpu",
        "launch.slurm.leader_partition=cpu",
        "launch.slurm.account=us",
        "launch.slurm.options=--constraint=a100 --qos=low",
    ];
    let spec = spec(&sets);
    assert_has(
        &text(&spec, WORK),
        &[
            "--job-name=fratmae-pilot.work",
            "--array=0-7%4",
            "--output=/shared/jobs/fratmae-pilot/work-%A_%a.out",
            "--cpus-per-task=8",
            "--mem=65536M",
            "--gres=gpu:1",
            "--time=1440",
            "--signal=USR1@60",
            "--requeue",
            "--partition=gpu",
            "--account=us",
            "--constraint=a100 --qos=low",
        ],
    );
    let lead = text(&spec, LEAD);
    assert_has(
        &lead,
        &[
            "--job-name=fratmae-pilot.lead",
            "--dependency=singleton",
            "--partition=cpu",
            "--account=us",
            "--mem=2048M",
            "--requeue",
        ],
    );
    assert!(!lead.contains("gpu") && !lead.contains("a100"), "{lead}");
}

#[test]
fn no_option_is_written_after_the_first_command() {
    for sets in [&[][..], &FIXED] {
        for file in render(&spec(sets)) {
            let is_command = |line: &&str| !line.starts_with('#') && !line.is_empty();
            let mut after = file.text.lines().skip_while(|line| !is_command(line));
            assert!(
                !after.any(|line| line.starts_with("#SBATCH")),
                "{}",
                file.text
            );
        }
    }
}

const FIXED: [&str; 3] = [
    "workers.min=0",
    "launch.workers=8",
    "launch.slurm.layout=allocation",
];

#[test]
fn one_job_has_a_step_for_each_worker_from_the_beginning() {
    let spec = spec(&FIXED);
    let lead = text(&spec, LEAD);
    assert_has(
        &lead,
        &[
            "--ntasks=8",
            "--cpus-per-task=8",
            "--mem-per-cpu=8448M",
            "--no-kill",
        ],
    );
    assert!(!lead.contains("--array"), "{lead}");
    assert!(
        lead.contains("bash /shared/jobs/fratmae-pilot/work.sh &"),
        "{lead}"
    );
    assert!(options(&text(&spec, WORK)).is_empty());
    assert_eq!(submitted(&spec), [LEAD]);
}

#[test]
fn a_short_limit_leaves_most_of_its_time_for_work() {
    let spec = spec(&["launch.hours=0.03", "workers.grace_s=300"]);
    assert_has(&text(&spec, WORK), &["--time=2", "--signal=USR1@40"]);
}

#[test]
fn a_container_sees_the_folders_of_the_run() {
    let image = "launch.image=/images/fratmae.sif";
    let script = text(&spec(&[image, "launch.gpus=1"]), WORK);
    let call = "apptainer exec --nv --bind=/shared/jobs/fratmae-pilot,/runs/pilot,/data/autopet /images/fratmae.sif fratmae worker";
    assert!(script.contains(call), "{script}");
    let script = text(&spec(&[image, "launch.slurm.container=pyxis"]), LEAD);
    for part in [
        "--container-image=/images/fratmae.sif",
        "--container-mounts=/shared/jobs/fratmae-pilot:/shared/jobs/fratmae-pilot,/runs/pilot:/runs/pilot",
    ] {
        assert!(script.contains(part), "{part} in\n{script}");
    }
    assert!(!script.contains("apptainer"), "{script}");
}

#[test]
fn jobs_name_their_run_and_others_name_none() {
    assert_eq!(run_of("fratmae-pilot.work"), Some(("pilot", "work")));
    assert_eq!(run_of("fratmae-a-b.lead"), Some(("a-b", "lead")));
    for other in [
        "fratmae-pilot",
        "pilot.work",
        "fratmae-pilot.other",
        "bash",
        "",
    ] {
        assert_eq!(run_of(other), None, "{other}");
    }
}

/// Runs the step's command, as `srun` does.
const RUNS: &str = "while [ \"$1\" != sh ]; do shift; done; exec \"$@\"";

/// Runs a script in which Slurm's commands and the program are replaced by ones that note how they are called. The program
/// ends with `code`; `led` is whether the coordinator's job is in the queue. Gives the exit code and the calls.
fn played(name: &str, sets: &[&str], code: i32, led: bool) -> (Option<i32>, Vec<String>) {
    played_by(RUNS, name, sets, code, led)
}

fn played_by(
    srun: &str,
    name: &str,
    sets: &[&str],
    code: i32,
    led: bool,
) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let jobs = format!("launch.slurm.folder={}", folder.path().display());
    let mut sets = sets.to_vec();
    sets.push(&jobs);
    let spec = spec(&sets);
    std::fs::create_dir_all(super::folder(&spec)).unwrap();
    let calls = folder.path().join("calls");
    let note = format!("echo \"${{0##*/}} $*\" >> {}", calls.display());
    let queue = match led {
        true => "case \"$*\" in *--jobs=40*) echo RUNNING n7 ;; *) echo 41 ;; esac",
        false => "true",
    };
    let program = format!("exit {code}");
    for (command, does) in [
        ("srun", srun),
        ("fratmae", &program),
        ("squeue", queue),
        ("scontrol", "true"),
        ("scancel", "true"),
        ("sleep", "true"),
    ] {
        command_at(&folder.path().join(command), &format!("{note}\n{does}"));
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let status = Command::new("bash")
        .args(["-c", &text(&spec, name)])
        .env("PATH", path)
        .env("SLURM_JOB_ID", "40")
        .env("SLURM_JOB_USER", "me")
        .env("SLURM_JOB_NODELIST", "n7")
        .env("SLURM_ARRAY_JOB_ID", "42")
        .env("SLURM_ARRAY_TASK_ID", "3")
        .env("SLURM_STEP_ID", "5")
        .env("SLURM_NTASKS", "2")
        .env("SLURMD_NODENAME", "n7")
        .status();
    let calls = std::fs::read_to_string(calls).unwrap_or_default();
    let calls = calls.lines().map(str::to_owned).collect();
    (status.unwrap().code(), calls)
}

fn command_at(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/bash\n{script}\n")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(path, mode).unwrap();
}

fn count(calls: &[String], of: &str) -> usize {
    calls.iter().filter(|call| call.starts_with(of)).count()
}

#[test]
fn a_worker_that_is_done_for_good_is_not_started_again() {
    for code in [0, 1, 2, 78] {
        let (ended, calls) = played(WORK, &[], code, true);
        assert_eq!((ended, count(&calls, "srun")), (Some(code), 1), "{calls:?}");
        assert_eq!(count(&calls, "scontrol"), 0, "{calls:?}");
    }
}

#[test]
fn a_worker_that_left_waits_in_the_queue_while_somebody_leads() {
    let (ended, calls) = played(WORK, &[], 75, true);
    assert_eq!(ended, Some(75));
    assert_eq!(calls.last().unwrap(), "scontrol requeue 42_3");
    // The first look finds nobody: no worker starts.
    let (ended, calls) = played(WORK, &[], 75, false);
    assert_eq!((ended, count(&calls, "srun")), (Some(0), 0), "{calls:?}");
}

#[test]
fn a_worker_leaves_an_unfit_machine_for_another() {
    let (ended, calls) = played(WORK, &[], 76, true);
    assert_eq!(ended, Some(76));
    let last = &calls[calls.len() - 2..];
    assert_eq!(
        last,
        [
            "scontrol requeue 42_3",
            "scontrol update JobId=42_3 ExcNodeList=n7"
        ]
    );
}

#[test]
fn a_process_that_crashes_is_started_again_a_few_times() {
    for (name, sets, process) in [
        (WORK, &[][..], "srun"),
        (LEAD, &[], "srun"),
        (WORK, &FIXED, "fratmae"),
    ] {
        for code in [69, 101, 137, 139] {
            let (ended, calls) = played(name, sets, code, true);
            assert_eq!(
                (ended, count(&calls, process)),
                (Some(code), 5),
                "{calls:?}"
            );
        }
    }
}

#[test]
fn the_end_of_the_coordinator_ends_the_workers_unless_the_run_goes_on() {
    for code in [0, 1, 2, 78] {
        let (ended, calls) = played(LEAD, &[], code, true);
        assert_eq!(ended, Some(code));
        assert_eq!(
            calls.last().unwrap(),
            "scancel --user=me --name=fratmae-pilot.work"
        );
    }
    let (ended, calls) = played(LEAD, &[], 75, true);
    assert_eq!(ended, Some(75));
    assert_eq!(calls.last().unwrap(), "scontrol requeue 40");
}

#[test]
fn srun_that_ends_for_a_lost_node_ends_no_run() {
    let (ended, calls) = played_by("exit 0", LEAD, &[], 75, false);
    assert_eq!((ended, count(&calls, "srun")), (Some(0), 5), "{calls:?}");
    assert_eq!(count(&calls, "scancel"), 0, "{calls:?}");
    let (_, calls) = played_by("exit 0", WORK, &[], 75, true);
    assert_eq!(count(&calls, "srun"), 5, "{calls:?}");
}

#[test]
fn a_step_of_one_job_ends_where_its_worker_left() {
    for code in [0, 1, 75, 76, 78] {
        let (ended, calls) = played(WORK, &FIXED, code, true);
        assert_eq!((ended, calls.len()), (Some(code), 1), "{calls:?}");
        assert!(calls[0].ends_with("--name=work-40_5"), "{calls:?}");
    }
}
