//! How long a step of a job takes on this host's cores at least: operations of the network over the measured speed.

use fratmae_model::{DeviceKind, multiply_rate};

use super::finding::{Finding, State};
use super::requirements::Requirements;
use crate::progress::clock;

/// A step that takes longer than this is worth a warning: a job has thousands of them.
const SLOW: f64 = 10.0;

/// The estimate, where a job is named and would train on the CPU here.
pub(crate) fn estimate(need: &Requirements, gpus: usize) -> Option<Finding> {
    let job = need.job.as_ref()?;
    if need.demands_gpu() || (gpus > 0 && !need.shuns_gpu()) {
        return None;
    }
    let device = fratmae_model::open(DeviceKind::Cpu).ok()?;
    let rate = multiply_rate(&device).ok()?;
    Some(judge(job.step_flops / rate.max(1.0), job.steps))
}

fn judge(seconds: f64, steps: u64) -> Finding {
    let found = format!(
        "at least {seconds:.1} s on this host's cores alone, {} for {steps} steps",
        clock(seconds * steps as f64)
    );
    match seconds > SLOW {
        true => Finding::new(
            "step time",
            State::Warning,
            found,
            "use GPUs or more hosts, or a smaller network: --set model.preset=small",
        ),
        false => Finding::ok("step time", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::requirements::tests::job;

    #[test]
    fn a_step_of_minutes_is_a_warning_with_the_time_of_the_job() {
        let slow = judge(75.0, 16_150);
        assert_eq!(slow.state, State::Warning);
        assert_eq!(
            slow.found,
            "at least 75.0 s on this host's cores alone, 14d 00:27:30 for 16150 steps"
        );
        assert_eq!(judge(0.5, 80).state, State::Ok);
    }

    #[test]
    fn only_jobs_that_would_train_on_the_cpu_are_estimated() {
        let tiny = job(&["model.preset=tiny"]);
        assert_eq!(estimate(&Requirements::nothing(), 0), None);
        assert_eq!(estimate(&tiny, 1), None);
        assert_eq!(estimate(&job(&["workers.device=cuda"]), 0), None);
        assert!(estimate(&tiny, 0).is_some());
    }
}
