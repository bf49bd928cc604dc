//! Judgements of made-up machines.

use std::path::Path;

use fratmae_collective::GpuSurvey;

use super::reading::read_module;
use super::*;
use crate::commands::doctor::requirements::tests::job;

/// A machine without anything of NVIDIA's, and a program that was built for CPUs.
fn bare() -> Gpu {
    Gpu {
        is_built: false,
        module: None,
        driver: Driver::Absent("libcuda.so.1 cannot be opened".to_owned()),
        nccl: Err((
            "libnccl.so.2 cannot be opened".to_owned(),
            "install it".to_owned(),
        )),
    }
}

/// A machine with so many GPUs, and a program that was built for them.
fn equipped(gpus: usize) -> Gpu {
    let gpu = GpuSurvey {
        name: "A".to_owned(),
        memory: 80 << 30,
        capability: (9, 0),
    };
    Gpu {
        is_built: true,
        module: Some("580.1".to_owned()),
        driver: Driver::Answers(DriverSurvey {
            cuda: (13, 0),
            devices: vec![gpu; gpus],
            apart: Vec::new(),
        }),
        nccl: Ok("2.30.5".to_owned()),
    }
}

fn cuda() -> Requirements {
    job(&["workers.device=cuda"])
}

fn finding(gpu: &Gpu, need: &Requirements, check: &str) -> Finding {
    let findings = gpu.judge(need);
    let found = findings.iter().find(|finding| finding.check == check);
    found
        .unwrap_or_else(|| panic!("no {check} in {findings:?}"))
        .clone()
}

#[test]
fn a_machine_without_gpus_is_told_so_calmly() {
    for need in [
        Requirements::nothing(),
        job(&[]),
        job(&["workers.device=cpu"]),
    ] {
        let findings = bare().judge(&need);
        assert!(
            findings.iter().all(|one| one.state <= State::Note),
            "{findings:?}"
        );
        let driver = finding(&bare(), &need, "driver");
        assert_eq!(driver.found, "no NVIDIA driver: training uses the CPU");
        assert_eq!(driver.advice, "");
    }
}

#[test]
fn a_job_that_demands_a_gpu_lacks_driver_and_build_and_no_toolkit() {
    for check in ["driver", "build"] {
        let result = finding(&bare(), &cuda(), check);
        assert_eq!(result.state, State::Missing, "{result:?}");
        assert_ne!(result.advice, "");
    }
    let build = finding(&bare(), &cuda(), "build");
    assert!(
        build.advice.contains("`cargo xtask gpu build`"),
        "{build:?}"
    );
    let findings = bare().judge(&cuda());
    assert!(
        findings.iter().all(|one| !one.check.contains("toolkit")),
        "{findings:?}"
    );
    let nccl = finding(&bare(), &job(&["collective.backend=nccl"]), "NCCL");
    assert_eq!(
        (nccl.state, nccl.advice.as_str()),
        (State::Missing, "install it")
    );
}

#[test]
fn an_equipped_machine_has_nothing_to_do() {
    for need in [
        Requirements::nothing(),
        cuda(),
        job(&["collective.backend=nccl"]),
    ] {
        let findings = equipped(2).judge(&need);
        let is_well = |one: &Finding| one.state == State::Ok || one.check.starts_with("GPU");
        assert!(findings.iter().all(is_well), "{findings:?}");
    }
    let result = finding(&equipped(1), &Requirements::nothing(), "GPU 0").found;
    assert_eq!(result, "A, 80.0 GiB, compute capability 9.0");
}

#[test]
fn half_an_installation_is_named() {
    let mut gpu = bare();
    gpu.module = Some("550.54".to_owned());
    let result = finding(&gpu, &Requirements::nothing(), "driver");
    assert_eq!(result.state, State::Warning);
    assert!(
        result
            .found
            .starts_with("kernel module 550.54 without its library")
    );
    assert_eq!(
        finding(&gpu, &job(&["workers.device=cpu"]), "driver").state,
        State::Note
    );
    gpu.module = None;
    gpu.driver = Driver::Refuses("cuInit answered 100".to_owned());
    let result = finding(&gpu, &cuda(), "driver");
    assert_eq!(result.state, State::Missing);
    assert!(
        result
            .found
            .starts_with("the library without its kernel module")
    );
    assert!(
        result.advice.starts_with("modprobe nvidia"),
        "{}",
        result.advice
    );
}

#[test]
fn a_gpu_that_this_build_cannot_use_is_a_warning() {
    let gpu = Gpu {
        is_built: false,
        ..equipped(1)
    };
    assert_eq!(
        finding(&gpu, &Requirements::nothing(), "build").state,
        State::Warning
    );
    assert_eq!(finding(&gpu, &cuda(), "build").state, State::Missing);
    assert_eq!(
        finding(&gpu, &job(&["workers.device=cpu"]), "build").state,
        State::Ok
    );
}

#[test]
fn gpus_that_do_not_reach_each_other_are_named_in_pairs() {
    let mut gpu = equipped(2);
    assert_eq!(
        finding(&gpu, &Requirements::nothing(), "peer access").state,
        State::Ok
    );
    if let Driver::Answers(survey) = &mut gpu.driver {
        survey.apart = vec![(0, 1), (1, 0)];
    }
    let result = finding(&gpu, &Requirements::nothing(), "peer access");
    assert_eq!(
        (result.state, result.found.as_str()),
        (State::Warning, "not between 0-1, 1-0")
    );
}

#[test]
fn a_gpu_too_small_for_a_worker_is_a_warning() {
    let mut gpu = equipped(1);
    if let Driver::Answers(survey) = &mut gpu.driver {
        survey.devices[0].memory = 1 << 20;
    }
    assert_eq!(finding(&gpu, &cuda(), "GPU 0").state, State::Warning);
    assert_eq!(
        finding(&gpu, &Requirements::nothing(), "GPU 0").state,
        State::Ok
    );
}

#[test]
fn nccl_is_wanted_where_there_are_gpus() {
    let gpu = Gpu {
        nccl: bare().nccl,
        ..equipped(2)
    };
    let result = finding(&gpu, &Requirements::nothing(), "NCCL");
    assert_eq!(
        (result.state, result.advice.as_str()),
        (State::Warning, "install it")
    );
}

#[test]
fn the_module_s_version_is_read() {
    let proc = tempfile::tempdir().unwrap();
    assert_eq!(read_module(proc.path()), None);
    let write = |line: &str| {
        let folder = proc.path().join("driver/nvidia");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("version"), line).unwrap();
        read_module(Path::new(proc.path())).unwrap()
    };
    let old = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc 12.3.0\n";
    assert_eq!(write(old), "550.54.15");
    let open =
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build\n";
    assert_eq!(write(open), "570.86.10");
}
