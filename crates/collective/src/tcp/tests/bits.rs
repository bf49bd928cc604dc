//! The promise of bits, and what arrives intact.

use super::*;

/// A gradient whose magnitudes differ so much that any other order of adding shows.
fn gradient(slot: usize, elements: usize) -> Vec<f32> {
    let mut state = (slot as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut value = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mantissa = (state >> 40) as f32 / 8_388_608.0 - 1.0;
        mantissa * 2.0_f32.powi((state >> 33 & 31) as i32 - 16)
    };
    (0..elements).map(|_| value()).collect()
}

/// The definition, evaluated directly.
fn direct(slots: Range<usize>, elements: usize) -> Vec<f32> {
    if slots.len() == 1 {
        return gradient(slots.start, elements);
    }
    let middle = slots.start + slots.len().next_power_of_two() / 2;
    let right = direct(middle..slots.end, elements);
    direct(slots.start..middle, elements)
        .into_iter()
        .zip(right)
        .map(|(left, right)| left + right)
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn reduce(group: &mut TcpGroup, elements: usize) -> Vec<f32> {
    let slots = group.membership.slots[group.rank()].clone();
    let mut sums = SlotSums::new(group.membership.tree(), slots.clone());
    slots.for_each(|slot| sums.push(gradient(slot, elements)));
    group.all_reduce(sums).unwrap()
}

/// Deals slots to ranks: cut points that are even, or crowd at one end.
fn exchange(slots: usize, world: usize, crowd: f64) -> Vec<Range<usize>> {
    let cut =
        |rank: usize| ((rank as f64 / world as f64).powf(crowd) * slots as f64).round() as usize;
    (0..world).map(|rank| cut(rank)..cut(rank + 1)).collect()
}

#[test]
fn every_world_and_dealing_gives_the_same_bits() {
    for slots in 1..=9 {
        for world in 1..=8 {
            for crowd in [1.0, 3.0, 0.3] {
                let lengths = [0, 1, 37];
                let world = World::new(exchange(slots, world, crowd));
                let answers = world
                    .run(|mut group| lengths.map(|elements| bits(&reduce(&mut group, elements))));
                let expected = lengths.map(|elements| bits(&direct(0..slots, elements)));
                assert!(
                    answers.iter().all(|answer| *answer == expected),
                    "{slots} slots dealt {:?}",
                    world.exchange
                );
            }
        }
    }
}

#[test]
fn another_order_would_show() {
    let mut running = gradient(0, 37);
    for slot in 1..9 {
        running
            .iter_mut()
            .zip(gradient(slot, 37))
            .for_each(|(sum, value)| *sum += value);
    }
    assert_ne!(bits(&running), bits(&direct(0..9, 37)));
}

#[test]
fn slots_need_not_be_dealt_in_rank_order() {
    let world = World::new(vec![5..8, 8..8, 0..2, 2..5]);
    let expected = bits(&direct(0..8, 11));
    assert!(
        world
            .run(|mut group| bits(&reduce(&mut group, 11)))
            .iter()
            .all(|answer| *answer == expected)
    );
}

#[test]
fn a_world_of_one_uses_no_socket() {
    let mut world = World::new(exchange(7, 1, 1.0));
    // Dialling would fail.
    world.addresses = vec![NOBODY];
    let mut group = world.join(0);
    assert_eq!(bits(&reduce(&mut group, 13)), bits(&direct(0..7, 13)));
    assert_eq!(group.all_gather(b"me").unwrap(), [b"me"]);
    assert_eq!((group.rank(), group.world_size()), (0, 1));
}

#[test]
fn messages_of_any_size_come_in_rank_order() {
    let sizes = [0, 1, 100_003, 3_000_001];
    let message = |rank: usize| {
        (0..sizes[rank])
            .map(|at| (at * 7 + rank) as u8)
            .collect::<Vec<_>>()
    };
    let expected: Vec<_> = (0..4).map(message).collect();
    let answers = World::of(4).run(|mut group| {
        let mine = message(group.rank());
        (
            group.all_gather(&mine).unwrap(),
            group.all_gather(&[]).unwrap(),
        )
    });
    for (first, second) in answers {
        assert!(first == expected);
        assert_eq!(second, vec![Vec::<u8>::new(); 4]);
    }
}

#[test]
fn fifty_megabytes_both_ways_do_not_deadlock() {
    const BYTES: usize = 50 << 20;
    let answers = World::of(2).run(|mut group| {
        let gathered = group
            .all_gather(&vec![group.rank() as u8 + 1; BYTES])
            .unwrap();
        let whole = gathered
            .iter()
            .zip(1..)
            .all(|(message, value)| *message == vec![value; BYTES]);
        drop(gathered);
        let sums = flat_sums(&group, BYTES / 4 + 1);
        whole && group.all_reduce(sums).unwrap() == vec![2.0; BYTES / 4 + 1]
    });
    assert_eq!(answers, [true, true]);
}

#[test]
fn sealed_connections_give_the_same_bits() {
    let mut results = Vec::new();
    for sealing in [Sealing::Plain, Sealing::Authenticated, Sealing::Encrypted] {
        let world = World::of(3);
        let join = |rank: usize| {
            let settings = TcpSettings {
                sealing,
                ..TcpSettings::new(LONG)
            };
            TcpGroup::connect_with(&world.ports[rank], &world.membership(rank), settings).unwrap()
        };
        let train = |rank: usize| {
            let mut group = join(rank);
            let long = vec![rank as u8; 200_000];
            let gathered = group.all_gather(&long).unwrap();
            let reduced = group.all_reduce(flat_sums(&group, 100_001)).unwrap();
            let mut state = vec![rank as f32 + 0.5; 70_000];
            group.replicate(&[1], vec![&mut state]).unwrap();
            (gathered, reduced, state)
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let train = &train;
            let threads: Vec<_> = (0..3)
                .map(|rank| scope.spawn(move || train(rank)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(answers[0] == answers[1] && answers[1] == answers[2]);
        results.push(answers);
    }
    assert!(results[0] == results[1] && results[1] == results[2]);
}
