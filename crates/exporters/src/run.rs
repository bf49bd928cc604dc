//! The metrics of a run, from its snapshot, and those of this process.

use fratmae_observe::{RunState, Seat, Snapshot, Totals, WorkerView, findings};
use fratmae_telemetry::Accounts;

use crate::families::Families;
use crate::metric::Metric;
use crate::table::*;

/// Clock ticks in a second, as Linux tells the CPU time of a process to programs on every architecture.
const TICKS: f64 = 100.0;

/// Bytes of a page of memory where `/proc` counts in pages; it is told in KiB instead.
const KIB: f64 = 1024.0;

/// What a coordinator's snapshot says of its whole run; nothing before the first was taken.
#[must_use]
pub fn of_run(snapshot: &Snapshot) -> Families {
    let mut families = Families::default();
    if snapshot.unix_ms == 0 {
        return families;
    }
    let run = snapshot.run.as_str();
    let numbers = [
        (&STEP, Some(snapshot.step)),
        (&BEST_STEP, Some(snapshot.best_step)),
        (&LAST_STEP, Some(snapshot.last_step)),
        (&COMMITTED_STEP, snapshot.committed_step),
        (&GENERATION, Some(snapshot.generation)),
        (&FENCE, Some(snapshot.fence)),
    ];
    for (metric, number) in numbers {
        families.add(metric, [run], number.map(|it| it as f64));
    }
    let times = [
        (&LAST_PROGRESS, seconds(snapshot.progress_unix_ms)),
        (&COMMITTED, seconds(snapshot.committed_unix_ms)),
        (&STEP_TIME, snapshot.step_seconds),
        (&REMAINING, snapshot.eta_seconds),
    ];
    for (metric, time) in times {
        families.add(metric, [run], time);
    }
    for state in STATES {
        let is_in = f64::from(u8::from(*state == snapshot.state));
        families.add(&STATE, [run, state_name(*state)], is_in);
    }
    for (name, value) in snapshot.metrics.iter() {
        families.add(&METRIC, [run, name], value);
    }
    add_ratios(&mut families, snapshot);
    add_workers(&mut families, snapshot);
    add_counts(&mut families, snapshot);
    families
}

/// What a worker knows of its own time, and of the bytes that it sent to peers and received from them.
#[must_use]
pub fn of_worker(accounts: &Accounts, [sent, received]: [u64; 2]) -> Families {
    let mut families = Families::default();
    for (direction, bytes) in [("sent", sent), ("received", received)] {
        families.add(&COLLECTIVE_IO, [direction], bytes as f64);
    }
    for (account, nanoseconds) in accounts.iter() {
        families.add(&PROCESS_TIME, [account.name()], of_nanoseconds(nanoseconds));
    }
    families
}

/// What this process knows of itself.
#[must_use]
pub fn of_process(version: &str) -> Families {
    let mut families = Families::default();
    families.add(&BUILD, [version], 1.0);
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    families.add(&MEMORY, [], resident(&text("/proc/self/status")));
    families.add(&CPU_TIME, [], cpu_time(&text("/proc/self/stat")));
    families
}

/// Resident bytes, as `/proc/self/status` tells them.
fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * KIB)
}

/// Seconds of CPU time, as `/proc/self/stat` tells them.
fn cpu_time(stat: &str) -> Option<f64> {
    // The program's name stands in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

const STATES: &[RunState] = &[
    RunState::Waiting,
    RunState::Training,
    RunState::Stopping,
    RunState::Finished,
    RunState::Interrupted,
    RunState::Failed,
    RunState::Stopped,
];

const fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Waiting => "waiting",
        RunState::Training => "training",
        RunState::Stopping => "stopping",
        RunState::Finished => "finished",
        RunState::Interrupted => "interrupted",
        RunState::Failed => "failed",
        RunState::Stopped => "stopped",
    }
}

