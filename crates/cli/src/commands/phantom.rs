//! `fratmae phantom`: synthetic cases, so that everything can be tried without patients.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use clap::Args;
use fratmae_phantom::{PhantomSize, write_phantoms};
use serde::Serialize;

use crate::{
    commands::{sizes, target::here},
    output::Output,
    progress::{Progress, Report},
};

/// Writes synthetic PET/CT cases in the AutoPET layout.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae phantom --cases 64 --out data/phantoms
  fratmae phantom --cases 12 --out data/tiny --shape 32x40x48 --spacing 20x16x20

The same seed gives the same cases. Rerun the command to resume a stopped one.")]
pub(crate) struct Arguments {
    /// Number of cases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    cases: u32,
    /// Folder to write them to
    #[arg(long, value_name = "DIR", value_parser = here())]
    out: PathBuf,
    /// Seed of the cases
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Voxels along the three axes [default: varies between cases]
    #[arg(long, value_name = "RxAxS", value_parser = sizes::voxels)]
    shape: Option<[usize; 3]>,
    /// Voxel size in mm along the three axes [default: varies between cases]
    #[arg(long, value_name = "RxAxS", value_parser = sizes::millimetres)]
    spacing: Option<[f32; 3]>,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    out: &'a PathBuf,
    cases: u32,
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let Arguments {
        cases, out, seed, ..
    } = arguments;
    write(out, *cases as usize, *seed, arguments.size(), quiet)?;
    if arguments.json {
        return Ok(output.json(&Written {
            out,
            cases: *cases,
            seed: *seed,
        })?);
    }
    let out = out.display();
    output.line(&format!("{out}: phantom cases {cases}, seed {seed}"))?;
    Ok(output.line(&format!("prepare them: fratmae prepare {out} --out URL"))?)
}

/// Writes phantoms while it shows how far it is.
///
/// # Errors
/// As [`write_phantoms`].
pub(crate) fn write(
    out: &Path,
    cases: usize,
    seed: u64,
    size: PhantomSize,
    quiet: bool,
) -> Result<()> {
    let progress = Mutex::new((Progress::start("phantoms", quiet), 0));
    let tell = |name: &str| {
        // A thread that panicked while it drew leaves nothing worse than a wrong bar.
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (progress, done) = &mut *progress;
        *done += 1;
        progress.show(&Report::Items {
            done: *done,
            total: cases as u64,
            name: name.to_owned(),
        });
    };
    Ok(write_phantoms(out, cases, seed, size, &tell)?)
}

impl Arguments {
    fn size(&self) -> PhantomSize {
        let default = PhantomSize::default();
        PhantomSize {
            shape: self.shape.unwrap_or(default.shape),
            spacing: self.spacing.unwrap_or(default.spacing),
            varies: self.shape.is_none() && self.spacing.is_none(),
        }
    }
}
