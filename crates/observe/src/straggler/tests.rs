//! Planted slowness is named with its rank and account; uneven slots, noise and single hitches are not.

use super::*;
use fratmae_telemetry::Accounts;

const MS: u64 = 1_000_000;

/// Random numbers of a test, from a seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A factor near 1; now and then, as where another process takes the core, a large one.
    fn factor(&mut self) -> f64 {
        let hitch = if self.next() < 0.03 {
            2.0 * self.next()
        } else {
            0.0
        };
        0.9 + 0.2 * self.next() + hitch
    }
}

/// What is wrong with the ranks of a group.
#[derive(Clone, Copy)]
struct Group<'a> {
    slots: &'a [u32],
    /// Milliseconds that a rank takes beyond the others for a slot in forward, and in a step for loading.
    forward: &'a [f64],
    load: &'a [f64],
    /// Milliseconds by which a rank's data are late at the others, in each call.
    link: &'a [f64],
}

const QUIET: Group<'_> = Group {
    slots: &[1, 1, 1, 1],
    forward: &[0.0; 4],
    load: &[0.0; 4],
    link: &[0.0; 4],
};

/// Steps of a simulated group: each call ends for a rank when the data of all others are there.
fn steps(group: Group<'_>, steps: std::ops::RangeInclusive<u64>, seed: u64) -> Vec<RankRow> {
    let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut left = vec![0.0; group.slots.len()];
    let mut rows = Vec::new();
    for step in steps {
        let slots = group.slots.iter().map(|slots| f64::from(*slots));
        let mut taken: Vec<[f64; 4]> = slots
            .enumerate()
            .map(|(rank, slots)| {
                let load = 0.5 * noise.factor() + group.load[rank];
                let forward = slots * (30.0 + group.forward[rank]) * noise.factor();
                let backward = slots * 60.0 * noise.factor();
                [load, forward, backward, 5.0 * noise.factor()]
            })
            .collect();
        let mut calls = vec![Vec::new(); taken.len()];
        for call in 0..2 {
            let entered: Vec<f64> = taken
                .iter()
                .zip(&left)
                .map(|(taken, left)| match call {
                    0 => left + taken[0] + taken[1],
                    _ => left + taken[2],
                })
                .collect();
            left = (0..taken.len())
                .map(|rank| {
                    let sent = |other: usize| match other == rank {
                        true => entered[other],
                        false => entered[other] + group.link[other] + 2.0,
                    };
                    (0..taken.len()).map(sent).fold(0.0, f64::max)
                })
                .collect();
            for (calls, (left, entered)) in calls.iter_mut().zip(left.iter().zip(&entered)) {
                calls.push(((left - entered) * MS as f64) as u64);
            }
        }
        for (left, taken) in left.iter_mut().zip(&taken) {
            *left += taken[3];
        }
        let least: Vec<u64> = (0..2)
            .map(|call| {
                calls
                    .iter()
                    .map(|calls: &Vec<u64>| calls[call])
                    .min()
                    .unwrap()
            })
            .collect();
        for (rank, taken) in taken.drain(..).enumerate() {
            rows.push(row(
                step,
                rank,
                group.slots[rank],
                taken,
                &calls[rank],
                &least,
            ));
        }
    }
    rows
}

fn row(
    step: u64,
    rank: usize,
    slots: u32,
    taken: [f64; 4],
    calls: &[u64],
    least: &[u64],
) -> RankRow {
    let ns = |ms: f64| (ms * MS as f64) as u64;
    let transfer = least.iter().sum::<u64>();
    let accounts: Accounts = [
        (Account::Load, ns(taken[0])),
        (Account::Forward, ns(taken[1])),
        (Account::Backward, ns(taken[2])),
        (Account::Optimizer, ns(taken[3])),
        (Account::Transfer, transfer),
        (Account::Wait, calls.iter().sum::<u64>() - transfer),
    ]
    .into_iter()
    .collect();
    RankRow {
        step,
        generation: 1,
        rank: u32::try_from(rank).unwrap(),
        worker: format!("w{rank}"),
        host: format!("host{rank}"),
        slots,
        unix_ms: step * 100,
        accounts,
        calls: calls.to_vec(),
    }
}

/// Who is named in 50 steps of a group, with the account.
fn named(group: Group<'_>) -> Vec<(u32, String)> {
    let found = stragglers(&steps(group, 1..=50, 7));
    found.into_iter().map(|it| (it.rank, it.account)).collect()
}

