//! How a run is carried out: workers, time limits, address. None of it but `collective.reduction` changes the bits of the
//! result.

use serde::{Deserialize, Serialize};

use crate::rules::{Allowed, DAY_S, MILLION, Rule};

/// The workers started on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    /// The most workers that train at once; `pretrain` starts so many.
    pub count: usize,
    /// Workers with which the run begins if no more are there; 0 waits for `count`.
    pub min: usize,
    /// Compute threads of each; 0 shares the machine's cores among the workers.
    pub threads: usize,
    /// Where each computes.
    pub device: Device,
    /// Where each keeps parameters and moments, and updates them.
    pub state: StatePlace,
    /// Whether activations are recomputed in the backward pass.
    pub activation_checkpointing: bool,
    /// How often per hour a local worker is restarted after it died; 0 for never.
    pub restarts_per_hour: u32,
    /// Seconds that workers continue to train without a coordinator before they exit.
    pub coordinator_patience_s: u64,
    /// A path on this machine; once there is a file, its workers leave. Empty for none.
    pub preemption_file: String,
    /// Grace period in seconds after a worker was asked to leave; then it exits in any case.
    pub grace_s: u64,
    /// Steps between comparisons of the ranks' parameters; 0 for none.
    pub compare_every: u64,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            // The smallest number that is distributed, and what a laptop has cores for.
            count: 2,
            // All of them: a user who sets a number of workers expects that number.
            min: 0,
            threads: 0,
            device: Device::Auto,
            state: StatePlace::Auto,
            // A fifth more time for about a fifth of the activations: for slots that would not fit otherwise.
            activation_checkpointing: false,
            // A cause that returns every few minutes will not disappear.
            restarts_per_hour: 10,
            // Time for a scheduler or a person to start it again; short enough that forgotten workers free their machine.
            coordinator_patience_s: 120,
            // The path depends on the scheduler; signals work without it.
            preemption_file: String::new(),
            // The least that Kubernetes, Slurm and the clouds give.
            grace_s: 30,
            // Two passes over the parameters a step; with any other number a fault is found after it has spread.
            compare_every: 1,
        }
    }
}

/// Where a worker computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// A GPU when the program was built for it and one is there, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

/// Where a worker keeps the state of training; on the CPU no bit of the result depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatePlace {
    /// On the device where that is a GPU, else in the host's memory.
    Auto,
    /// In the host's memory: a GPU has the parameters and gradients alone, which cross to it and back each step.
    Host,
    /// Where the model computes, in vectors that nobody changes: a checkpoint is copied from them as long as it takes.
    Device,
}

/// The exchange between workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Collective {
    /// Longest time in seconds that a rank may wait for its peers in one exchange, or compute without progress; more if a
    /// step, or one slot of it, takes that long on its machine.
    pub deadline_s: u64,
    /// What gradients travel over.
    pub backend: Backend,
    /// In which order gradients are added; it decides the bits of the result.
    pub reduction: Reduction,
    /// Whether what goes over TCP between the workers of a run with keys is encrypted; it is authenticated in any case.
    pub encrypt: bool,
    /// NCCL's library: a path, or a name on the library search path.
    pub nccl_library: String,
    /// The CUDA driver's library, likewise.
    pub cuda_library: String,
}

impl Default for Collective {
    fn default() -> Self {
        Self {
            // Longer than any honest step on slow hardware: ranks wait here for the slowest one's forward pass.
            deadline_s: 120,
            backend: Backend::Auto,
            // The same bits for every number of workers.
            reduction: Reduction::Exact,
            // State and gradients tell of the patients behind them.
            encrypt: true,
            // The names under which both are installed; without the number they are there for compilers alone.
            nccl_library: "libnccl.so.2".to_owned(),
            cuda_library: "libcuda.so.1".to_owned(),
        }
    }
}

/// What gradients travel over; everything else between workers goes over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NCCL if all workers have it and a GPU each, else TCP.
    Auto,
    /// TCP.
    Tcp,
    /// NCCL; the run ends if it is not available.
    Nccl,
}

/// In which order gradients are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// In one tree over the slots.
    Exact,
    /// In NCCL's order, which depends on the number of workers and their hardware; over TCP like `Exact`.
    Fast,
}

impl Workers {
    /// The least number of workers that the run begins with.
    #[must_use]
    pub const fn least(&self) -> usize {
        match self.min {
            0 => self.count,
            least => least,
        }
    }
}

/// The coordinator's addresses and timeouts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coordinator {
    /// Address it listens at; port 0 takes a free one.
    pub listen: String,
    /// Address that workers connect to, HOST or HOST:PORT; empty: `listen`, or this host's own address if `listen` is
    /// `0.0.0.0` or `[::]`. The journal has it too.
    pub advertise: String,
    /// Milliseconds between a worker's heartbeats.
    pub heartbeat_ms: u64,
    /// Seconds without a heartbeat after which a worker is removed at the latest.
    pub worker_timeout_s: u64,
    /// Seconds that a run waits for all its workers to register.
    pub join_timeout_s: u64,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            // Loopback, so that nothing is open to a network unless asked; any free port.
            listen: "127.0.0.1:0".to_owned(),
            // Differs where a port is forwarded, for example in a container.
            advertise: String::new(),
            // Fast enough to see a silent host within a second, too slow to cost anything.
            heartbeat_ms: 250,
            // A stopped or starved process gets half a minute before the others continue without it.
            worker_timeout_s: 30,
            // Processes start within seconds; a minute covers a cold file system.
            join_timeout_s: 60,
        }
    }
}

