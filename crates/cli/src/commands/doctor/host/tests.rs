//! Judgements of made-up hosts, and readings of made-up systems.

use super::reading::{read_cores, read_memory, read_memory_limit};
use super::*;
use crate::commands::doctor::requirements::tests::job;

fn sound() -> Host {
    Host {
        cores: Some(8),
        usable_cores: 8,
        kernels: "x86_64+avx2+fma".to_owned(),
        memory: Some(64 << 30),
        available: Some(60 << 30),
        memory_limit: None,
        files: Some((65_536, 65_536)),
        address_space: Some(u64::MAX),
        locked: Some(8 << 20),
        shared: Some(32 << 30),
        disk: Some(("/d".into(), 100 << 30)),
        cache_free: Some(100 << 30),
    }
}

fn finding(host: &Host, need: &Requirements, check: &str) -> Finding {
    let findings = host.judge(need, 0, 0);
    let found = findings.into_iter().find(|finding| finding.check == check);
    found.unwrap_or_else(|| panic!("no check {check}"))
}

fn state(host: &Host, need: &Requirements, check: &str) -> State {
    finding(host, need, check).state
}

#[test]
fn a_sound_host_has_nothing_to_do() {
    let findings = sound().judge(&Requirements::nothing(), 0, 0);
    assert!(
        findings.iter().all(|finding| finding.state == State::Ok),
        "{findings:?}"
    );
}

#[test]
fn what_nobody_can_read_is_told_calmly() {
    let findings = Host::default().judge(&Requirements::nothing(), 0, 0);
    assert!(
        findings.iter().all(|finding| finding.state <= State::Note),
        "{findings:?}"
    );
}

#[test]
fn fewer_cores_than_the_machine_has_are_a_note() {
    let host = Host {
        usable_cores: 2,
        ..sound()
    };
    let result = finding(&host, &Requirements::nothing(), "cores");
    assert_eq!(
        (result.state, result.found.as_str()),
        (State::Note, "2 of 8")
    );
}

#[test]
fn a_limit_of_the_group_counts_as_the_memory() {
    let host = Host {
        memory_limit: Some(1 << 20),
        ..sound()
    };
    let need = job(&["workers.count=1"]);
    let result = finding(&host, &need, "memory");
    assert_eq!(result.state, State::Missing);
    assert!(
        result.found.starts_with("1.0 MiB, the limit"),
        "{}",
        result.found
    );
    assert_eq!(state(&host, &Requirements::nothing(), "memory"), State::Ok);
}

#[test]
fn memory_that_others_use_is_a_warning() {
    let need = job(&[]);
    let wanted = need.job.as_ref().unwrap().worker_bytes;
    let host = |available| Host {
        memory: Some(wanted * 2),
        available: Some(available),
        ..sound()
    };
    assert_eq!(state(&host(wanted), &need, "memory"), State::Ok);
    assert_eq!(state(&host(wanted - 1), &need, "memory"), State::Warning);
}

#[test]
fn few_open_files_are_a_warning_with_the_number_to_set() {
    let host = |soft, hard| Host {
        files: Some((soft, hard)),
        ..sound()
    };
    let advice = finding(&host(256, 4096), &Requirements::nothing(), "open files").advice;
    assert!(advice.starts_with("ulimit -n 1024"), "{advice}");
    let advice = finding(&host(256, 256), &Requirements::nothing(), "open files").advice;
    assert!(advice.contains("LimitNOFILE="), "{advice}");
    let state = |soft| state(&host(soft, soft), &Requirements::nothing(), "open files");
    assert_eq!((state(256), state(255)), (State::Warning, State::Missing));
}

