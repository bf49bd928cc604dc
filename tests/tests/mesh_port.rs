//! The port where a worker's peers come in: whoever else comes there changes nothing.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fratmae_tests::{
    Job, RunEvent, Running, Undisturbed, address_of, coordinator, events, scratch, worker,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// The mesh port of the first worker that registered.
fn port_of_first(led: &mut Running) -> SocketAddr {
    let mut found = None;
    led.runs_until("a worker", PATIENCE, |led| {
        let address = events(&led.said())
            .into_iter()
            .find_map(|event| match event {
                RunEvent::Registered { address, .. } => Some(address),
                _ => None,
            });
        found = address;
        found.is_some()
    });
    found.unwrap().parse().unwrap()
}

#[test]
fn a_worker_that_trains_takes_connections_without_end() {
    let folder = scratch();
    let call = coordinator(&folder.path().join("run")).and("--workers=2");
    let mut led = call.and("--set=train.steps=200").start();
    let address = address_of(&mut led);
    let workers = [worker(&address).start(), worker(&address).start()];
    let port = port_of_first(&mut led);
    led.runs_until_step(3);
    // More than a system queues for a process that takes none.
    for n_before in 0..400 {
        let dialled = TcpStream::connect_timeout(&port, Duration::from_secs(10));
        assert!(dialled.is_ok(), "after {n_before}: {dialled:?}");
    }
    let finished = led.wait().succeeded();
    assert!(
        !finished.stderr.contains("in trouble"),
        "{}",
        finished.stderr
    );
    for worker in workers {
        worker.wait().succeeded();
    }
}

/// What a rank says when it dials another one, without the key of its generation: number and tag are made up.
fn hello(generation: u64, rank: u32, world: u32) -> Vec<u8> {
    let mut bytes = b"FMhi\x02\0\0\0".to_vec();
    bytes.extend(generation.to_le_bytes());
    for number in [rank, world, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([7; 64]);
    bytes
}

/// The confirmation that would make it a peer, if the tag were right.
fn confirmation(generation: u64) -> Vec<u8> {
    let mut bytes = b"FMre\x02\0\0\0".to_vec();
    bytes.extend(generation.to_le_bytes());
    bytes.extend([0; 64]);
    bytes
}

#[test]
fn a_program_that_knows_the_run_and_claims_a_rank_in_advance_does_not_get_it() {
    let folder = scratch();
    let run = folder.path().join("run");
    let mut led = coordinator(&run).and("--workers=2").start();
    let address = address_of(&mut led);
    let first = worker(&address).start();
    let port = port_of_first(&mut led);
    let claims: Vec<_> = (0..20)
        .map(|number| {
            let mut claim = TcpStream::connect(port).unwrap();
            claim.write_all(&hello(1, 1, 2)).unwrap();
            if number % 2 == 0 {
                claim.write_all(&confirmation(1)).unwrap();
            }
            claim
        })
        .collect();
    let second = worker(&address).start();
    let finished = led.wait().succeeded();
    drop(claims);
    let began = events(&finished.stderr).into_iter();
    let began = began.filter(|event| matches!(event, RunEvent::Began { .. }));
    assert_eq!(began.count(), 1, "{}", finished.stderr);
    let undisturbed = Undisturbed::of(Job::tiny);
    assert_eq!(finished.digest(), undisturbed.digest);
    for worker in [first, second] {
        worker.wait().succeeded();
    }
}
