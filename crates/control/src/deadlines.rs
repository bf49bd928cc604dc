//! How long a worker may be silent, or be at one piece of work: learned from the run's own history, bounded both ways.
//! `handle/tick.rs` decides what follows when it takes longer.

use crate::cluster::Settings;
use crate::ids::Millis;
use crate::progress::{Lap, Pace, Phase, WaitsFor};
use std::collections::BTreeMap;

/// Gaps between messages that must be known before they limit silence.
const ENOUGH_GAPS: u64 = 50;
/// Times of a phase that must be known before they limit it.
const ENOUGH_LAPS: u64 = 20;
/// A limit is so many times what nearly all took before.
const FACTOR: u64 = 3;
/// A silence so many times longer than nearly all before makes the coordinator probe the host; and its least length.
const PROBE_AFTER: (u64, Millis) = (2, Millis::new(1_000));

/// What has been seen of this run so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Deadlines {
    gaps: Durations,
    laps: BTreeMap<Phase, Durations>,
}

/// A limit, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How long it may take.
    pub allowed: Millis,
    pub basis: Basis,
}

/// What a limit rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The job's key that bounds it.
    Key,
    /// How long 99.9 % of those before took at most.
    Usual(Millis),
    /// How long this worker takes for a slot or a step, where that is long.
    Pace(Millis),
    /// What anybody may take to leave a call in which the whole group is stuck.
    LastCall,
}

impl Limit {
    /// The job's own bound.
    pub(crate) const fn of_key(allowed: Millis) -> Self {
        let basis = Basis::Key;
        Self { allowed, basis }
    }

    /// The job's own bound, or three times the worker's own pace if that is longer.
    fn or_pace(self, pace: Option<Millis>) -> Self {
        let pace = pace.unwrap_or_default();
        let allowed = Millis::new(pace.get().saturating_mul(FACTOR));
        if allowed <= self.allowed {
            return self;
        }
        let basis = Basis::Pace(pace);
        Self { allowed, basis }
    }

    /// The limit in words: what it rests on, and the job's key that bounds it.
    pub(crate) fn describe(self, what: &str, key: &str) -> String {
        let allowed = self.allowed.seconds();
        match self.basis {
            Basis::Key => format!("limit {key} = {allowed:.0}"),
            Basis::Usual(usual) => format!(
                "limit {allowed:.1} s, as 99.9 % of {what} {:.2} s at most; never more than {key}",
                usual.seconds()
            ),
            Basis::Pace(pace) => format!(
                "limit {allowed:.0} s, three times the {:.0} s that it takes there, which is more than {key}",
                pace.seconds()
            ),
            Basis::LastCall => format!("limit {allowed:.1} s where the whole group is stuck"),
        }
    }
}

impl Phase {
    /// The longest that this may go without getting on, for a worker of this pace: on a slow machine a pass over one
    /// slot alone can take longer than the job's bound.
    pub(crate) fn ceiling(self, settings: &Settings, pace: Option<Pace>) -> Limit {
        let key = Limit::of_key(settings.leave_timeout);
        match self.waits_for() {
            WaitsFor::Nobody => key.or_pace(pace.map(|pace| pace.pass)),
            WaitsFor::Store | WaitsFor::Others => key,
        }
    }
}

/// The longest that a worker of this pace may take to end the step at hand.
pub(crate) fn step_ceiling(settings: &Settings, pace: Option<Pace>) -> Limit {
    Limit::of_key(settings.leave_timeout).or_pace(pace.map(|pace| pace.step))
}

impl Deadlines {
    pub(crate) fn record_gap(&mut self, gap: Millis) {
        self.gaps.note(gap, 1);
    }

    /// Takes in what one worker has done between two heartbeats: no more of it counts than is enough to know, so that
    /// nobody outweighs the others.
    pub(crate) fn record_lap(&mut self, lap: &Lap) {
        let known = self.laps.entry(lap.phase).or_default();
        known.note(lap.longest, u64::from(lap.count).min(ENOUGH_LAPS));
    }

    /// How long a worker may be silent.
    pub(crate) fn silence(&self, settings: &Settings) -> Limit {
        let usual = self.gaps.usual(ENOUGH_GAPS);
        let ceiling = Limit::of_key(settings.worker_timeout);
        limit(usual, settings.least_timeout, ceiling)
    }

    /// The silence after which a worker's host is probed; none while too few gaps are known.
    pub(crate) fn probe_after(&self) -> Option<Millis> {
        let (factor, least) = PROBE_AFTER;
        let usual = self.gaps.usual(ENOUGH_GAPS)?;
        Some(Millis::new(usual.get().saturating_mul(factor)).max(least))
    }

