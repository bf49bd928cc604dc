//! What a call says, and how soon, when a peer dies, lies or is silent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::super::frame::{HEADER, Stamp};
use super::*;
use crate::{Action, Direction};

/// Above any scheduling delay, far below the deadline that would otherwise end the call.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_dead_peer_is_named_by_all_survivors_at_once() {
    let errors = World::of(3).run(|mut group| {
        if group.rank() == 1 {
            return None;
        }
        let started = Instant::now();
        let sums = flat_sums(&group, 100_000);
        let error = group.all_reduce(sums).unwrap_err();
        Some((error, started.elapsed(), group))
    });
    assert!(errors[1].is_none());
    for (error, took, _group) in errors.into_iter().flatten() {
        assert_eq!(error.accused(), Some(1));
        assert_eq!(error.action(), Action::Rejoin);
        assert!(took < SOON);
        let CollectiveError::Closed { transfer } = error else {
            panic!("{error}")
        };
        assert_eq!(
            (transfer.operation, transfer.sequence),
            (Operation::ReduceOffer, 1)
        );
    }
}

#[test]
fn a_peer_that_dies_amid_a_message_is_named_with_the_bytes_that_came() {
    let (mut group, mut peer) = group_and_impostor();
    let stamp = Stamp {
        operation: Operation::AllGather,
        generation: 5,
        sequence: 1,
    };
    peer.write_all(&stamp.header(1000)).unwrap();
    peer.write_all(&[7; 400]).unwrap();
    drop(peer);
    let error = group.all_gather(&[]).unwrap_err();
    let CollectiveError::Closed { transfer } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (transfer.peer, transfer.direction, transfer.bytes),
        (1, Direction::Received, 432)
    );
    let address = group.membership.addresses[1];
    let line = format!(
        "rank 1 ({address}) in all_gather 1, 432 bytes received: the peer closed the connection"
    );
    assert_eq!(error.to_string(), line);
}

#[test]
fn a_peer_that_dies_while_it_is_sent_much_is_named() {
    let (mut group, mut peer) = group_and_impostor();
    let sums = flat_sums(&group, 8 << 20);
    let error = thread::scope(|scope| {
        let pending = scope.spawn(|| group.all_reduce(sums).unwrap_err());
        let stamp = |operation| Stamp {
            operation,
            generation: 5,
            sequence: 1,
        };
        let offer = [1_u64, 2, 8 << 20].map(u64::to_le_bytes).concat();
        peer.write_all(&stamp(Operation::ReduceOffer).header(24))
            .unwrap();
        peer.write_all(&offer).unwrap();
        peer.read_exact(&mut [0; HEADER + 24 + HEADER + 1000])
            .unwrap();
        drop(peer);
        pending.join().unwrap()
    });
    let CollectiveError::Closed { transfer } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (transfer.peer, transfer.operation),
        (1, Operation::ReduceScatter)
    );
}

#[test]
fn an_abort_ends_a_pending_call_at_once_and_the_later_ones() {
    let (mut group, mut peer) = group_and_impostor();
    let handle = group.abort_handle();
    let started = Instant::now();
    thread::scope(|scope| {
        let pending = scope.spawn(|| group.all_gather(b"hello"));
        // The frame has come, so the call waits for the answer that never comes.
        peer.read_exact(&mut [0; HEADER + 5]).unwrap();
        handle.abort();
        assert!(matches!(
            pending.join().unwrap(),
            Err(CollectiveError::Aborted)
        ));
    });
    assert_eq!(
        peer.read(&mut [0; 1]).unwrap(),
        0,
        "the peer sees the connection close"
    );
    assert!(matches!(
        group.all_gather(&[]),
        Err(CollectiveError::Aborted)
    ));
    assert!(started.elapsed() < SOON);
}

#[test]
fn the_deadline_ends_a_call_with_a_silent_peer() {
    let (mut group, peer) = group_and_impostor();
    group.set_deadline(Duration::from_millis(60));
    let started = Instant::now();
    let error = group.all_gather(b"hello").unwrap_err();
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(60) && took < SOON, "{took:?}");
    assert!(matches!(error, CollectiveError::TimedOut { .. }), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("0 bytes received: the peer did not answer within 60.0ms")
    );
    assert_eq!(error.accused(), Some(1));
    drop(peer);
}

