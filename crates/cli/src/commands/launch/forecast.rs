//! What a job will take: time, transfers, memory, price. Worked out from its sizes, and from a step that was tried here.

use fratmae_config::Config;
use fratmae_launch::{Spec, Target};
use serde::Serialize;

use super::trial::Trial;
use crate::{
    commands::doctor::{JobRequirements, size},
    progress::clock,
    table::{Table, counted},
};

/// Bytes of a voxel on the store, in each of two modalities, before compression.
const VOXEL_BYTES: u64 = 2 * 2;

/// What a job will take with the workers that it is launched with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Forecast {
    /// Seconds of a step; unknown on GPUs.
    step_seconds: Option<f64>,
    samples_per_second: Option<f64>,
    hours: Option<f64>,
    /// Hours of all workers together, times the price.
    price: Option<f64>,
    /// Checkpoints that are written, the bytes of one, and the bytes of those that lie on the store at a time.
    checkpoints: u64,
    checkpoint_bytes: u64,
    stored_bytes: u64,
    /// Bytes that a worker sends to the others in a step, and all workers in all steps.
    sent_bytes_a_step: u64,
    sent_bytes: u64,
    /// Bytes of samples that are read from the data set, before compression.
    read_bytes: u64,
    /// Memory that a worker is given, and what it is estimated to need with the fewest workers.
    memory_bytes: u64,
    needed_bytes: u64,
}

impl Forecast {
    /// The forecast; without a trial there is none of time.
    pub(super) fn of(
        (config, needed_mib): (&Config, usize),
        need: &JobRequirements,
        (spec, target): (&Spec, Target),
        trial: Option<Trial>,
    ) -> Self {
        let workers = spec.workers.wanted.max(1);
        let slots = config.train.slots.max(1);
        // All wait for the one with the most slots.
        let share = slots.div_ceil(workers) as f64 / slots as f64;
        let step_seconds = trial.map(|trial| {
            let cores = match target {
                Target::Local => (trial.cores as f64 / workers as f64).min(spec.worker.cpus as f64),
                Target::Slurm | Target::Kubernetes => spec.worker.cpus as f64,
            };
            let passes = trial.sample_seconds * share * config.train.batch as f64;
            (passes + trial.step_seconds) * trial.cores as f64 / cores
        });
        let hours = step_seconds.map(|seconds| seconds * need.steps as f64 / 3600.0);
        let checkpoints = need.steps.div_ceil(config.checkpoint.every.max(1));
        // Sums to their owners, and results back.
        let others = (workers - 1) as f64 / workers as f64;
        let sent_bytes_a_step = (2.0 * need.gradient_bytes as f64 * others) as u64;
        let voxels: usize = config.model.stack.iter().product();
        let samples = need.steps * config.train.batch as u64;
        Self {
            samples_per_second: step_seconds.map(|seconds| config.train.batch as f64 / seconds),
            price: hours
                .zip(spec.price)
                .map(|(hours, price)| hours * price * workers as f64),
            step_seconds,
            hours,
            checkpoints,
            checkpoint_bytes: need.checkpoint_bytes,
            stored_bytes: need.checkpoint_bytes * checkpoints.min(need.checkpoints),
            sent_bytes_a_step,
            sent_bytes: sent_bytes_a_step * workers as u64 * need.steps,
            read_bytes: samples * voxels as u64 * VOXEL_BYTES,
            memory_bytes: (spec.worker.memory_mib as u64) << 20,
            needed_bytes: (needed_mib as u64) << 20,
        }
    }

    /// The forecast for people.
    pub(super) fn table(&self, spec: &Spec, steps: u64) -> Table {
        let checkpoints = format!(
            "{} of {}, at most {} on the store at a time",
            self.checkpoints,
            size(self.checkpoint_bytes),
            size(self.stored_bytes)
        );
        let exchange = format!(
            "{} sent by each worker in a step, {} by all in all steps",
            size(self.sent_bytes_a_step),
            size(self.sent_bytes)
        );
        let data = format!("{} read, before compression", size(self.read_bytes));
        let rows = [
            ("workers", Some(self.workers(spec))),
            ("image", spec.image.as_deref().map(image_told)),
            ("memory", Some(self.memory(spec))),
            ("speed", self.speed()),
            ("time", Some(self.time(spec, steps))),
            ("checkpoints", Some(checkpoints)),
            ("exchange", Some(exchange)),
            ("data", Some(data)),
            ("price", Some(self.price(spec))),
        ];
        let mut table = Table::new(&["forecast", &spec.name]);
        for (name, value) in rows {
            if let Some(value) = value {
                table.row(vec![name.to_owned(), value]);
            }
        }
        table
    }

