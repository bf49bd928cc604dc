//! Computes steps of a run again, from the checkpoint before them, and compares every figure by its bits.
//!
//! The ranks are threads of this process, each with a state of its own, and reach each other over the same transport as
//! workers. However many there are, the bits are the run's: that is what is tried.

mod ranks;
mod samples;

pub use samples::{SampleFigures, Split, StepSamples};

use crate::error::ProofError;
use crate::is_same;
use crate::known::Known;
use crate::subject::Subject;
use fratmae_checkpoint::{CheckpointId, State, load_manifest, restore};
use fratmae_config::{BadSample as OnBadSample, Config};
use fratmae_coordinator::HistoryRow;
use fratmae_dataset::{BadSample, DataSet, Loader, LoaderOptions};
use fratmae_model::{Device, DeviceKind};
use fratmae_telemetry::Metrics;
use fratmae_trainer::{
    Opening, StepReport, Task, first_state, stack_options, tensor_specs, weights_digest,
};
use ranks::Rank;
use samples::Probe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Where computing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the weights that the seed and the files of the job give.
    FirstWeights,
    /// With a checkpoint.
    Checkpoint(CheckpointId),
}

impl Start {
    /// The nearest one before `step`, of a run that began after step `began`.
    #[must_use]
    pub fn before(step: u64, began: u64, kept: &[CheckpointId]) -> Option<Self> {
        let before = kept.iter().filter(|id| id.step.get() < step);
        // Of the same step the newest generation's.
        match before.max().copied() {
            Some(id) => Some(Self::Checkpoint(id)),
            None if began == 0 && step > 0 => Some(Self::FirstWeights),
            None => None,
        }
    }

    /// The step that the state is after.
    #[must_use]
    pub const fn step(self) -> u64 {
        match self {
            Self::FirstWeights => 0,
            Self::Checkpoint(id) => id.step.get(),
        }
    }
}

/// A step that was computed again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayedStep {
    pub step: u64,
    /// Its figures as they were computed now.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// In what they are not those of the records, a line each.
    pub differences: Vec<String>,
    /// The digest of the weights after it, where a record names one.
    pub weights_digest: Option<String>,
    /// Whether the history has the step.
    pub is_recorded: bool,
}

/// Steps as they are computed again, one after the other.
pub struct Replay<T: Task> {
    ranks: Vec<Rank<T>>,
    probe: Option<Probe<T>>,
    rows: BTreeMap<u64, HistoryRow>,
    known: Known,
    slot_size: usize,
    steps: RangeInclusive<u64>,
    start: Start,
}

/// What a replay is to compute.
pub struct Asked<T: Task> {
    /// The steps that are wanted; those before them are computed as well.
    pub steps: RangeInclusive<u64>,
    pub n_ranks: usize,
    /// How slots are split where each sample is to be looked at by itself.
    pub samples: Option<Split<T>>,
}

impl<T: Task + Send> Replay<T> {
    /// Brings a run to the state before the steps that are wanted, or the nearest one that is left before that.
    ///
    /// # Errors
    /// `NoStart`, `NoSuchStep`, `Data`, `TooManyRanks`; a damaged checkpoint; the stores'.
    pub async fn begin(
        subject: &Subject,
        known: &Known,
        asked: &Asked<T>,
        runtime: &Handle,
    ) -> Result<Self, ProofError> {
        let data = subject.same_data()?;
        subject.run_file.require_schedule(&subject.run)?;
        let rows: BTreeMap<u64, HistoryRow> = subject
            .rows()
            .into_iter()
            .map(|row| (row.step, row))
            .collect();
        let began = subject.run_file.began_at();
        refuse_steps(subject, &rows, &asked.steps)?;
        let first = *asked.steps.start();
        let start = Start::before(first, began, &subject.kept);
        let start = start.ok_or_else(|| ProofError::NoStart {
            run: subject.run.url().to_owned(),
            step: first,
        })?;
        let config = subject.replayed_config();
        let slots = config.train.slots;
        if asked.n_ranks > slots {
            return Err(ProofError::TooManyRanks { slots });
        }
        let device = fratmae_model::open(DeviceKind::Cpu)?;
        let opened = Opened {
            subject,
            config: &config,
            data: &data,
            device: &device,
        };
        let task: T = opened.task(&config)?;
        let state = opened.state(start, &task).await?;
        let steps = start.step() + 1..=*asked.steps.end();
        let ranks = ranks::form(
            &opened,
            (task, state),
            asked.n_ranks,
            |samples| loader::<T>(&opened, samples, runtime),
            &steps,
        )?;
        let probe = asked.samples.map(|split| Probe::open(&opened, split));
        Ok(Self {
            ranks,
            probe: probe.transpose()?,
            rows,
            known: known.clone(),
            slot_size: (config.train.batch / slots.max(1)).max(1),
            steps,
            start,
        })
    }

