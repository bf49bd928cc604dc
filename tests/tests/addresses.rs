//! Addresses that processes tell each other can be used: over IPv6, behind 0.0.0.0, and with firewalls between.

use std::time::Duration;

use fratmae_tests::{
    Call, Finished, Host, Job, TwoHosts, address_of, fratmae, journal, lacks_right, scratch,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// Addresses are what is tried here: everybody is let in.
fn open(call: Call) -> Call {
    call.with("FRATMAE_KEYS", "none")
}

fn coordinator(run: &std::path::Path) -> Call {
    open(fratmae_tests::coordinator(run))
}

fn worker(address: &str) -> Call {
    open(fratmae_tests::worker(address))
}

fn hosts() -> Option<TwoHosts> {
    let started = TwoHosts::start();
    if let Err(reason) = &started {
        lacks_right(
            "two hosts",
            &format!("network namespaces cannot be made ({reason})"),
        );
    }
    started.ok()
}

/// A run of one worker on each host, whose coordinator listens at `listen` on the first; gives its end and address.
fn spread(hosts: &TwoHosts, run: &std::path::Path, listen: &str) -> (Finished, String) {
    let call = coordinator(run)
        .and("--workers=2")
        .and("--listen")
        .and(listen);
    let mut led = call
        .through(&hosts.on(Host::First))
        .within(PATIENCE)
        .start();
    let address = address_of(&mut led);
    let workers =
        [Host::First, Host::Second].map(|host| worker(&address).through(&hosts.on(host)).start());
    let finished = led.wait().succeeded();
    for worker in workers {
        worker.wait().succeeded();
    }
    (finished, address)
}

fn address_in_journal(run: &std::path::Path) -> String {
    let records = journal(run);
    let fence = records.iter().find(|record| record["kind"] == "fence");
    let address = fence.and_then(|fence| fence["mark"]["address"].as_str());
    address.unwrap_or_default().to_owned()
}

#[test]
fn hosts_train_together_over_ipv6_and_behind_every_address() {
    let Some(hosts) = hosts() else { return };
    let folder = scratch();
    let expected = Job::tiny(folder.path().join("local")).finish();
    let first = Host::First;
    for (name, listen, advertised) in [
        (
            "six",
            format!("[{}]:22061", first.address6()),
            format!("http://[{}]:22061", first.address6()),
        ),
        (
            "every-four",
            "0.0.0.0:22062".to_owned(),
            format!("http://{}:22062", first.address()),
        ),
        (
            "every-six",
            "[::]:22063".to_owned(),
            format!("http://[{}]:22063", first.address6()),
        ),
    ] {
        let run = folder.path().join(name);
        let (finished, address) = spread(&hosts, &run, &listen);
        assert_eq!(address, advertised);
        assert_eq!(address_in_journal(&run), advertised);
        assert_eq!(
            finished.digest(),
            expected.digest(),
            "{name}: {}",
            finished.stderr
        );
    }
}

#[test]
fn an_advertised_address_is_told_and_written_down() {
    let folder = scratch();
    let run = folder.path().join("run");
    let call = coordinator(&run)
        .and("--workers=1")
        .and("--listen=0.0.0.0:0");
    let mut led = call.and("--advertise=localhost").start();
    let address = address_of(&mut led);
    assert!(
        address.starts_with("http://localhost:") && !address.ends_with(":0"),
        "{address}"
    );
    let worker = worker(&address)
        .and("--listen=127.0.0.1:0")
        .and("--advertise=localhost");
    let worker = worker.start();
    led.wait().succeeded();
    worker.wait().succeeded();
    assert_eq!(address_in_journal(&run), address);
}

#[test]
fn a_loopback_address_is_refused_where_other_hosts_may_join() {
    let Some(hosts) = hosts() else { return };
    let folder = scratch();
    let listen = format!("{}:22064", Host::First.address());
    let call = coordinator(&folder.path().join("run"))
        .and("--workers=2")
        .and("--listen");
    let mut led = call.and(&listen).through(&hosts.on(Host::First)).start();
    let address = address_of(&mut led);
    for host in [Host::First, Host::Second] {
        let worker = worker(&address)
            .and("--listen=127.0.0.1:0")
            .through(&hosts.on(host));
        let line = worker.run().error_line();
        assert!(
            line.contains("loopback") && line.contains("--advertise HOST"),
            "{line}"
        );
    }
    let worker = worker(&address).and("--advertise=0.0.0.0").run();
    assert!(
        worker.error_line().contains("no coordinator answers")
            || worker.error_line().contains("stands for no single host")
    );
}

#[test]
fn an_address_that_nobody_can_use_is_refused_before_anything_begins() {
    let folder = scratch();
    for advertise in ["0.0.0.0", "[fe80::1]:7", "https://host"] {
        let call = coordinator(&folder.path().join("run"))
            .and("--advertise")
            .and(advertise);
        let line = call.run().error_line();
        assert!(line.contains("--advertise"), "{line}");
    }
    for address in [
        "10.0.0.1",
        "https://10.0.0.1:5600",
        "0.0.0.0:5600",
        "[fe80::1%eth0]:5600",
    ] {
        let line = worker(address).and("--wait=10m").run().only_line();
        assert!(
            line.contains("--coordinator") && line.contains("no usable address"),
            "{line}"
        );
    }
}

#[test]
fn a_worker_waits_for_its_coordinator_as_long_as_it_is_told_and_says_so() {
    let folder = scratch();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    drop(taken);
    let mut early = worker(&address).and("--wait=2m").start();
    early.runs_until("a line on what it waits for", PATIENCE, |running| {
        running
            .said()
            .contains(&format!("waiting for the coordinator at http://{address}"))
    });
    let call = coordinator(&folder.path().join("run")).and("--workers=1");
    let led = call.and("--listen").and(&address).start();
    led.wait().succeeded();
    early.wait().succeeded();
}

#[test]
fn the_environment_names_the_coordinator_where_the_command_line_does_not() {
    let silent = fratmae(["worker", "--wait=0s"]);
    let named = silent
        .clone()
        .with("FRATMAE_COORDINATOR", "127.0.0.1:1")
        .run();
    assert!(
        named.error_line().contains("http://127.0.0.1:1"),
        "{}",
        named.stderr
    );
    for call in [silent.clone(), silent.with("FRATMAE_COORDINATOR", "")] {
        assert!(call.run().only_line().contains("no coordinator is named"));
    }
}

#[test]
fn packets_that_vanish_take_no_longer_than_the_patience() {
    let Some(hosts) = hosts() else { return };
    let nobody = "10.77.0.9";
    hosts.drop_packets(Host::Second, nobody);
    let worker = worker(&format!("{nobody}:5600")).and("--wait=5s");
    let finished = worker.through(&hosts.on(Host::Second)).run();
    assert!(
        finished.error_line().contains("within 5 s (--wait)"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("waiting for the coordinator at"),
        "{}",
        finished.stderr
    );
}
