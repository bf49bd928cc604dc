//! `fratmae export`: a run's weights as files that PyTorch loads, with a model card.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_proof::Provenance;
use fratmae_store::Location;
use serde::Serialize;

use crate::{
    commands::{
        owner::{self, Kind},
        run_weights::RunWeights,
        target::Target,
        weights_dir::{CARD, CARD_TITLE, CONFIG, PROVENANCE, WEIGHTS, write, write_folder},
    },
    output::Output,
    progress::Busy,
};

/// Writes a run's weights as safetensors in torch's layouts, under timm's names inside the encoders.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae export runs/quickstart/run --out weights
  fratmae export s3://bucket/run-1 --out weights --step 4000

docs/weights.md describes the files; docs/load_encoders.py loads them into PyTorch.")]
pub(crate) struct Arguments {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
    /// Folder to write to, here or on a store
    #[arg(long, value_name = "URL")]
    out: PathBuf,
    /// Checkpoint to use, by its step [default: the newest good one]
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    run: &'a str,
    out: &'a PathBuf,
    step: u64,
    parameters: usize,
    weights_digest: &'a str,
    /// Whether an audit of the run covers these weights.
    has_provenance: bool,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let busy = Busy::start("export", "reading and writing weights", quiet);
    let out = &arguments.out;
    let place = Location::open(&out.to_string_lossy())?;
    owner::ensure_free(&place, Kind::Weights).await?;
    let target = Target::folder(out)?;
    let stored = RunWeights::open(&arguments.run, arguments.step).await?;
    let folder = target.path();
    write_folder(
        folder,
        &stored.config.model,
        &stored.parameters,
        &stored.flat,
    )?;
    write(&folder.join(CARD), card(&stored)?.as_bytes())?;
    let provenance = provenance(&stored).await?;
    match &provenance {
        Some(text) => write(&folder.join(PROVENANCE), text)?,
        // It would be another export's.
        None if place.has(PROVENANCE).await? => place.delete(PROVENANCE).await?,
        None => {}
    }
    target.finish().await?;
    drop(busy);
    let written = Written {
        run: &stored.url,
        out,
        step: stored.manifest.step,
        parameters: stored.flat.len(),
        weights_digest: &stored.manifest.weights_digest,
        has_provenance: provenance.is_some(),
    };
    if arguments.json {
        return Ok(output.json(&written)?);
    }
    let audited = match provenance {
        Some(_) => format!("{PROVENANCE} of its audit"),
        None => format!(
            "no {PROVENANCE}, which `fratmae audit {}` makes",
            stored.url
        ),
    };
    Ok(output.line(&format!(
        "{}: {WEIGHTS}, {CONFIG} and README.md of step {}, {} parameters; {audited}",
        out.display(),
        written.step,
        written.parameters
    ))?)
}

/// What the newest audit of the run wrote, if it speaks of these weights.
async fn provenance(stored: &RunWeights) -> Result<Option<Vec<u8>>> {
    let run = Location::open(&stored.url)?;
    let text = run.get_if_present(PROVENANCE).await?;
    let text = text.map(|text| text.to_vec());
    let digest = &stored.manifest.weights_digest;
    let covers = |text: &Vec<u8>| {
        let read = serde_json::from_slice::<Provenance>(text);
        read.is_ok_and(|provenance| provenance.covers(digest))
    };
    Ok(text.filter(covers))
}

/// The model card.
fn card(stored: &RunWeights) -> Result<String> {
    let (manifest, config) = (&stored.manifest, &stored.config);
    let mut card = format!(
        "{CARD_TITLE}\n\nPre-trained with fratmae (the method of arXiv 2503.02824v1).\n\n| | |\n|---|---|\n",
    );
    for (name, value) in [
        (
            "step",
            format!("{} of {}", manifest.step, config.train.steps),
        ),
        ("samples seen", manifest.samples_seen.to_string()),
        ("loss of that step", format!("{:.6}", manifest.loss)),
        ("seed", manifest.seed.to_string()),
        ("data set digest", manifest.data_digest.clone()),
        ("config digest", manifest.config_digest.clone()),
        ("weights digest", manifest.weights_digest.clone()),
        (
            "stack",
            format!(
                "{:?} voxels, {:?} slices",
                config.model.stack, config.data.axis
            ),
        ),
        ("slice stride", config.data.stride.to_string()),
        (
            "grid of a case",
            format!("{:?} (R, A, S)", config.data.grid),
        ),
        (
            "PET",
            format!("SUV {:?} to 0 and 1", config.data.suv_window),
        ),
        ("CT", format!("HU {:?} to 0 and 1", config.data.hu_window)),
    ] {
        writeln!(card, "| {name} | {value} |")?;
    }
    card.push_str(HOW_TO_LOAD);
    Ok(card)
}

const HOW_TO_LOAD: &str = "
## Files

- `model.safetensors`: f32, torch's layouts; `pet_encoder.` and `ct_encoder.` hold a ViT each under timm's names.
- `config.json`: the network.
- `provenance.json`, if the run was audited: job, data, programs and samples that these weights come from, what of that is
  proved, and what is not.

## Load the encoders

With `load_encoders.py` of fratmae's documentation beside this folder:

```python
from load_encoders import load_encoders

pet_encoder, ct_encoder = load_encoders(\"DIR\")
tokens = pet_encoder(stack)  # [batch, D, H, W] in [0, 1] -> [batch, 1 + tokens, width], class token first
```

## Limits

Trained for research on the data named above by its digest; not a medical device.
";

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::Manifest;
    use fratmae_config::Config;

    #[test]
    fn the_card_tells_where_the_weights_come_from() {
        let manifest = Manifest {
            format_version: 1,
            step: 40,
            generation: 1,
            fence: 1,
            parts: Vec::new(),
            weights_digest: "w0".to_owned(),
            samples_seen: 320,
            loss: 0.25,
            config_digest: "c0".to_owned(),
            data_digest: "d0".to_owned(),
            seed: 7,
        };
        let card = card(&RunWeights {
            url: "/r".to_owned(),
            config: Config::default(),
            manifest,
            parameters: Vec::new(),
            flat: Vec::new(),
        })
        .unwrap();
        for part in [
            "| step | 40 of 16150 |",
            "| data set digest | d0 |",
            "| seed | 7 |",
            "load_encoders",
        ] {
            assert!(card.contains(part), "{part} in {card}");
        }
    }
}