    /// How long a phase may take, at most `ceiling`; none for one that waits for others, unless the worker is behind them.
    pub(crate) fn phase(
        &self,
        phase: Phase,
        settings: &Settings,
        is_behind: bool,
        ceiling: Limit,
    ) -> Option<Limit> {
        let floor = match phase.waits_for() {
            WaitsFor::Others if !is_behind => return None,
            WaitsFor::Others | WaitsFor::Nobody => settings.least_timeout,
            // No worker hangs for as long as the run waits for the store.
            WaitsFor::Store => settings.least_timeout.plus(settings.store_patience),
        };
        let known = self.laps.get(&phase);
        let usual = known.and_then(|known| known.usual(ENOUGH_LAPS));
        Some(limit(usual, floor, ceiling))
    }
}

fn limit(usual: Option<Millis>, floor: Millis, ceiling: Limit) -> Limit {
    let learned = usual.map(|usual| Limit {
        allowed: Millis::new(usual.get().saturating_mul(FACTOR)).max(floor),
        basis: Basis::Usual(usual),
    });
    learned
        .filter(|learned| learned.allowed < ceiling.allowed)
        .unwrap_or(ceiling)
}

/// A histogram of times, exact to an eighth; its memory does not grow with the run.
#[derive(Clone, Debug, Default, PartialEq)]
struct Durations {
    /// By the number of the bucket.
    buckets: BTreeMap<u64, u64>,
    count: u64,
}

impl Durations {
    fn note(&mut self, time: Millis, times: u64) {
        if times == 0 {
            return;
        }
        let known = self.buckets.entry(bucket(time.get())).or_default();
        *known = known.saturating_add(times);
        self.count = self.count.saturating_add(times);
    }

    /// The 99.9th percentile, rounded up to its bucket's edge; none of fewer than `enough`.
    fn usual(&self, enough: u64) -> Option<Millis> {
        if self.count < enough {
            return None;
        }
        let may_be_longer = self.count / 1000;
        let mut longer = 0_u64;
        for (number, times) in self.buckets.iter().rev() {
            longer = longer.saturating_add(*times);
            if longer > may_be_longer {
                return Some(Millis::new(edge(*number)));
            }
        }
        None
    }
}

/// Eight buckets to each doubling.
const fn bucket(milliseconds: u64) -> u64 {
    if milliseconds < 8 {
        return milliseconds;
    }
    let octave = milliseconds.ilog2() as u64 - 3;
    8 + octave * 8 + ((milliseconds >> octave) & 7)
}

