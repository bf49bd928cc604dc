//! `fratmae audit`: what a run's records prove, and `provenance.json`. The checks are the `proof` crate's.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
};

use anyhow::{Result, bail};
use clap::Args;
use fratmae_model::{FratMae, kernel_set};
use fratmae_pretrain::Pretrain;
use fratmae_proof::{
    Asked, Check, Evidence, Finding, Judgement, Known, Provenance, Replay, ReplayProof, Subject,
    draw, judge,
};
use fratmae_store::Location;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::{
    commands::{
        apart,
        target::Target,
        weights_dir::{PROVENANCE, write},
    },
    output::Output,
    progress::{Progress, Report},
    table::Table,
};

/// Proves from a run's records that every sample counted once, no step was lost and every checkpoint is what it says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae audit runs/quickstart/run
  fratmae audit runs/quickstart/run --replay 20 --workers 2
  fratmae audit s3://bucket/run-1 --out provenance.json --json

It reads the journal, the history, every checkpoint and the data set. If all is sound it writes provenance.json, which `fratmae export` puts beside the weights; else it names what is wrong and exits with 1. docs/proof.md says what is proved and what is not.")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
    /// Also compute K steps again, drawn at random among those near a checkpoint
    #[arg(long, value_name = "K")]
    replay: Option<usize>,
    /// Seed of the draw [default: another one each time]
    #[arg(long, value_name = "N", requires = "replay")]
    seed: Option<u64>,
    /// Workers to compute with
    #[arg(long, value_name = "N", default_value = "1", requires = "replay", value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// Where the data set is [default: as in the run's job]
    #[arg(long, value_name = "URL")]
    data: Option<String>,
    /// Compare the manifest of the data set alone, and do not read its slices
    #[arg(long)]
    skip_data: bool,
    /// File to write [default: RUN/provenance.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Audited<'a> {
    run: &'a str,
    is_sound: bool,
    findings: &'a [Finding],
    /// Nothing if anything was found.
    provenance: Option<&'a Provenance>,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let target = arguments.out.as_ref().map(|out| Target::file(out));
    let target = target.transpose()?;
    let version = env!("CARGO_PKG_VERSION");
    let subject = Subject::open(&run, arguments.data.as_deref(), version).await?;
    let evidence = gather(subject, arguments, quiet).await?;
    let mut judgement = judge(&evidence);
    let replayed = match arguments.replay.filter(|_| judgement.findings.is_empty()) {
        None => None,
        Some(k) => Some(replay(k, arguments, &evidence.subject, &mut judgement, quiet).await?),
    };
    let is_replayed = replayed.is_some();
    let sound = judgement.findings.is_empty();
    let provenance =
        sound.then(|| Provenance::of(&evidence, &judgement, replayed, env!("FRATMAE_BUILD")));
    if let Some(provenance) = &provenance {
        let text = format!("{:#}\n", serde_json::to_value(provenance)?);
        match target {
            None => drop(run.put(PROVENANCE, text.into_bytes()).await?),
            Some(target) => {
                write(target.path(), text.as_bytes())?;
                target.finish().await?;
            }
        }
    }
    if arguments.json {
        output.json(&Audited {
            run: run.url(),
            is_sound: sound,
            findings: &judgement.findings,
            provenance: provenance.as_ref(),
        })?;
    } else {
        show(&judgement, provenance.as_ref(), is_replayed, output)?;
    }
    match judgement.findings.as_slice() {
        [] => Ok(()),
        [only] => bail!("{} is not sound: {only}", run.url()),
        [first, more @ ..] => bail!(
            "{} is not sound: {first}; and {} more",
            run.url(),
            more.len()
        ),
    }
}

async fn gather(subject: Subject, arguments: &Arguments, quiet: bool) -> Result<Evidence> {
    let parameters = FratMae::layout(&subject.config.model);
    let mut progress = Progress::start("audit", quiet);
    let mut tell = |what: &str, done: usize, total: usize| {
        progress.show(&Report::Items {
            done: done as u64,
            total: total as u64,
            name: what.to_owned(),
        });
    };
    Ok(Evidence::gather(subject, &parameters, !arguments.skip_data, &mut tell).await?)
}

