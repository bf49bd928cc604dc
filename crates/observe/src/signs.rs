//! What the course of a run shows beyond its present state, kept while it goes on: a watch takes in what happens, in
//! constant memory, and says at any moment what detectors need.

use crate::bottleneck::{Bottleneck, bottleneck};
use crate::ledger::RankRow;
use crate::straggler::{NEWEST_STEPS, Straggler, paces, relative_scores, stragglers};
use fratmae_telemetry::Metrics;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How far back restarts count, in milliseconds.
const RESTARTS_MS: u64 = 15 * 60 * 1_000;

/// Steps that a mean of losses is over.
const LOSSES: usize = 500;

/// The course of a run, as far as detectors look at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signs {
    /// Generations since a step was last applied that had never been applied before.
    pub generations_without_step: u64,
    /// Groups that began since a quarter of an hour, after one whose worker was found at fault.
    pub restarts: u64,
    /// How far apart checkpoints are to be, as far as that is known.
    pub checkpoint_every_ms: Option<u64>,
    pub stragglers: Vec<Straggler>,
    pub bottleneck: Option<Bottleneck>,
    /// None before there are enough steps.
    pub losses: Option<Losses>,
}

/// Means over the newest steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// Steps seen since the run began.
    pub steps: u64,
    /// Of the masked voxels, by the model and by their mean.
    pub reconstruction: Option<f64>,
    pub mean_baseline: Option<f64>,
    pub contrastive: Option<f64>,
}

/// A worker's time for a slot: the best rank's over its own, and its own best over its own; 1 is best.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    pub relative: f64,
    pub individual: f64,
}

/// Takes in what happens in a run.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Rows of the newest steps of the present generation.
    rows: VecDeque<RankRow>,
    /// The best pace of each worker that is in the group.
    best: BTreeMap<String, f64>,
    best_step: u64,
    generations: u64,
    /// When groups began that followed a failure.
    restarts: VecDeque<u64>,
    losses: VecDeque<(u64, [f64; 3])>,
}

impl Watch {
    /// A generation began at that moment, after a verdict or not.
    pub fn began(&mut self, unix_ms: u64, after_verdict: bool) {
        self.generations += 1;
        self.rows.clear();
        if after_verdict {
            self.restarts.push_back(unix_ms);
        }
        let is_old = |began: &u64| began.saturating_add(RESTARTS_MS) < unix_ms;
        while self.restarts.front().is_some_and(is_old) {
            self.restarts.pop_front();
        }
    }

    /// A step was applied, with these metrics. One that comes again replaces what was known of it and of later ones.
    pub fn applied(&mut self, step: u64, metrics: &Metrics) {
        if step > self.best_step {
            (self.best_step, self.generations) = (step, 0);
        }
        while self.losses.back().is_some_and(|(known, _)| *known >= step) {
            self.losses.pop_back();
        }
        if self.losses.len() == LOSSES {
            self.losses.pop_front();
        }
        let losses = ["reconstruction", "mean_baseline", "contrastive"];
        self.losses
            .push_back((step, losses.map(|name| metrics.get(name))));
    }

    /// One step's rows of all ranks are known.
    pub fn step_times(&mut self, rows: impl IntoIterator<Item = RankRow>) {
        self.rows.extend(rows);
        let newest = self.rows.back().map_or(0, |row| row.step);
        let is_old = |row: &RankRow| row.step.saturating_add(NEWEST_STEPS as u64) <= newest;
        while self.rows.front().is_some_and(is_old) {
            self.rows.pop_front();
        }
    }

    /// The scores of the group's workers by name; empty before there are steps. Call it from time to time: a worker's best
    /// is the best of these looks.
    pub fn scores(&mut self) -> BTreeMap<String, Score> {
        let rows = self.rows.make_contiguous();
        let paces = paces(rows);
        let relative = relative_scores(&paces);
        let names: BTreeMap<u32, &str> = rows
            .iter()
            .map(|row| (row.rank, row.worker.as_str()))
            .collect();
        let mut scores = BTreeMap::new();
        for (rank, pace) in paces {
            let Some(name) = names.get(&rank).map(|name| (*name).to_owned()) else {
                continue;
            };
            let best = self.best.get(&name).copied().unwrap_or(pace).min(pace);
            let score = Score {
                relative: relative.get(&rank).copied().unwrap_or(1.0),
                individual: best / pace,
            };
            self.best.insert(name.clone(), best);
            scores.insert(name, score);
        }
        self.best.retain(|name, _| scores.contains_key(name));
        scores
    }

