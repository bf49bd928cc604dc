//! `fratmae status`: the state of a run. It shows what the `coordinator` crate finds out.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use fratmae_coordinator::{HistoryRow, Look, RunStatus, WorkerTime, look, status};
use fratmae_observe::Ratios;
use fratmae_store::Location;
use fratmae_telemetry::Account;
use serde::Serialize;

use crate::{commands::goodput::percent, output::Output, progress::clock, table::Table};

/// How often a run that is watched is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Shows the status of a run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae status runs/quickstart/run
  fratmae status runs/quickstart/run --watch
  fratmae status s3://bucket/run-1 --json --since 4000

The state is running, finished, interrupted (stopped by request or by a failure) or stopped (no coordinator answers).")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
    /// Show it again every two seconds until the run ends or Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// With --json: the figures of every committed step as `history`
    #[arg(long, requires = "json")]
    history: bool,
    /// With --json: the figures of committed steps after this one as `history`
    #[arg(long, value_name = "STEP", requires = "json")]
    since: Option<u64>,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    status: RunStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<HistoryRow>>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    if arguments.watch {
        return watch(&run, output).await;
    }
    if !arguments.json {
        return print(&run, output).await;
    }
    let Look {
        status,
        mut history,
        ..
    } = look(&run).await?;
    let since = arguments.since.or(arguments.history.then_some(0));
    let history = since.map(|since| {
        history.retain(|row| row.step > since);
        history
    });
    Ok(output.json(&Report { status, history })?)
}

/// Prints the status once, as text.
pub(crate) async fn print(run: &Location, output: &mut Output) -> Result<()> {
    let status = status(run).await?;
    Ok(output.table(&table(&status, output))?)
}

/// Shows the status again and again: in its place on a terminal, one after the other elsewhere.
async fn watch(run: &Location, output: &mut Output) -> Result<()> {
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let status = status(run).await?;
        let text = table(&status, output);
        if output.look().draws {
            // Home, and everything from there on erased.
            output.bytes(b"\x1b[H\x1b[2J")?;
        }
        output.table(&text)?;
        if status.state != "running" {
            return Ok(());
        }
    }
}