#[test]
fn locked_memory_matters_with_infiniband_and_shared_memory_with_gpus() {
    let host = Host {
        shared: Some(64 << 20),
        ..sound()
    };
    let of = |need: &Requirements, gpus, ports| {
        let findings = host.judge(need, gpus, ports);
        let state = |check| {
            let found = findings.iter().find(|found| found.check == check);
            found.unwrap().state
        };
        (state("locked memory"), state("/dev/shm"))
    };
    let none = Requirements::nothing();
    assert_eq!(of(&none, 0, 0), (State::Ok, State::Note));
    assert_eq!(of(&none, 2, 1), (State::Warning, State::Warning));
    let nccl = job(&["collective.backend=nccl"]);
    assert_eq!(of(&nccl, 1, 0), (State::Ok, State::Note));
    assert_eq!(of(&nccl, 2, 0), (State::Ok, State::Missing));
}

#[test]
fn a_disk_without_room_for_a_checkpoint_is_missing() {
    let host = |free| Host {
        disk: Some(("/d".into(), free)),
        ..sound()
    };
    let need = job(&["run.url=/d/run"]);
    let one = need.job.as_ref().unwrap().checkpoint_bytes;
    assert_eq!(state(&host(one - 1), &need, "disk"), State::Missing);
    assert_eq!(state(&host(one), &need, "disk"), State::Warning);
    let remote = job(&["run.url=s3://bucket/run"]);
    assert_eq!(state(&host(1 << 30), &remote, "disk"), State::Ok);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let need = job(&["data.cache_dir=/c", "data.cache_mib=1024"]);
    assert_eq!(state(&sound(), &need, "cache"), State::Ok);
    for cache_free in [None, Some(1 << 20)] {
        let host = Host {
            cache_free,
            ..sound()
        };
        assert_eq!(state(&host, &need, "cache"), State::Warning);
    }
}

/// A folder with these files, as a system's roots.
fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let [proc, sys, dev] = ["proc", "sys", "dev"].map(|name| folder.path().join(name));
    (folder, Roots { proc, sys, dev })
}

#[test]
fn groups_of_both_versions_are_read() {
    let (_two, roots) = system(&[
        ("proc/self/cgroup", "0::/job/worker\n"),
        ("sys/fs/cgroup/job/worker/memory.max", "max\n"),
        ("sys/fs/cgroup/job/memory.max", "4096\n"),
    ]);
    assert_eq!(read_memory_limit(&roots), Some(4096));
    let (_one, roots) = system(&[
        (
            "proc/self/cgroup",
            "5:cpu:/x\n4:hugetlb,memory:/job\n0::/\n",
        ),
        ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "8192\n"),
        (
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
    ]);
    assert_eq!(read_memory_limit(&roots), Some(8192));
    let (_container, roots) = system(&[
        ("proc/self/cgroup", "0::/elsewhere\n"),
        ("sys/fs/cgroup/memory.max", "100\n"),
    ]);
    assert_eq!(read_memory_limit(&roots), Some(100));
    let (_none, roots) = system(&[]);
    assert_eq!(read_memory_limit(&roots), None);
}

#[test]
fn memory_and_cores_are_read() {
    let (_folder, roots) = system(&[
        (
            "proc/meminfo",
            "MemTotal:       16 kB\nMemAvailable:    8 kB\n",
        ),
        ("sys/devices/system/cpu/online", "0-3,8,10-11\n"),
    ]);
    assert_eq!(read_memory(&roots.proc, "MemTotal:"), Some(16 << 10));
    assert_eq!(read_memory(&roots.proc, "MemAvailable:"), Some(8 << 10));
    assert_eq!(read_cores(&roots.sys), Some(7));
}

#[test]
fn this_host_can_be_read() {
    let host = Host::read(&Roots::default(), &Requirements::nothing());
    assert!(host.usable_cores > 0 && host.memory.is_some() && host.files.is_some());
    assert!(host.disk.is_some());
}

#[test]
fn a_limit_of_the_address_space_is_named() {
    let limited = |bytes| Host {
        address_space: Some(bytes),
        ..sound()
    };
    let need = job(&[]);
    let worker = need.job.as_ref().unwrap().worker_bytes;
    assert_eq!(
        state(&limited(worker - 1), &need, "address space"),
        State::Missing
    );
    let enough = finding(&limited(worker + 1), &need, "address space");
    assert_eq!(enough.state, State::Warning);
    assert!(enough.advice.contains("ulimit -v unlimited"), "{enough:?}");
}
