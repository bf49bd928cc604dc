//! What comes out: the bits of the group over TCP, or nearly its values, in one generation after the other.

use crate::rank::gradient;
use crate::world::{Order, Outcome, ranks};

/// Seven slots, dealt to so many ranks.
const DEALINGS: [&str; 4] = ["0-7", "0-4,4-7", "0-3,3-5,5-7", "0-2,2-4,4-4,4-7"];
const SCRIPT: &str = "reduce:1000,gather:3,replicate:10,reduce:2,reduce:0,reduce:1001";

fn order<'a>(link: &'a str, slots: &'a str) -> Order<'a> {
    Order {
        generation: 1,
        link,
        deadline_ms: 20_000,
        slots,
        script: SCRIPT,
    }
}

fn run(link: &str, slots: &str) -> Vec<Outcome> {
    let world = slots.split(',').count();
    let outcomes = order(link, slots).run(&mut ranks(&vec![""; world]));
    for outcome in &outcomes {
        assert!(outcome.error.is_none(), "{outcome:?}");
    }
    outcomes
}

#[test]
fn exact_sums_have_the_bits_of_tcp_for_every_world_size() {
    let reference = run("tcp", "0-7").remove(0).sums;
    assert_eq!(reference.len(), 4);
    for slots in DEALINGS {
        for link in ["tcp", "exact", "prefer"] {
            for outcome in run(link, slots) {
                assert!(outcome.sums == reference, "{link} {slots}");
            }
        }
    }
}

/// Asserts the sum of all slots' gradients within what rounding can do.
fn assert_right(sums: &[u32], slots: &str) {
    let gradients: Vec<_> = (0..7).map(|slot| gradient(slot, 1001)).collect();
    let over_slots = |at: usize, of: fn(f32) -> f32| {
        let values = gradients.iter().map(|gradient| f64::from(of(gradient[at])));
        values.sum::<f64>()
    };
    assert_eq!(sums.len(), 1001);
    for (at, bits) in sums.iter().enumerate() {
        let off = (f64::from(f32::from_bits(*bits)) - over_slots(at, |g| g)).abs();
        assert!(
            off <= 1e-6 * over_slots(at, f32::abs),
            "{slots} at {at}: {off}"
        );
    }
}

#[test]
fn fast_sums_are_the_same_on_every_rank_and_right_within_rounding() {
    for slots in DEALINGS {
        let outcomes = run("fast", slots);
        for outcome in &outcomes {
            assert!(outcome.sums == outcomes[0].sums, "{slots}");
        }
        let sums = outcomes[0].sums.last().expect("the last reduction");
        assert_right(sums, slots);
    }
}

#[test]
fn a_vector_on_the_device_is_summed_in_place_and_right_within_rounding() {
    for slots in DEALINGS {
        let world = slots.split(',').count();
        let order = Order {
            script: "reduce-there:3,reduce-there:1001",
            ..order("fast", slots)
        };
        let outcomes = order.run(&mut ranks(&vec![""; world]));
        for outcome in &outcomes {
            assert!(outcome.error.is_none(), "{outcome:?}");
            assert!(outcome.sums == outcomes[0].sums, "{slots}");
        }
        assert_right(&outcomes[0].sums[1], slots);
    }
}

#[test]
fn where_the_hosts_add_a_vector_on_the_device_is_refused() {
    for link in ["tcp", "exact"] {
        let order = Order {
            script: "reduce-there:0",
            ..order(link, "0-4,4-7")
        };
        for outcome in order.run(&mut ranks(&["", ""])) {
            let (_, _, line) = outcome.error();
            assert!(line.contains("adds in the hosts' memory"), "{line}");
        }
    }
}

#[test]
fn messages_and_states_travel_as_over_tcp() {
    let (tcp, nccl) = (run("tcp", "0-4,4-7"), run("exact", "0-4,4-7"));
    for (tcp, nccl) in tcp.iter().zip(&nccl) {
        assert_eq!(tcp.others, nccl.others);
        assert!(nccl.others.contains(&"gathered 3,4".to_owned()));
        assert!(nccl.others.contains(&"replicated 0".to_owned()));
    }
}

#[test]
fn the_next_generation_makes_a_communicator_of_its_own_in_the_same_process() {
    let mut world = ranks(&["", "", ""]);
    let mut bits = Vec::new();
    for (generation, slots) in [(1, "0-3,3-5,5-7"), (2, "0-4,4-7"), (5, "0-1,1-7")] {
        let order = Order {
            generation,
            ..order("exact", slots)
        };
        let size = slots.split(',').count();
        for outcome in order.run(&mut world[..size]) {
            assert!(outcome.error.is_none(), "{outcome:?}");
            bits.push(outcome.sums);
        }
    }
    assert!(bits.iter().all(|sums| *sums == bits[0]));
}
