//! The last screen of a run. Of a finished one: what was learned beside what guessing gives, where everything is, what
//! comes next. Of one that was stopped: what is saved, and how it resumes.

use anyhow::Result;
use fratmae_coordinator::{Outcome, Recent, Summary};
use fratmae_telemetry::LOSS;

use crate::{exit::Stopped, output::Output};

/// How far below chance a contrastive loss tells pairs apart: the noise of one small batch is less.
const CLEARLY: f64 = 0.2;
/// An error so many times that of predicting the mean is no beginning of learning.
const FAR: f64 = 10.0;

/// Prints a finished run's summary, for people or as JSON.
///
/// # Errors
/// What the system says of standard output.
pub(crate) fn show(summary: &Summary, data: &str, json: bool, output: &mut Output) -> Result<()> {
    if json {
        return Ok(output.json(summary)?);
    }
    let run = &summary.run;
    let seconds = summary.training_seconds.unwrap_or(summary.seconds);
    let digest = output.digest(&summary.weights_digest).to_owned();
    output.line(&format!(
        "finished {} steps ({} samples) in {} of training",
        summary.step,
        summary.samples_seen,
        crate::progress::clock(seconds)
    ))?;
    let loss = summary.metrics.get(LOSS);
    output.line(&format!("loss      {loss:.4} in the last step"))?;
    if let Some(recent) = &summary.recent {
        for line in learned(recent, summary.contrastive_chance) {
            output.line(&line)?;
        }
    }
    output.line(&format!(
        "run       {run}\ndata      {data}\nweights   {digest}"
    ))?;
    Ok(output.line(&format!(
        "\
next:
  fratmae status {run}
  fratmae model picture {run} --out case.png
      the input, what the network saw of it, and what it rebuilt
  fratmae export {run} --out weights
      weights for PyTorch, with a model card
  fratmae prepare FOLDER --out data/mine
      your own PET/CT scans as a data set, for pretrain --data data/mine --run runs/mine"
    ))?)
}

/// A line for each part of the loss: what the last steps came to, and what guessing gives.
fn learned(recent: &Recent, chance: Option<f64>) -> Vec<String> {
    let steps = recent.steps;
    let part = |name: &str, error: &str, baseline: &str| {
        let [error, baseline] = [error, baseline].map(|name| recent.metrics.get(name));
        let verdict = match error < baseline {
            true => "learned",
            false if error < FAR * baseline => "not learned yet",
            false => "diverged; lower train.lr",
        };
        // Without a sample of this modality in the batch there is nothing to compare.
        (baseline > 0.0).then(|| {
            format!("{name}  reconstruction error {error:.5}, predicting the mean {baseline:.5}: {verdict}")
        })
    };
    let pet = part("PET     ", "pet_reconstruction", "baseline_pet");
    let ct = part("CT      ", "ct_reconstruction", "baseline_ct");
    let contrast = chance.map(|chance| {
        let found = recent.metrics.get("contrastive");
        let verdict = match found < chance - CLEARLY {
            true => "learned",
            false => "not learned yet",
        };
        format!("PET-text  contrastive loss {found:.4}, chance {chance:.4}: {verdict}")
    });
    let head = Some(format!("means of the last {steps} steps:"));
    [head, pet, ct, contrast].into_iter().flatten().collect()
}

/// What the last line says of a stop before there is anything to save.
pub(crate) const PREPARING: &str = "stopped before training began; run the same command to resume";

