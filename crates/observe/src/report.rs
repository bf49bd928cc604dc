//! What a run's records come to: where its workers' time went, what failures cost, how it stood up to them.

use crate::breaks::{Break, Group, Reliability, breaks, steps_applied};
use crate::compaction::RankBlock;
use crate::goodput::{Ratios, Totals, WINDOWS};
use crate::ledger::{CapacityRow, LedgerRow, RankRow};
use serde::Serialize;

/// What is known of the course of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub groups: Vec<Group>,
    /// Of all generations.
    pub ranks: Vec<RankRow>,
    pub blocks: Vec<RankBlock>,
    pub ledger: Vec<LedgerRow>,
    pub capacity: Vec<CapacityRow>,
}

/// A run's time, all of it together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// When its time began to be counted, and until when it is, in milliseconds since 1970; none without a ledger.
    pub begin_unix_ms: Option<u64>,
    pub end_unix_ms: Option<u64>,
    #[serde(flatten)]
    pub totals: Totals,
    /// Of the whole run.
    #[serde(flatten)]
    pub ratios: Ratios,
    /// Of its newest time.
    pub windows: Vec<WindowRatios>,
    /// Steps that have a row, those that were done again included, and those alone.
    pub steps_applied: u64,
    pub steps_repeated: u64,
    /// Seconds from the beginning to the end of the first step.
    pub first_step_s: Option<f64>,
    #[serde(flatten)]
    pub reliability: Reliability,
    /// What each verdict cost, oldest first.
    pub verdicts: Vec<VerdictCost>,
    /// Every stop between two steps that made a new group.
    pub breaks: Vec<Break>,
}

/// Shares of the newest time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WindowRatios {
    pub seconds: u64,
    #[serde(flatten)]
    pub ratios: Ratios,
}

/// A verdict and what it cost. Verdicts of one break share its cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerdictCost {
    pub generation: u64,
    /// The newest step before.
    pub step: u64,
    pub worker: String,
    pub host: String,
    pub rank: Option<u32>,
    pub reason: String,
    /// Until the next new step.
    pub recovery_s: f64,
    pub worker_hours_lost: f64,
}

impl Report {
    /// Works it out.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Self {
        let Evidence {
            groups,
            ranks,
            blocks,
            ledger,
            capacity,
        } = evidence;
        let stretches = || {
            let ledger = ledger
                .iter()
                .map(|row| (row.begin_unix_ms, row.end_unix_ms));
            ledger.chain(
                capacity
                    .iter()
                    .map(|row| (row.begin_unix_ms, row.end_unix_ms)),
            )
        };
        let begin = stretches().map(|(begin, _)| begin).min();
        let end = stretches().map(|(_, end)| end).max();
        let totals = Totals::sum(ledger, capacity);
        let breaks = breaks(groups, ranks, blocks);
        let window = |seconds: u64| {
            let end = end.unwrap_or(0);
            let from = end.saturating_sub(1_000 * seconds);
            let ratios = Totals::between(ledger, capacity, from, end).ratios();
            WindowRatios { seconds, ratios }
        };
        Self {
            begin_unix_ms: begin,
            end_unix_ms: end,
            ratios: totals.ratios(),
            windows: WINDOWS.into_iter().map(window).collect(),
            steps_applied: steps_applied(ranks, blocks),
            steps_repeated: breaks.iter().map(|it| it.repeated).sum(),
            first_step_s: first_step(evidence, begin),
            reliability: Reliability::of(groups, &breaks, totals.accounts.total()),
            verdicts: breaks.iter().flat_map(costs).collect(),
            totals,
            breaks,
        }
    }
}

fn first_step(evidence: &Evidence, begin: Option<u64>) -> Option<f64> {
    let rows = evidence.ranks.iter().map(|row| row.unix_ms);
    let blocks = evidence.blocks.iter().map(|block| block.first_unix_ms);
    let ended = rows.chain(blocks).min()?;
    Some(ended.checked_sub(begin?)? as f64 / 1e3)
}