/// How a run stands, as text.
pub(crate) fn table(status: &RunStatus, output: &Output) -> Table {
    let mut table = Table::new(&["run", &status.run]);
    let state = match &status.reason {
        Some(reason) => format!("{}: {reason}", status.state),
        None => status.state.to_owned(),
    };
    let loss = status
        .loss
        .map_or_else(|| "-".to_owned(), |loss| format!("{loss:.6}"));
    let checkpoint = status.committed_step.map_or_else(
        || "no checkpoint yet".to_owned(),
        |step| format!("step {step}"),
    );
    let percent = 100.0 * status.step as f64 / status.last_step.max(1) as f64;
    let steps = format!("{} of {} ({percent:.0} %)", status.step, status.last_step);
    let speed = status.samples_per_second.map(|speed| {
        let step = status.batch as f64 / speed;
        format!(
            "{speed:.2} samples/s, {step:.2} s per step of {} samples",
            status.batch
        )
    });
    let left = status.eta_seconds.map(clock);
    for (name, value) in [
        ("state", Some(state)),
        ("step", Some(steps)),
        ("checkpoint", Some(checkpoint)),
        ("loss", Some(loss)),
        ("speed", speed),
        ("ETA", left),
        ("started", status.started.as_deref().map(local)),
        ("updated", status.updated.as_deref().map(local)),
        ("data", Some(status.data.clone())),
        ("workers", Some(members(status))),
        ("goodput", status.time.as_ref().map(goodput)),
        ("generation", Some(status.generation.to_string())),
        (
            "coordinator",
            Some(format!("{} (fence {})", status.coordinator, status.fence)),
        ),
        ("version", Some(status.version.clone())),
    ] {
        let known = value.filter(|value| !value.is_empty());
        table.row(vec![
            name.to_owned(),
            known.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    remarks(status, output, &mut table);
    table
}

/// Where its workers' time went: the shares, and the accounts that are not productive and took most.
fn goodput(time: &WorkerTime) -> String {
    let Ratios {
        availability,
        goodput,
        overall,
        ..
    } = time.ratios;
    let accounts = &time.totals.accounts;
    let whole = accounts.total().max(1) as f64;
    let mut spent: Vec<_> = accounts
        .iter()
        .filter(|(account, _)| !account.is_productive())
        .collect();
    spent.sort_by_key(|(_, nanoseconds)| std::cmp::Reverse(*nanoseconds));
    let share = |(account, nanoseconds): &(Account, u64)| {
        let share = *nanoseconds as f64 / whole;
        (share >= 0.001).then(|| format!("{} {}", account.name(), percent(Some(share))))
    };
    let most: Vec<String> = spent.iter().take(3).filter_map(share).collect();
    let most = match most.is_empty() {
        true => String::new(),
        false => format!("; {}", most.join(", ")),
    };
    let [overall, availability, goodput] = [overall, availability, goodput].map(percent);
    format!("{overall} (availability {availability}, of that time {goodput}{most})")
}

/// Rows that most runs do not have.
fn remarks(status: &RunStatus, output: &Output, table: &mut Table) {
    let mut row = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    if !status.standing_by.is_empty() {
        row("standing by", status.standing_by.join(", "));
    }
    if let Some(origin) = &status.forked_from {
        row("forked from", origin.clone());
    }
    if status.counts.steps_repeated > 0 {
        let (repeated, applied) = (status.counts.steps_repeated, status.counts.steps_applied);
        row(
            "again",
            format!("{repeated} of {applied} steps were applied before"),
        );
    }
    for (first, last) in &status.history_missing {
        let steps = format!("figures of steps {first} to {last} are missing");
        row("history", steps);
    }
    for note in &status.notes {
        row("note", note.clone());
    }
    for finding in &status.findings {
        row("finding", finding.line.clone());
    }
    for verdict in &status.verdicts {
        row("verdict", verdict.line.clone());
    }
    if let Some(summary) = &status.summary {
        row("weights", output.digest(&summary.weights_digest).to_owned());
    }
}

/// A time as the user's clock shows it.
fn local(time: &str) -> String {
    let parsed = chrono::DateTime::parse_from_rfc3339(time);
    parsed.map_or_else(
        |_| time.to_owned(),
        |time| {
            let local = time.with_timezone(&chrono::Local);
            local.format("%Y-%m-%d %H:%M:%S").to_string()
        },
    )
}

/// The members, and how many there may be where that is not fixed.
fn members(status: &RunStatus) -> String {
    let names = status.members.join(", ");
    match status.workers {
        Some([least, most]) if least != most => {
            format!("{names} ({} of {least} to {most})", status.members.len())
        }
        _ => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;
    use fratmae_observe::{Counts, Totals};

    fn blank() -> RunStatus {
        RunStatus {
            run: "/r".to_owned(),
            state: "stopped",
            started: Some("2026-11-30T02:50:18Z".to_owned()),
            updated: None,
            version: "0.1.0".to_owned(),
            data: "/d".to_owned(),
            last_step: 50,
            batch: 8,
            samples_per_second: Some(16.0),
            step_seconds: None,
            eta_seconds: None,
            step: 23,
            committed_step: Some(20),
            history_missing: Vec::new(),
            generation: 2,
            members: vec!["a".to_owned(), "b".to_owned()],
            fence: 1,
            coordinator: "http://127.0.0.1:7000".to_owned(),
            reason: None,
            forked_from: None,
            loss: None,
            ..RunStatus::default()
        }
    }

    fn text(status: &RunStatus) -> String {
        table(status, &Captured::default().output()).to_string()
    }

    #[test]
    fn the_text_says_how_far_the_run_is() {
        let text = text(&blank());
        for line in [
            "run          /r",
            "state        stopped",
            "step         23 of 50 (46 %)",
            "checkpoint   step 20",
            "loss         -",
            "speed        16.00 samples/s, 0.50 s per step of 8 samples",
            "ETA          -",
            "data         /d",
            "workers      a, b",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_time_of_its_workers_and_findings_are_shown() {
        let totals = Totals {
            accounts: [
                (Account::Forward, 900),
                (Account::Wait, 60),
                (Account::Load, 40),
            ]
            .into_iter()
            .collect(),
            present_ns: 3,
            missing_ns: 1,
            ..Totals::default()
        };
        let finding =
            r#"{"kind":"restart_storm","line":"5 groups broke within the last 15 minutes"}"#;
        let status = RunStatus {
            time: Some(WorkerTime {
                totals,
                ratios: totals.ratios(),
            }),
            findings: vec![serde_json::from_str(finding).unwrap()],
            counts: Counts {
                steps_applied: 26,
                steps_repeated: 3,
                ..Counts::default()
            },
            ..blank()
        };
        let text = text(&status);
        for line in [
            "goodput      67.5 % (availability 75.0 %, of that time 90.0 %; wait 6.0 %, load 4.0 %)",
            "again        3 of 26 steps were applied before",
            "finding      5 groups broke within the last 15 minutes",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_run_without_a_checkpoint_says_so() {
        let status = RunStatus {
            committed_step: None,
            ..blank()
        };
        assert!(text(&status).contains("checkpoint   no checkpoint yet\n"));
    }

    #[test]
    fn a_reason_stands_with_the_state() {
        let status = RunStatus {
            state: "interrupted",
            reason: Some("asked to stop".to_owned()),
            ..blank()
        };
        assert!(text(&status).contains("interrupted: asked to stop"));
    }
}