/// A stop that was asked for, in words.
pub(crate) fn stop(outcome: &Outcome) -> Stopped {
    match outcome {
        Outcome::Interrupted { step, reason } => {
            let why = match *reason {
                "asked to stop" => "",
                reason => reason,
            };
            Stopped::resumable(match (*step, why) {
                (0, "") => {
                    "stopped before the first checkpoint; run the same command to start again"
                        .to_owned()
                }
                (0, why) => format!(
                    "stopped before the first checkpoint ({why}); run the same command to start again"
                ),
                (step, "") => format!(
                    "stopped at step {step} (checkpoint saved); run the same command to resume"
                ),
                (step, why) => format!(
                    "stopped with the checkpoint of step {step} ({why}); run the same command to resume"
                ),
            })
        }
        Outcome::Abandoned => Stopped::at_once(
            "stopped at once; run the same command to resume from the newest checkpoint",
        ),
        Outcome::Finished(_) | Outcome::NotBegun => Stopped::resumable(PREPARING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    fn summary() -> Summary {
        Summary {
            run: "/r".to_owned(),
            step: 50,
            metrics: [(LOSS, 1.5)].into_iter().collect(),
            recent: Some(recent(0.004, 1.4875)),
            contrastive_chance: Some(8_f64.ln()),
            weights_digest: "abc".to_owned(),
            samples_seen: 400,
            seconds: 5.0,
            training_seconds: Some(75.2),
        }
    }

    fn recent(baseline_pet: f64, contrastive: f64) -> Recent {
        let metrics = [
            ("pet_reconstruction", 0.003),
            ("baseline_pet", baseline_pet),
            ("ct_reconstruction", 0.05),
            ("baseline_ct", 0.04),
            ("contrastive", contrastive),
        ];
        Recent {
            steps: 20,
            metrics: metrics.into_iter().collect(),
        }
    }

    fn shown(summary: &Summary, json: bool) -> String {
        let captured = Captured::default();
        show(summary, "/d", json, &mut captured.output()).unwrap();
        captured.text()
    }

    #[test]
    fn the_end_shows_what_was_learned_beside_chance_and_what_to_try_next() {
        let text = shown(&summary(), false);
        for line in [
            "finished 50 steps (400 samples) in 1:15 of training",
            "PET       reconstruction error 0.00300, predicting the mean 0.00400: learned",
            "CT        reconstruction error 0.05000, predicting the mean 0.04000: not learned yet",
            "PET-text  contrastive loss 1.4875, chance 2.0794: learned",
            "weights   abc",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        for next in ["model picture /r", "export /r", "prepare FOLDER"] {
            assert!(text.contains(next), "{text}");
        }
    }

    #[test]
    fn a_loss_at_chance_is_not_learned_and_one_that_was_not_computed_is_not_shown() {
        let mut summary = summary();
        summary.recent = Some(recent(f64::NAN, 2.0));
        assert!(shown(&summary, false).contains("chance 2.0794: not learned yet"));
        summary.contrastive_chance = None;
        let text = shown(&summary, false);
        assert!(
            !text.contains("PET-text") && !text.contains("PET  "),
            "{text}"
        );
    }

    #[test]
    fn json_is_the_summary_on_one_line() {
        let text = shown(&summary(), true);
        assert_eq!(text.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in ["step", "loss", "weights_digest", "samples_seen", "seconds"] {
            assert!(!value[key].is_null(), "{key}");
        }
    }

    #[test]
    fn a_stop_names_the_checkpoint_if_there_is_one() {
        let interrupted = |step, reason| stop(&Outcome::Interrupted { step, reason }).to_string();
        assert_eq!(
            interrupted(20, "asked to stop"),
            "stopped at step 20 (checkpoint saved); run the same command to resume"
        );
        assert_eq!(
            interrupted(20, "its last worker was asked to leave"),
            "stopped with the checkpoint of step 20 (its last worker was asked to leave); run the same command to resume"
        );
        assert_eq!(
            interrupted(0, "asked to stop"),
            "stopped before the first checkpoint; run the same command to start again"
        );
        assert_eq!(
            interrupted(0, "its store does not answer"),
            "stopped before the first checkpoint (its store does not answer); run the same command to start again"
        );
        assert_eq!(stop(&Outcome::NotBegun).to_string(), PREPARING);
        assert!(
            stop(&Outcome::Abandoned)
                .to_string()
                .starts_with("stopped at once;")
        );
    }
}
