//! `fratmae doctor` on machines with a fault that is planted for real: each is named in one line, with what to do, and the
//! exit code is 1.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fratmae_tests::{
    Call, Finished, Host, OtherVersion, Running, SmallStore, TwoHosts, address_of, coordinator,
    fratmae, lacks_right, scratch, skip, wait_for,
};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
const PATIENCE: Duration = Duration::from_secs(60);

fn doctor() -> Call {
    fratmae(["doctor"])
}

/// The doctor for the tiny job, whose run lies in `folder`.
fn for_job(folder: &Path, sets: &[&str]) -> Call {
    let call = fratmae(["doctor", "--config", CONFIG, "--run"]);
    let call = call.and(folder.join("run"));
    sets.iter()
        .fold(call, |call, set| call.and("--set").and(*set))
}

/// Checks that one check failed and how the report names the fault: what was found, and in the next line what to do.
fn assert_named(finished: &Finished, check: &str, found: &str, advice: &str) {
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let line = finished.only_line();
    assert_eq!(line, format!("error: 1 check failed: {check}"));
    let report = &finished.stdout;
    let mut lines = report.lines();
    let found_in = lines.find(|line| line.starts_with(check) && line.contains(" MISSING "));
    assert!(
        found_in.is_some_and(|line| line.contains(found)),
        "{found} in\n{report}"
    );
    let next = lines.next().unwrap_or_default();
    assert!(
        next.trim_start().starts_with("-> ") && next.contains(advice),
        "{advice} in\n{report}"
    );
}

/// Waits until a process says on standard error where it is reached.
fn address(running: &Running, before: &str) -> String {
    wait_for("an address", PATIENCE, || {
        let said = running.said();
        let (_, rest) = said.split_once(before)?;
        let end = rest.find(['\n', ';'])?;
        Some(rest[..end].to_owned())
    })
}

fn sound(call: Call) {
    call.run().succeeded();
}

#[test]
fn a_store_that_ignores_the_condition_of_a_create() {
    let asked = || doctor().and("--store").and("s3://bucket/runs");
    sound(SmallStore::start(true).seen_by(asked()));
    assert_named(
        &SmallStore::start(false).seen_by(asked()).run(),
        "store",
        "s3://bucket/runs does not honour",
        "use another store",
    );
}

#[test]
fn a_low_limit_of_open_files() {
    let limited = |files: u64| {
        let limit = format!("--nofile={files}:{files}");
        doctor().through(&["prlimit", &limit])
    };
    sound(limited(4096));
    assert_named(
        &limited(128).run(),
        "open files",
        "128 allowed, 1024 needed",
        "raise nofile to 1024",
    );
}

/// A group of processes with a limit of memory, in either version of the system's groups; it is gone with the value.
struct Group(PathBuf);

impl Group {
    fn with_limit(bytes: u64) -> Result<Self, String> {
        let name = format!("fratmae-test-{}", std::process::id());
        let mounts = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        let mut reasons = Vec::new();
        for (mount, limit) in mounts {
            let group = Self(Path::new(mount).join(&name));
            let made = std::fs::create_dir(&group.0);
            match made.and_then(|()| std::fs::write(group.0.join(limit), bytes.to_string())) {
                Ok(()) => return Ok(group),
                Err(error) => reasons.push(format!("{mount}: {error}")),
            }
        }
        Err(reasons.join(", "))
    }