/// Goodput since the run began, and what the detectors find.
fn add_ratios(families: &mut Families, snapshot: &Snapshot) {
    let run = snapshot.run.as_str();
    let ratios = Totals::of(snapshot).ratios();
    for (kind, ratio) in [
        ("availability", ratios.availability),
        ("goodput", ratios.goodput),
        ("overall", ratios.overall),
        ("compute", ratios.compute_share),
    ] {
        families.add(&GOODPUT, [run, kind], ratio);
    }
    for finding in findings(snapshot) {
        // Its name in JSON is its name everywhere.
        let kind = serde_json::to_value(finding.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        let worker = finding.worker.as_deref().unwrap_or_default();
        families.add(&FINDING, [run, kind, worker], 1.0);
    }
}

fn add_workers(families: &mut Families, snapshot: &Snapshot) {
    let run = snapshot.run.as_str();
    let seated = |seat| snapshot.workers.iter().filter(|it| it.seat == seat).count() as f64;
    for (state, count) in [
        ("least", f64::from(snapshot.wanted[0])),
        ("most", f64::from(snapshot.wanted[1])),
        ("member", seated(Seat::Member)),
        ("standby", seated(Seat::Standby)),
        ("leaving", seated(Seat::Leaving)),
    ] {
        families.add(&WORKERS, [run, state], count);
    }
    for worker in &snapshot.workers {
        add_worker(families, run, worker);
    }
}

fn add_worker(families: &mut Families, run: &str, worker: &WorkerView) {
    let name = worker.name.as_str();
    let rank = worker.rank.map(f64::from);
    families.add(&WORKER_RANK, [run, name, &worker.host], rank);
    let is_member = worker.seat == Seat::Member;
    let of_member = |value: f64| is_member.then_some(value);
    families.add(&WORKER_STEP, [run, name], of_member(worker.step as f64));
    let still = of_member(worker.still_ms as f64 / 1e3);
    families.add(&WORKER_STILL, [run, name], still);
    families.add(&WORKER_SILENT, [run, name], worker.silent_ms as f64 / 1e3);
    let scores = [
        ("relative", worker.relative_score),
        ("individual", worker.individual_score),
    ];
    for (kind, score) in scores {
        families.add(&WORKER_SCORE, [run, name, kind], score);
    }
    for (account, nanoseconds) in worker.accounts.iter() {
        let labels = [run, name, account.name()];
        families.add(&WORKER_TIME, labels, of_nanoseconds(nanoseconds));
    }
}

fn add_counts(families: &mut Families, snapshot: &Snapshot) {
    let (run, counts) = (snapshot.run.as_str(), &snapshot.counts);
    let others = counts.steps_repeated + counts.steps_skipped;
    for (result, steps) in [
        ("applied", counts.steps_applied.saturating_sub(others)),
        ("repeated", counts.steps_repeated),
        ("skipped", counts.steps_skipped),
    ] {
        families.add(&STEPS, [run, result], steps as f64);
    }
    let samples = counts.steps_applied.saturating_mul(snapshot.batch);
    for (metric, count) in [
        (&SAMPLES, samples),
        (&GENERATIONS, counts.generations),
        (&CHECKPOINTS, counts.checkpoints),
        (&VERDICTS, counts.verdicts),
    ] {
        families.add(metric, [run], count as f64);
    }
    add_accounts(families, &RUN_TIME, run, &snapshot.accounts);
    let lost = &snapshot.lost;
    for (reason, nanoseconds) in [
        ("rewind", lost.rewind),
        ("partial", lost.partial),
        ("silent", lost.silent),
    ] {
        families.add(&LOST_TIME, [run, reason], of_nanoseconds(nanoseconds));
    }
    let capacity = &snapshot.capacity;
    for (state, nanoseconds) in [
        ("present", capacity.present_ns),
        ("missing", capacity.missing_ns),
    ] {
        families.add(&CAPACITY_TIME, [run, state], of_nanoseconds(nanoseconds));
    }
}

fn add_accounts(families: &mut Families, metric: &'static Metric, run: &str, accounts: &Accounts) {
    for (account, nanoseconds) in accounts.iter() {
        let labels = [run, account.name()];
        families.add(metric, labels, of_nanoseconds(nanoseconds));
    }
}

fn of_nanoseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn seconds(unix_ms: Option<u64>) -> Option<f64> {
    unix_ms.map(|it| it as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Format;
    use fratmae_observe::{CapacityRow, Counts, Lost};
    use fratmae_telemetry::Account;

    fn snapshot() -> Snapshot {
        Snapshot {
            unix_ms: 2_000,
            run: "runs/a".to_owned(),
            state: RunState::Training,
            step: 40,
            best_step: 42,
            last_step: 100,
            batch: 8,
            progress_unix_ms: Some(1_500),
            metrics: [("loss", 0.5), ("contrastive", f64::NAN)]
                .into_iter()
                .collect(),
            wanted: [1, 4],
            workers: vec![WorkerView {
                name: "local-0".to_owned(),
                host: "h".to_owned(),
                seat: Seat::Member,
                rank: Some(0),
                step: 41,
                accounts: [(Account::Forward, 1_500_000_000)].into_iter().collect(),
                relative_score: Some(0.5),
                ..WorkerView::default()
            }],
            counts: Counts {
                steps_applied: 45,
                steps_repeated: 3,
                steps_skipped: 1,
                verdicts: 2,
                ..Counts::default()
            },
            lost: Lost {
                rewind: 2_000_000_000,
                ..Lost::default()
            },
            capacity: CapacityRow {
                missing_ns: 7_000_000_000,
                ..CapacityRow::default()
            },
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_snapshot_is_told_value_by_value() {
        let text = Format::Text.write(&of_run(&snapshot()));
        for line in [
            "fratmae_run_state{run=\"runs/a\",state=\"training\"} 1",
            "fratmae_run_state{run=\"runs/a\",state=\"failed\"} 0",
            "fratmae_run_step{run=\"runs/a\"} 40",
            "fratmae_run_best_step{run=\"runs/a\"} 42",
            "fratmae_run_last_progress_timestamp_seconds{run=\"runs/a\"} 1.5",
            "fratmae_run_metric{run=\"runs/a\",name=\"loss\"} 0.5",
            "fratmae_run_workers{run=\"runs/a\",state=\"most\"} 4",
            "fratmae_run_workers{run=\"runs/a\",state=\"member\"} 1",
            "fratmae_run_steps_total{run=\"runs/a\",result=\"applied\"} 41",
            "fratmae_run_steps_total{run=\"runs/a\",result=\"repeated\"} 3",
            "fratmae_run_samples_total{run=\"runs/a\"} 360",
            "fratmae_run_verdicts_total{run=\"runs/a\"} 2",
            "fratmae_run_lost_time_seconds_total{run=\"runs/a\",reason=\"rewind\"} 2",
            "fratmae_run_capacity_time_seconds_total{run=\"runs/a\",state=\"missing\"} 7",
            "fratmae_worker_time_seconds_total{run=\"runs/a\",worker=\"local-0\",account=\"forward\"} 1.5",
            "fratmae_worker_rank{run=\"runs/a\",worker=\"local-0\",host=\"h\"} 0",
            "fratmae_worker_score_ratio{run=\"runs/a\",worker=\"local-0\",kind=\"relative\"} 0.5",
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} in\n{text}"
            );
        }
        for absent in [
            "name=\"contrastive\"",
            "individual",
            "committed_step",
            "checkpoint_committed",
        ] {
            assert!(!text.contains(absent), "{absent} in\n{text}");
        }
    }

    #[test]
    fn the_accounts_of_a_worker_are_all_there() {
        let text = Format::Text.write(&of_run(&snapshot()));
        let of_worker = text
            .lines()
            .filter(|line| line.starts_with("fratmae_worker_time"));
        assert_eq!(of_worker.count(), Account::ALL.len());
    }

    #[test]
    fn a_process_knows_its_memory_and_its_time() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads: 1\n";
        assert_eq!(resident(status), Some(2048.0 * 1024.0));
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0";
        assert_eq!(cpu_time(stat), Some(2.0));
        assert_eq!((resident(""), cpu_time("")), (None, None));
        let text = Format::Text.write(&of_process("1.2"));
        assert!(
            text.contains("fratmae_build_info{version=\"1.2\"} 1"),
            "{text}"
        );
        assert!(text.contains("fratmae_process_memory_bytes "), "{text}");
    }
}
