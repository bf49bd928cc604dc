//! `fratmae trace`: the time of some steps on all ranks, as a native Perfetto trace.

mod recorded;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use fratmae_coordinator::status;
use fratmae_store::Location;
use fratmae_viewers::{Recording, write_trace};
use serde::Serialize;

use self::recorded::Recorded;
use crate::{
    commands::{steps::Steps, target::Target, weights_dir::write},
    output::Output,
    progress::Busy,
    table::Table,
    terminal,
};

/// Writes the time of some steps on all ranks as a trace for ui.perfetto.dev.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae trace runs/quickstart/run --steps 10..20
  fratmae trace s3://bucket/run-1 --live 20 --out slow.pftrace

Open the file at https://ui.perfetto.dev, which keeps it in the browser.")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
    /// The first and the last of the steps
    #[arg(long, value_name = "A..B", required_unless_present = "live", value_parser = steps)]
    steps: Option<Steps>,
    /// The next so many steps of a run that goes on
    #[arg(long, value_name = "N", conflicts_with = "steps", value_parser = clap::value_parser!(u64).range(1..=MOST_STEPS))]
    live: Option<u64>,
    /// File to write, here or on a store
    #[arg(long, value_name = "FILE", default_value = "trace.pftrace")]
    out: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// A browser shows no more.
const MOST_STEPS: u64 = 10_000;

/// Reads steps, of which there are no more than a browser shows.
fn steps(text: &str) -> Result<Steps, String> {
    let steps: Steps = text.parse()?;
    match steps.last - steps.first >= MOST_STEPS {
        true => Err(format!("that are more than {MOST_STEPS} steps")),
        false => Ok(steps),
    }
}

#[derive(Serialize)]
struct Written<'a> {
    run: &'a str,
    file: &'a Path,
    first_step: u64,
    last_step: u64,
    steps: u64,
    workers: u64,
    clock_error_us: f64,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let target = Target::file(&arguments.out)?;
    // Also where nothing is there: then this says so.
    let now = status(&run).await?;
    let busy = Busy::start("trace", "reading the time of steps", quiet);
    let recorded = match (arguments.steps, arguments.live) {
        (Some(steps), _) => Recorded::read(&run, steps).await?,
        (None, count) => Recorded::wait(&run, &now, count.unwrap_or(1)).await?,
    };
    drop(busy);
    recorded
        .damaged
        .iter()
        .for_each(|line| terminal::line(&format!("warning: {line}")));
    let steps = || recorded.rows.iter().map(|row| row.step);
    let (Some(first), Some(last)) = (steps().min(), steps().max()) else {
        bail!(
            "{} has no time of these steps; {}",
            run.url(),
            recorded.known
        );
    };
    let mut bytes = Vec::new();
    let recording = Recording {
        run: run.url(),
        rows: &recorded.rows,
        losses: &recorded.losses,
        moments: &recorded.moments,
    };
    let drawn = write_trace(recording, &mut bytes)?;
    write(target.path(), &bytes)?;
    target.finish().await?;
    let written = Written {
        run: run.url(),
        file: &arguments.out,
        first_step: first,
        last_step: last,
        steps: drawn.steps,
        workers: drawn.workers,
        clock_error_us: drawn.clock_error_ns as f64 / 1e3,
    };
    match arguments.json {
        true => Ok(output.json(&written)?),
        false => Ok(output.table(&table(&written))?),
    }
}

fn table(written: &Written<'_>) -> Table {
    let mut table = Table::new(&["trace", &written.file.display().to_string()]);
    let steps = format!("{} to {}", written.first_step, written.last_step);
    for (name, value) in [
        ("steps", steps),
        ("workers", written.workers.to_string()),
        (
            "clock",
            format!("exact to {:.1} µs", written.clock_error_us),
        ),
    ] {
        table.row(vec![name.to_owned(), value]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_no_more_steps_than_a_browser_shows() {
        assert!(steps("1..10000").is_ok());
        assert!(steps("1..10001").is_err());
    }
}