    /// The words before a command that is to run in it.
    fn enter(&self) -> [String; 4] {
        let enter = format!(
            "echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"",
            self.0.display()
        );
        ["sh", "-c", &enter, "env"].map(str::to_owned)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What was never made cannot be removed.
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_limit_of_memory_below_what_a_worker_takes() {
    let group = match Group::with_limit(100 << 20) {
        Ok(group) => group,
        Err(reason) => return lacks_right("a limit of memory", &reason),
    };
    let folder = scratch();
    sound(for_job(folder.path(), &[]));
    let words = group.enter();
    let words = words.each_ref().map(String::as_str);
    assert_named(
        &for_job(folder.path(), &[]).through(&words).run(),
        "memory",
        "100.0 MiB, the limit of this process's group",
        "more workers on other hosts, a smaller train.batch",
    );
}

#[test]
fn small_shared_memory_between_gpus() {
    let tests = std::env::current_exe().expect("the system names this test's binary");
    let library = tests.with_file_name("libfratmae_nccl_standin.so");
    let nccl = format!("collective.nccl_library={}", library.display());
    let cuda = format!("collective.cuda_library={}", library.display());
    let folder = scratch();
    let sets = ["collective.backend=nccl", &nccl, &cuda];
    let on = |mib: u64| {
        let script = format!("mount -t tmpfs -o size={mib}m shm /dev/shm && exec \"$0\" \"$@\"");
        for_job(folder.path(), &sets)
            .with("FRATMAE_STANDIN", "gpus=2")
            .through(&["unshare", "--mount", "sh", "-c", &script, "env"])
    };
    if !may(&[
        "unshare", "--mount", "mount", "-t", "tmpfs", "shm", "/dev/shm",
    ]) {
        return lacks_right("small shared memory", "nothing can be mounted");
    }
    sound(on(2048));
    assert_named(&on(64).run(), "/dev/shm", "64.0 MiB", "--shm-size=1g");
}

/// Whether a command can be carried out.
fn may(words: &[&str]) -> bool {
    let output = Command::new(words[0]).args(&words[1..]).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_clock_that_is_wrong() {
    let folder = scratch();
    let mut led = coordinator(&folder.path().join("run")).start();
    let at = address_of(&mut led);
    let asked = || doctor().and("--coordinator").and(&at);
    sound(asked());
    if !may(&["faketime", "-f", "+1h", "true"]) {
        return skip("a wrong clock", "faketime is not installed");
    }
    // Only the time of day: what measures stretches of time goes on as it does.
    let wrong = asked().with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let wrong = wrong.through(&["faketime", "-f", "+1h"]).run();
    assert_named(
        &wrong,
        "clock",
        "ms ahead of the coordinator's",
        "start chrony or systemd-timesyncd on both",
    );
}

#[test]
fn another_version_at_the_coordinator() {
    let folder = scratch();
    let other = OtherVersion::lead(&folder.path().join("run"));
    let found = format!("is {}", OtherVersion::VERSION);
    assert_named(
        &doctor().and("--coordinator").and(other.address()).run(),
        "version",
        &found,
        "install the same version on all hosts",
    );
}

#[test]
fn another_version_at_a_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system gives a port");
    let at = listener.local_addr().expect("the socket is bound");
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut said = b"fratmae-doctor 2".to_vec();
        said.extend(b"9.8.7");
        said.resize(16 + 32, 0);
        stream.write_all(&said)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    assert_named(
        &doctor().and("--peer").and(at.to_string()).run(),
        "peer",
        "is of version 9.8.7, this host of",
        "install the same version on all hosts",
    );
}

/// Lets no connection begin that comes to a host, while its own go out and are answered.
fn close_to_others(hosts: &TwoHosts, host: Host) -> bool {
    let nft = |rule: &str| {
        let mut words = hosts.on(host).to_vec();
        words.extend(["nft", rule]);
        may(&words)
    };
    nft("add table inet closed")
        && nft("add chain inet closed in { type filter hook input priority 0; }")
        && nft("add rule inet closed in tcp flags & (syn | ack) == syn drop")
}

#[test]
fn a_host_whose_ports_are_closed_in_one_direction() {
    const TEST: &str = "ports closed in one direction";
    let hosts = match TwoHosts::start() {
        Ok(hosts) => hosts,
        Err(reason) => return lacks_right(TEST, &reason),
    };
    let (open, closed) = (Host::First, Host::Second);
    let listen = |on: Host| {
        let at = format!("{}:0", on.address());
        let call = doctor().and("--listen").and(at).and("--for=60s");
        let running = call.through(&hosts.on(on)).start();
        let at = address(&running, "listening at ");
        (running, at)
    };
    let call = |from: Host, at: &str| {
        let call = doctor().and("--peer").and(at);
        call.through(&hosts.on(from)).run()
    };
    let (listening, at) = listen(open);
    call(closed, &at).succeeded();
    listening.wait().succeeded();
    if !close_to_others(&hosts, closed) {
        return skip(TEST, "nft is not installed");
    }
    // Both ends say which direction it is.
    let (listening, at) = listen(open);
    let both = "workers connect to each other in both directions";
    let one_way = format!("reaches {at}, but is not reached from there at 10.77.0.2:");
    assert_named(&call(closed, &at), "peer", &one_way, both);
    let one_way = "reaches this host, but this host does not reach 10.77.0.2:";
    assert_named(&without_notes(listening.wait()), "peer", one_way, both);
    let (_listening, at) = listen(closed);
    let nobody = call(open, &at);
    let found = format!("{at}: ");
    assert_named(&nobody, "peer", &found, "open its port in the firewall");
}

/// What a listener says before it hears of anybody is no part of its report.
fn without_notes(mut finished: Finished) -> Finished {
    let lines = finished.stderr.lines();
    let lines = lines.filter(|line| line.starts_with("error: "));
    finished.stderr = lines.collect::<Vec<_>>().join("\n");
    finished
}
