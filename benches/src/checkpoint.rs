//! What a checkpoint of a whole state costs the steps around it: `benches/ckpt.py` runs it beside torch's.
//!
//! A step is a number of ticks, which are matrix products of some 50 ms on every thread and stand for forward and
//! backward, and a real update of the whole state by AdamW. The writer is the one that workers use.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use fratmae_checkpoint::{
    BackgroundWriter, CheckpointError, CheckpointId, Copier, SharedWeights, State, WriterSettings,
    plan_parts,
};
use fratmae_config::{Checkpoint, Model, Train};
use fratmae_control::{Generation, Step};
use fratmae_model::{FratMae, Parameter};
use fratmae_store::Location;
use fratmae_trainer::{AdamW, tensor_specs};
use fratmae_worker::keep_memory;
use rayon::prelude::*;

/// Rows and columns of a tick's matrices on each thread.
const SIDE: usize = 640;

/// Steps before each checkpoint and after it, from which the usual time is taken.
const QUIET: usize = 10;

/// What is measured.
pub(crate) struct Options<'a> {
    pub(crate) url: &'a str,
    pub(crate) preset: &'a str,
    pub(crate) ticks: usize,
    pub(crate) repeats: usize,
    pub(crate) slowdown: f64,
}

/// Writes checkpoints one after the other and a line of JSON about each.
pub(crate) fn measure(options: &Options<'_>) -> Result<()> {
    keep_memory();
    let runtime = tokio::runtime::Runtime::new()?;
    let run = Location::open(options.url)?;
    let mut bench = Bench::new(options, run.clone(), runtime.handle().clone())?;
    bench.step()?;
    for number in 0..options.repeats {
        let mut row = bench.checkpoint(number as u64)?;
        row["extra_mib"] = (memory("VmHWM")? - bench.memory_before).into();
        println!("{row}");
        // The measured checkpoints are nobody's.
        for object in runtime.block_on(run.list("checkpoints"))? {
            runtime.block_on(run.delete(&object.relative))?;
        }
    }
    Ok(())
}

struct Bench {
    ticks: usize,
    matrices: Vec<[Vec<f32>; 3]>,
    optimizer: AdamW,
    state: State,
    gradient: Vec<f32>,
    writer: BackgroundWriter,
    /// With the whole state in it, before there was any memory for copies.
    memory_before: i64,
}

/// How long the parts of a step took.
struct Laps {
    step: f64,
    ticks: Vec<f64>,
}

impl Bench {
    fn new(options: &Options<'_>, run: Location, runtime: tokio::runtime::Handle) -> Result<Self> {
        let unknown = || {
            anyhow!(
                "no preset {}; there are tiny, small and base",
                options.preset
            )
        };
        let config = Model::preset(options.preset).with_context(unknown)?;
        let layout = FratMae::layout(&config);
        let tensors = tensor_specs(&layout);
        let defaults = Checkpoint::default();
        let settings = WriterSettings {
            max_stall: Duration::from_millis(defaults.max_stall_ms),
            max_slowdown: options.slowdown / 100.0,
            every: 1_000_000,
        };
        let copier = Copier::start(defaults.memory_mib << 20)?;
        let progress = Arc::new(|| ());
        let plan = plan_parts(&tensors, defaults.part_mib << 20);
        let n: usize = layout.iter().map(Parameter::len).sum();
        let n_learning = layout.iter().map(|p| p.gradient.end).max().unwrap_or(0);
        let wave = |n: usize, step: f32| (0..n).map(|i| (i as f32 * step).sin() * 0.01).collect();
        let matrix = || wave(SIDE * SIDE, 0.37);
        let n_threads = rayon::current_num_threads();
        let optimizer = AdamW::new(&Train::default(), &layout);
        let mut state = State {
            step: Step::new(0),
            parameters: wave(n, 0.11),
            first_moment: vec![0.0; n],
            second_moment: vec![0.0; n],
        };
        let gradient = wave(n_learning, 0.7);
        optimizer.update(&mut state, &gradient, 1.0, 1e-4);
        Ok(Self {
            ticks: options.ticks,
            matrices: (0..n_threads)
                .map(|_| [matrix(), matrix(), matrix()])
                .collect(),
            optimizer,
            state,
            gradient,
            memory_before: memory("VmRSS")?,
            writer: BackgroundWriter::new(run, runtime, plan, settings, copier, progress)?,
        })
    }

