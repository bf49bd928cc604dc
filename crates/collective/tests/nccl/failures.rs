//! What goes wrong: each ends within its deadline, in one line that says where, and a new generation mends it.

use crate::world::{Order, Outcome, Rank, ranks};

const DEADLINE_MS: u64 = 3_000;
/// How long a call may take over its deadline, on a machine that does other things as well.
const SLACK_MS: u128 = 2_500;

fn order<'a>(generation: u64, script: &'a str) -> Order<'a> {
    Order {
        generation,
        link: "exact",
        deadline_ms: DEADLINE_MS,
        slots: "0-4,4-7",
        script,
    }
}

/// Asserts an error that says all of these, within the time.
fn assert_told(outcome: &Outcome, action: &str, within: u128, said: &[&str]) {
    let (asked, took, line) = outcome.error();
    assert_eq!(asked, action, "{line}");
    for word in said {
        assert!(line.contains(word), "{word} is not in: {line}");
    }
    assert!(took <= within, "{took} ms: {line}");
}

/// Trains one more generation, in which all goes well.
fn assert_mended(world: &mut [Rank], generation: u64) {
    for outcome in order(generation, "reduce:100").run(world) {
        assert!(outcome.error.is_none(), "{outcome:?}");
        assert_eq!(outcome.sums.len(), 1);
    }
}

#[test]
fn a_peer_that_dies_while_the_communicator_is_made_is_named_at_once() {
    let mut world = ranks(&["", "die=init"]);
    let outcomes = order(1, "reduce:100").run(&mut world);
    let said = [
        "forming the group 0 of 128 bytes",
        "rank 1 (127.0.0.1:",
        "closed",
    ];
    assert_told(&outcomes[0], "Rejoin", DEADLINE_MS.into(), &said);
    world[1] = Rank::start("");
    assert_mended(&mut world, 2);
}

#[test]
fn a_communicator_that_does_not_come_about_ends_at_the_deadline() {
    let mut world = ranks(&["hang=init", ""]);
    let outcomes = order(1, "reduce:100").run(&mut world);
    let within = u128::from(DEADLINE_MS) + SLACK_MS;
    let said = ["forming the group 0 of 128 bytes", "deadline of 3.0s"];
    let reports = outcomes
        .iter()
        .filter(|outcome| outcome.error().2.contains(said[1]));
    assert!(reports.count() >= 1);
    for outcome in &outcomes {
        assert_told(outcome, "Rejoin", within, &said[..1]);
    }
}

#[test]
fn a_communicator_that_fails_says_what_the_library_answered() {
    let mut world = ranks(&["error=init", ""]);
    let outcomes = order(1, "reduce:100").run(&mut world);
    let said = ["forming the group 0 of 128 bytes", "ncclInternalError (3)"];
    assert_told(&outcomes[0], "Rejoin", DEADLINE_MS.into(), &said);
    assert_told(&outcomes[1], "Rejoin", DEADLINE_MS.into(), &["closed"]);
}

#[test]
fn a_rank_that_cannot_make_a_communicator_offers_none_again_unless_nccl_is_demanded() {
    let mut world = ranks(&["error=init,hang=collective@1", ""]);
    let mut order = order(1, "reduce:100");
    order.link = "prefer";
    let outcomes = order.run(&mut world);
    assert_told(
        &outcomes[0],
        "Rejoin",
        DEADLINE_MS.into(),
        &["forming the group"],
    );
    order.generation = 2;
    for outcome in order.run(&mut world) {
        assert_eq!(outcome.sums.len(), 1, "{outcome:?}");
    }
}

#[test]
fn a_peer_that_dies_in_a_reduction_is_named_at_once() {
    // The second collective is the second half of the first reduction. The other rank may still be in the first half:
    // done with it, and about to hear that so is its peer.
    let mut world = ranks(&["", "die=collective@2"]);
    let outcomes = order(1, "reduce:100,reduce:100").run(&mut world);
    let line = outcomes[0].error().2;
    let half = ["results", "partial sums"]
        .map(|half| format!("all_reduce ({half}) 1 of 400 bytes over NCCL"))
        .into_iter()
        .find(|half| line.contains(half));
    let half = half.unwrap_or_else(|| panic!("neither half of the reduction is in: {line}"));
    let said = [half.as_str(), "rank 1 (127.0.0.1:", "closed"];
    assert_told(&outcomes[0], "Rejoin", DEADLINE_MS.into(), &said);
    world[1] = Rank::start("");
    assert_mended(&mut world, 2);
}

