//! From a seed to what goes wrong and when: a pure function.

use std::time::Duration;

use fratmae_dataset::KeyedRng;

use super::fault::{Kind, Strike};

/// The longest time between two moments at which something is done, unless the caller says how often.
const LONGEST_GAP: u64 = 3_500;
/// The shortest.
const SHORTEST_GAP: u64 = 300;
/// How far apart the faults of one moment are at most.
const SPREAD: u64 = 300;
/// Most faults last no longer, in milliseconds.
const SHORT: u64 = 1_500;
/// And none longer: long enough to be found out by each of the deadlines that chaos sets.
const LONG: u64 = 8_000;

/// What a plan is to be made of.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    /// Everything follows from it.
    pub(crate) seed: u64,
    /// For how long faults begin.
    pub(crate) length: Duration,
    /// Worker processes.
    pub(crate) places: usize,
    /// Kinds to choose from; none twice before each has come once.
    pub(crate) kinds: &'a [Kind],
    /// One fault in each of these intervals, instead of at drawn moments.
    pub(crate) every: Option<Duration>,
}

/// Plans the faults of a run, in the order of their time.
pub(crate) fn plan(wanted: &Wanted<'_>) -> Vec<Strike> {
    let mut planner = Planner {
        rng: KeyedRng::new("chaos", wanted.seed, &[]),
        bag: Vec::new(),
    };
    let mut strikes = Vec::new();
    if wanted.kinds.is_empty() || wanted.places == 0 {
        return strikes;
    }
    let mut moment = planner.gap(wanted);
    while moment < wanted.length {
        for number in 0..planner.how_many(wanted) {
            let delay = match number {
                0 => 0,
                _ => planner.rng.below(SPREAD),
            };
            strikes.push(planner.strike(wanted, moment + Duration::from_millis(delay)));
        }
        moment += planner.gap(wanted);
    }
    strikes.sort_by_key(|strike| strike.at);
    strikes
}

/// How many workers stand by beside the group, and the group's size where the caller names none.
pub(crate) fn crew(seed: u64, workers: Option<usize>, most: usize) -> (usize, usize) {
    let mut rng = KeyedRng::new("chaos crew", seed, &[]);
    let drawn = 2 + rng.below(5) as usize;
    let standbys = rng.below(2) as usize;
    (workers.unwrap_or_else(|| drawn.min(most)), standbys)
}

struct Planner {
    rng: KeyedRng,
    bag: Vec<Kind>,
}

impl Planner {
    fn gap(&mut self, wanted: &Wanted<'_>) -> Duration {
        let drawn = SHORTEST_GAP + self.rng.below(LONGEST_GAP - SHORTEST_GAP);
        let every = wanted
            .every
            .map(|every| every.max(Duration::from_millis(1)));
        every.unwrap_or(Duration::from_millis(drawn))
    }

    /// One fault at most moments, two or three at some.
    fn how_many(&mut self, wanted: &Wanted<'_>) -> u64 {
        let drawn = self.rng.below(6);
        match (wanted.every, drawn) {
            (Some(_), _) | (None, 0..=2) => 1,
            (None, 3 | 4) => 2,
            (None, _) => 3,
        }
    }

    fn strike(&mut self, wanted: &Wanted<'_>, at: Duration) -> Strike {
        let kind = self.kind(wanted.kinds);
        let place = self.below(wanted.places);
        let step = 1 + self.below(wanted.places.saturating_sub(1));
        let longest = [SHORT, LONG][self.below(2)];
        let lasts = Duration::from_millis(100 + self.rng.below(longest));
        Strike {
            at,
            lasts: if kind.is_instant() {
                Duration::ZERO
            } else {
                lasts
            },
            kind,
            place,
            other: (place + step) % wanted.places,
        }
    }

    /// Each kind once before any comes again.
    fn kind(&mut self, kinds: &[Kind]) -> Kind {
        if self.bag.is_empty() {
            self.bag.extend(kinds);
        }
        let place = self.below(self.bag.len());
        self.bag.swap_remove(place)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.rng.below(limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn wanted(seed: u64) -> Wanted<'static> {
        Wanted {
            seed,
            length: Duration::from_secs(60),
            places: 4,
            kinds: Kind::value_variants(),
            every: None,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_one_another() {
        assert_eq!(plan(&wanted(1)), plan(&wanted(1)));
        assert_ne!(plan(&wanted(1)), plan(&wanted(2)));
        assert_eq!(crew(5, None, 8), crew(5, None, 8));
    }

    #[test]
    fn every_kind_comes_within_a_minute_and_some_come_together() {
        for seed in 0..50 {
            let plan = plan(&wanted(seed));
            for kind in Kind::value_variants() {
                assert!(
                    plan.iter().any(|strike| strike.kind == *kind),
                    "{seed}: {kind:?}"
                );
            }
            let near = |pair: &[Strike]| pair[1].at - pair[0].at < Duration::from_millis(SPREAD);
            assert!(plan.windows(2).any(near), "{seed}");
        }
    }

    #[test]
    fn faults_are_in_order_within_their_time_and_among_the_workers_there_are() {
        for seed in 0..50 {
            let wanted = wanted(seed);
            let plan = plan(&wanted);
            assert!(plan.is_sorted_by_key(|strike| strike.at));
            for strike in plan {
                assert!(strike.at < wanted.length + Duration::from_millis(SPREAD));
                assert!(strike.place < 4 && strike.other < 4 && strike.place != strike.other);
                assert_eq!(strike.lasts.is_zero(), strike.kind.is_instant());
                assert!(strike.lasts <= Duration::from_millis(100 + LONG));
            }
        }
    }

    #[test]
    fn a_fixed_pace_is_kept_with_one_kind_alone() {
        let plan = plan(&Wanted {
            kinds: &[Kind::KillCoordinator],
            every: Some(Duration::from_secs(3)),
            ..wanted(0)
        });
        let seconds: Vec<u64> = plan.iter().map(|strike| strike.at.as_secs()).collect();
        assert_eq!(
            seconds,
            (1..20).map(|number| 3 * number).collect::<Vec<_>>()
        );
        assert!(
            plan.iter()
                .all(|strike| strike.kind == Kind::KillCoordinator)
        );
    }

    #[test]
    fn one_worker_alone_is_its_own_peer_and_no_kind_gives_no_plan() {
        let alone = Wanted {
            places: 1,
            ..wanted(3)
        };
        assert!(
            plan(&alone)
                .iter()
                .all(|strike| (strike.place, strike.other) == (0, 0))
        );
        assert!(
            plan(&Wanted {
                kinds: &[],
                ..wanted(3)
            })
            .is_empty()
        );
    }

    #[test]
    fn crews_are_of_two_to_six_workers_and_sometimes_have_a_standby() {
        let crews: Vec<_> = (0..100).map(|seed| crew(seed, None, 8)).collect();
        for workers in 2..=6 {
            assert!(crews.iter().any(|crew| crew.0 == workers), "{workers}");
        }
        assert!(
            crews
                .iter()
                .all(|crew| (2..=6).contains(&crew.0) && crew.1 < 2)
        );
        assert_eq!(crew(1, Some(3), 8).0, 3);
        assert!((0..100).all(|seed| crew(seed, None, 4).0 <= 4));
    }
}