/// The longest time that falls into a bucket.
const fn edge(bucket: u64) -> u64 {
    if bucket < 8 {
        return bucket;
    }
    let (octave, part) = ((bucket - 8) / 8, bucket % 8);
    ((8 + part) << octave) + ((1 << octave) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Step;

    fn settings() -> Settings {
        Settings {
            slots: 1,
            workers: 1,
            least_workers: 1,
            settle: Millis::new(0),
            last_step: Step::new(1),
            least_timeout: Millis::new(5_000),
            store_patience: Millis::new(60_000),
            worker_timeout: Millis::new(30_000),
            join_timeout: Millis::new(1),
            return_timeout: Millis::new(1),
            leave_timeout: Millis::new(120_000),
            max_without_step: 1,
            save_every: None,
        }
    }

    fn known(phase: Phase, times: &[(u32, u64)]) -> Deadlines {
        let mut deadlines = Deadlines::default();
        for &(count, longest) in times {
            let longest = Millis::new(longest);
            for _ in 0..count {
                let count = 1;
                deadlines.record_lap(&Lap {
                    phase,
                    count,
                    longest,
                });
            }
        }
        deadlines
    }

    fn allowed(deadlines: &Deadlines, phase: Phase) -> Option<u64> {
        let settings = settings();
        let limit = deadlines.phase(phase, &settings, false, phase.ceiling(&settings, None));
        limit.map(|limit| limit.allowed.get())
    }

    #[test]
    fn every_time_is_in_its_bucket_and_buckets_are_an_eighth_wide() {
        for time in (0..10_000).chain([1 << 40, u64::MAX >> 1, 15 << 60, u64::MAX]) {
            let edge = edge(bucket(time));
            let widest = time.saturating_add(time / 8);
            assert!(edge >= time && edge <= widest, "{time} {edge}");
        }
    }

    #[test]
    fn three_times_the_usual_is_allowed_between_the_bounds() {
        let fast = known(Phase::Forward, &[(999, 100), (1, 60_000)]);
        assert_eq!(allowed(&fast, Phase::Forward), Some(5_000));
        let slow = known(Phase::Forward, &[(998, 100), (2, 4_000)]);
        let usual = edge(bucket(4_000));
        assert_eq!(allowed(&slow, Phase::Forward), Some(3 * usual));
        let slowest = known(Phase::Forward, &[(100, 90_000)]);
        assert_eq!(allowed(&slowest, Phase::Forward), Some(120_000));
    }

    #[test]
    fn one_heartbeat_teaches_no_more_than_is_enough() {
        let mut deadlines = known(Phase::Forward, &[(1, 9_000)]);
        let count = u32::MAX;
        let longest = Millis::new(1);
        let phase = Phase::Forward;
        for _ in 0..40 {
            deadlines.record_lap(&Lap {
                phase,
                count,
                longest,
            });
        }
        let usual = edge(bucket(9_000));
        assert_eq!(allowed(&deadlines, Phase::Forward), Some(3 * usual));
    }

    #[test]
    fn too_little_history_leaves_the_upper_bound() {
        let few = known(Phase::Forward, &[(19, 10)]);
        assert_eq!(allowed(&few, Phase::Forward), Some(120_000));
        assert_eq!(allowed(&few, Phase::Backward), Some(120_000));
    }

    #[test]
    fn who_waits_for_others_is_not_judged_and_who_waits_for_the_store_later() {
        let deadlines = known(Phase::Load, &[(100, 1)]);
        assert_eq!(allowed(&deadlines, Phase::Load), Some(65_000));
        for phase in [Phase::Gather, Phase::Reduce, Phase::Join, Phase::Idle] {
            assert_eq!(allowed(&deadlines, phase), None);
        }
        let gather = known(Phase::Gather, &[(100, 1)]);
        let key = Limit::of_key(settings().leave_timeout);
        let behind = gather.phase(Phase::Gather, &settings(), true, key);
        assert_eq!(behind.map(|limit| limit.allowed.get()), Some(5_000));
    }

    #[test]
    fn who_computes_slowly_has_three_times_its_own_pace() {
        let settings = settings();
        let pace = |pass, step| {
            Some(Pace {
                pass: Millis::new(pass),
                step: Millis::new(step),
            })
        };
        let allowed = |phase: Phase, pace| phase.ceiling(&settings, pace).allowed.get();
        assert_eq!(allowed(Phase::Forward, pace(40_000, 400_000)), 120_000);
        for phase in [Phase::Forward, Phase::Backward, Phase::Optimizer] {
            assert_eq!(allowed(phase, pace(50_000, 400_000)), 150_000);
        }
        for phase in [
            Phase::Load,
            Phase::Restore,
            Phase::Checkpoint,
            Phase::Gather,
        ] {
            assert_eq!(allowed(phase, pace(50_000, 400_000)), 120_000);
        }
        let step = step_ceiling(&settings, pace(50_000, 400_000));
        assert_eq!(step.allowed, Millis::new(1_200_000));
        assert_eq!(step.basis, Basis::Pace(Millis::new(400_000)));
        assert_eq!(step_ceiling(&settings, None).basis, Basis::Key);
    }

    #[test]
    fn a_slow_pass_that_is_usual_may_take_longer_than_the_key() {
        let settings = settings();
        let slow = known(Phase::Forward, &[(100, 90_000)]);
        let pace = Pace {
            pass: Millis::new(90_000),
            step: Millis::new(90_000),
        };
        let ceiling = Phase::Forward.ceiling(&settings, Some(pace));
        let limit = slow.phase(Phase::Forward, &settings, false, ceiling);
        assert_eq!(limit, Some(ceiling));
        assert_eq!(ceiling.allowed, Millis::new(270_000));
    }

    #[test]
    fn silence_is_judged_by_the_gaps_before_it() {
        let mut deadlines = Deadlines::default();
        let silence = |deadlines: &Deadlines| deadlines.silence(&settings()).allowed.get();
        assert_eq!(
            (silence(&deadlines), deadlines.probe_after()),
            (30_000, None)
        );
        (0..50).for_each(|_| deadlines.record_gap(Millis::new(250)));
        assert_eq!(silence(&deadlines), 5_000);
        assert_eq!(deadlines.probe_after(), Some(Millis::new(1_000)));
        (0..50).for_each(|_| deadlines.record_gap(Millis::new(2_047)));
        assert_eq!(silence(&deadlines), 3 * 2_047);
        assert_eq!(deadlines.probe_after(), Some(Millis::new(2 * 2_047)));
    }
}
