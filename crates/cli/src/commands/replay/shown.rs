//! What a replay shows: a row a step, a row a sample, and what it all comes to.

use anyhow::Result;
use fratmae_checkpoint::Record;
use fratmae_model::kernel_set;
use fratmae_proof::{ReplayedStep, SampleFigures, Subject};
use fratmae_telemetry::LOSS;
use serde::Serialize;

use crate::{
    output::Output,
    table::{Table, counted},
};

/// Everything that a replay found out.
#[derive(Serialize)]
pub(super) struct Replayed {
    pub(super) run: String,
    /// The first and the last step that were asked for.
    pub(super) first: u64,
    pub(super) last: u64,
    /// The step whose state it began with.
    pub(super) began_after: u64,
    /// Whether that is the first weights and no checkpoint.
    pub(super) is_from_first_weights: bool,
    pub(super) workers: usize,
    /// The digest of the weights after the last step.
    pub(super) weights_digest: String,
    /// Whether a record of the run names these weights, so that they were compared.
    pub(super) is_weights_recorded: bool,
    /// Every step that was computed.
    pub(super) steps: Vec<ReplayedStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<Vec<Sample>>,
    /// Why bits may differ although nothing is wrong, a line each.
    pub(super) hints: Vec<String>,
}

/// A sample of a step.
#[derive(Serialize)]
pub(super) struct Sample {
    step: u64,
    #[serde(flatten)]
    figures: SampleFigures,
}

/// The samples of a step, the largest gradient first.
pub(super) fn samples(step: u64, mut figures: Vec<SampleFigures>) -> Vec<Sample> {
    figures.sort_by(|one, other| other.gradient_norm.total_cmp(&one.gradient_norm));
    let sample = |figures| Sample { step, figures };
    figures.into_iter().map(sample).collect()
}

