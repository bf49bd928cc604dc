//! `fratmae model picture`: what a run makes of one case, as a PNG.

mod draw;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_config::{Axis, Config};
use fratmae_dataset::{DataSet, Draw, Sample, StackAxis, StackOptions};
use fratmae_model::{
    DeviceKind, FratMae, Masks, Modality, PatchGrid, SlotBatch, StageInputs, n_kept, stages,
};
use fratmae_store::Location;

use crate::{
    commands::{exported::write, stored::Stored, target::Target},
    output::Output,
};

/// Draws what a run makes of a case: input, mask and reconstruction of both modalities.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model picture runs/quickstart/run --out case.png
  fratmae model picture runs/quickstart/run --case phantom_0003 --step 40 --slice 12 --out case.png

Above PET, below CT; from the left the input, what is visible of it, and the reconstruction with the visible patches
put back. Each modality is masked while the other one is seen whole.")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The case; the first one of the data set without it
    #[arg(long, value_name = "ID")]
    case: Option<String>,
    /// PNG file to write
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// The checkpoint at this step; the newest good one without it
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// Slice of the stack to draw; the middle one without it
    #[arg(long, value_name = "N")]
    slice: Option<usize>,
    /// Where the data set is; where the run says without it
    #[arg(long, value_name = "URL")]
    data: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let target = Target::of(&arguments.out)?;
    let stored = Stored::open(&arguments.run, arguments.step).await?;
    let url = arguments.data.as_ref().unwrap_or(&stored.config.data.url);
    let data = DataSet::open(&Location::open(url)?).await?;
    let cut = cut(&stored.config, &data, arguments.case.as_deref()).await?;
    let inputs = inputs(&stored.config, &cut);
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let model = &stored.config.model;
    let network = FratMae::of_flat(model, &stored.flat, &device)?;
    let found = stages(&network, model, &inputs, &device)?;
    let prediction = found.floats("prediction")?.1;
    let depth = model.stack[0];
    let slice = arguments.slice.unwrap_or(depth / 2);
    anyhow::ensure!(
        slice < depth,
        "--slice {slice} is not one of the {depth} slices of a stack"
    );
    let picture = draw::picture(model, &inputs.batch, prediction, slice)?;
    write(target.path(), &picture)?;
    target.finish().await?;
    let errors = found.floats("mse")?.1;
    Ok(output.line(&format!(
        "{}: {} at step {}, slice {slice} of {depth}, error PET {:.6}, CT {:.6}",
        arguments.out.display(),
        cut.case_id,
        stored.manifest.step,
        errors[0],
        errors[1]
    ))?)
}

/// What is drawn of a case.
struct Cut {
    case: u32,
    case_id: String,
    pet: Vec<f32>,
    ct: Vec<f32>,
}

/// The stack of a case in the first epoch.
async fn cut(config: &Config, data: &DataSet, case: Option<&str>) -> Result<Cut> {
    let cases = &data.manifest.cases;
    let number = match case {
        None => Some(0),
        Some(case) => cases.iter().position(|known| known.case_id == case),
    };
    let url = data.location.url();
    let number = number
        .filter(|&number| number < cases.len())
        .with_context(|| {
            let case = case.unwrap_or("at all");
            format!("{url} has no case {case}; `fratmae dataset inspect {url}` lists its cases")
        })?;
    let case = u32::try_from(number)?;
    let axis = config.data.axis;
    anyhow::ensure!(
        axis == Axis::Coronal,
        "pictures are drawn of coronal stacks; the run's are {axis:?}"
    );
    let options = stack_options(config);
    options.check(&data.manifest)?;
    let sample = Sample {
        position: 0,
        epoch: 0,
        case,
    };
    let rows = options.rows(&data.manifest, sample).unwrap_or_default();
    let slices = data.read_slices(case, &rows).await?;
    let window =
        |[low, high]: [f32; 2]| move |value: f32| ((value - low) / (high - low)).clamp(0.0, 1.0);
    let (pet, ct) = (slices.pet.iter(), slices.ct.iter());
    Ok(Cut {
        case,
        case_id: cases[number].case_id.clone(),
        pet: pet
            .map(|v| v.to_f32())
            .map(window(options.suv_window))
            .collect(),
        ct: ct
            .map(|v| v.to_f32())
            .map(window(options.hu_window))
            .collect(),
    })
}

fn stack_options(config: &Config) -> StackOptions {
    let data = &config.data;
    StackOptions {
        axis: StackAxis::Coronal,
        depth: config.model.stack[0],
        stride: data.stride,
        suv_window: data.suv_window.map(|edge| edge as f32),
        hu_window: data.hu_window.map(|edge| edge as f32),
        seed: config.run.seed,
        with_diagnosis: data.diagnosis_in_sentence,
    }
}

/// The stack twice: once with PET masked, once with CT.
fn inputs(config: &Config, cut: &Cut) -> StageInputs {
    let n_tokens = PatchGrid::new(&config.model).n_tokens();
    let keep = |purpose| {
        let mut draw = Draw::new(purpose, config.run.seed, &[u64::from(cut.case)]);
        let mut tokens = draw.permutation(n_tokens);
        tokens.truncate(n_kept(n_tokens, config.model.mask_ratio));
        tokens
    };
    StageInputs {
        batch: SlotBatch {
            pet: cut.pet.repeat(2),
            ct: cut.ct.repeat(2),
            masks: Masks {
                modality: vec![Modality::Pet, Modality::Ct],
                keep: vec![keep("picture of PET"), keep("picture of CT")],
                ..Masks::default()
            },
            tokens: Vec::new(),
        },
        text_embedding: None,
    }
}
