//! Forming a mesh while other programs, late ranks and members of other generations dial too.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::super::handshake::{ANSWER, Agreement, Answer, HELLO, Identity};
use super::*;
use crate::Refusal;

const SHORT: Duration = Duration::from_millis(150);

/// Joins as rank 1 after `change`, while rank 0 of the unchanged world waits; gives that attempt's error.
fn refused(world: &World, change: impl FnOnce(&mut Membership)) -> Refusal {
    let mut membership = world.membership(1);
    change(&mut membership);
    match TcpGroup::connect(&world.ports[1], &membership, SHORT) {
        Err(CollectiveError::Refused {
            peer: 0, refusal, ..
        }) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_generations_and_runs_are_refused_and_the_right_rank_still_joins() {
    let world = World::of(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| world.join(0).all_gather(b"0"));
        assert_eq!(
            refused(&world, |membership| membership.generation = 4),
            Refusal::Stale { theirs: 5 }
        );
        assert_eq!(
            refused(&world, |membership| membership.generation = 6),
            Refusal::Early { theirs: 5 }
        );
        assert_eq!(
            refused(&world, |membership| membership.run.push('x')),
            Refusal::OtherRun
        );
        assert_eq!(refused(&world, more_ranks), Refusal::OtherPlace);
        assert_eq!(world.join(1).all_gather(b"1").unwrap(), [b"0", b"1"]);
        assert_eq!(first.join().unwrap().unwrap(), [b"0", b"1"]);
    });
}

fn more_ranks(membership: &mut Membership) {
    membership.addresses.push(membership.addresses[1]);
    membership.slots.push(2..3);
}

#[test]
fn a_rank_ahead_waits_until_its_peer_reaches_the_generation() {
    let mut world = World::of(2);
    let old = world.membership(0);
    world.generation = 6;
    thread::scope(|scope| {
        let ahead = scope.spawn(|| world.join(1));
        let stuck = TcpGroup::connect(&world.ports[0], &old, SHORT).unwrap_err();
        assert_eq!(stuck.accused(), Some(1));
        world.join(0);
        ahead.join().unwrap();
    });
}

#[test]
fn other_programs_and_half_hellos_do_not_keep_a_rank_out() {
    let world = World::of(2);
    let dial = || TcpStream::connect(world.addresses[0]).unwrap();
    let silent: Vec<_> = (0..100).map(|_| dial()).collect();
    let mut garbage = dial();
    garbage.write_all(&[0xab; HELLO]).unwrap();
    let mut half = dial();
    half.write_all(b"FMhi\x01\0\0").unwrap();
    drop(dial());
    let answers = world.run_keeping(|group| group.all_gather(&[group.rank() as u8]).unwrap());
    assert_eq!(answers, [[[0], [1]], [[0], [1]]]);
    // Whatever it got, it was no answer.
    assert!(!matches!(garbage.read(&mut [0; 16]), Ok(1..)));
    drop((silent, half));
}

#[test]
fn an_absent_rank_is_named_by_those_who_dial_and_those_who_accept() {
    let world = World::of(3);
    let join = |rank: usize, absent: usize| {
        let mut membership = world.membership(rank);
        membership.addresses[absent] = NOBODY;
        TcpGroup::connect(&world.ports[rank], &membership, SHORT).unwrap_err()
    };
    let accepting = join(0, 2);
    assert!(
        matches!(
            accepting,
            CollectiveError::Absent {
                peer: 1,
                source: None,
                ..
            }
        ),
        "{accepting}"
    );
    let dialling = join(1, 0);
    assert!(
        matches!(
            dialling,
            CollectiveError::Absent {
                peer: 0 | 2,
                generation: 5,
                ..
            }
        ),
        "{dialling}"
    );
    let dialling = join(2, 0);
    assert!(
        dialling
            .to_string()
            .contains("did not join generation 5 within 150.0ms"),
        "{dialling}"
    );
}

#[test]
fn an_abort_ends_joining() {
    let world = World::of(2);
    let settings = TcpSettings::new(LONG);
    let abort = settings.abort.clone();
    thread::scope(|scope| {
        let join =
            scope.spawn(|| TcpGroup::connect_with(&world.ports[0], &world.membership(0), settings));
        abort.abort();
        assert!(matches!(
            join.join().unwrap(),
            Err(CollectiveError::Aborted)
        ));
    });
}

#[test]
fn a_contradictory_membership_is_refused_before_any_socket_is_used() {
    let world = World::of(2);
    let mut membership = world.membership(0);
    membership.slots.pop();
    let error = TcpGroup::connect(&world.ports[0], &membership, LONG).unwrap_err();
    assert!(matches!(error, CollectiveError::Membership { .. }));
}

#[test]
fn a_port_serves_one_generation_after_another() {
    let mut world = World::of(3);
    for generation in 1..4 {
        world.generation = generation;
        let answers = world.run(|mut group| group.all_gather(&[]).unwrap().len());
        assert_eq!(answers, [3, 3, 3]);
    }
}

#[test]
fn a_port_where_nobody_joins_takes_connections_without_end() {
    let world = World::of(2);
    // The system would queue 128 for a listener that is not accepted from, and drop the rest.
    for n_before in 0..600 {
        let dialled = TcpStream::connect_timeout(&world.addresses[0], LONG);
        assert!(dialled.is_ok(), "after {n_before}: {dialled:?}");
    }
    let answers = world.run_keeping(|group| group.all_gather(&[group.rank() as u8]).unwrap());
    assert_eq!(answers, [[[0], [1]], [[0], [1]]]);
}

#[test]
fn connections_that_never_end_do_not_hold_a_rank_beyond_its_deadline() {
    let world = World::of(2);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                drop(TcpStream::connect(world.addresses[0]));
            }
        });
        let began = std::time::Instant::now();
        let alone = TcpGroup::connect(&world.ports[0], &world.membership(0), SHORT);
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(matches!(alone, Err(CollectiveError::Absent { .. })));
        assert!(began.elapsed() < LONG);
    });
}

/// Dials rank 0 as another rank; gives the connection, the answer to its hello, and what would confirm it.
fn claim(world: &World, rank: usize) -> (TcpStream, Option<Answer>, [u8; ANSWER]) {
    let me = Identity::of(&world.membership(rank), Sealing::Plain);
    let mut stream = TcpStream::connect(world.addresses[0]).unwrap();
    let hello = me.hello(0, &[rank as u8; 32]);
    stream.write_all(&hello).unwrap();
    let mut welcome = [0; ANSWER];
    stream.read_exact(&mut welcome).unwrap();
    let answer = me.read_answer(&hello, &welcome);
    let confirmation = me.confirm(&Agreement { hello, welcome });
    (stream, answer, confirmation)
}

#[test]
fn the_first_that_is_taken_in_as_a_rank_keeps_its_place() {
    let world = World::of(3);
    thread::scope(|scope| {
        let joined = scope.spawn(|| world.join(0));
        let (mut first, welcome, confirmation) = claim(&world, 1);
        assert_eq!(welcome, Some(Answer::Welcome));
        first.write_all(&confirmation).unwrap();
        let refusal = Answer::Refuse(Refusal::OtherPlace);
        // Until the confirmation is read the place is not taken.
        while claim(&world, 1).1 != Some(refusal) {}
        let (mut last, _, confirmation) = claim(&world, 2);
        last.write_all(&confirmation).unwrap();
        let group = joined.join().unwrap();
        let of_rank_1 = group.peers[0].stream.peer_addr().unwrap();
        assert_eq!(of_rank_1, first.local_addr().unwrap());
    });
}
