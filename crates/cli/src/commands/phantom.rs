//! `fratmae phantom`: synthetic cases, so that everything can be tried without patients.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_dataset::{PhantomSize, write_phantoms};
use serde::Serialize;

use crate::{
    commands::{sizes, target::here},
    output::Output,
};

/// Writes synthetic PET/CT cases in the AutoPET layout.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae phantom --cases 64 --out data/phantoms
  fratmae phantom --cases 12 --out data/tiny --seed 7 --shape 32x40x48 --spacing 20x16x20

The same seed gives the same cases. A stopped phantom goes on where it was when it is run again.")]
pub(crate) struct Arguments {
    /// Number of cases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    cases: u32,
    /// Folder to write them to
    #[arg(long, value_name = "DIR", value_parser = here())]
    out: PathBuf,
    /// Seed from which they are drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Voxels along the three axes; without this and --spacing they differ between cases
    #[arg(long, value_name = "RxAxS", value_parser = sizes::voxels)]
    shape: Option<[usize; 3]>,
    /// Millimetres of a voxel along the three axes
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

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Arguments {
        cases, out, seed, ..
    } = arguments;
    write_phantoms(out, *cases as usize, *seed, arguments.size())?;
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
