//! The simulation on the command line: one seed, many seeds, a mutation, or the cost of many workers, also on a spot
//! market.

use fratmae_simulation::{ASSUMED, Mutation, Scale, Season, measure, narrate, season, simulate};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "\
usage: fratmae-simulation [--seeds N] [--from N] [--mutations]
       fratmae-simulation --seed N [--tell]
       fratmae-simulation --workers N
       fratmae-simulation --market MINUTES [--workers N] [--seed N]

  --seeds N    simulate so many runs (default 100000), and stop at the first broken law
  --from N     the first of them (default 0)
  --seed N     simulate one run and say what came of it; with --tell, everything that happened
  --mutations  say after how many seeds each mutation of `control` is caught
  --workers N  events a second and memory of `control` with up to so many workers
  --market M   the same, and goodput, of M minutes on a spot market that takes machines and gives them again";

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program's answers are its output"
)]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = words.iter().position(|word| word == name)?;
        words.get(place + 1)?.parse::<u64>().ok()
    };
    let answer = if words.iter().any(|word| word == "--mutations") {
        mutations()
    } else if let Some(minutes) = value("--market") {
        let workers = value("--workers").unwrap_or(10_000);
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        Ok(market(workers, minutes, value("--seed").unwrap_or(0)))
    } else if let Some(workers) = value("--workers") {
        Ok(scale(u32::try_from(workers).unwrap_or(u32::MAX)))
    } else if let Some(seed) = value("--seed") {
        one(seed, words.iter().any(|word| word == "--tell"))
    } else if words.is_empty() || value("--seeds").is_some() {
        many(
            value("--from").unwrap_or(0),
            value("--seeds").unwrap_or(100_000),
        )
    } else {
        Err(USAGE.to_owned())
    };
    match answer {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64, is_verbose: bool) -> Result<String, String> {
    let mut lines = Vec::new();
    let report = narrate(seed, None, |time, happening| {
        if is_verbose {
            lines.push(format!("{time:6} {happening:?}"));
        }
    });
    match &report.violation {
        None => lines.push(format!("{report:?}")),
        Some(violation) => lines.push(violated(seed, violation)),
    }
    let text = lines.join("\n");
    match report.violation {
        None => Ok(text),
        Some(_) => Err(text),
    }
}

fn many(from: u64, seeds: u64) -> Result<String, String> {
    let started = Instant::now();
    let (mut happenings, mut generations) = (0, 0);
    for seed in from..from + seeds {
        let report = simulate(seed, None);
        if let Some(violation) = &report.violation {
            return Err(violated(seed, violation));
        }
        happenings += report.happenings;
        generations += report.generations;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "{seeds} seeds, {happenings} happenings, {generations} generations, no law broken; {seconds:.1} s, {:.0} seeds/s",
        seeds as f64 / seconds
    ))
}

fn violated(seed: u64, violation: &str) -> String {
    format!(
        "seed {seed}: {violation}\nagain: cargo run -p fratmae-simulation --release -- --seed {seed}"
    )
}

fn mutations() -> Result<String, String> {
    let mut lines = Vec::new();
    for mutation in Mutation::ALL {
        let caught =
            (0..10_000).find_map(|seed| Some((seed, simulate(seed, Some(mutation)).violation?)));
        let Some((seed, violation)) = caught else {
            return Err(format!("{mutation:?} is not caught within 10000 seeds"));
        };
        lines.push(format!("{mutation:?}: seed {seed}: {violation}"));
    }
    Ok(lines.join("\n"))
}

fn scale(most: u32) -> String {
    let mut lines = vec![
        "workers   events   commands  seconds  events/s   KiB  ns/event/log2(workers)".to_owned(),
    ];
    let mut scales = Vec::new();
    let mut workers = 10;
    while workers <= most {
        let scale = measure(workers);
        let memory = scale
            .memory_kib
            .map_or("?".to_owned(), |kib| kib.to_string());
        let each = scale.seconds * 1e9 / scale.events as f64;
        lines.push(format!(
            "{:7} {:8} {:10} {:8.4} {:9.0} {memory:>5}  {:22.0}",
            scale.workers,
            scale.events,
            scale.commands,
            scale.seconds,
            scale.events as f64 / scale.seconds,
            each / f64::from(scale.workers).log2(),
        ));
        scales.push(scale);
        workers *= 10;
    }
    lines.extend(by_chapter(&scales));
    lines.join("\n")
}

/// A line for each number of workers; `load` is how much of one core's time `control` takes.
fn market(most: u32, minutes: u64, seed: u64) -> String {
    let mut lines = vec![
        "workers  joined    left  lost  generations  steps  again     events  events/s    load  longest ms     KiB  goodput  uneven   again  forming"
            .to_owned(),
    ];
    let mut workers = 10;
    while workers <= most {
        lines.push(line(&season(workers, minutes, seed), minutes));
        workers = workers.saturating_mul(10);
    }
    lines.push(format!("{minutes} min; {ASSUMED}"));
    lines.join("\n")
}

fn line(season: &Season, minutes: u64) -> String {
    let took = season.took.as_secs_f64();
    let memory = season
        .memory_kib
        .map_or("?".to_owned(), |kib| kib.to_string());
    format!(
        "{:7} {:7} {:7} {:5} {:12} {:6} {:6} {:10} {:9.0} {:6.2}% {:11.2} {memory:>7} {:7.1}% {:6.1}% {:6.1}% {:7.1}%",
        season.workers,
        season.joined,
        season.left,
        season.lost,
        season.generations,
        season.steps,
        season.again,
        season.events,
        season.events as f64 / took,
        took / (minutes as f64 * 60.0) * 100.0,
        season.longest.as_secs_f64() * 1e3,
        season.goodput() * 100.0,
        season.waiting() * 100.0,
        season.lost_steps() * 100.0,
        season.forming() * 100.0,
    )
}

/// Nanoseconds an event in each part of the life, a column for each number of workers.
fn by_chapter(scales: &[Scale]) -> Vec<String> {
    let row = |name: &str, cells: Vec<String>| {
        let cells = cells.iter().map(|cell| format!("{cell:>8}"));
        format!("{name:<24}{}", cells.collect::<String>())
    };
    let workers = scales.iter().map(|scale| scale.workers.to_string());
    let mut lines = vec![row("ns/event", workers.collect())];
    let n_chapters = scales.first().map_or(0, |scale| scale.chapters.len());
    for chapter in 0..n_chapters {
        let name = scales[0].chapters[chapter].0;
        let cost = |scale: &Scale| format!("{:.0}", scale.chapters[chapter].1);
        lines.push(row(name, scales.iter().map(cost).collect()));
    }
    lines
}
