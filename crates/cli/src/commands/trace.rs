//! `fratmae trace`: the time of some steps on all ranks, as a native Perfetto trace.

mod recorded;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Result, bail};
use clap::Args;
use fratmae_coordinator::status;
use fratmae_store::Location;
use fratmae_viewers::{Recording, write_trace};
use serde::Serialize;

use self::recorded::Recorded;
use crate::{
    commands::{target::Target, weights_dir::write},
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
    #[arg(long, value_name = "A..B", required_unless_present = "live")]
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

/// A row of steps, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not of the form 10..20");
        let (first, last) = text.split_once("..").ok_or_else(wrong)?;
        let step = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (first, last) = (step(first)?, step(last)?);
        match first {
            0 => Err("steps are numbered from 1".to_owned()),
            first if first > last => Err(format!("step {first} comes after step {last}")),
            first if last - first >= MOST_STEPS => {
                Err(format!("that are more than {MOST_STEPS} steps"))
            }
            first => Ok(Self { first, last }),
        }
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
    fn steps_are_two_numbers_and_in_their_order() {
        let steps = |text: &str| text.parse::<Steps>();
        assert_eq!(steps("3..7"), Ok(Steps { first: 3, last: 7 }));
        assert_eq!(steps("3..3"), Ok(Steps { first: 3, last: 3 }));
        for wrong in [
            "", "3", "3..", "..3", "a..b", "0..3", "7..3", "1..99999", "3...7", "-1..2",
        ] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
    }
}
