//! What is asked of the place where a run is launched. Made from a job by a pure function, which refuses what cannot be
//! launched there.

use fratmae_config::{Config, Kubernetes, Layout, Slurm};
use serde::{Deserialize, Serialize};

/// Where a run is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// This machine.
    Local,
    /// A Slurm cluster, from a machine that has its commands.
    Slurm,
    /// A Kubernetes cluster.
    Kubernetes,
}

/// Why a job cannot be launched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A name that cannot name jobs, pods and hosts.
    #[error(
        "launch.name = {0:?} is no name: use at most {LONGEST_NAME} lower-case letters, digits and dashes, a letter first and no \
         dash last"
    )]
    Name(String),
    /// More or fewer workers than the run takes.
    #[error(
        "launch.workers = {wanted} is not from workers.min to workers.count, here {least} to {most}"
    )]
    Workers {
        /// `launch.workers`.
        wanted: usize,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Pods are made from an image.
    #[error(
        "launch.image is empty; name the container image that Kubernetes starts, best by digest"
    )]
    NoImage,
    /// Pods share no folder.
    #[error(
        "{key} = {url:?} is a path on this machine, which pods do not see; use s3://, gs:// or az://"
    )]
    LocalPath {
        /// The key.
        key: &'static str,
        /// Its value.
        url: String,
    },
    /// Processes elsewhere have another folder.
    #[error(
        "{key} = {path:?} is relative to this folder; write it from the root, as the machines of the run see it"
    )]
    RelativePath {
        /// The key.
        key: &'static str,
        /// Its value.
        path: String,
    },
    /// The prepared data set is not named.
    #[error("data.url is empty; prepare the data set first (fratmae prepare) and name it there")]
    NoData,
    /// One job of fixed size cannot grow.
    #[error(
        "launch.slurm.layout = \"allocation\" starts all workers at once; set workers.min and launch.workers to \
         workers.count, or use \"array\""
    )]
    FixedLayout,
    /// A `JobSet` of fixed size cannot grow.
    #[error(
        "launch.kubernetes.jobset = true fixes the number of workers; set workers.min to workers.count, or set it to false"
    )]
    FixedJobSet,
    /// Text that cannot be a line of a script.
    #[error("{0} has a line break or another control character")]
    ControlCharacter(&'static str),
}

/// Jobs, pods and hosts get longer names, of at most 63 characters.
const LONGEST_NAME: usize = 40;
/// Memory of a coordinator, which holds figures of steps and no state.
const COORDINATOR_MIB: usize = 2048;
/// Cores of a worker where the job names none.
const CPUS: usize = 4;

/// How many workers a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// With fewer it does not begin.
    pub least: usize,
    /// With so many it is launched.
    pub wanted: usize,
    /// To so many it can grow.
    pub most: usize,
}

/// What one process is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// CPU cores.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: usize,
    /// GPUs.
    pub gpus: usize,
}

/// What is launched.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Names the run there, and is part of the names of its jobs, pods and hosts: a DNS label.
    pub name: String,
    /// Where the run is stored, which is how its processes find each other.
    pub run: String,
    /// The text of the job file that the coordinator gets.
    pub job: String,
    /// How many workers.
    pub workers: Workers,
    /// What a worker is given.
    pub worker: Resources,
    /// What the coordinator is given.
    pub coordinator: Resources,
    /// Hours after which a worker is ended and started again; none if the place decides.
    pub hours: Option<f64>,
    /// Seconds that a worker has after it was asked to leave.
    pub grace_s: u64,
    /// The program.
    pub program: String,
    /// The container image.
    pub image: Option<String>,
    /// Options of a worker that are its host's own.
    pub host_options: Vec<String>,
    /// Folders of the machines that the processes use: of the run, the data set and the cache, where these are no URLs.
    pub folders: Vec<String>,
    /// Price of a worker for an hour.
    pub price: Option<f64>,
    /// What only Slurm asks.
    pub slurm: Slurm,
    /// What only Kubernetes asks.
    pub kubernetes: Kubernetes,
}

