//! `fratmae launch plan` and `doctor`: what would be submitted, what it would take, and whether it would work.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use fratmae_launch::{
    RenderedFile, Target,
    kubernetes::{self, Checkup},
};
use serde::Serialize;

use super::{Wanted, asked::Asked, forecast::Forecast, trial::try_step};
use crate::{
    commands::doctor::{self, Requirements},
    exit::Misuse,
    lines::shown,
    output::Output,
};

/// Shows what would be submitted, and a forecast.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch plan --on local job.toml
  fratmae launch plan --on local job.toml --workers 4 --json
  fratmae launch plan --on kubernetes job.toml --format helm --out chart

Nothing is submitted. How long a step takes is tried here, on made-up samples.")]
pub(super) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Write the objects for Kubernetes as this instead, into --out
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        requires = "out",
        conflicts_with = "json"
    )]
    format: Option<Format>,
    /// Folder for the files of --format, which are replaced
    #[arg(long, value_name = "DIR", requires = "format")]
    out: Option<PathBuf>,
}

/// A form of the objects for Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A chart for Helm
    Helm,
    /// A base for Kustomize
    Kustomize,
}

impl From<Format> for kubernetes::Form {
    fn from(format: Format) -> Self {
        match format {
            Format::Helm => Self::Helm,
            Format::Kustomize => Self::Kustomize,
        }
    }
}

/// Checks whether a place can run the job.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch doctor --on local job.toml
  fratmae launch doctor --on slurm job.toml
  fratmae launch doctor --on kubernetes job.toml

The exit code is 1 if something is missing that the job needs.")]
pub(super) struct Doctor {
    #[command(flatten)]
    wanted: Wanted,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    files: &'a [RenderedFile],
    forecast: &'a Forecast,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let asked = Asked::of(&arguments.wanted)?;
    if let (Some(format), Some(folder)) = (arguments.format, &arguments.out) {
        return write(&asked, format, folder, output);
    }
    let requirements = Requirements::of(&asked.config);
    let is_on_gpu = asked.spec.worker.gpus > 0 || requirements.demands_gpu();
    let Some(need) = requirements.job else {
        bail!("the job has no requirements");
    };
    let trial = match is_on_gpu {
        true => None,
        false => Some(try_step(&asked.config)?),
    };
    let job = (&asked.config, asked.needed_mib);
    let forecast = Forecast::of(job, &need, (&asked.spec, asked.target), trial);
    if arguments.json {
        return Ok(output.json(&Report {
            files: &asked.files,
            forecast: &forecast,
        })?);
    }
    for RenderedFile { name, text } in &asked.files {
        output.line(&format!("# ---- {name}"))?;
        output.bytes(text.as_bytes())?;
        output.line("")?;
    }
    Ok(output.table(&forecast.table(&asked.spec, need.steps))?)
}

/// Writes the objects for Kubernetes in another form.
fn write(asked: &Asked, format: Format, folder: &Path, output: &mut Output) -> Result<()> {
    ensure!(
        asked.target == Target::Kubernetes,
        Misuse("--format is for --on kubernetes".to_owned())
    );
    for RenderedFile { name, text } in kubernetes::render_as(&asked.spec, format.into()) {
        let path = folder.join(name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = written.and_then(|()| std::fs::write(&path, text));
        written.with_context(|| format!("cannot write {}", path.display()))?;
        output.line(&path.display().to_string())?;
    }
    Ok(())
}

pub(super) async fn doctor(arguments: &Doctor, output: &mut Output) -> Result<()> {
    let Wanted { on, named, job } = &arguments.wanted;
    let config = job.resolve_with(named, None, None)?;
    match Target::from(*on) {
        Target::Local => doctor::check(config, output).await,
        Target::Slurm => super::slurm::check(&Asked::of(&arguments.wanted)?, output).await,
        Target::Kubernetes => {
            let asked = Asked::of(&arguments.wanted)?;
            let Checkup { report, is_sound } = kubernetes::doctor(&asked.spec).await?;
            output.bytes(shown(&report).as_bytes())?;
            ensure!(is_sound, "a pod lacks what the job needs");
            Ok(())
        }
    }
}
