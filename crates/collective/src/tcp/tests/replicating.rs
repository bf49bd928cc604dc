//! Copying the holders' values to the ranks that lack them.

use super::*;

/// Two vectors that no rank but a holder has; a NaN's payload and a negative zero are among them.
fn state(elements: usize) -> [Vec<f32>; 2] {
    let first = (0..elements).map(|i| i as f32 - 0.0);
    let second = (0..elements).map(|i| f32::from_bits(0x7fc0_0000 + i as u32));
    [first.collect(), second.collect()]
}

fn bits(vectors: &[Vec<f32>; 2]) -> Vec<u32> {
    let all = vectors.iter().flatten();
    all.map(|value| value.to_bits()).collect()
}

fn replicate(group: &mut TcpGroup, holders: &[usize], elements: usize) -> Vec<u32> {
    let mut held = match holders.contains(&group.rank()) {
        true => state(elements),
        false => [vec![-1.0; elements], vec![-1.0; elements]],
    };
    let values = held.iter_mut().map(Vec::as_mut_slice).collect();
    group.replicate(holders, values).unwrap();
    bits(&held)
}

#[test]
fn every_rank_comes_to_the_holders_values() {
    let cases: [(usize, &[usize]); 6] = [
        (2, &[0]),
        (3, &[1]),
        (3, &[0, 2]),
        (5, &[0, 1, 3]),
        (4, &[3]),
        (3, &[0, 1, 2]),
    ];
    for (world, holders) in cases {
        for elements in [0, 1, 2, 100_003] {
            let answers = World::of(world).run_keeping(|group| replicate(group, holders, elements));
            let expected = bits(&state(elements));
            assert!(
                answers.iter().all(|answer| *answer == expected),
                "{world} ranks, holders {holders:?}, {elements} elements"
            );
        }
    }
}

#[test]
fn a_group_goes_on_after_it() {
    let gathered = World::of(3).run_keeping(|group| {
        replicate(group, &[0, 1], 10);
        group.all_gather(&[group.rank() as u8]).unwrap()
    });
    assert_eq!(gathered[2], [[0], [1], [2]]);
}

#[test]
fn a_rank_alone_and_a_group_without_holders_move_nothing() {
    let alone = World::of(1).run_keeping(|group| replicate(group, &[0], 3));
    assert_eq!(alone[0], bits(&state(3)));
    let untouched = World::of(2).run_keeping(|group| replicate(group, &[], 1));
    assert_eq!(untouched[0], [(-1.0_f32).to_bits(); 2]);
}

#[test]
fn a_holder_that_dies_on_the_way_is_named() {
    let world = World::of(3);
    let errors = world.run(|mut group| {
        if group.rank() == 0 {
            return None;
        }
        let mut values = vec![0.0; 1 << 20];
        let error = group.replicate(&[0, 1], vec![&mut values]);
        Some((group.rank(), error.err(), group))
    });
    let (_, error, _) = errors
        .iter()
        .flatten()
        .find(|(rank, ..)| *rank == 2)
        .unwrap();
    assert_eq!(error.as_ref().unwrap().accused(), Some(0), "{error:?}");
}

#[test]
fn another_length_is_a_mismatch() {
    let errors = World::of(2).run_keeping(|group| {
        let mut values = vec![0.0; 3 + group.rank()];
        group.replicate(&[0], vec![&mut values]).err()
    });
    assert!(
        errors
            .iter()
            .flatten()
            .any(|error| matches!(error, CollectiveError::Mismatch { what: "length", .. })),
        "{errors:?}"
    );
}
