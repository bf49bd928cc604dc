//! The one line an operator reads, whom it accuses, and what the caller does next.

use super::*;

fn transfer(direction: Direction) -> Transfer {
    let address = SocketAddr::from(([10, 0, 0, 3], 4000));
    Transfer {
        peer: 3,
        address,
        operation: Operation::ReduceScatter,
        sequence: 17,
        direction,
        bytes: 4096,
    }
}

fn check(error: &CollectiveError, line: &str, accused: Option<usize>, action: Action) {
    assert_eq!(error.to_string(), line);
    assert_eq!((error.accused(), error.action()), (accused, action));
}

#[test]
fn a_peer_that_failed_is_named_with_call_and_bytes() {
    let place = "rank 3 (10.0.0.3:4000) in all_reduce (partial sums) 17, 4096 bytes";
    let (sent, received) = (transfer(Direction::Sent), transfer(Direction::Received));
    let closed = CollectiveError::Closed { transfer: sent };
    check(
        &closed,
        &format!("{place} sent: the peer closed the connection"),
        Some(3),
        Action::Rejoin,
    );
    let deadline = Duration::from_millis(2500);
    let late = CollectiveError::TimedOut {
        transfer: received,
        deadline,
    };
    let line = format!("{place} received: the peer did not answer within 2.5s");
    check(&late, &line, Some(3), Action::Rejoin);
    let source = io::Error::other("cable");
    let io = CollectiveError::Io {
        transfer: received,
        source,
    };
    check(
        &io,
        &format!("{place} received: the connection failed"),
        Some(3),
        Action::Rejoin,
    );
    let other = CollectiveError::Mismatch {
        transfer: received,
        what: "generation",
        expected: 5,
        found: 4,
    };
    let line = format!("{place} received: the peer sent generation 4 where 5 was expected");
    check(&other, &line, Some(3), Action::Rejoin);
}

#[test]
fn a_rank_that_did_not_join_is_named_with_the_generation() {
    let (peer, address, generation) = (3, SocketAddr::from(([10, 0, 0, 3], 4000)), 5);
    let refused = |refusal, reason: &str| {
        let error = CollectiveError::Refused {
            peer,
            address,
            generation,
            refusal,
        };
        let line = format!("rank 3 (10.0.0.3:4000) refused this rank for generation 5: {reason}");
        check(&error, &line, Some(3), Action::Rejoin);
    };
    refused(
        Refusal::Stale { theirs: 6 },
        "it is already in generation 6",
    );
    refused(Refusal::Early { theirs: 4 }, "it is still in generation 4");
    refused(Refusal::OtherRun, "it works in another run");
    refused(Refusal::OtherPlace, "its membership has other ranks");
    let absent = CollectiveError::Absent {
        peer,
        address,
        generation,
        waited: Duration::from_secs(30),
        source: None,
    };
    let line = "rank 3 (10.0.0.3:4000) did not join generation 5 within 30.0s: \
                check that its worker runs and that this host reaches it";
    check(&absent, line, Some(3), Action::Rejoin);
}

#[test]
fn a_message_that_is_too_long_accuses_its_sender() {
    let (operation, sequence) = (Operation::AllGather, 2);
    let error = CollectiveError::TooLong {
        rank: 1,
        operation,
        sequence,
        bytes: 11,
        limit: 10,
    };
    check(
        &error,
        "rank 1 sent 11 bytes to all_gather 2, above the limit of 10",
        Some(1),
        Action::Rejoin,
    );
}

#[test]
fn what_is_nobodys_fault_accuses_nobody() {
    check(
        &CollectiveError::Aborted,
        "the group was aborted",
        None,
        Action::Rejoin,
    );
    let broken = CollectiveError::Broken {
        operation: Operation::AllGather,
        sequence: 2,
    };
    check(
        &broken,
        "the group has failed in all_gather 2 before: form a new generation",
        None,
        Action::Rejoin,
    );
}