/// Why this machine may come to other bits than the run's workers did.
pub(super) fn hints(subject: &Subject) -> Vec<String> {
    let mut hints = Vec::new();
    let mut add = |line: String| {
        if !hints.contains(&line) {
            hints.push(line);
        }
    };
    let kernels = kernel_set();
    for record in subject.records() {
        match record {
            Record::Fence { mark, .. } if mark.version != subject.version => add(format!(
                "version {} led the run, and this is {}",
                mark.version, subject.version
            )),
            Record::Generation { kinds, .. } => {
                for kind in kinds {
                    if kind.device != "cpu" {
                        add(format!(
                            "its workers trained on \"{}\", and this is a CPU",
                            kind.device
                        ));
                    } else if kind.kernels != kernels {
                        add(format!(
                            "its workers ran the kernels {}, and this CPU runs {kernels}",
                            kind.kernels
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    hints
}

impl Replayed {
    fn unlike(&self) -> impl Iterator<Item = &ReplayedStep> {
        self.steps
            .iter()
            .filter(|step| !step.differences.is_empty())
    }

    /// What differs, in one line; nothing if all has the same bits.
    pub(super) fn complaint(&self) -> Option<String> {
        let first = self.unlike().next()?;
        let (n, of) = (self.unlike().count(), self.steps.len());
        let mut line = format!(
            "{n} of {of} steps are not as recorded, the first is step {}: {}",
            first.step,
            first.differences.join("; ")
        );
        if !self.hints.is_empty() {
            line = format!(
                "{line}; bits may differ because {}",
                self.hints.join(", and ")
            );
        }
        Some(line)
    }

    pub(super) fn show(&self, json: bool, output: &mut Output) -> Result<()> {
        if json {
            return Ok(output.json(self)?);
        }
        output.table(&self.steps_table(output))?;
        if let Some(samples) = &self.samples {
            output.line("")?;
            output.table(&samples_table(samples))?;
        }
        if self.unlike().next().is_none() {
            output.line(&self.summary(output))?;
        }
        Ok(())
    }

    fn steps_table(&self, output: &Output) -> Table {
        let mut table = Table::new(&["step#", "loss#", "gradient norm#", "weights?", "compared"]);
        let asked = |step: &&ReplayedStep| {
            (self.first..=self.last).contains(&step.step) || !step.differences.is_empty()
        };
        for step in self.steps.iter().filter(asked) {
            let compared = match (step.is_recorded, step.differences.as_slice()) {
                (true, []) => "same bits".to_owned(),
                (false, []) => "not in the history".to_owned(),
                (_, differences) => differences.join("; "),
            };
            let digest = step.weights_digest.as_deref();
            table.row(vec![
                step.step.to_string(),
                step.metrics.get(LOSS).to_string(),
                step.metrics.get("gradient_norm").to_string(),
                digest.map_or("", |digest| output.digest(digest)).to_owned(),
                compared,
            ]);
        }
        table
    }

    fn summary(&self, output: &Output) -> String {
        let begin = match self.is_from_first_weights {
            true => "from the first weights".to_owned(),
            false => format!("from the checkpoint of step {}", self.began_after),
        };
        let compared = self.steps.iter().filter(|step| step.is_recorded).count();
        let (compared, workers) = (counted(compared, "step"), counted(self.workers, "worker"));
        let weights = output.digest(&self.weights_digest);
        let named = match self.is_weights_recorded {
            true => "as recorded",
            false => "which no record names",
        };
        format!(
            "{compared} {begin} to {}, on {workers}: the same bits as recorded; weights {weights}, {named}",
            self.last
        )
    }
}

fn samples_table(samples: &[Sample]) -> Table {
    let mut table = Table::new(&[
        "step#",
        "position#",
        "case",
        "gradient norm#",
        "PET#",
        "CT#",
        "slot?#",
        "epoch?#",
    ]);
    for Sample { step, figures } in samples {
        let error = |name: &str| match figures.metrics.get(name) {
            value if value.is_nan() => "-".to_owned(),
            value => format!("{value:.6}"),
        };
        table.row(vec![
            step.to_string(),
            figures.position.to_string(),
            figures.case_id.clone(),
            format!("{:.6}", figures.gradient_norm),
            error("pet_reconstruction"),
            error("ct_reconstruction"),
            figures.slot.to_string(),
            figures.epoch.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    fn replayed(differences: &[&[&str]]) -> Replayed {
        let step = |(step, differences): (u64, &&[&str])| ReplayedStep {
            step,
            metrics: [(LOSS, 0.1), ("gradient_norm", 2.0)].into_iter().collect(),
            differences: differences.iter().map(ToString::to_string).collect(),
            weights_digest: None,
            is_recorded: true,
        };
        Replayed {
            run: "/r".to_owned(),
            first: 2,
            last: 3,
            began_after: 0,
            is_from_first_weights: true,
            workers: 3,
            weights_digest: "abc".to_owned(),
            is_weights_recorded: false,
            steps: (1..).zip(differences).map(step).collect(),
            samples: None,
            hints: vec!["its workers ran the kernels a, and this CPU runs b".to_owned()],
        }
    }

    #[test]
    fn equal_bits_are_said_to_be_so() {
        let (captured, replayed) = (Captured::default(), replayed(&[&[], &[], &[]]));
        replayed.show(false, &mut captured.output()).unwrap();
        let text = captured.text();
        assert!(
            text.ends_with("3 steps from the first weights to 3, on 3 workers: the same bits as recorded; weights abc, which no record names\n"),
            "{text}"
        );
        assert_eq!(text.matches("same bits\n").count(), 2, "{text}");
        assert_eq!(replayed.complaint(), None);
    }

    #[test]
    fn the_first_step_that_differs_is_named_also_before_those_asked_for() {
        let (captured, replayed) = (
            Captured::default(),
            replayed(&[&["loss was 1 and is 2"], &[]]),
        );
        let complaint = replayed.complaint().unwrap();
        assert!(
            complaint.starts_with("1 of 2 steps are not as recorded, the first is step 1: loss was 1 and is 2; bits may differ because its workers"),
            "{complaint}"
        );
        replayed.show(false, &mut captured.output()).unwrap();
        assert!(captured.text().contains("loss was 1 and is 2"));
    }
}
