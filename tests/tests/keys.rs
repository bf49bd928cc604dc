//! A run with keys: it trains to the same weights while its certificates are renewed and its coordinator is replaced, and
//! nobody takes part in it without keys of its own.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use fratmae_tests::{
    Call, Job, Running, Signal, address_of, coordinator, fratmae, memory_of, scratch, wait_until,
    worker,
};

const PATIENCE: Duration = Duration::from_secs(120);
/// MiB that those without keys may cost.
const MEMORY: u64 = 64;

/// Makes keys; gives their folder.
fn keys(folder: &Path, name: &str, life: &str) -> String {
    let keys = folder.join(name).display().to_string();
    let made = fratmae(["keys", "make", &keys, "--life", life]);
    made.run().succeeded();
    keys
}

fn with(call: Call, keys: &str) -> Call {
    call.with("FRATMAE_KEYS", keys)
}

fn begun(address: &str, keys: &str) -> Running {
    with(worker(address), keys).start()
}

#[test]
fn certificates_are_renewed_and_a_coordinator_replaced_and_the_weights_are_the_same() {
    let folder = scratch();
    let steps = "train.steps=24";
    let expected = Job::tiny(folder.path().join("local")).set(steps).finish();
    let keys = keys(folder.path(), "pilot", "6s");
    let run = folder.path().join("run");
    let lead = || {
        with(
            coordinator(&run).and("--set").and(steps).and("--workers=2"),
            &keys,
        )
    };
    let mut first = lead().start();
    let address = address_of(&mut first);
    let one = begun(&address, &keys);
    let certificate = Path::new(&keys).join("worker/tls.crt");
    for _ in 0..3 {
        let before = fs::read(&certificate).expect("a certificate");
        wait_until("a newer certificate", PATIENCE, || {
            fs::read(&certificate).is_ok_and(|now| now != before)
        });
    }
    // By now the certificate that the first worker came with has expired.
    let two = begun(&address, &keys);
    first.runs_until_step(4);
    first.signal(Signal::SIGKILL);
    let second = lead().start().wait().succeeded();
    for worker in [one, two] {
        worker.wait().succeeded();
    }
    assert_eq!(second.digest(), expected.digest(), "{}", second.stderr);
    assert!(
        !second.stderr.contains("worker in trouble"),
        "{}",
        second.stderr
    );
}

#[test]
fn pretrain_gives_its_workers_the_keys_that_it_has() {
    let folder = scratch();
    let keys = keys(folder.path(), "pilot", "24h");
    let local = Job::tiny(folder.path().join("local"));
    let expected = local.finish();
    let job = Job::tiny(folder.path().join("run"));
    let finished = job.call().and("--keys").and(&keys).run().succeeded();
    assert_eq!(finished.digest(), expected.digest());
}

#[test]
fn who_has_no_keys_of_the_run_takes_no_part_in_it_and_is_told_why() {
    let folder = scratch();
    let ours = keys(folder.path(), "pilot", "24h");
    let theirs = keys(folder.path(), "other", "24h");
    let run = folder.path().join("run");
    let mut led = with(coordinator(&run).and("--workers=1"), &ours).start();
    let address = address_of(&mut led);
    let refused = |call: Call| call.and("--wait=1s").run().error_line();
    let line = refused(worker(&address));
    assert!(line.contains("--keys"), "{line}");
    let line = refused(with(worker(&address), &theirs));
    assert!(line.contains("certificate"), "{line}");
    let line = refused(with(worker(&address), &format!("{ours}/observer")));
    assert!(
        line.contains("observer, where one of its worker is needed"),
        "{line}"
    );
    let save = fratmae(["checkpoint", "save", &run.display().to_string()]);
    let line = with(save, &theirs).run().error_line();
    assert!(line.contains("no coordinator"), "{line}");
    assert!(led.is_running());
    let honest = begun(&address, &ours);
    led.wait().succeeded();
    honest.wait().succeeded();
}

#[test]
fn connections_without_keys_cost_little_memory_and_no_step() {
    let folder = scratch();
    let expected = Job::tiny(folder.path().join("local")).finish();
    let ours = keys(folder.path(), "pilot", "24h");
    let call = coordinator(&folder.path().join("run")).and("--workers=2");
    let mut led = with(call.and("--set=coordinator.join_timeout_s=600"), &ours).start();
    let address = address_of(&mut led);
    let one = begun(&address, &ours);
    let before = memory_of(led.id(), "VmRSS");
    let place = address.trim_start_matches("http://");
    let mut held: Vec<TcpStream> = (0..500).flat_map(|_| TcpStream::connect(place)).collect();
    // The beginning of a greeting, and no more. What was closed for the next one has no reader.
    for half in held.iter_mut().step_by(2) {
        let _ = half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    }
    for flood in held.iter_mut().rev().take(8) {
        let _ = flood.write_all(&vec![0x16; 64 << 20]);
    }
    let cost = memory_of(led.id(), "VmHWM").saturating_sub(before);
    assert!(cost < MEMORY, "{cost} MiB");
    let two = begun(&address, &ours);
    let finished = led.wait().succeeded();
    for worker in [one, two] {
        worker.wait().succeeded();
    }
    drop(held);
    assert_eq!(finished.digest(), expected.digest(), "{}", finished.stderr);
}
