//! Measurements that a person runs: `target/release/fratmae-benches reduce`.
//!
//! Here is only which one runs. They are no tests: nothing here passes or fails on a figure.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to a person on a terminal"
)]

mod checkpoint;
mod copy;
mod flood;
mod loader_memory;
mod loaders;
mod reduce;
mod replicate;
mod step;
mod timing;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "usage: fratmae-benches reduce [ELEMENTS]
       fratmae-benches replicate --preset tiny|small|base [--rounds N]
       fratmae-benches loader-memory [STACKS MIB]
       fratmae-benches loaders prepare TABLE URL R A S
       fratmae-benches loaders epoch URL DEPTH
       fratmae-benches loaders decompressor URL
       fratmae-benches checkpoint URL --preset tiny|small|base --ticks N --repeats N [--slowdown PERCENT]
       fratmae-benches step --preset tiny|small|base --batch N [--checkpointing]
       fratmae-benches flood connections|large|small|registrations|members|figures|silent URL SECONDS";

/// The allocator of the program itself.
#[global_allocator]
static ALLOCATOR: fratmae_worker::Allocator = fratmae_worker::Allocator;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["reduce"] => reduce::compare(&[1 << 16, 1 << 20, 1 << 24]),
        ["reduce", elements] => reduce::compare(&[elements.parse().context(USAGE)?]),
        ["replicate", "--preset", preset] => replicate::compare(preset, 7),
        ["replicate", "--preset", preset, "--rounds", rounds] => {
            replicate::compare(preset, rounds.parse().context(USAGE)?)
        }
        ["loader-memory"] => loader_memory::watch(10_000, 128),
        ["loader-memory", stacks, mib] => {
            loader_memory::watch(stacks.parse().context(USAGE)?, mib.parse().context(USAGE)?)
        }
        ["loaders", "prepare", table, url, r, a, s] => {
            let side = |text: &str| text.parse().context(USAGE);
            loaders::prepare(table, url, [side(r)?, side(a)?, side(s)?])
        }
        ["loaders", "epoch", url, depth] => {
            fratmae_worker::keep_memory();
            loaders::epoch(url, depth.parse().context(USAGE)?)
        }
        ["loaders", "decompressor", url] => loaders::decompressor(url),
        [
            "checkpoint",
            url,
            "--preset",
            preset,
            "--ticks",
            ticks,
            "--repeats",
            repeats,
            rest @ ..,
        ] => {
            let options = checkpoint::Options {
                url,
                preset,
                ticks: ticks.parse().context(USAGE)?,
                repeats: repeats.parse().context(USAGE)?,
                slowdown: match rest {
                    [] => 3.0,
                    ["--slowdown", percent] => percent.parse().context(USAGE)?,
                    _ => bail!(USAGE),
                },
            };
            checkpoint::measure(&options)
        }
        ["step", "--preset", preset, "--batch", batch, rest @ ..] => step::serve(&step::Options {
            preset,
            batch: batch.parse().context(USAGE)?,
            is_checkpointing: match rest {
                [] => false,
                ["--checkpointing"] => true,
                _ => bail!(USAGE),
            },
        }),
        ["flood", kind, address, seconds] => {
            flood::run(kind, address, seconds.parse().context(USAGE)?)
        }
        _ => bail!(USAGE),
    }
}