    /// Where it begins.
    pub const fn start(&self) -> Start {
        self.start
    }

    /// The steps that are left.
    pub const fn left(&self) -> &RangeInclusive<u64> {
        &self.steps
    }

    /// Computes the next step again; none after the last one. With `look` what each of its samples by itself comes to is
    /// given, at the weights before the step. It blocks, and is called from no task of a runtime.
    ///
    /// # Errors
    /// Samples that cannot be read, or the step's.
    pub fn step(
        &mut self,
        look: bool,
    ) -> Result<Option<(ReplayedStep, Option<StepSamples>)>, ProofError> {
        let Some(step) = self.steps.next() else {
            return Ok(None);
        };
        let slot_size = self.slot_size;
        let mut loaded = Vec::with_capacity(self.ranks.len());
        for rank in &mut self.ranks {
            loaded.push(rank.load(step, slot_size)?);
        }
        let stacks = || loaded.iter().flatten().flatten();
        let trained: Vec<_> = stacks().map(|stack| stack.sample).collect();
        let samples = match self.probe.as_mut().filter(|_| look) {
            Some(probe) => Some(probe.look(self.ranks[0].weights()?, stacks(), slot_size)?),
            None => None,
        };
        let report = ranks::step(&mut self.ranks, loaded)?;
        let row = self.rows.get(&step);
        let mut differences = match row {
            Some(row) => differences(row, &report, &trained),
            None => Vec::new(),
        };
        let weights_digest = match self.known.has(step) {
            true => Some(self.digest()?),
            false => None,
        };
        if let Some(digest) = &weights_digest {
            differences.extend(self.known.differences(step, digest));
        }
        let replayed = ReplayedStep {
            step,
            metrics: report.metrics,
            differences,
            weights_digest,
            is_recorded: row.is_some(),
        };
        Ok(Some((replayed, samples)))
    }

    /// The digest of the weights after the last step, the same on all ranks.
    ///
    /// # Errors
    /// The device's.
    pub fn digest(&self) -> Result<String, ProofError> {
        let mut digests = Vec::with_capacity(self.ranks.len());
        for rank in &self.ranks {
            digests.push(weights_digest(rank.parameters(), &rank.weights()?));
        }
        digests.dedup();
        Ok(digests.join(" and, on another rank, "))
    }
}

/// A job and its data, opened to be computed again.
pub(crate) struct Opened<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) config: &'a Config,
    pub(crate) data: &'a Arc<DataSet>,
    pub(crate) device: &'a Device,
}

impl Opened<'_> {
    pub(crate) fn task<T: Task>(&self, config: &Config) -> Result<T, ProofError> {
        let opening = Opening {
            config,
            n_cases: u32::try_from(self.data.manifest.cases.len()).unwrap_or(u32::MAX),
            kind: DeviceKind::Cpu,
            device: self.device,
        };
        Ok(T::open(&opening)?)
    }

    async fn state<T: Task>(&self, start: Start, task: &T) -> Result<State, ProofError> {
        let run = &self.subject.run;
        match start {
            Start::FirstWeights => Ok(first_state(task.first_weights()?)),
            Start::Checkpoint(id) => {
                let manifest = load_manifest(run, id).await?;
                Ok(restore(run, &manifest, &tensor_specs(task.parameters())).await?)
            }
        }
    }
}

fn refuse_steps(
    subject: &Subject,
    rows: &BTreeMap<u64, HistoryRow>,
    steps: &RangeInclusive<u64>,
) -> Result<(), ProofError> {
    let first = subject.run_file.began_at() + 1;
    let kept = subject.kept.iter().map(|id| id.step.get()).max();
    let last = rows.keys().next_back().copied().max(kept).unwrap_or(0);
    let is_step = |step: &u64| (first..=last).contains(step);
    match [*steps.start(), *steps.end()]
        .into_iter()
        .find(|step| !is_step(step))
    {
        None => Ok(()),
        Some(asked) => Err(ProofError::NoSuchStep {
            run: subject.run.url().to_owned(),
            first,
            last,
            asked,
        }),
    }
}

