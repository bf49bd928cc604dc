//! `fratmae checkpoint show`: the manifest of one checkpoint.

use anyhow::Result;
use clap::Args;
use fratmae_checkpoint::{CheckpointId, Manifest, load_manifest};
use fratmae_store::Location;

use crate::{
    commands::checkpoint::{choose, mebibytes},
    output::Output,
    table::Table,
};

/// Shows the manifest of one checkpoint.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae checkpoint show runs/quickstart/run
  fratmae checkpoint show runs/quickstart/run --step 40 --json")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Checkpoint to show, by its step [default: the newest]
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let id = choose(&run, arguments.step).await?;
    let manifest = load_manifest(&run, id).await?;
    if arguments.json {
        return Ok(output.json(&manifest)?);
    }
    output.table(&summary(id, &manifest))?;
    output.line("")?;
    Ok(output.table(&parts(&manifest))?)
}

fn summary(id: CheckpointId, manifest: &Manifest) -> Table {
    let mut table = Table::new(&["checkpoint", &id.to_string()]);
    for (name, value) in [
        ("step", manifest.step.to_string()),
        ("generation", manifest.generation.to_string()),
        ("fence", manifest.fence.to_string()),
        ("loss", format!("{:.6}", manifest.loss)),
        ("samples seen", manifest.samples_seen.to_string()),
        ("seed", manifest.seed.to_string()),
        ("size", format!("{} MiB", mebibytes(manifest.bytes()))),
        ("weights digest", manifest.weights_digest.clone()),
        ("config digest", manifest.config_digest.clone()),
        ("data digest", manifest.data_digest.clone()),
        ("format version", manifest.format_version.to_string()),
    ] {
        table.row(vec![name.to_owned(), value]);
    }
    table
}

fn parts(manifest: &Manifest) -> Table {
    let mut table = Table::new(&["part", "bytes#", "digest"]);
    for part in &manifest.parts {
        table.row(vec![
            part.name.clone(),
            part.bytes.to_string(),
            part.digest.clone(),
        ]);
    }
    table
}