fn costs(broken: &Break) -> impl Iterator<Item = VerdictCost> {
    let share = broken.worker_seconds / 3.6e3 / broken.verdicts.len().max(1) as f64;
    broken.verdicts.iter().map(move |verdict| VerdictCost {
        generation: broken.generation,
        step: broken.step,
        worker: verdict.worker.clone(),
        host: verdict.host.clone(),
        rank: verdict.rank,
        reason: verdict.reason.clone(),
        recovery_s: broken.seconds(),
        worker_hours_lost: share,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaks::Blame;
    use fratmae_telemetry::Account;

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn rows(generation: u64, steps: std::ops::RangeInclusive<u64>, at_s: u64) -> Vec<RankRow> {
        let first = *steps.start();
        let row = |step| RankRow {
            step,
            generation,
            unix_ms: 1_000 * (at_s + step - first),
            ..RankRow::default()
        };
        steps.map(row).collect()
    }

    /// Two workers for an hour; after step 10 one is killed, and step 11 is done 11 seconds after step 10.
    fn evidence() -> Evidence {
        let blame = |worker: &str| Blame {
            worker: worker.to_owned(),
            ..Blame::default()
        };
        let group = |generation, verdicts| Group {
            generation,
            members: vec!["a".to_owned(), "b".to_owned()],
            verdicts,
        };
        let stretch = |begin: u64| LedgerRow {
            begin_unix_ms: begin,
            end_unix_ms: begin + 3_600_000,
            accounts: [
                (Account::Forward, HOUR_NS * 3 / 4),
                (Account::Regroup, HOUR_NS / 4),
            ]
            .into_iter()
            .collect(),
            ..LedgerRow::default()
        };
        let mut ranks = rows(1, 1..=10, 5);
        ranks.extend(rows(2, 9..=40, 23));
        Evidence {
            groups: vec![group(1, vec![blame("a"), blame("b")]), group(2, Vec::new())],
            ranks,
            ledger: vec![stretch(1_000), stretch(1_000)],
            capacity: vec![CapacityRow {
                begin_unix_ms: 1_000,
                end_unix_ms: 3_601_000,
                present_ns: 2 * HOUR_NS,
                missing_ns: 2 * HOUR_NS,
                ..CapacityRow::default()
            }],
            ..Evidence::default()
        }
    }

    #[test]
    fn a_report_says_where_the_time_went_and_what_each_verdict_cost() {
        let report = Report::of(&evidence());
        assert_eq!(report.ratios.availability, Some(0.5));
        assert_eq!(report.ratios.goodput, Some(0.75));
        assert_eq!(report.ratios.overall, Some(0.375));
        assert_eq!((report.steps_applied, report.steps_repeated), (42, 2));
        assert_eq!(report.first_step_s, Some(4.0));
        assert_eq!(report.reliability.failures, 2);
        assert_eq!(report.reliability.recovery_median_s, Some(11.0));
        assert_eq!(report.reliability.worker_hours_between_failures, Some(1.0));
        let [one, other] = &report.verdicts[..] else {
            panic!("{:?}", report.verdicts)
        };
        assert_eq!((one.worker.as_str(), other.worker.as_str()), ("a", "b"));
        // Ten seconds beyond a step, of two workers, for two verdicts.
        let lost = 10.0 / 3_600.0;
        assert!((one.worker_hours_lost - lost).abs() < 1e-9, "{one:?}");
        assert!((report.reliability.worker_hours_lost - 2.0 * lost).abs() < 1e-9);
        let windows: Vec<_> = report
            .windows
            .iter()
            .map(|it| (it.seconds, it.ratios.goodput))
            .collect();
        assert_eq!(
            windows,
            [(60, Some(0.75)), (300, Some(0.75)), (900, Some(0.75))]
        );
    }

    #[test]
    fn a_run_without_records_has_an_empty_report() {
        let report = Report::of(&Evidence::default());
        assert_eq!(report.ratios, Ratios::default());
        assert_eq!((report.begin_unix_ms, report.first_step_s), (None, None));
        assert_eq!(report.windows.len(), 3);
    }

    #[test]
    fn its_json_is_flat() {
        let json = serde_json::to_value(Report::of(&evidence())).unwrap();
        assert_eq!(json["goodput"], 0.75);
        assert_eq!(json["accounts"]["forward"], HOUR_NS * 3 / 2);
        assert_eq!(json["failures"], 2);
        assert_eq!(json["windows"][0]["seconds"], 60);
        assert_eq!(json["breaks"][0]["repeated"], 2);
    }
}
