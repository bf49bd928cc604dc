//! Training steps of one rank on made-up data, one for each line that comes in: `benches/step.py` runs it beside PyTorch.
//!
//! A step is a worker's own, without its loader, its peers and the comparison of its weights' bits.

use std::cell::RefCell;
use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use fratmae_config::{Config, Model};
use fratmae_control::Phase;
use fratmae_model::{DeviceKind, FratMae};
use fratmae_pretrain::{Batch, Pretrain, made_up};
use fratmae_telemetry::LOSS;
use fratmae_trainer::{Hooks, Opening, Solo, Task as _, TrainError};
use fratmae_worker::keep_memory;
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
    training: Solo<Pretrain>,
    batch: Batch,
}

/// When each phase of a step began.
struct Phases(RefCell<Vec<(Phase, Instant)>>);

impl Hooks for Phases {
    type Error = TrainError;

    fn enter(&self, phase: Phase) {
        self.0.borrow_mut().push((phase, Instant::now()));
    }
}

impl Bench {
    fn new(model: &Model, options: &Options<'_>) -> Result<Self> {
        let mut config = Config {
            model: model.clone(),
            ..Config::default()
        };
        (config.train.batch, config.train.slots) = (options.batch, 1);
        config.workers.activation_checkpointing = options.is_checkpointing;
        // PyTorch does not look after its memory either.
        config.workers.compare_every = 0;
        let device = fratmae_model::open(DeviceKind::Cpu)?;
        let opening = Opening {
            config: &config,
            n_cases: 0,
            kind: DeviceKind::Cpu,
            device: &device,
        };
        let task = Pretrain::open(&opening).map_err(|error| anyhow!(error))?;
        let weights = FratMae::first_values(task.parameters(), model, 1);
        Ok(Self {
            batch: Batch::Ready(made_up(model, options.batch)),
            training: Solo::new(task, weights, &config, device),
        })
    }

    fn step(&mut self) -> Result<serde_json::Value> {
        let slots = vec![self.batch.clone()];
        let (begin, used) = (Instant::now(), cpu_seconds()?);
        let mut phases = Phases(RefCell::default());
        let report = self.training.step(slots, &mut phases)?;
        let end = Instant::now();
        let phases = phases.0.into_inner();
        let ends = phases.iter().skip(1).map(|(_, began)| *began).chain([end]);
        let seconds = |wanted: Phase| {
            let phases = phases.iter().zip(ends.clone());
            let own = phases.filter(|((phase, _), _)| *phase == wanted);
            own.map(|((_, began), end)| (end - *began).as_secs_f64())
                .sum::<f64>()
        };
        Ok(serde_json::json!({
            "seconds": (end - begin).as_secs_f64(),
            "forward": seconds(Phase::Forward),
            "backward": seconds(Phase::Backward),
            "optimizer": seconds(Phase::Reduce) + seconds(Phase::Optimizer),
            "cpu": cpu_seconds()? - used,
            "peak_mib": getrusage(UsageWho::RUSAGE_SELF)?.max_rss() / 1024,
            "loss": report.metrics.get(LOSS),
        }))
    }
}

fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let both = usage.user_time() + usage.system_time();
    Ok(both.num_microseconds() as f64 * 1e-6)
}