impl Spec {
    /// The port of a coordinator that has a host name of its own; elsewhere the system gives one, and the journal has it.
    pub const PORT: u16 = 7440;
    /// The port at which a worker or a coordinator that has an address of its own answers probes and serves metrics.
    pub const METRICS_PORT: u16 = 9464;

    /// What `config` asks of `target`, with `needed_mib` as the memory that a worker is estimated to need.
    ///
    /// # Errors
    /// What of the job cannot be launched there.
    pub fn of(config: &Config, target: Target, needed_mib: usize) -> Result<Self, SpecError> {
        let launch = &config.launch;
        check_places(config, target)?;
        check_lines(config)?;
        let workers = workers(config)?;
        let cpus = [launch.cpus, config.workers.threads, CPUS];
        let cpus = cpus.into_iter().find(|cpus| *cpus > 0).unwrap_or(CPUS);
        let host = config.host();
        let option = |(_, value, option): (&str, &str, &str)| format!("{option}={value}");
        let spec = Self {
            name: name(config)?,
            run: config.run.url.clone(),
            job: config.to_toml(),
            workers,
            worker: Resources {
                cpus,
                memory_mib: match launch.memory_gib {
                    0 => needed_mib,
                    gib => gib * 1024,
                },
                gpus: launch.gpus,
            },
            coordinator: Resources {
                cpus: 1,
                memory_mib: COORDINATOR_MIB,
                gpus: 0,
            },
            hours: (launch.hours > 0.0).then_some(launch.hours),
            grace_s: config.workers.grace_s,
            program: match launch.program.as_str() {
                "" => "fratmae".to_owned(),
                program => program.to_owned(),
            },
            image: (!launch.image.is_empty()).then(|| launch.image.clone()),
            host_options: host.given().into_iter().map(option).collect(),
            folders: folders(config),
            price: (launch.price > 0.0).then_some(launch.price),
            slurm: launch.slurm.clone(),
            kubernetes: launch.kubernetes.clone(),
        };
        spec.check_size(target)?;
        Ok(spec)
    }

    /// Whether the number of workers may change while the run goes on.
    #[must_use]
    pub const fn is_elastic(&self) -> bool {
        self.workers.least < self.workers.most
    }

    /// The arguments of the coordinator, which reads its job from `job_file`, listens at `listen` and tells workers
    /// `advertise`, or what it finds out itself.
    #[must_use]
    pub fn coordinator_arguments(
        &self,
        job_file: &str,
        listen: &str,
        advertise: Option<&str>,
    ) -> Vec<String> {
        let mut arguments = vec![
            "coordinator".to_owned(),
            job_file.to_owned(),
            format!("--listen={listen}"),
        ];
        arguments.extend(advertise.map(|address| format!("--advertise={address}")));
        arguments
    }

    /// The arguments of a worker, which finds the coordinator by the run.
    #[must_use]
    pub fn worker_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "worker".to_owned(),
            format!("--run={}", self.run),
            format!("--wait={WAIT}"),
            format!("--threads={}", self.worker.cpus),
        ];
        arguments.extend(self.host_options.iter().cloned());
        arguments
    }

    fn check_size(&self, target: Target) -> Result<(), SpecError> {
        let is_fixed = !self.is_elastic() && self.workers.wanted == self.workers.most;
        match target {
            Target::Slurm if self.slurm.layout == Layout::Allocation && !is_fixed => {
                Err(SpecError::FixedLayout)
            }
            Target::Kubernetes if self.kubernetes.jobset && !is_fixed => {
                Err(SpecError::FixedJobSet)
            }
            _ => Ok(()),
        }
    }
}

/// How long a worker waits for its coordinator, which may stand in the scheduler's queue for longer than the worker.
const WAIT: &str = "1h";