    /// What there is to see at that moment. `checkpoint_every_ms` is how far apart checkpoints are to be.
    #[must_use]
    pub fn signs(&self, unix_ms: u64, checkpoint_every_ms: Option<u64>) -> Signs {
        let rows: Vec<RankRow> = self.rows.iter().cloned().collect();
        let is_new = |began: &&u64| began.saturating_add(RESTARTS_MS) >= unix_ms;
        Signs {
            generations_without_step: self.generations,
            restarts: self.restarts.iter().filter(is_new).count() as u64,
            checkpoint_every_ms,
            stragglers: stragglers(&rows),
            bottleneck: bottleneck(&rows),
            losses: self.means(),
        }
    }

    fn means(&self) -> Option<Losses> {
        let mean = |place: usize| {
            let values = self.losses.iter().map(|(_, losses)| losses[place]);
            let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            mean.is_finite().then_some(mean)
        };
        (self.losses.len() == LOSSES).then(|| Losses {
            steps: self.best_step,
            reconstruction: mean(0),
            mean_baseline: mean(1),
            contrastive: mean(2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_telemetry::Account;

    fn rows(step: u64, loads: [u64; 2]) -> Vec<RankRow> {
        let row = |(rank, load): (usize, u64)| RankRow {
            step,
            generation: 1,
            rank: u32::try_from(rank).unwrap(),
            worker: format!("w{rank}"),
            slots: 1,
            accounts: [(Account::Forward, load)].into_iter().collect(),
            ..RankRow::default()
        };
        loads.into_iter().enumerate().map(row).collect()
    }

    fn metrics(reconstruction: f64) -> Metrics {
        [("reconstruction", reconstruction)].into_iter().collect()
    }

    #[test]
    fn generations_count_until_a_step_is_new() {
        let mut watch = Watch::default();
        watch.began(1, false);
        watch.applied(1, &metrics(1.0));
        watch.applied(2, &metrics(1.0));
        for at in 2..5 {
            watch.began(at, true);
            watch.applied(2, &metrics(1.0));
        }
        assert_eq!(watch.signs(5, None).generations_without_step, 3);
        watch.applied(3, &metrics(1.0));
        assert_eq!(watch.signs(5, None).generations_without_step, 0);
    }

    #[test]
    fn restarts_are_those_of_the_last_quarter_of_an_hour() {
        let mut watch = Watch::default();
        let minute = 60_000;
        for (at, after_verdict) in [(0, true), (10, false), (11, true), (12, true)] {
            watch.began(at * minute, after_verdict);
        }
        let restarts = |at| watch.signs(at * minute, None).restarts;
        assert_eq!([12, 15, 16, 26, 27, 28].map(restarts), [3, 3, 2, 2, 1, 0]);
    }

    #[test]
    fn means_are_over_the_newest_steps_of_the_lineage() {
        let mut watch = Watch::default();
        (1..=499).for_each(|step| watch.applied(step, &metrics(9.0)));
        assert_eq!(watch.signs(0, None).losses, None);
        // It goes back to the start, and does them all again.
        (1..=600)
            .for_each(|step| watch.applied(step, &metrics(if step <= 100 { 5.0 } else { 2.0 })));
        let losses = watch.signs(0, None).losses.unwrap();
        assert_eq!((losses.steps, losses.reconstruction), (600, Some(2.0)));
        assert_eq!(losses.contrastive, None);
    }

    #[test]
    fn a_worker_is_measured_by_the_best_rank_and_by_its_own_best() {
        let mut watch = Watch::default();
        for step in 1..=50 {
            watch.step_times(rows(step, [10, 10]));
        }
        let fast = watch.scores();
        assert_eq!((fast["w0"].relative, fast["w1"].individual), (1.0, 1.0));
        for step in 51..=100 {
            watch.step_times(rows(step, [10, 20]));
        }
        let slow = watch.scores();
        assert_eq!((slow["w1"].relative, slow["w1"].individual), (0.5, 0.5));
        assert_eq!((slow["w0"].relative, slow["w0"].individual), (1.0, 1.0));
        assert_eq!(watch.rows.len(), 100);
        watch.began(0, false);
        assert!(watch.scores().is_empty());
    }
}
