//! Training steps of one rank on made-up data, one for each line that comes in: `benches/step.py` runs it beside PyTorch.
//!
//! A step is what a worker's is without its loader and its peers: forward, contrastive loss, backward, norm, AdamW.

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use fratmae_checkpoint::State;
use fratmae_config::{Model, Train};
use fratmae_control::Step;
use fratmae_model::{Device, DeviceKind, FratMae, Masks, Modality, SlotBatch, contrast};
use fratmae_worker::{AdamW, clip_factor, global_norm, keep_memory};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// What is measured.
pub(crate) struct Options<'a> {
    pub(crate) preset: &'a str,
    pub(crate) batch: usize,
    pub(crate) is_checkpointing: bool,
}

/// Takes a step for each line of the standard input and writes a line of JSON about it.
pub(crate) fn serve(options: &Options<'_>) -> Result<()> {
    keep_memory();
    let unknown = || {
        anyhow!(
            "no preset {}; there are tiny, small and base",
            options.preset
        )
    };
    let config = Model::preset(options.preset).with_context(unknown)?;
    let mut bench = Bench::new(&config, options)?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", bench.step()?)?;
        out.flush()?;
    }
    Ok(())
}

struct Bench {
    device: Device,
    model: FratMae,
    batch: SlotBatch,
    sentences: Vec<u32>,
    optimizer: AdamW,
    state: State,
    spare: Vec<f32>,
    /// Where the temperature's gradient is.
    scale: usize,
}

impl Bench {
    fn new(config: &Model, options: &Options<'_>) -> Result<Self> {
        let device = fratmae_model::open(DeviceKind::Cpu)?;
        let model = FratMae::blank(config, &device).recomputing(options.is_checkpointing);
        let layout = model.parameters();
        let parameters = FratMae::first_values(&layout, config, 1);
        let zeros = vec![0.0; parameters.len()];
        let scale = layout.iter().find(|p| p.name == "logit_scale");
        Ok(Self {
            batch: batch(config, options.batch),
            sentences: (0..options.batch as u32).collect(),
            optimizer: AdamW::new(&Train::default(), &layout),
            state: State {
                step: Step::new(0),
                parameters,
                first_moment: zeros.clone(),
                second_moment: zeros,
            },
            spare: Vec::new(),
            scale: scale
                .context("a preset has a contrastive loss")?
                .gradient
                .start,
            device,
            model,
        })
    }

    fn step(&mut self) -> Result<serde_json::Value> {
        let (begin, used) = (Instant::now(), cpu_seconds()?);
        let mut laps = Vec::new();
        let mut lap = || laps.push(begin.elapsed().as_secs_f64());
        self.model
            .hold(std::mem::take(&mut self.state.parameters))?;
        let forward = self.model.forward(&self.batch, &self.device)?;
        let figures = forward.figures;
        let (pet, text) = forward.embeddings()?;
        lap();
        let scale = self.model.logit_scale_value()?.unwrap_or_default();
        let contrast = contrast(&pet, &text, scale, &self.sentences)?;
        lap();
        let slopes = Some((&contrast.pet_gradient[..], &contrast.text_gradient[..]));
        let n_samples = self.batch.n_samples() as f32;
        let spare = std::mem::take(&mut self.spare);
        let model = &self.model;
        let mut gradient = model.backward(forward, 1.0 / n_samples, slopes, spare)?;
        gradient[self.scale] += contrast.logit_scale_gradient;
        lap();
        let clip = clip_factor(global_norm(&gradient), 1.0);
        self.state.parameters = self.model.release()?;
        self.state.step = self.state.step.next();
        let state = &mut self.state;
        self.optimizer.update(state, &gradient, clip, 1e-4);
        self.spare = gradient;
        lap();
        let error = figures.pet.squared_error + figures.ct.squared_error;
        Ok(serde_json::json!({
            "seconds": laps[3],
            "forward": laps[0],
            "contrast": laps[1] - laps[0],
            "backward": laps[2] - laps[1],
            "optimizer": laps[3] - laps[2],
            "cpu": cpu_seconds()? - used,
            "peak_mib": getrusage(UsageWho::RUSAGE_SELF)?.max_rss() / 1024,
            "loss": error / f64::from(n_samples) + contrast.loss,
        }))
    }
}

fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let both = usage.user_time() + usage.system_time();
    Ok(both.num_microseconds() as f64 * 1e-6)
}

/// Stacks of a wave, PET and CT masked in turn, and a sentence of twenty tokens each.
fn batch(config: &Model, n_samples: usize) -> SlotBatch {
    let voxels = config.stack.iter().product::<usize>() * n_samples;
    let wave = |step: f32| {
        (0..voxels)
            .map(|i| 0.5 + 0.5 * (i as f32 * step).sin())
            .collect()
    };
    let modality = |sample| [Modality::Pet, Modality::Ct][sample % 2];
    let n_tokens = fratmae_model::PatchGrid::new(config).n_tokens() as u32;
    let order = |sample: u32| (0..n_tokens).map(|i| (7 * i + sample) % n_tokens).collect();
    let orders: Vec<Vec<u32>> = (0..n_samples as u32).map(order).collect();
    let modality = (0..n_samples).map(modality).collect();
    let sentence = |sample: u32| {
        let words = (0..18).map(|word| 320 + 100 * sample + word);
        std::iter::once(49_406)
            .chain(words)
            .chain([49_407])
            .collect()
    };
    SlotBatch {
        pet: wave(0.37),
        ct: wave(0.11),
        masks: Masks::from_permutations(modality, &orders, config.mask_ratio),
        tokens: (0..n_samples as u32).map(sentence).collect(),
    }
}
