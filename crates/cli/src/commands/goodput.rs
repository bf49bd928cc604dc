//! `fratmae goodput`: where the time of runs went and what failures cost. What that is the `observe` crate works out.

use anyhow::Result;
use clap::Args;
use fratmae_coordinator::report;
use fratmae_observe::{Ratios, Reliability, Report, RunState, Snapshot};
use fratmae_store::Location;
use serde::Serialize;

use crate::{commands::run_progress::about, output::Output, table::Table};

/// Verdicts that the text shows at most: the dearest.
const VERDICTS: usize = 20;

/// Shows where the time of runs went.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae goodput runs/quickstart/run
  fratmae goodput runs/a runs/b s3://bucket/run-1
  fratmae goodput runs/a --json

availability  of the workers asked for, those that were there
goodput       of their time, what moved the weights and was not lost
overall       both together

docs/history.md says what is counted where.")]
pub(crate) struct Arguments {
    /// The runs: folders or URLs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// A run in the object that `--json` prints.
#[derive(Serialize)]
struct Shown {
    run: String,
    state: RunState,
    step: u64,
    last_step: u64,
    #[serde(flatten)]
    report: Report,
}

#[derive(Serialize)]
struct Runs<'a> {
    runs: &'a [Shown],
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let mut runs = Vec::new();
    for run in &arguments.runs {
        let (snapshot, report) = report(&Location::open(run)?).await?;
        runs.push(Shown::of(&snapshot, report));
    }
    if arguments.json {
        return Ok(output.json(&Runs { runs: &runs })?);
    }
    match &runs[..] {
        [one] => tables_of(one)
            .iter()
            .enumerate()
            .try_for_each(|(number, table)| {
                if number > 0 {
                    output.line("")?;
                }
                output.table(table)
            })?,
        runs => output.table(&side_by_side(runs))?,
    }
    Ok(())
}

impl Shown {
    fn of(snapshot: &Snapshot, report: Report) -> Self {
        Self {
            run: snapshot.run.clone(),
            state: snapshot.state,
            step: snapshot.step,
            last_step: snapshot.last_step,
            report,
        }
    }
}

/// All of one run.
fn tables_of(run: &Shown) -> Vec<Table> {
    let mut tables = vec![summary(run)];
    let report = &run.report;
    if report.totals.accounts.total() > 0 {
        tables.push(accounts(report));
        tables.push(windows(report));
    }
    if !report.verdicts.is_empty() {
        tables.push(verdicts(report));
    }
    tables
}

fn summary(run: &Shown) -> Table {
    let mut table = Table::new(&["run", &run.run]);
    let rows = [
        ("state", state(run.state).to_owned()),
        ("step", format!("{} of {}", run.step, run.last_step)),
    ];
    let rows = rows.into_iter().chain(of_time(&run.report));
    for (name, value) in rows.chain(of_failures(&run.report.reliability, &run.report)) {
        table.row(vec![name.to_owned(), value]);
    }
    table
}

/// How much time there was, and which part of it moved the weights.
fn of_time(report: &Report) -> Vec<(&'static str, String)> {
    let totals = &report.totals;
    let asked = totals.present_ns.saturating_add(totals.missing_ns);
    let worker_hours = match totals.accounts.total() {
        0 => "not counted: this run has no ledger".to_owned(),
        lived => format!("{} of {} asked for", hours(lived), hours(asked)),
    };
    let time = report.begin_unix_ms.zip(report.end_unix_ms);
    let time = time.map(|(begin, end)| about(end.saturating_sub(begin) as f64 / 1e3));
    let Ratios {
        availability,
        goodput,
        overall,
        compute_share,
    } = report.ratios;
    let (applied, repeated) = (report.steps_applied, report.steps_repeated);
    let first = report.first_step_s;
    let first = first.map(|seconds| format!("after {}", about(seconds)));
    vec![
        ("time", or_dash(time)),
        ("worker-hours", worker_hours),
        ("availability", percent(availability)),
        ("goodput", percent(goodput)),
        ("overall", percent(overall)),
        (
            "compute",
            format!("{} of the time in steps", percent(compute_share)),
        ),
        (
            "steps",
            format!("{applied} applied, {repeated} of them again"),
        ),
        ("first step", or_dash(first)),
    ]
}