fn workers(config: &Config) -> Result<Workers, SpecError> {
    let (least, most) = (config.workers.least(), config.workers.count);
    let wanted = match config.launch.workers {
        0 => most,
        wanted => wanted,
    };
    match (least..=most).contains(&wanted) {
        true => Ok(Workers {
            least,
            wanted,
            most,
        }),
        false => Err(SpecError::Workers {
            wanted,
            least,
            most,
        }),
    }
}

/// The name given, else one made from the last part of the run's place.
fn name(config: &Config) -> Result<String, SpecError> {
    let given = &config.launch.name;
    if !given.is_empty() {
        return match is_name(given) {
            true => Ok(given.clone()),
            false => Err(SpecError::Name(given.clone())),
        };
    }
    let url = config.run.url.trim_end_matches('/');
    let last = url.rsplit('/').next().unwrap_or_default();
    let letters = last.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '-',
    });
    let letters: String = letters.collect();
    let letters = match letters.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        true => letters,
        false => format!("run-{}", letters.trim_matches('-')),
    };
    let letters: String = letters.chars().take(LONGEST_NAME).collect();
    Ok(letters.trim_end_matches('-').to_owned())
}

fn is_name(text: &str) -> bool {
    let is_known =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.len() <= LONGEST_NAME
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.chars().all(is_known)
        && !text.ends_with('-')
}

/// Refuses places that the processes of the run would not see.
fn check_places(config: &Config, target: Target) -> Result<(), SpecError> {
    if target == Target::Local {
        return Ok(());
    }
    if config.data.url.is_empty() {
        return Err(SpecError::NoData);
    }
    if target == Target::Kubernetes && config.launch.image.is_empty() {
        return Err(SpecError::NoImage);
    }
    let places = [("run.url", &config.run.url), ("data.url", &config.data.url)];
    for (key, url) in places {
        let Some(path) = path_of(url) else {
            continue;
        };
        if target == Target::Kubernetes {
            return Err(SpecError::LocalPath {
                key,
                url: url.clone(),
            });
        }
        if !path.starts_with('/') {
            return Err(SpecError::RelativePath {
                key,
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

/// The path that a place is, unless it is on a store elsewhere.
fn path_of(url: &str) -> Option<&str> {
    match url.split_once("://") {
        Some(("file", path)) => Some(path),
        Some(_) => None,
        None => Some(url),
    }
}

fn folders(config: &Config) -> Vec<String> {
    let places = [&config.run.url, &config.data.url, &config.data.cache_dir];
    let paths = places.into_iter().filter_map(|place| path_of(place));
    let absolute = paths.filter(|path| path.starts_with('/'));
    absolute.map(ToOwned::to_owned).collect()
}

/// Refuses texts that would end a line of a script or a manifest.
fn check_lines(config: &Config) -> Result<(), SpecError> {
    let launch = &config.launch;
    let texts = [
        ("run.url", &config.run.url),
        ("launch.program", &launch.program),
        ("launch.image", &launch.image),
        ("launch.slurm.partition", &launch.slurm.partition),
        (
            "launch.slurm.leader_partition",
            &launch.slurm.leader_partition,
        ),
        ("launch.slurm.account", &launch.slurm.account),
        ("launch.slurm.options", &launch.slurm.options),
        ("launch.slurm.folder", &launch.slurm.folder),
        ("launch.kubernetes.namespace", &launch.kubernetes.namespace),
        ("launch.kubernetes.queue", &launch.kubernetes.queue),
        (
            "launch.kubernetes.store_secret",
            &launch.kubernetes.store_secret,
        ),
        ("launch.kubernetes.keys", &launch.kubernetes.keys),
        ("data.cache_dir", &config.data.cache_dir),
        ("workers.preemption_file", &config.workers.preemption_file),
        ("collective.nccl_library", &config.collective.nccl_library),
        ("collective.cuda_library", &config.collective.cuda_library),
    ];
    match texts
        .iter()
        .find(|(_, text)| text.chars().any(char::is_control))
    {
        Some((key, _)) => Err(SpecError::ControlCharacter(key)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
