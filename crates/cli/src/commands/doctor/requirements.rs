//! What a job asks of a host, worked out from its config. Without a job a host has to have nothing.

use std::path::PathBuf;

use fratmae_config::{Backend, Collective, Config, Device, Precision, StatePlace};
use fratmae_model::{FratMae, costs};

/// Bytes that a parameter has in memory while it learns: itself, two moments, its gradient and a sum of gradients.
const PARAMETER_BYTES: u64 = 20;
/// Bytes that a parameter has on a GPU at an update of a state that is kept there: the vector and what the model cuts out
/// of it, two moments, the gradient as it came and as long as the vector, whether it decays, and all of the new state.
const GPU_PARAMETER_BYTES: u64 = 40;
/// The same with a state in the host's memory: the vector, what the model cuts out of it, and a slot's gradient.
const GPU_PARAMETER_BYTES_OF_HOST_STATE: u64 = 12;
/// Bytes that a parameter has in a checkpoint: itself and two moments.
const STORED_BYTES: u64 = 12;
/// What is left of the activations where blocks keep their inputs alone.
const RECOMPUTED_SHARE: f64 = 0.2;

/// What is asked of a host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Requirements {
    /// The libraries are looked for here, job or none.
    pub(crate) cuda_library: String,
    /// NCCL's.
    pub(crate) nccl_library: String,
    /// What a job asks beyond that.
    pub(crate) job: Option<JobRequirements>,
}

/// What a job asks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobRequirements {
    pub(crate) device: Device,
    pub(crate) backend: Backend,
    pub(crate) workers: usize,
    pub(crate) steps: u64,
    /// Floating-point operations of a step, all samples together.
    pub(crate) step_flops: f64,
    /// Bytes that one worker takes at least.
    pub(crate) worker_bytes: u64,
    /// Bytes that one worker takes at least on a GPU of its own.
    pub(crate) gpu_bytes: u64,
    /// Bytes of a checkpoint.
    pub(crate) checkpoint_bytes: u64,
    /// Checkpoints that lie on the store at a time.
    pub(crate) checkpoints: u64,
    /// Bytes of the gradients that workers exchange in a step.
    pub(crate) gradient_bytes: u64,
    pub(crate) run_url: String,
    pub(crate) data_url: String,
    /// The grid that the job wants the data set to have.
    pub(crate) grid: [usize; 3],
    /// Whether `pretrain` would make the data set if it is not there.
    pub(crate) has_source: bool,
    /// Folder and bytes of the cache.
    pub(crate) cache: Option<(PathBuf, u64)>,
}

impl Requirements {
    /// What a host needs for no job in particular.
    pub(crate) fn nothing() -> Self {
        Self::libraries(Collective::default())
    }

    /// What a host needs for the job of `config`.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            job: Some(JobRequirements::of(config)),
            ..Self::libraries(config.collective.clone())
        }
    }

    fn libraries(collective: Collective) -> Self {
        Self {
            cuda_library: collective.cuda_library,
            nccl_library: collective.nccl_library,
            job: None,
        }
    }

    /// Whether the job cannot do without a GPU.
    pub(crate) fn demands_gpu(&self) -> bool {
        self.job
            .as_ref()
            .is_some_and(|job| job.device == Device::Cuda)
    }

    /// Whether the job cannot do without NCCL.
    pub(crate) fn demands_nccl(&self) -> bool {
        self.job
            .as_ref()
            .is_some_and(|job| job.backend == Backend::Nccl)
    }

    /// Whether the job stays off GPUs.
    pub(crate) fn shuns_gpu(&self) -> bool {
        self.job
            .as_ref()
            .is_some_and(|job| job.device == Device::Cpu)
    }
}

impl JobRequirements {
    fn of(config: &Config) -> Self {
        let parameters = FratMae::layout(&config.model);
        let count = |learns_only: bool| {
            let counted = parameters
                .iter()
                .filter(|part| part.learns() || !learns_only);
            counted.map(|part| part.len() as u64).sum::<u64>()
        };
        let parts = costs(&config.model, &parameters);
        let kept: f64 = parts.iter().map(|part| part.activation_bytes).sum();
        let flops: f64 = parts.iter().map(|part| part.step_flops).sum();
        let share = match config.workers.activation_checkpointing {
            true => RECOMPUTED_SHARE,
            false => 1.0,
        };
        let samples = config.train.batch.div_ceil(config.workers.count.max(1));
        let activations = (kept * share * samples as f64) as u64;
        let cache = &config.data.cache_dir;
        Self {
            device: match config.train.precision {
                Precision::F32 => config.workers.device,
                Precision::Bf16 => Device::Cuda,
            },
            backend: config.collective.backend,
            workers: config.workers.count,
            steps: config.train.steps,
            step_flops: flops * config.train.batch as f64,
            worker_bytes: count(false) * PARAMETER_BYTES
                + activations
                + (config.data.prefetch_mib << 20),
            gpu_bytes: count(false)
                * match config.workers.state {
                    StatePlace::Host => GPU_PARAMETER_BYTES_OF_HOST_STATE,
                    StatePlace::Auto | StatePlace::Device => GPU_PARAMETER_BYTES,
                }
                + activations,
            checkpoint_bytes: count(false) * STORED_BYTES,
            checkpoints: config.checkpoint.keep_last + 1,
            gradient_bytes: count(true) * 4,
            run_url: config.run.url.clone(),
            data_url: config.data.url.clone(),
            grid: config.data.grid,
            has_source: !config.data.source.is_empty(),
            cache: (!cache.is_empty()).then(|| (folder(cache), config.data.cache_mib << 20)),
        }
    }
}

/// The folder that a job names; one that is no path is named as it is.
fn folder(name: &str) -> PathBuf {
    fratmae_store::local_path(name).unwrap_or_else(|_| name.into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The need of a job that demands what is given, and of the defaults otherwise.
    pub(crate) fn job(sets: &[&str]) -> Requirements {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        Requirements::of(&Config::load(None, &sets).unwrap())
    }

    #[test]
    fn a_job_asks_for_its_state_its_activations_and_its_reading_ahead() {
        let one = job(&["workers.count=1"]).job.unwrap();
        let two = job(&["workers.count=2"]).job.unwrap();
        assert!(two.worker_bytes < one.worker_bytes, "samples are shared");
        let thrifty = job(&["workers.count=1", "workers.activation_checkpointing=true"]);
        assert!(thrifty.job.unwrap().worker_bytes < one.worker_bytes);
        assert!(one.worker_bytes > one.checkpoint_bytes);
        let frugal = job(&["workers.count=1", "workers.state=host"]).job.unwrap();
        assert_eq!(
            one.gpu_bytes - frugal.gpu_bytes,
            one.checkpoint_bytes / 12 * 28
        );
        assert!(one.gradient_bytes * 3 <= one.checkpoint_bytes);
    }

    #[test]
    fn no_job_demands_nothing() {
        let need = Requirements::nothing();
        assert!(!need.demands_gpu() && !need.demands_nccl() && !need.shuns_gpu());
        assert!(job(&["workers.device=cuda"]).demands_gpu());
        assert!(job(&["train.precision=bf16"]).demands_gpu());
        assert!(job(&["collective.backend=nccl"]).demands_nccl());
        assert!(job(&["workers.device=cpu"]).shuns_gpu());
    }
}