/// How often it broke, and what that cost.
fn of_failures(reliability: &Reliability, report: &Report) -> Vec<(&'static str, String)> {
    let lived = report.totals.accounts.total();
    let failures = match reliability.worker_hours_between_failures {
        Some(between) if lived > 0 => {
            format!("{}, one in {between:.2} worker-hours", reliability.failures)
        }
        _ => reliability.failures.to_string(),
    };
    let recovery = reliability
        .recovery_median_s
        .zip(reliability.recovery_longest_s);
    let recovery = recovery.map(|(median, longest)| {
        format!(
            "median {median:.1} s, longest {longest:.1} s, from the last step to the next new one"
        )
    });
    let lost = reliability.worker_hours_lost;
    let lost = (lost > 0.0).then(|| format!("{lost:.4} worker-hours"));
    vec![
        ("failures", failures),
        ("recovery", or_dash(recovery)),
        ("lost by them", or_dash(lost)),
    ]
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn accounts(report: &Report) -> Table {
    let totals = &report.totals;
    let whole = totals.accounts.total();
    let mut table = Table::new(&["account", "worker-hours#", "share#", "what it is?"]);
    let mut row = |name: &str, nanoseconds: u64, help: &str| {
        let share = nanoseconds as f64 / whole.max(1) as f64;
        table.row(vec![
            name.to_owned(),
            hours(nanoseconds),
            percent(Some(share)),
            help.to_owned(),
        ]);
    };
    for (account, nanoseconds) in totals.accounts.iter().filter(|(_, spent)| *spent > 0) {
        row(account.name(), nanoseconds, account.help());
    }
    for (name, nanoseconds, help) in [
        (
            "lost: rewind",
            totals.lost.rewind,
            "Of these: in steps that were done again.",
        ),
        (
            "lost: partial",
            totals.lost.partial,
            "Of these: in steps that were not finished.",
        ),
        (
            "lost: silent",
            totals.lost.silent,
            "Of these: between a killed worker's last words and its end.",
        ),
    ] {
        if nanoseconds > 0 {
            row(name, nanoseconds, help);
        }
    }
    table
}

fn windows(report: &Report) -> Table {
    let mut table = Table::new(&[
        "newest",
        "availability#",
        "goodput#",
        "overall#",
        "compute#",
    ]);
    for window in &report.windows {
        let ratios = &window.ratios;
        let shares = [
            ratios.availability,
            ratios.goodput,
            ratios.overall,
            ratios.compute_share,
        ];
        let mut cells = vec![about(window.seconds as f64)];
        cells.extend(shares.map(percent));
        table.row(cells);
    }
    table
}

fn verdicts(report: &Report) -> Table {
    let mut table = Table::new(&[
        "worker-hours lost#",
        "recovery#",
        "step#",
        "worker",
        "host?",
        "verdict",
    ]);
    let mut dearest: Vec<_> = report.verdicts.iter().collect();
    dearest.sort_by(|one, other| other.worker_hours_lost.total_cmp(&one.worker_hours_lost));
    for verdict in dearest.iter().take(VERDICTS) {
        table.row(vec![
            format!("{:.4}", verdict.worker_hours_lost),
            format!("{:.1} s", verdict.recovery_s),
            verdict.step.to_string(),
            verdict.worker.clone(),
            verdict.host.clone(),
            verdict.reason.clone(),
        ]);
    }
    if let Some(more) = dearest.len().checked_sub(VERDICTS).filter(|more| *more > 0) {
        let cells = [
            "",
            "",
            "",
            "",
            "",
            &format!("and {more} more; --json has all"),
        ];
        table.row(cells.map(str::to_owned).to_vec());
    }
    table
}

/// A row for each run.
fn side_by_side(runs: &[Shown]) -> Table {
    let mut table = Table::new(&[
        "run",
        "state",
        "step#",
        "worker-hours#",
        "availability#",
        "goodput#",
        "overall#",
        "compute#?",
        "again#?",
        "failures#",
        "recovery#?",
        "lost#?",
    ]);
    for run in runs {
        let report = &run.report;
        let (ratios, reliability) = (&report.ratios, &report.reliability);
        let recovery = reliability.recovery_median_s;
        table.row(vec![
            run.run.clone(),
            state(run.state).to_owned(),
            run.step.to_string(),
            hours(report.totals.accounts.total()),
            percent(ratios.availability),
            percent(ratios.goodput),
            percent(ratios.overall),
            percent(ratios.compute_share),
            report.steps_repeated.to_string(),
            reliability.failures.to_string(),
            recovery.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s")),
            format!("{:.4}", reliability.worker_hours_lost),
        ]);
    }
    table
}

const fn state(state: RunState) -> &'static str {
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

/// A share for people.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

/// Nanoseconds in hours: with as many digits as a short run needs.
pub(crate) fn hours(nanoseconds: u64) -> String {
    let hours = nanoseconds as f64 / 3.6e12;
    match hours {
        few if few < 10.0 => format!("{few:.4}"),
        many => format!("{many:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;
    use fratmae_observe::{Evidence, LedgerRow, VerdictCost};
    use fratmae_telemetry::Account;

    fn shown() -> Shown {
        let hour = 3_600_000_000_000;
        let ledger = LedgerRow {
            begin_unix_ms: 0,
            end_unix_ms: 3_600_000,
            accounts: [(Account::Forward, hour * 9), (Account::Wait, hour)]
                .into_iter()
                .collect(),
            ..LedgerRow::default()
        };
        let evidence = Evidence {
            ledger: vec![ledger],
            ..Evidence::default()
        };
        Shown {
            run: "/r".to_owned(),
            state: RunState::Finished,
            step: 9,
            last_step: 10,
            report: Report::of(&evidence),
        }
    }

    fn text(table: &Table) -> String {
        table.to_string()
    }

    #[test]
    fn one_run_is_shown_with_its_accounts_and_verdicts() {
        let mut run = shown();
        let verdict = |n: usize| VerdictCost {
            worker: format!("w{n}"),
            worker_hours_lost: n as f64,
            reason: "its connection closed".to_owned(),
            ..VerdictCost::default()
        };
        run.report.verdicts = (0..25).map(verdict).collect();
        let tables = tables_of(&run);
        let texts: Vec<String> = tables.iter().map(text).collect();
        for (text, line) in [
            (&texts[0], "goodput       90.0 %"),
            (&texts[0], "time          60 min"),
            (&texts[0], "worker-hours  10.0 of 0.0000 asked for"),
            (
                &texts[1],
                "forward        9.0000  90.0 %  The forward pass.",
            ),
            (&texts[2], "60 s               -   90.0 %        -   90.0 %"),
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        let lines: Vec<&str> = texts[3].lines().collect();
        assert!(lines[1].contains("w24"), "the dearest first:\n{}", texts[3]);
        assert!(lines[21].contains("and 5 more"), "{}", texts[3]);
    }

    #[test]
    fn runs_stand_side_by_side_and_one_without_a_ledger_has_dashes() {
        let mut old = shown();
        (old.run, old.report) = ("/old".to_owned(), Report::default());
        assert!(text(&tables_of(&old)[0]).contains("this run has no ledger"));
        assert_eq!(tables_of(&old).len(), 1);
        let text = text(&side_by_side(&[shown(), old]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[1].contains("90.0 %") && lines[2].contains("-"),
            "{text}"
        );
    }

    #[test]
    fn json_has_every_run_with_its_ratios() {
        let captured = Captured::default();
        let runs = [shown(), shown()];
        captured.output().json(&Runs { runs: &runs }).unwrap();
        let json: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
        assert_eq!(json["runs"][1]["goodput"], 0.9);
        assert_eq!(json["runs"][0]["state"], "finished");
    }
}
