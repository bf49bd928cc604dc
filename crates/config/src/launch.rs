//! Where the processes of a run are started, and what each is given there. None of it changes the bits of the result.

use serde::{Deserialize, Serialize};

use crate::rules::{Allowed, MILLION, Rule};

/// What `fratmae launch` asks of a scheduler. The most and the least workers are `workers.count` and `workers.min`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launch {
    /// Names the run where it is launched: lower-case letters, digits and dashes. Empty: from `run.url`.
    pub name: String,
    /// Workers to begin with; 0 for `workers.count`.
    pub workers: usize,
    /// CPU cores of each worker; 0 for `workers.threads`, or 4 if that is 0 too.
    pub cpus: usize,
    /// Memory of each worker in GiB; 0 for what the job is estimated to need.
    pub memory_gib: usize,
    /// GPUs of each worker: 1, or 0 for none.
    pub gpus: usize,
    /// Hours after which the scheduler ends a worker, which is then started again; 0 for the scheduler's own limit.
    pub hours: f64,
    /// The program on the machines of the run.
    pub program: String,
    /// The container image, by digest; empty for none.
    pub image: String,
    /// Price of a worker for an hour, in any currency; 0 if unknown.
    pub price: f64,
    /// What only Slurm asks.
    pub slurm: Slurm,
    /// What only Kubernetes asks.
    pub kubernetes: Kubernetes,
}

/// What only Slurm asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slurm {
    /// How workers are submitted.
    pub layout: Layout,
    /// Partition of the workers; empty for the cluster's default.
    pub partition: String,
    /// Partition of the coordinator, which needs no GPU; empty for `partition`.
    pub leader_partition: String,
    /// Whose account is charged; empty for the user's default.
    pub account: String,
    /// Further options of `sbatch` for the workers, separated by spaces.
    pub options: String,
    /// How `launch.image` is run.
    pub container: Container,
    /// A folder that all machines see, for scripts and logs.
    pub folder: String,
}

impl Default for Slurm {
    fn default() -> Self {
        Self {
            layout: Layout::Auto,
            partition: String::new(),
            leader_partition: String::new(),
            account: String::new(),
            options: String::new(),
            container: Container::Apptainer,
            // Where `sbatch` is called, as it does itself.
            folder: ".".to_owned(),
        }
    }
}

/// How workers are submitted to Slurm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `Array` if the number of workers may change, else `Allocation`.
    Auto,
    /// A job for the coordinator and an array of jobs, one a worker.
    Array,
    /// One job with all nodes.
    Allocation,
}

/// What runs a container image under Slurm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// `apptainer exec`.
    Apptainer,
    /// Options of `srun`, by the plugin pyxis.
    Pyxis,
}

/// What only Kubernetes asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kubernetes {
    /// Namespace of all objects.
    pub namespace: String,
    /// Queue of Kueue; empty for none.
    pub queue: String,
    /// Secret with the credentials of the object store, as environment variables; empty for none.
    pub store_secret: String,
    /// Two secrets with the run's keys, by how their names begin: `KEYS-coordinator` and `KEYS-worker`; empty for two
    /// that are made with the run, `none` for a run without keys.
    pub keys: String,
    /// How a worker's pod is replaced.
    pub replace: Replace,
    /// Whether coordinator and workers are one `JobSet`, whose size is fixed.
    pub jobset: bool,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            queue: String::new(),
            store_secret: String::new(),
            keys: String::new(),
            replace: Replace::Ended,
            jobset: false,
        }
    }
}

/// How a worker's pod is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replace {
    /// Once it has ended, and by its exit code.
    Ended,
    /// As soon as its node does not answer, whatever its exit code.
    Fast,
}

/// What the keys of this file's sections may be, and what they are for.
pub(crate) const RULES: &[Rule] = &[
    (
        "launch.name",
        Allowed::Text,
        "Name of the run where it is launched: lower-case letters, digits and dashes. Empty: the last part of run.url.",
    ),
    (
        "launch.workers",
        Allowed::Whole(0, 65_536),
        "Workers to begin with, from workers.min to workers.count; 0: workers.count. `fratmae launch resize` changes it.",
    ),
    (
        "launch.cpus",
        Allowed::Whole(0, 4096),
        "CPU cores of each worker; 0: workers.threads, or 4 if that is 0 too.",
    ),
    (
        "launch.memory_gib",
        Allowed::Whole(0, MILLION),
        "Memory of each worker in GiB; 0: what the job is estimated to need.",
    ),
    (
        "launch.gpus",
        Allowed::Whole(0, 1),
        "GPUs of each worker; 0: none.",
    ),
    (
        "launch.hours",
        Allowed::Number(0.0, 8760.0),
        "Hours after which the scheduler ends a worker; it leaves in good order, and another one starts. 0: the scheduler's limit.",
    ),
    (
        "launch.program",
        Allowed::Text,
        "The program on the machines of the run; empty: fratmae, as their search path or launch.image has it.",
    ),
    (
        "launch.image",
        Allowed::Text,
        "Container image, best by digest (NAME@sha256:...); empty: none. Kubernetes needs one.",
    ),
    (
        "launch.price",
        Allowed::Number(0.0, 1e6),
        "Price of a worker for an hour, in any currency; 0: unknown. `fratmae launch plan` multiplies it.",
    ),
    (
        "launch.slurm.layout",
        Allowed::Choice(&["auto", "array", "allocation"]),
        "\"array\" (a job for the coordinator, an array for the workers, which come and go), \"allocation\" (one job),\n\
         or \"auto\": array if workers.min < workers.count.",
    ),
    (
        "launch.slurm.partition",
        Allowed::Text,
        "Partition of the workers; empty: the cluster's default.",
    ),
    (
        "launch.slurm.leader_partition",
        Allowed::Text,
        "Partition of the coordinator, which needs no GPU; empty: that of the workers.",
    ),
    (
        "launch.slurm.account",
        Allowed::Text,
        "Account that is charged; empty: the user's default.",
    ),
    (
        "launch.slurm.options",
        Allowed::Text,
        "Further options of sbatch for the workers, separated by spaces: --constraint=a100 --qos=low.",
    ),
    (
        "launch.slurm.container",
        Allowed::Choice(&["apptainer", "pyxis"]),
        "What runs launch.image.",
    ),
    (
        "launch.slurm.folder",
        Allowed::Name,
        "Folder for scripts and logs that all machines see.",
    ),
    (
        "launch.kubernetes.namespace",
        Allowed::Name,
        "Namespace of all objects.",
    ),
    (
        "launch.kubernetes.queue",
        Allowed::Text,
        "Queue of Kueue; empty: none.",
    ),
    (
        "launch.kubernetes.store_secret",
        Allowed::Text,
        "Secret with the object store's credentials as environment variables; empty: none.",
    ),
    (
        "launch.kubernetes.keys",
        Allowed::Text,
        "Two secrets with the run's keys, by how their names begin: KEYS-coordinator and KEYS-worker; empty: two are made\n\
         at launch. \"none\": without keys, on a network that nobody else reaches.",
    ),
    (
        "launch.kubernetes.replace",
        Allowed::Choice(&["ended", "fast"]),
        "When a worker's pod is replaced: \"ended\" (once it has ended, by its exit code) or \"fast\" (as soon as its node\n\
         does not answer).",
    ),
    (
        "launch.kubernetes.jobset",
        Allowed::Flag,
        "Make coordinator and workers one JobSet, whose size is fixed.",
    ),
];