#[test]
fn a_rank_whose_forward_pass_is_half_as_slow_again_is_named() {
    let forward = &[0.0, 0.0, 15.0, 0.0];
    let rows = steps(Group { forward, ..QUIET }, 1..=50, 1);
    let [one] = &stragglers(&rows)[..] else {
        panic!("{:?}", stragglers(&rows))
    };
    assert_eq!((one.rank, one.account.as_str()), (2, "forward"));
    assert_eq!((one.worker.as_str(), one.host.as_str()), ("w2", "host2"));
    assert!((40.0..50.0).contains(&one.own_ms), "{one:?}");
    assert!((27.0..33.0).contains(&one.others_ms), "{one:?}");
    assert!((5.0..18.0).contains(&one.cost_ms), "{one:?}");
    assert!(one.last_share > 0.8 && one.cost_share > 0.05, "{one:?}");
    assert_eq!((one.first_step, one.last_step), (1, 50));
}

#[test]
fn thirty_milliseconds_of_loading_are_named() {
    let load = &[0.0, 30.0, 0.0, 0.0];
    assert_eq!(named(Group { load, ..QUIET }), [(1, "load".to_owned())]);
}

#[test]
fn thirty_milliseconds_on_a_link_are_named() {
    let link = &[0.0, 0.0, 0.0, 30.0];
    assert_eq!(named(Group { link, ..QUIET }), [(3, "transfer".to_owned())]);
}

#[test]
fn two_ranks_are_enough_and_one_is_none() {
    let pair = Group {
        slots: &[2, 2],
        forward: &[15.0, 0.0],
        load: &[0.0; 2],
        link: &[0.0; 2],
    };
    assert_eq!(named(pair), [(0, "forward".to_owned())]);
    let alone = Group {
        slots: &[4],
        ..pair
    };
    assert_eq!(named(alone), []);
    assert!(stragglers(&[]).is_empty());
}

#[test]
fn without_the_calls_waiting_tells_as_much() {
    let load = &[0.0, 30.0, 0.0, 0.0];
    let mut rows = steps(Group { load, ..QUIET }, 1..=50, 3);
    rows.iter_mut().for_each(|row| row.calls.clear());
    assert_eq!(stragglers(&rows)[0].rank, 1);
}

#[test]
fn nobody_is_named_in_five_thousand_quiet_steps() {
    for (seed, slots) in [
        (1, &[1, 1, 1, 1][..]),
        (2, &[2, 1, 1, 1]),
        (3, &[2, 2, 1, 1]),
        (4, &[3, 3, 2]),
        (5, &[3, 2]),
        (6, &[1, 1, 1, 1, 1, 0]),
    ] {
        let none = vec![0.0; slots.len()];
        let group = Group {
            slots,
            forward: &none,
            load: &none,
            link: &none,
        };
        let rows = steps(group, 1..=5_000, seed);
        for end in (1..=5_000).step_by(10) {
            let begin = usize::saturating_sub(end, 60) * slots.len();
            let found = stragglers(&rows[begin..end * slots.len()]);
            assert!(found.is_empty(), "slots {slots:?}, step {end}: {found:?}");
        }
    }
}

#[test]
fn a_slow_rank_with_one_slot_more_is_named_for_what_it_takes_beyond_its_slots() {
    let group = Group {
        slots: &[2, 1, 1, 1],
        forward: &[15.0, 0.0, 0.0, 0.0],
        ..QUIET
    };
    let rows = steps(group, 1..=50, 2);
    let one = &stragglers(&rows)[0];
    assert_eq!((one.rank, one.account.as_str()), (0, "forward"));
    assert!((20.0..40.0).contains(&one.cost_ms), "{one:?}");
}

#[test]
fn a_hitch_that_is_over_is_no_straggler() {
    let load = &[0.0, 300.0, 0.0, 0.0];
    let mut rows = steps(Group { load, ..QUIET }, 1..=20, 1);
    rows.extend(steps(QUIET, 21..=60, 2));
    assert!(stragglers(&rows).is_empty());
}

#[test]
fn few_steps_and_those_of_an_older_generation_name_nobody() {
    let load = &[0.0, 30.0, 0.0, 0.0];
    let group = Group { load, ..QUIET };
    assert!(stragglers(&steps(group, 1..=39, 1)).is_empty());
    let mut rows = steps(group, 1..=50, 1);
    let mut next = steps(group, 51..=60, 2);
    next.iter_mut().for_each(|row| row.generation = 2);
    rows.extend(next);
    assert!(stragglers(&rows).is_empty());
}

#[test]
fn scores_are_of_the_time_for_a_slot() {
    let group = Group {
        slots: &[2, 1, 1, 1],
        forward: &[0.0, 0.0, 90.0, 0.0],
        ..QUIET
    };
    let scores = relative_scores(&paces(&steps(group, 1..=50, 4)));
    assert!((0.45..0.56).contains(&scores[&2]), "{scores:?}");
    assert!(
        (0..4)
            .filter(|rank| *rank != 2)
            .all(|rank| scores[&rank] > 0.95),
        "{scores:?}"
    );
    assert!(relative_scores(&paces(&[])).is_empty());
}

#[test]
fn a_median_of_an_even_number_lies_between() {
    assert_eq!(median(vec![4.0, 1.0]), 2.5);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(Vec::new()), 0.0);
}
