//! `fratmae model picture`: what a run makes of one case, as a PNG with all that explains it.

mod draw;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_config::{Axis, Config};
use fratmae_dataset::{DataSet, KeyedRng, Sample, Stack, telling_slice};
use fratmae_model::{
    Device, DeviceKind, FratMae, Masks, Modality, PatchGrid, SlotBatch, StageInputs, n_kept, stages,
};
use fratmae_store::Location;
use fratmae_trainer::stack_options;
use serde::Serialize;

use crate::{
    commands::{run_weights::RunWeights, target::Target, weights_dir::write},
    output::Output,
};
use draw::Shown;

/// Draws what a run makes of a case: input, visible part, reconstruction and error of both modalities.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model picture runs/quickstart/run --out case.png
  fratmae model picture runs/quickstart/run --step 40 --slice 12 --out case.png
  fratmae model picture runs/quickstart/run --all-slices --out case.png

Above PET, below CT; from the left the input, its visible patches, the reconstruction with the visible patches put back, and the error, enlarged four times. Each modality is masked while the other one is seen whole. Shades are SUV 0 to 10 and HU -500 to 500, or the part of them that the job's windows hold; the patient's right is on the left.")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The case [default: the first of the data set]
    #[arg(long, value_name = "ID")]
    case: Option<String>,
    /// PNG file to write
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// The checkpoint at this step [default: the newest good one]
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// Slice of the stack to draw [default: through the largest lesion, else the highest SUV]
    #[arg(long, value_name = "N", conflicts_with = "all_slices")]
    slice: Option<usize>,
    /// Draw all slices of the stack
    #[arg(long)]
    all_slices: bool,
    /// Show the network's guess everywhere instead of putting the visible patches back
    #[arg(long)]
    everywhere: bool,
    /// Where the data set is [default: as in the run's job]
    #[arg(long, value_name = "URL")]
    data: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Drawn<'a> {
    out: &'a PathBuf,
    case_id: &'a str,
    step: u64,
    slices: Vec<usize>,
    /// Reconstruction errors on masked patches.
    pet_reconstruction: f32,
    ct_reconstruction: f32,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let target = Target::file(&arguments.out)?;
    let stored = RunWeights::open(&arguments.run, arguments.step).await?;
    let url = arguments.data.as_ref().unwrap_or(&stored.config.data.url);
    let data = DataSet::open(&Location::open(url)?).await?;
    let case = numbered(&data, arguments.case.as_deref())?;
    let cut = Cut::of_case(&stored.config, &data, case).await?;
    let depth = stored.config.model.stack[0];
    let slice = arguments.slice.unwrap_or(cut.telling);
    anyhow::ensure!(slice < depth, "--slice must be 0 to {}", depth - 1);
    let slices: Vec<usize> = match arguments.all_slices {
        true => (0..depth).collect(),
        false => vec![slice],
    };
    let shown = match arguments.all_slices {
        true => format!("all {depth} slices"),
        false => format!("slice {slice} of 0 to {}", depth - 1),
    };
    let title = format!("{}, step {}, {shown}", cut.case_id, stored.manifest.step);
    let painter = Painter::new(&stored.config, &stored.flat)?;
    let (everywhere, drawn) = (arguments.everywhere, slices.clone());
    let (picture, [pet, ct]) = painter.paint(&cut, slices, everywhere, title.clone())?;
    write(target.path(), &picture)?;
    target.finish().await?;
    if arguments.json {
        return Ok(output.json(&Drawn {
            out: &arguments.out,
            case_id: &cut.case_id,
            step: stored.manifest.step,
            slices: drawn,
            pet_reconstruction: pet,
            ct_reconstruction: ct,
        })?);
    }
    let out = arguments.out.display();
    Ok(output.line(&format!(
        "{out}: {title}, reconstruction PET {pet:.6}, CT {ct:.6}"
    ))?)
}

/// A network with its weights, which draws what it makes of stacks.
pub(crate) struct Painter<'a> {
    config: &'a Config,
    network: FratMae,
    device: Device,
}

impl<'a> Painter<'a> {
    /// Puts flat weights into the network of a job.
    ///
    /// # Errors
    /// The device's.
    pub(crate) fn new(config: &'a Config, flat: &[f32]) -> Result<Self> {
        let device = fratmae_model::open(DeviceKind::Cpu)?;
        let network = FratMae::from_flat(&config.model, flat, &device)?;
        Ok(Self {
            config,
            network,
            device,
        })
    }