fn loader<T: Task>(
    opened: &Opened<'_>,
    samples: fratmae_trainer::Samples,
    runtime: &Handle,
) -> Loader {
    let data = &opened.config.data;
    let options = LoaderOptions {
        bytes: data.prefetch_mib << 20,
        bad_sample: match data.bad_sample {
            OnBadSample::Fail => BadSample::Fail,
            OnBadSample::Skip => BadSample::Skip,
        },
    };
    let stacks = stack_options(opened.config, T::WANTS_LABELS);
    Loader::start(Arc::clone(opened.data), stacks, samples, options, runtime)
}

/// In what a step as it was computed now is not the one of the history, a line each.
fn differences(
    row: &HistoryRow,
    report: &StepReport,
    trained: &[fratmae_dataset::Sample],
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(recorded) = &row.trained {
        let recorded = recorded.positions.iter().zip(&recorded.cases);
        let found = trained
            .iter()
            .map(|sample| (&sample.position, &sample.case));
        if !recorded.clone().eq(found.clone()) {
            let other = recorded
                .zip(found)
                .find(|(recorded, found)| recorded != found);
            lines.push(match other {
                Some(((position, case), (here, now))) => format!(
                    "it was trained on case number {case} at position {position}, and now on {now} at {here}"
                ),
                None => "it was trained on another number of samples".to_owned(),
            });
        }
    }
    // Versions differ in the metrics that they record.
    for (name, recorded) in row.metrics.iter() {
        let now = report.metrics.iter().find(|(known, _)| *known == name);
        if let Some((_, now)) = now.filter(|(_, now)| !is_same(recorded, *now)) {
            lines.push(format!("{name} was {recorded} and is {now}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::checkpoint;
    use fratmae_dataset::Sample;

    #[test]
    fn it_begins_at_the_newest_checkpoint_before_the_step() {
        let kept = [checkpoint(4, 1), checkpoint(8, 1), checkpoint(8, 3)];
        let start = |step, began| Start::before(step, began, &kept);
        assert_eq!(start(9, 0), Some(Start::Checkpoint(checkpoint(8, 3))));
        assert_eq!(start(8, 0), Some(Start::Checkpoint(checkpoint(4, 1))));
        assert_eq!(start(4, 0), Some(Start::FirstWeights));
        assert_eq!(start(4, 3), None, "a fork's first weights are a checkpoint");
        assert_eq!(start(9, 0).map(Start::step), Some(8));
    }

    fn report(metrics: &[(&str, f64)]) -> StepReport {
        StepReport {
            step: 3,
            metrics: metrics.iter().copied().collect(),
            bad: None,
            notes: Vec::new(),
        }
    }

    fn sample(position: u64, case: u32) -> Sample {
        Sample {
            position,
            epoch: 0,
            case,
        }
    }

    #[test]
    fn one_bit_of_one_figure_or_one_other_case_is_a_difference() {
        let figures = [("loss", 0.5), ("contrastive", f64::NAN)];
        let mut row = HistoryRow {
            step: 3,
            metrics: figures.into_iter().collect(),
            ..HistoryRow::default()
        };
        let trained = row.trained.get_or_insert_default();
        (trained.positions, trained.cases) = (vec![8, 9], vec![1, 0]);
        let samples = [sample(8, 1), sample(9, 0)];
        assert!(differences(&row, &report(&figures), &samples).is_empty());
        let next = f64::from_bits(0.5_f64.to_bits() + 1);
        let found = differences(&row, &report(&[("loss", next)]), &samples);
        assert_eq!(found, ["loss was 0.5 and is 0.5000000000000001"]);
        let found = differences(&row, &report(&figures), &[sample(8, 1), sample(9, 2)]);
        assert_eq!(
            found,
            ["it was trained on case number 0 at position 9, and now on 2 at 9"]
        );
        let found = differences(&row, &report(&figures), &samples[..1]);
        assert_eq!(found, ["it was trained on another number of samples"]);
    }
}