/// Draws steps and computes them again; what differs is added to what was found.
async fn replay(
    k: usize,
    arguments: &Arguments,
    subject: &Subject,
    judgement: &mut Judgement,
    quiet: bool,
) -> Result<ReplayProof> {
    let random = || RandomState::new().build_hasher().finish();
    let seed = arguments.seed.unwrap_or_else(random);
    let span = (subject.run_file.began_at(), judgement.last);
    let reach = subject.config.checkpoint.every;
    let drawn = draw((k, seed), span, &subject.kept, reach);
    let known = Known::of(subject).await;
    let mut proof = ReplayProof {
        seed,
        among: drawn.among,
        drawn: drawn.steps(),
        ranks: usize::from(arguments.workers),
        kernels: kernel_set(),
        ..ReplayProof::default()
    };
    let total = drawn.n_computed();
    for (start, steps) in &drawn.by_start {
        let asked = Asked {
            steps: start + 1..=steps.last().copied().unwrap_or(start + 1),
            n_ranks: proof.ranks,
            samples: None,
        };
        let replay = Replay::<Pretrain>::begin(subject, &known, &asked, &Handle::current()).await?;
        let done = proof.computed;
        let computed = apart(move || compute(replay, (done, total), quiet)).await??;
        for step in computed {
            proof.computed += 1;
            proof
                .weights_compared
                .extend(step.weights_digest.is_some().then_some(step.step));
            for difference in step.differences {
                judgement.find(Check::Replay, format!("step {}: {difference}", step.step));
            }
        }
    }
    Ok(proof)
}

fn compute(
    mut replay: Replay<Pretrain>,
    (done, total): (u64, u64),
    quiet: bool,
) -> Result<Vec<fratmae_proof::ReplayedStep>> {
    let mut progress = Progress::start("replay", quiet);
    let mut steps = Vec::new();
    while let Some((step, _)) = replay.step(false)? {
        progress.show(&Report::Items {
            done: done + steps.len() as u64 + 1,
            total,
            name: format!("steps, step {}", step.step),
        });
        steps.push(step);
    }
    Ok(steps)
}

fn show(
    judgement: &Judgement,
    provenance: Option<&Provenance>,
    is_replayed: bool,
    output: &mut Output,
) -> Result<()> {
    let mut table = Table::new(&["check", "result", "claim"]);
    let replayed = is_replayed.then_some(Check::Replay);
    for check in Check::OF_RECORDS.into_iter().chain(replayed) {
        let mut row = |result: &str, text: &str| {
            table.row(
                [&check.to_string(), result, text]
                    .map(str::to_owned)
                    .to_vec(),
            );
        };
        if judgement.holds(check) {
            row("holds", check.claim());
        }
        for finding in judgement.findings.iter().filter(|it| it.check == check) {
            row("FAILS", &finding.what);
        }
    }
    let not_proved = provenance.map_or(&judgement.notes, |provenance| &provenance.not_proved);
    for line in not_proved {
        table.row(["", "not proved", line].map(str::to_owned).to_vec());
    }
    output.table(&table)?;
    if let Some(provenance) = provenance {
        output.line(&summary(provenance))?;
    }
    Ok(())
}

fn summary(provenance: &Provenance) -> String {
    let kept = provenance
        .checkpoints
        .iter()
        .filter(|it| it.is_read)
        .count();
    let replayed = provenance.replay.as_ref().map(|replay| {
        format!(
            ", {} steps computed again ({} drawn, seed {})",
            replay.computed,
            replay.drawn.len(),
            replay.seed
        )
    });
    format!(
        "sound: {} steps, {} samples, {kept} checkpoints read, {} records{}",
        provenance.step,
        provenance.samples,
        provenance.journal.objects,
        replayed.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    #[test]
    fn what_fails_is_named_beside_what_holds() {
        let mut judgement = Judgement::default();
        judgement.find(Check::Samples, "step 7 did not train on 2 of its samples");
        let captured = Captured::default();
        show(&judgement, None, false, &mut captured.output()).unwrap();
        let text = captured.text();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("samples").contains("FAILS   step 7 did not"), "{text}");
        assert!(
            line("journal").contains("holds   the journal has"),
            "{text}"
        );
        assert!(!text.contains("replay"), "{text}");
    }
}