    fn workers(&self, spec: &Spec) -> String {
        let workers = spec.workers;
        let range = match workers.least == workers.most {
            true => String::new(),
            false => format!(" ({} to {})", workers.least, workers.most),
        };
        let gpus = match spec.worker.gpus {
            0 => String::new(),
            gpus => format!(", {}", counted(gpus, "GPU")),
        };
        format!(
            "{}{range}, each with {}, {} of memory{gpus}",
            workers.wanted,
            counted(spec.worker.cpus, "core"),
            size(self.memory_bytes)
        )
    }

    fn memory(&self, spec: &Spec) -> String {
        let short = match self.memory_bytes < self.needed_bytes {
            true => {
                ", more than it is given: raise launch.memory_gib, workers.min, or turn on workers.activation_checkpointing"
            }
            false => "",
        };
        let (needed, workers) = (size(self.needed_bytes), spec.workers.least);
        format!(
            "{needed} a worker with {}{short}",
            counted(workers, "worker")
        )
    }

    fn speed(&self) -> Option<String> {
        let (samples, step) = self.samples_per_second.zip(self.step_seconds)?;
        Some(format!(
            "{samples:.2} samples/s, {step:.2} s per step, if their cores are as fast as this machine's"
        ))
    }

    fn time(&self, spec: &Spec, steps: u64) -> String {
        match self.hours {
            Some(hours) => {
                let steps = counted(steps as usize, "step");
                format!("{} for {steps}", clock(hours * 3600.0))
            }
            None => {
                let run = &spec.run;
                format!("unknown on GPUs; `fratmae status {run}` tells it after the first steps")
            }
        }
    }

    fn price(&self, spec: &Spec) -> String {
        match (self.price, spec.price) {
            (Some(price), _) => format!("{price:.2}"),
            (None, Some(price)) => format!("{:.2} an hour", price * spec.workers.wanted as f64),
            (None, None) => "unknown (launch.price)".to_owned(),
        }
    }
}

/// A tag may name another image when the next process starts.
fn image_told(image: &str) -> String {
    match image.contains("@sha256:") {
        true => image.to_owned(),
        false => format!(
            "{image}, by a name that may change: name it by digest, NAME@sha256:..., so that all processes are of one version"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Requirements;

    fn forecast(sets: &[&str], target: Target, trial: Option<Trial>) -> (Forecast, String) {
        let base = [
            "run.url=s3://b/pilot",
            "data.url=s3://b/d",
            "launch.image=i",
        ];
        let sets: Vec<String> = base
            .iter()
            .chain(sets)
            .map(|set| (*set).to_owned())
            .collect();
        let config = Config::load(None, &sets).unwrap();
        let spec = Spec::of(&config, target, 3000).unwrap();
        let need = Requirements::of(&config).job.unwrap();
        let forecast = Forecast::of((&config, 3000), &need, (&spec, target), trial);
        let table = forecast.table(&spec, need.steps).to_string();
        (forecast, table)
    }

    const TRIAL: Option<Trial> = Some(Trial {
        sample_seconds: 2.0,
        step_seconds: 0.0,
        cores: 8,
    });

    #[test]
    fn twice_the_workers_take_half_the_time_and_the_same_price() {
        let sets = |count: usize| {
            [
                format!("workers.count={count}"),
                "launch.price=2".to_owned(),
            ]
        };
        let of = |count: usize| {
            let sets = sets(count);
            let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
            forecast(&sets, Target::Slurm, TRIAL).0
        };
        let (two, four) = (of(2), of(4));
        let ratio = two.hours.unwrap() / four.hours.unwrap();
        assert!((ratio - 2.0).abs() < 1e-9, "{ratio}");
        assert!((two.price.unwrap() - four.price.unwrap()).abs() < 1e-6);
        assert_eq!(of(1).sent_bytes, 0);
        // Of eight slots one of three workers has three.
        let ratio = of(1).hours.unwrap() / of(3).hours.unwrap();
        assert!((ratio - 8.0 / 3.0).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn workers_of_one_machine_share_its_cores() {
        let sets = ["workers.count=4", "launch.cpus=8"];
        let here = forecast(&sets, Target::Local, TRIAL).0;
        let there = forecast(&sets, Target::Slurm, TRIAL).0;
        let ratio = here.hours.unwrap() / there.hours.unwrap();
        assert!((ratio - 4.0).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn what_is_unknown_is_said_and_what_is_short_is_named() {
        let (_, table) = forecast(
            &["launch.gpus=1", "launch.memory_gib=1"],
            Target::Slurm,
            None,
        );
        for part in [
            "unknown on GPUs",
            "i, by a name that may change",
            "1 GPU",
            "raise launch.memory_gib",
            "launch.price",
        ] {
            assert!(table.contains(part), "{part} in\n{table}");
        }
    }
}