#[test]
fn the_deadline_ends_a_send_to_a_peer_that_does_not_read() {
    let (mut group, mut peer) = group_and_impostor();
    let stamp = Stamp {
        operation: Operation::AllGather,
        generation: 5,
        sequence: 1,
    };
    peer.write_all(&stamp.header(0)).unwrap();
    group.set_deadline(Duration::from_millis(200));
    let error = group.all_gather(&vec![0; 32 << 20]).unwrap_err();
    let CollectiveError::TimedOut { transfer, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(transfer.direction, Direction::Sent);
    assert!(transfer.bytes > 0);
}

#[test]
fn a_failed_group_refuses_further_calls() {
    let (mut group, peer) = group_and_impostor();
    drop(peer);
    group.all_gather(&[]).unwrap_err();
    let error = group.all_gather(&[]).unwrap_err();
    assert!(matches!(
        error,
        CollectiveError::Broken {
            operation: Operation::AllGather,
            sequence: 1
        }
    ));
}

#[test]
fn a_frame_of_another_generation_call_or_operation_is_refused() {
    let right = Stamp {
        operation: Operation::AllGather,
        generation: 5,
        sequence: 1,
    };
    let complaint = |stamp: Stamp| {
        let (mut group, mut peer) = group_and_impostor();
        peer.write_all(&stamp.header(0)).unwrap();
        group.all_gather(&[]).unwrap_err().to_string()
    };
    let old = complaint(Stamp {
        generation: 4,
        ..right
    });
    assert!(
        old.ends_with("the peer sent generation 4 where 5 was expected"),
        "{old}"
    );
    let ahead = complaint(Stamp {
        sequence: 2,
        ..right
    });
    assert!(
        ahead.ends_with("the peer sent sequence number 2 where 1 was expected"),
        "{ahead}"
    );
    let other = complaint(Stamp {
        operation: Operation::ReduceShare,
        ..right
    });
    assert!(
        other.ends_with("the peer sent operation 4 where 1 was expected"),
        "{other}"
    );
}

#[test]
fn a_message_above_the_limit_is_refused_before_it_is_read() {
    let (mut group, mut peer) = group_and_impostor();
    let stamp = Stamp {
        operation: Operation::AllGather,
        generation: 5,
        sequence: 1,
    };
    peer.write_all(&stamp.header(u64::MAX)).unwrap();
    let error = group.all_gather(&[]).unwrap_err();
    assert!(
        matches!(
            error,
            CollectiveError::TooLong {
                rank: 1,
                bytes: u64::MAX,
                ..
            }
        ),
        "{error}"
    );

    let (mut group, _peer) = group_and_impostor();
    group.settings.gather_limit = 10;
    let error = group.all_gather(&[0; 11]).unwrap_err();
    assert!(
        matches!(
            error,
            CollectiveError::TooLong {
                rank: 0,
                bytes: 11,
                limit: 10,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn vectors_of_different_lengths_are_refused_by_every_rank() {
    // Rank 2 has no slot, so it learns the length from the others and sees that they differ.
    let errors = World::new(vec![0..1, 1..2, 2..2]).run_keeping(|group| {
        let sums = flat_sums(group, 10 + group.rank());
        group.all_reduce(sums).unwrap_err()
    });
    for error in errors {
        let CollectiveError::Mismatch {
            what,
            expected,
            found,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(
            (what, expected.min(found), expected.max(found)),
            ("number of elements", 10, 11)
        );
    }
}

#[test]
fn a_rank_without_slots_believes_no_vector_above_its_limit() {
    let errors = World::new(vec![0..1, 1..1]).run_keeping(|group| {
        group.settings.element_limit = 9;
        group.set_deadline(Duration::from_millis(100));
        let sums = flat_sums(group, 10);
        group.all_reduce(sums).unwrap_err()
    });
    assert!(
        matches!(
            errors[1],
            CollectiveError::TooLong {
                rank: 0,
                bytes: 40,
                limit: 36,
                ..
            }
        ),
        "{}",
        errors[1]
    );
}

#[test]
fn ranks_that_deal_the_slots_otherwise_are_found_out() {
    let errors = World::of(2).run_keeping(|group| {
        if group.rank() == 1 {
            group.membership.slots = vec![0..2, 2..3];
        }
        let sums = flat_sums(group, 4);
        group.all_reduce(sums).unwrap_err()
    });
    for (rank, error) in errors.iter().enumerate() {
        assert!(matches!(error, CollectiveError::Mismatch { .. }), "{error}");
        assert_eq!(error.accused(), Some(1 - rank));
    }
}

#[test]
fn sums_of_other_slots_are_refused_before_anything_is_sent() {
    let mut group = World::of(1).join(0);
    let missing = SlotSums::new(group.membership.tree(), 0..1);
    assert!(matches!(
        group.all_reduce(missing),
        Err(CollectiveError::Sums { .. })
    ));
}

/// Rank 0 of two, and the bare connection of a rank 1 that keeps no promise after the handshake.
fn group_and_impostor() -> (TcpGroup, TcpStream) {
    let world = World::of(2);
    thread::scope(|scope| {
        let impostor = scope.spawn(|| {
            let group = world.join(1);
            let stream = group.peers[0].stream.try_clone().unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            stream
        });
        (world.join(0), impostor.join().unwrap())
    })
}