#[test]
fn a_peer_that_is_killed_in_a_reduction_is_named_at_once() {
    let mut world = ranks(&["delay=100000", "delay=100000"]);
    let order = Order {
        deadline_ms: 30_000,
        ..order(1, "gather:1,reduce:100")
    };
    order.tell(&mut world);
    world[0].hear("gathered 1,2");
    world[1].hear("gathered 1,2");
    world[1].kill();
    let outcome = world[0].outcome();
    assert_told(&outcome, "Rejoin", 10_000, &["all_reduce", " 2", "rank 1"]);
}

#[test]
fn a_collective_that_hangs_ends_at_the_deadline_on_every_rank() {
    let mut world = ranks(&["", "hang=collective@3"]);
    let outcomes = order(1, "reduce:100,reduce:50").run(&mut world);
    let within = u128::from(DEADLINE_MS) + SLACK_MS;
    for outcome in &outcomes {
        let said = ["all_reduce (partial sums) 2 of 200 bytes over NCCL"];
        assert_told(outcome, "Rejoin", within, &said);
    }
    assert_mended(&mut world, 2);
}

#[test]
fn an_asynchronous_error_ends_the_call_at_once_on_every_rank() {
    let mut world = ranks(&["error=collective@1", ""]);
    let outcomes = order(1, "reduce:100").run(&mut world);
    let said = [
        "all_reduce (partial sums) 1 of 400 bytes",
        "ncclInternalError (3): the stand-in was told to",
    ];
    assert_told(&outcomes[0], "Rejoin", DEADLINE_MS.into(), &said);
    let said = ["all_reduce (partial sums) 1 of 400 bytes", "rank 0"];
    assert_told(&outcomes[1], "Rejoin", DEADLINE_MS.into(), &said);
    assert_mended(&mut world, 2);
}

#[test]
fn an_abort_that_hangs_says_that_the_process_must_be_replaced() {
    let mut world = ranks(&["error=collective@1,hang=abort", ""]);
    let outcomes = order(1, "reduce:100").run(&mut world);
    let said = [
        "all_reduce (partial sums) 1 of 400 bytes",
        "does not end within 1.0s",
        "this process must be replaced",
    ];
    assert_told(&outcomes[0], "Replace", 1_000 + SLACK_MS, &said);
    assert_told(&outcomes[1], "Rejoin", DEADLINE_MS.into(), &["rank 0"]);
    // It stays so in this process, and another one in its place is as good as any.
    let again = order(2, "reduce:100").run(&mut world);
    assert_told(
        &again[0],
        "Replace",
        DEADLINE_MS.into(),
        &["must be replaced"],
    );
    world[0] = Rank::start("");
    assert_mended(&mut world, 3);
}

#[test]
fn fast_sums_fail_as_exact_ones_do_wherever_the_vector_lies() {
    let within = u128::from(DEADLINE_MS) + SLACK_MS;
    let at = "all_reduce (sum) 1 of 400 bytes over NCCL";
    for script in ["reduce:100", "reduce-there:100"] {
        let order = |generation| Order {
            link: "fast",
            ..order(generation, script)
        };
        let mut world = ranks(&["", "hang=collective@1"]);
        for outcome in order(1).run(&mut world) {
            assert_told(&outcome, "Rejoin", within, &[at]);
        }
        let mut world = ranks(&["", "die=collective@1"]);
        let outcomes = order(1).run(&mut world);
        assert_told(&outcomes[0], "Rejoin", DEADLINE_MS.into(), &[at, "rank 1"]);
        world[1] = Rank::start("error=collective@1,hang=abort");
        let outcomes = order(2).run(&mut world);
        assert_told(&outcomes[0], "Rejoin", DEADLINE_MS.into(), &[at, "rank 1"]);
        let said = [at, "this process must be replaced"];
        assert_told(&outcomes[1], "Replace", 1_000 + SLACK_MS, &said);
        world[1] = Rank::start("");
        for outcome in order(3).run(&mut world) {
            assert!(outcome.error.is_none(), "{outcome:?}");
            assert_eq!(outcome.sums.len(), 1);
        }
    }
}
