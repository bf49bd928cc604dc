//! `fratmae replay`: computes steps of a run again, and compares them with its records bit for bit. What is compared, and
//! how, is the `proof` crate's.

mod shown;

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fratmae_config::Config;
use fratmae_dataset::DataSet;
use fratmae_pretrain::Pretrain;
use fratmae_proof::{Asked, Known, Replay, ReplayedStep, Split, Start, StepSamples, Subject};
use fratmae_store::Location;
use tokio::runtime::Handle;

use crate::{
    commands::{
        apart,
        model::picture::{Cut, Painter},
        steps::Steps,
        target::Target,
        weights_dir::write,
    },
    output::Output,
    progress::{Progress, Report},
};
use shown::Replayed;

/// Computes steps of a run again and compares every figure and the weights with the records.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae replay runs/quickstart/run --steps 31..40
  fratmae replay runs/quickstart/run --steps 37 --samples --out replayed
  fratmae replay s3://bucket/run-1 --steps 4001..4020 --workers 3 --json

It begins at the newest checkpoint before the first step, or with the first weights, on this machine's CPU. The run is only read. Exits with 1 when anything differs.")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
    /// Steps to compute, both ends included
    #[arg(long, value_name = "A..B")]
    steps: Steps,
    /// Show what each sample of these steps came to by itself: its case, losses and gradient norm
    #[arg(long)]
    samples: bool,
    /// Folder to write replay.json to, and a picture of each sample with --samples; here or on a store
    #[arg(long, value_name = "URL")]
    out: Option<PathBuf>,
    /// Workers to compute with; the bits do not depend on their number
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// Where the data set is [default: as in the run's job]
    #[arg(long, value_name = "URL")]
    data: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Where pictures of samples are painted.
struct Pictures {
    folder: PathBuf,
    config: Config,
    data: Arc<DataSet>,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let target = arguments.out.as_ref().map(|out| Target::folder(out));
    let target = target.transpose()?;
    let subject = Subject::open(&run, arguments.data.as_deref(), env!("CARGO_PKG_VERSION")).await?;
    let hints = shown::hints(&subject);
    let pictures = match target.as_ref().filter(|_| arguments.samples) {
        Some(target) => pictures(&subject, target)?,
        None => None,
    };
    let asked = Asked {
        steps: arguments.steps.range(),
        n_ranks: usize::from(arguments.workers),
        samples: arguments
            .samples
            .then_some(Pretrain::split as Split<Pretrain>),
    };
    let known = Known::of(&subject).await;
    let replay = Replay::begin(&subject, &known, &asked, &Handle::current()).await?;
    let (start, steps) = (replay.start(), asked.steps.clone());
    let computed = apart(move || compute(replay, &steps, pictures.as_ref(), quiet)).await??;
    let replayed = Replayed {
        run: run.url().to_owned(),
        first: *asked.steps.start(),
        last: *asked.steps.end(),
        began_after: start.step(),
        is_from_first_weights: start == Start::FirstWeights,
        workers: asked.n_ranks,
        weights_digest: computed.weights_digest,
        is_weights_recorded: known.has(*asked.steps.end()),
        steps: computed.steps,
        samples: arguments.samples.then_some(computed.samples),
        hints,
    };
    if let Some(target) = target {
        let path = target.path().join("replay.json");
        std::fs::create_dir_all(target.path())
            .with_context(|| format!("cannot make {}", target.path().display()))?;
        write(
            &path,
            format!("{:#}\n", serde_json::to_value(&replayed)?).as_bytes(),
        )?;
        target.finish().await?;
    }
    replayed.show(arguments.json, output)?;
    match replayed.complaint() {
        None => Ok(()),
        Some(complaint) => bail!(complaint),
    }
}

/// Pictures can be painted of coronal stacks alone.
fn pictures(subject: &Subject, target: &Target) -> Result<Option<Pictures>> {
    let config = subject.config.clone();
    if config.data.axis != fratmae_config::Axis::Coronal {
        tracing::warn!("no pictures: they are drawn of coronal stacks alone");
        return Ok(None);
    }
    let folder = target.path().to_owned();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let data = subject.same_data()?;
    Ok(Some(Pictures {
        folder,
        config,
        data,
    }))
}

/// What a replay came to.
struct Computed {
    /// All steps, those before the first one asked for included.
    steps: Vec<ReplayedStep>,
    samples: Vec<shown::Sample>,
    weights_digest: String,
}

/// Computes all steps; those before the ones that are wanted are compared as well.
fn compute(
    mut replay: Replay<Pretrain>,
    wanted: &RangeInclusive<u64>,
    pictures: Option<&Pictures>,
    quiet: bool,
) -> Result<Computed> {
    let mut progress = Progress::start("replay", quiet);
    let first = *replay.left().start();
    let total = wanted.end() + 1 - first;
    let (mut steps, mut samples) = (Vec::new(), Vec::new());
    loop {
        let look = wanted.contains(replay.left().start());
        let Some((step, looked)) = replay.step(look)? else {
            break;
        };
        progress.show(&Report::Items {
            done: step.step + 1 - first,
            total,
            name: format!("steps, step {}", step.step),
        });
        if let Some(looked) = looked {
            if let Some(pictures) = pictures {
                pictures.paint(step.step, &looked)?;
            }
            samples.extend(shown::samples(step.step, looked.figures));
        }
        steps.push(step);
    }
    Ok(Computed {
        steps,
        samples,
        weights_digest: replay.digest()?,
    })
}

impl Pictures {
    fn paint(&self, step: u64, looked: &StepSamples) -> Result<()> {
        let painter = Painter::new(&self.config, &looked.weights)?;
        for stack in &looked.stacks {
            let cut = Cut::of_stack(stack, &self.data);
            let slice = cut.telling;
            let position = stack.sample.position;
            let title = format!(
                "{}, step {step}, position {position}, slice {slice}",
                stack.case_id
            );
            let (picture, _) = painter.paint(&cut, vec![slice], false, title)?;
            let name = format!("step-{step:012}-position-{position:012}.png");
            write(&self.folder.join(name), &picture)?;
        }
        Ok(())
    }
}
