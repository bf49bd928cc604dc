//! Which machines the market takes, when, and when it gives them again.

use crate::random::Random;
use fratmae_control::{Millis, WorkerId};
use std::collections::BTreeMap;

/// Zones whose prices move by themselves.
pub(super) const ZONES: usize = 16;
/// Minutes between two bursts of a zone, on the average.
const BURST_EVERY: u64 = 240;
/// Of a thousand machines of a zone so many are taken in a burst.
const TAKEN: (u64, u64) = (100, 600);
/// Of a thousand so many are taken with notice.
const WITH_NOTICE: u64 = 900;
/// How long before the end the notice comes.
const NOTICE: u64 = 120_000;
/// When a machine is given again.
const GIVEN: (u64, u64) = (5 * 60_000, 40 * 60_000);
/// Minutes between two failures of a machine, on the average.
const FAILS_EVERY: u64 = 30 * 24 * 60;

/// What becomes of a machine, counted from now.
pub(super) struct Fate {
    pub(super) worker: WorkerId,
    pub(super) zone: usize,
    /// When it is told, if it is.
    pub(super) notice: Option<Millis>,
    pub(super) gone: Millis,
    /// When another one comes in its place.
    pub(super) given: Millis,
}

/// The market.
pub(super) struct Prices {
    random: Random,
}

impl Prices {
    pub(super) const fn new(random: Random) -> Self {
        Self { random }
    }

    /// What is decided in a minute about machines, each in a zone.
    pub(super) fn minute(
        &mut self,
        machines: impl Iterator<Item = (WorkerId, usize)>,
    ) -> Vec<Fate> {
        let mut bursts = BTreeMap::new();
        for zone in 0..ZONES {
            if self.random.below(BURST_EVERY) == 0 {
                bursts.insert(zone, self.random.between(TAKEN.0, TAKEN.1));
            }
        }
        let mut fates = Vec::new();
        for (worker, zone) in machines {
            let is_taken = bursts
                .get(&zone)
                .is_some_and(|taken| self.random.chance(*taken));
            if is_taken || self.random.below(FAILS_EVERY) == 0 {
                fates.push(self.fate(worker, zone, is_taken));
            }
        }
        fates
    }

    fn fate(&mut self, worker: WorkerId, zone: usize, is_taken: bool) -> Fate {
        let at = self.random.below(60_000);
        let has_notice = is_taken && self.random.chance(WITH_NOTICE);
        let gone = match has_notice {
            true => at + NOTICE,
            false => at,
        };
        Fate {
            worker,
            zone,
            notice: has_notice.then_some(Millis::new(at)),
            gone: Millis::new(gone),
            given: Millis::new(gone + self.random.between(GIVEN.0, GIVEN.1)),
        }
    }
}
