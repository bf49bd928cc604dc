//! Whether the workers that start on this machine fit its memory. Where they do not, they recompute activations, which
//! takes time and changes no bit.

use fratmae_config::Config;

use crate::commands::doctor::{Host, Requirements, size};

/// What a worker takes beside what is counted: code, buffers, fragments. A `base` worker was seen to take 1.06 of it.
const MARGIN: f64 = 1.1;

/// What the program takes before it has anything of the job.
const PROGRAM: u64 = 256 << 20;

/// Turns activation checkpointing on if the workers of `config` need it to fit this machine's memory. Gives the line
/// that says so, or that they do not fit at all.
pub(crate) fn fit(config: &mut Config) -> Option<String> {
    fit_into(config, Host::available_memory()?)
}

fn fit_into(config: &mut Config, available: u64) -> Option<String> {
    let need = need_of(config)?;
    if need <= available {
        return None;
    }
    let workers = config.workers.count;
    let had = std::mem::replace(&mut config.workers.activation_checkpointing, true);
    let recomputing = need_of(config)?;
    let shortage = format!(
        "{workers} workers of this job take about {} of memory, {} are available",
        size(need),
        size(available)
    );
    Some(match (had, recomputing <= available) {
        (false, true) => format!(
            "{shortage}: activations are recomputed, which takes {} and gives the same weights \
             (workers.activation_checkpointing)",
            size(recomputing)
        ),
        _ => format!(
            "{shortage}, and {} with recomputed activations: the system may kill a worker; end what else runs here, or \
             use fewer workers, a smaller train.batch or a smaller model",
            size(recomputing)
        ),
    })
}

/// Memory in MiB that a worker needs where it shares the work with as few others as the job allows.
pub(crate) fn needed_mib(config: &Config) -> usize {
    let mut config = config.clone();
    config.workers.count = config.workers.least();
    let bytes = Requirements::of(&config)
        .job
        .map_or(0, |job| job.worker_bytes);
    let bytes = bytes as f64 * MARGIN + PROGRAM as f64;
    // Schedulers count in round numbers.
    (bytes / f64::from(1 << 20)).ceil() as usize
}

/// Bytes that all workers of a job on CPUs need on this machine; none if they may train on GPUs.
fn need_of(config: &Config) -> Option<u64> {
    let requirements = Requirements::of(config);
    let is_on_cpu =
        requirements.shuns_gpu() || !(cfg!(feature = "cuda") || requirements.demands_gpu());
    let job = requirements.job.filter(|_| is_on_cpu)?;
    Some((job.worker_bytes as f64 * MARGIN) as u64 * job.workers as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(sets: &[&str], available: u64) -> (bool, Option<String>) {
        let sets: Vec<String> = ["workers.device=cpu"]
            .iter()
            .chain(sets)
            .map(|set| (*set).to_owned())
            .collect();
        let mut config = Config::load(None, &sets).unwrap();
        let line = fit_into(&mut config, available);
        (config.workers.activation_checkpointing, line)
    }

    #[test]
    fn a_job_that_fits_keeps_its_activations() {
        assert_eq!(fitted(&["workers.count=2"], 64 << 30), (false, None));
        assert_eq!(
            fitted(&["workers.count=2", "model.preset=tiny"], 2 << 30),
            (false, None)
        );
    }

    #[test]
    fn one_that_fits_only_without_them_recomputes_them_and_says_so() {
        let (recomputes, line) = fitted(&["workers.count=2"], 20 << 30);
        assert!(recomputes);
        assert!(line.unwrap().contains("activations are recomputed"));
    }

    #[test]
    fn one_that_does_not_fit_at_all_names_what_to_change() {
        for set in [
            "workers.activation_checkpointing=true",
            "workers.activation_checkpointing=false",
        ] {
            let (recomputes, line) = fitted(&["workers.count=2", set], 8 << 30);
            assert!(recomputes, "the least is taken all the same");
            assert!(line.unwrap().contains("may kill a worker"));
        }
    }

    #[test]
    fn a_job_on_gpus_is_no_matter_of_this_memory() {
        let sets = ["workers.device=cuda".to_owned()];
        let mut config = Config::load(None, &sets).unwrap();
        assert_eq!(fit_into(&mut config, 1), None);
    }
}