    /// Some quiet steps, then a checkpoint and steps until it is on the store, then quiet steps again.
    fn checkpoint(&mut self, number: u64) -> Result<serde_json::Value> {
        let mut quiet = self.quiet()?;
        let before = total(&quiet);
        let begin = Instant::now();
        let id = CheckpointId {
            step: self.state.step,
            generation: Generation::new(number),
        };
        let (sender, written) = sync_channel(1);
        let report = move |parts: Vec<_>| {
            // The receiver is there until the checkpoint is finished.
            let _ = sender.send((Instant::now(), parts.len()));
        };
        self.writer.begin(id, &self.state, Box::new(report))?;
        let mut disturbed = Vec::new();
        while disturbed.is_empty() || self.writer.is_busy() {
            disturbed.push(self.step()?);
        }
        let (steps, elapsed) = (disturbed.len() as f64, begin.elapsed().as_secs_f64());
        let stall = self.writer.stall().as_secs_f64();
        self.writer.finish(&self.state)?;
        let (end, n_parts) = written.recv()?;
        quiet.extend(self.quiet()?);
        // What steps take without a checkpoint is their mean, as all that hold a step up now and then is in it.
        let usual = total(&quiet) / quiet.len() as f64;
        let drift = total(&quiet) - 2.0 * before;
        let lost = elapsed - steps * usual;
        let ticks = |laps: &[Laps], share| {
            quantile(
                laps.iter().flat_map(|laps| laps.ticks.iter().copied()),
                share,
            )
        };
        Ok(serde_json::json!({
            "bytes": 12 * self.state.parameters.len(),
            "parts": n_parts,
            "threads": self.matrices.len(),
            "stall": stall,
            "lost": lost,
            "slowdown": lost / (steps * usual),
            "total": (end - begin).as_secs_f64(),
            "steps": steps,
            "usual_step": usual,
            "drift": drift,
            "first_step": disturbed[0].step,
            "quiet_tick_p50": ticks(&quiet, 0.5),
            "quiet_tick_p99": ticks(&quiet, 0.99),
            "tick_p50": ticks(&disturbed, 0.5),
            "tick_p99": ticks(&disturbed, 0.99),
        }))
    }

    fn quiet(&mut self) -> Result<Vec<Laps>> {
        (0..QUIET).map(|_| self.step()).collect()
    }

    /// A step as the worker takes it.
    fn step(&mut self) -> Result<Laps> {
        let begin = Instant::now();
        let parameters = Arc::new(std::mem::take(&mut self.state.parameters));
        let view =
            || Ok::<_, CheckpointError>(Box::new(View(Arc::clone(&parameters))) as SharedWeights);
        self.writer.start_copy(&mut self.state, view)?;
        let ticks = (0..self.ticks).map(|_| self.tick()).collect();
        self.writer.stop_copy(&mut self.state)?;
        self.state.parameters = Arc::into_inner(parameters).context("somebody still reads")?;
        self.writer.finish_copy(&self.state);
        self.state.step = self.state.step.next();
        self.optimizer
            .update(&mut self.state, &self.gradient, 1.0, 1e-4);
        let step = begin.elapsed().as_secs_f64();
        self.writer.step_took(step);
        Ok(Laps { step, ticks })
    }

    /// A product of matrices on every thread.
    fn tick(&mut self) -> f64 {
        let begin = Instant::now();
        self.matrices
            .par_iter_mut()
            .for_each(|[a, b, c]| multiply(a, b, c));
        begin.elapsed().as_secs_f64()
    }
}

/// The parameters, as the copying thread sees them.
struct View(Arc<Vec<f32>>);

impl AsRef<[f32]> for View {
    fn as_ref(&self) -> &[f32] {
        &self.0
    }
}

fn multiply(a: &[f32], b: &[f32], c: &mut [f32]) {
    for (row, out) in a.chunks(SIDE).zip(c.chunks_mut(SIDE)) {
        out.fill(0.0);
        for (&factor, values) in row.iter().zip(b.chunks(SIDE)) {
            for (sum, value) in out.iter_mut().zip(values) {
                *sum += factor * value;
            }
        }
    }
    std::hint::black_box(c);
}

/// A line of the kernel's account of this process, in MiB.
fn memory(name: &str) -> Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().nth(1));
    let number: i64 = number.context("no such line")?.parse()?;
    Ok(number / 1024)
}

fn total(laps: &[Laps]) -> f64 {
    laps.iter().map(|laps| laps.step).sum()
}

fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    sorted
        .get((last * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