    /// Draws slices of a stack as a PNG, with PET hidden and with CT hidden; with the two reconstruction errors.
    ///
    /// # Errors
    /// The network's, or the encoder's.
    pub(crate) fn paint(
        &self,
        cut: &Cut,
        slices: Vec<usize>,
        everywhere: bool,
        title: String,
    ) -> Result<(Vec<u8>, [f32; 2])> {
        let inputs = inputs(self.config, cut);
        let model = &self.config.model;
        let found = stages(&self.network, model, &inputs, &self.device)?;
        let errors = found.floats("mse")?.1;
        let errors = [errors[0], errors[1]];
        let options = stack_options(self.config, true);
        let picture = draw::picture(&Shown {
            config: model,
            batch: &inputs.batch,
            prediction: found.floats("prediction")?.1,
            windows: [options.suv_window, options.hu_window],
            slices,
            everywhere,
            title,
            errors,
            spacing: cut.spacing,
        })?;
        Ok((picture, errors))
    }
}

/// What is drawn of a case.
pub(crate) struct Cut {
    case: u32,
    case_id: String,
    pet: Vec<f32>,
    ct: Vec<f32>,
    /// The slice of the stack that tells most.
    pub(crate) telling: usize,
    /// Millimetres of a voxel along R and S.
    spacing: [f32; 2],
}

impl Cut {
    /// A coronal stack as training saw it; the slice through its highest SUV tells most.
    pub(crate) fn of_stack(stack: &Stack, data: &DataSet) -> Self {
        let [right, _, superior] = data.manifest.grid;
        let values = stack.pet.iter().enumerate();
        let highest = values.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let case = stack.sample.case;
        let known = data.manifest.cases.get(case as usize);
        Self {
            case,
            case_id: stack.case_id.clone(),
            telling: highest.map_or(0, |(place, _)| place / (right * superior).max(1)),
            spacing: known.map_or([1.0; 2], |case| [0, 2].map(|axis| case.spacing[axis])),
            pet: stack.pet.clone(),
            ct: stack.ct.clone(),
        }
    }

    /// The stack of a case in the first epoch; the case is one of the data set's.
    ///
    /// # Errors
    /// The job's stacks are of another kind, or the store's.
    pub(crate) async fn of_case(config: &Config, data: &DataSet, case: u32) -> Result<Self> {
        let axis = config.data.axis;
        anyhow::ensure!(
            axis == Axis::Coronal,
            "pictures are drawn of coronal stacks; the run's are {axis:?}"
        );
        let options = stack_options(config, true);
        options.check(&data.manifest)?;
        let sample = Sample {
            position: 0,
            epoch: 0,
            case,
        };
        let rows = options.rows(&data.manifest, sample).unwrap_or_default();
        let slices = data.read_slices(case, &rows).await?;
        let [right, _, superior] = data.manifest.grid;
        let telling = telling_slice(&slices.pet, slices.label.as_deref(), [right, superior]);
        let window = |[low, high]: [f32; 2]| {
            move |value: f32| ((value - low) / (high - low)).clamp(0.0, 1.0)
        };
        let (pet, ct) = (slices.pet.iter(), slices.ct.iter());
        let known = &data.manifest.cases[case as usize];
        Ok(Self {
            case,
            case_id: known.case_id.clone(),
            telling,
            spacing: [0, 2].map(|axis| known.spacing[axis]),
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
}

/// The number of a case, or of the first one.
fn numbered(data: &DataSet, case: Option<&str>) -> Result<u32> {
    let cases = &data.manifest.cases;
    let number = match case {
        None => Some(0),
        Some(case) => cases.iter().position(|known| known.case_id == case),
    };
    let url = data.location.url();
    let number = number.filter(|&number| number < cases.len());
    let number = number.with_context(|| {
        let case = case.unwrap_or("at all");
        format!("{url} has no case {case}; `fratmae dataset inspect {url} --cases` lists them")
    })?;
    Ok(u32::try_from(number)?)
}

/// The stack twice: once with PET masked, once with CT.
fn inputs(config: &Config, cut: &Cut) -> StageInputs {
    let n_tokens = PatchGrid::new(&config.model).n_tokens();
    let keep = |purpose| {
        let mut rng = KeyedRng::new(purpose, config.run.seed, &[u64::from(cut.case)]);
        let mut tokens = rng.permutation(n_tokens);
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