/// What the keys of this file's sections may be, and what they are for.
pub(crate) const RULES: &[Rule] = &[
    (
        "workers.count",
        Allowed::Whole(1, 65_536),
        "Number of workers that train at once; at most train.slots. pretrain starts this many.",
    ),
    (
        "workers.min",
        Allowed::Whole(0, 65_536),
        "Least number of workers to begin with; the run grows to workers.count as more register. 0: wait for all of them.",
    ),
    (
        "workers.threads",
        Allowed::Whole(0, 4096),
        "Compute threads per worker; 0: divide the cores evenly.",
    ),
    (
        "workers.device",
        Allowed::Choice(&["auto", "cpu", "cuda"]),
        "\"auto\" (a GPU if this build and this machine have one), \"cpu\" or \"cuda\".",
    ),
    (
        "workers.state",
        Allowed::Choice(&["auto", "host", "device"]),
        "Where parameters and optimizer moments are kept: \"auto\" (on the GPU if there is one, else in host memory),\n\
         \"host\" (a GPU holds parameters and gradients only: a quarter of the memory, more time) or \"device\".",
    ),
    (
        "workers.activation_checkpointing",
        Allowed::Flag,
        "Recompute activations in the backward pass: same bits, less memory, more time.\n\
         pretrain turns it on by itself if its workers would not fit into this machine's memory.",
    ),
    (
        "workers.restarts_per_hour",
        Allowed::Whole(0, 1_000),
        "How often per hour a local worker is restarted after it died; 0: never.",
    ),
    (
        "workers.coordinator_patience_s",
        Allowed::Whole(0, DAY_S),
        "Seconds that workers continue to train without a coordinator before they exit.",
    ),
    (
        "workers.preemption_file",
        Allowed::Text,
        "If this file appears, the workers of this machine leave (preemption notice). Signals such as SIGTERM work\n\
         without it. \"\": none. For the workers of pretrain; others take --preemption-file.",
    ),
    (
        "workers.grace_s",
        Allowed::Whole(0, DAY_S),
        "Grace period in seconds after a worker was asked to stop; then it exits in any case.",
    ),
    (
        "workers.compare_every",
        Allowed::Whole(0, 1_000 * MILLION),
        "Compare the workers' parameters every N steps (0: never). 1 repairs a flipped bit before it spreads.",
    ),
    (
        "collective.deadline_s",
        Allowed::Whole(1, DAY_S),
        "Longest time in seconds that a worker may wait for the others in one exchange, or compute without progress; more if\n\
         its steps take long.",
    ),
    (
        "collective.backend",
        Allowed::Choice(&["auto", "tcp", "nccl"]),
        "How gradients are exchanged: \"auto\" (NCCL if all workers have it and a GPU each, else TCP), \"tcp\" or \"nccl\".",
    ),
    (
        "collective.reduction",
        Allowed::Choice(&["exact", "fast"]),
        "\"exact\": bit-identical results for any number of workers. \"fast\": NCCL adds in its own order. Always exact\n\
         over TCP.",
    ),
    (
        "collective.encrypt",
        Allowed::Flag,
        "Encrypt what workers send each other over TCP, where the run has keys (--keys). false: only authenticate it,\n\
         on a network that nobody else can listen to. NCCL does neither.",
    ),
    (
        "collective.nccl_library",
        Allowed::Name,
        "NCCL's library: a path, or a name on the library search path. For the workers of pretrain; others take\n\
         --nccl-library.",
    ),
    (
        "collective.cuda_library",
        Allowed::Name,
        "The CUDA driver's library, likewise; other workers take --cuda-library.",
    ),
    (
        "coordinator.listen",
        Allowed::Address,
        "Address at which the coordinator listens; use this machine's own address if workers run on others.\n\
         Port 0: any free port.",
    ),
    (
        "coordinator.advertise",
        Allowed::Text,
        "Address that workers connect to, HOST or HOST:PORT, if it differs from listen, for example in a container. \"\":\n\
         listen, or this host's own address if listen is 0.0.0.0 or [::].",
    ),
    (
        "coordinator.heartbeat_ms",
        Allowed::Whole(10, 60_000),
        "Milliseconds between heartbeats of a worker.",
    ),
    (
        "coordinator.worker_timeout_s",
        Allowed::Whole(1, DAY_S),
        "Seconds without a heartbeat after which a worker is removed at the latest.",
    ),
    (
        "coordinator.join_timeout_s",
        Allowed::Whole(1, DAY_S),
        "Seconds to wait until all workers have registered.",
    ),
];
