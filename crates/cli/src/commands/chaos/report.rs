//! The end of a call: the scorecard with the digests, as JSON and as a table.

use fratmae_proof::SampleAudit;
use serde::Serialize;

use super::scorecard::{Scorecard, Spread};
use crate::{output::Output, table::Table};

/// Everything that a call found out.
#[derive(Debug, Serialize)]
pub(crate) struct ChaosReport {
    /// From which the faults follow.
    pub(crate) seed: u64,
    /// Workers in the group.
    pub(crate) workers: usize,
    /// Workers beside it.
    pub(crate) standbys: usize,
    /// Steps of the job.
    pub(crate) steps: u64,
    /// From the first step to the end.
    pub(crate) seconds: f64,
    /// Kinds of faults that this machine does not allow, and why.
    pub(crate) left_out: Vec<String>,
    /// Kinds that were not done once, whatever the reason.
    pub(crate) never_done: Vec<String>,
    #[serde(flatten)]
    pub(crate) scorecard: Scorecard,
    #[serde(flatten)]
    pub(crate) audit: SampleAudit,
    /// What the disturbed run came to.
    pub(crate) weights_digest: String,
    /// What it should have come to.
    pub(crate) undisturbed_digest: String,
    /// Whether all is as it would have been.
    pub(crate) is_sound: bool,
    /// The line that does all this again.
    pub(crate) again: String,
}

impl ChaosReport {
    /// What is wrong, in one line; nothing for a sound run.
    pub(crate) fn complaint(&self) -> Option<String> {
        let SampleAudit {
            samples_lost: lost,
            samples_doubled: doubled,
            samples_unlike,
            steps_unlike,
            commits_doubled: commits,
            ..
        } = self.audit;
        let other_cases = samples_unlike.unwrap_or(0);
        let unlike = steps_unlike.unwrap_or(0);
        let missing = self.audit.n_missing();
        let panics = self.scorecard.panics.len();
        let found = [
            (
                self.weights_digest != self.undisturbed_digest,
                "the weights differ from the undisturbed run's".to_owned(),
            ),
            (lost > 0, format!("{lost} samples are lost")),
            (doubled > 0, format!("{doubled} samples are doubled")),
            (
                other_cases > 0,
                format!("{other_cases} samples are of another case"),
            ),
            (
                missing > 0,
                format!("the history of {missing} steps is missing"),
            ),
            (unlike > 0, format!("the loss of {unlike} steps differs")),
            (commits > 0, format!("{commits} commits are doubled")),
            (panics > 0, format!("{panics} processes panicked")),
        ];
        let found: Vec<String> = found
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, what)| what)
            .collect();
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Prints it for people.
    ///
    /// # Errors
    /// What the system says of standard output.
    pub(crate) fn show(&self, output: &mut Output) -> std::io::Result<()> {
        let mut faults = Table::new(&[
            "fault",
            "done#",
            "missed#",
            "noticed#",
            "noticed p50 ms#",
            "p99 ms#",
            "next step p50 ms#",
            "p99 ms#",
        ]);
        for row in &self.scorecard.faults {
            let [d50, d99] = marks(row.detection_ms);
            let [r50, r99] = marks(row.recovery_ms);
            let counts = [row.done, row.missed, row.detected].map(|count| count.to_string());
            let [done, missed, detected] = counts;
            faults.row(vec![
                row.kind.name(),
                done,
                missed,
                detected,
                d50,
                d99,
                r50,
                r99,
            ]);
        }
        output.table(&faults)?;
        output.line("")?;
        output.table(&self.figures())?;
        self.endings(output)?;
        for line in &self.left_out {
            output.line(&format!("left out: {line}"))?;
        }
        if !self.never_done.is_empty() {
            let kinds = self.never_done.join(", ");
            output.line(&format!("never injected in this run: {kinds}"))?;
        }
        Ok(())
    }

    fn figures(&self) -> Table {
        let (card, audit) = (&self.scorecard, &self.audit);
        let mut table = Table::new(&["seed", &self.seed.to_string()]);
        let unlike = audit
            .steps_unlike
            .map_or("not compared".to_owned(), |steps| steps.to_string());
        for (name, value) in [
            (
                "workers",
                format!("{} and {} standing by", self.workers, self.standbys),
            ),
            ("steps", format!("{} in {:.1} s", self.steps, self.seconds)),
            ("steps done again", card.steps_lost.to_string()),
            ("samples lost", audit.samples_lost.to_string()),
            ("samples doubled", audit.samples_doubled.to_string()),
            ("steps without history", audit.n_missing().to_string()),
            ("steps whose loss differs", unlike),
            ("commits doubled", audit.commits_doubled.to_string()),
            (
                "verdicts",
                format!(
                    "{} right, {} wrong",
                    card.verdicts_right,
                    card.verdicts_wrong.len()
                ),
            ),
            ("weights", self.weights_digest.clone()),
            ("undisturbed", self.undisturbed_digest.clone()),
        ] {
            table.row(vec![name.to_owned(), value]);
        }
        table
    }

    fn endings(&self, output: &mut Output) -> std::io::Result<()> {
        let card = &self.scorecard;
        for (who, endings) in [
            ("coordinator", &card.coordinators_ended),
            ("worker", &card.workers_ended),
        ] {
            for (reason, times) in endings {
                output.line(&format!("{who}, {times} times: {reason}"))?;
            }
        }
        for line in &card.verdicts_wrong {
            output.line(&format!("no fault explains: {line}"))?;
        }
        Ok(())
    }
}

fn marks(spread: Option<Spread>) -> [String; 2] {
    spread.map_or_else(
        || ["-", "-"].map(str::to_owned),
        |spread| [spread.p50, spread.p99].map(|mark| mark.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    fn report() -> ChaosReport {
        ChaosReport {
            seed: 7,
            workers: 3,
            standbys: 1,
            steps: 60,
            seconds: 12.0,
            left_out: vec!["cut-host: not root".to_owned()],
            never_done: vec!["cut-host".to_owned(), "lie".to_owned()],
            scorecard: Scorecard::default(),
            audit: SampleAudit::default(),
            weights_digest: "a".to_owned(),
            undisturbed_digest: "a".to_owned(),
            is_sound: true,
            again: "fratmae chaos RUN --seed 7".to_owned(),
        }
    }

    #[test]
    fn a_sound_run_has_nothing_to_complain_of() {
        assert_eq!(report().complaint(), None);
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let mut bad = report();
        bad.weights_digest = "b".to_owned();
        bad.audit.samples_lost = 16;
        bad.audit.samples_doubled = 8;
        let expected = "the weights differ from the undisturbed run's, 16 samples are lost, 8 samples are doubled";
        assert_eq!(bad.complaint().as_deref(), Some(expected));
    }

    #[test]
    fn a_history_with_a_gap_is_not_called_a_loss_of_samples() {
        let mut gap = report();
        gap.audit.history_missing = vec![(1, 3)];
        let expected = "the history of 3 steps is missing";
        assert_eq!(gap.complaint().as_deref(), Some(expected));
    }

    #[test]
    fn people_see_what_was_left_out_and_machines_one_flat_object() {
        let captured = Captured::default();
        report().show(&mut captured.output()).unwrap();
        let text = captured.text();
        assert!(text.contains("left out: cut-host: not root"), "{text}");
        let never = "never injected in this run: cut-host, lie";
        assert!(text.contains(never), "{text}");
        let value = serde_json::to_value(report()).unwrap();
        for key in ["samples_lost", "steps_lost", "faults", "again"] {
            assert!(value.get(key).is_some(), "{key}");
        }
    }
}
