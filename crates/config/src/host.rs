//! What of a job is a host's own business: the files that a process there loads, and the paths that it writes or watches.
//!
//! A worker is told them by whoever starts it, and never by the coordinator that it finds.

use crate::job::Config;

/// The values of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `collective.nccl_library`.
    pub nccl_library: String,
    /// `collective.cuda_library`.
    pub cuda_library: String,
    /// `data.cache_dir`.
    pub cache_dir: String,
    /// `workers.preemption_file`.
    pub preemption_file: String,
}

impl Default for Host {
    fn default() -> Self {
        Config::default().host()
    }
}

impl Host {
    /// The keys that a job file has for them, with their values and with the options that a worker takes instead.
    #[must_use]
    pub fn keys(&self) -> [(&'static str, &str, &'static str); 4] {
        [
            (
                "collective.nccl_library",
                &self.nccl_library,
                "--nccl-library",
            ),
            (
                "collective.cuda_library",
                &self.cuda_library,
                "--cuda-library",
            ),
            ("data.cache_dir", &self.cache_dir, "--cache-dir"),
            (
                "workers.preemption_file",
                &self.preemption_file,
                "--preemption-file",
            ),
        ]
    }

    /// Those that are not the default.
    #[must_use]
    pub fn given(&self) -> Vec<(&'static str, &str, &'static str)> {
        let defaults = Self::default();
        let pairs = self.keys().into_iter().zip(defaults.keys());
        pairs
            .filter(|(ours, default)| ours.1 != default.1)
            .map(|(ours, _)| ours)
            .collect()
    }
}

impl Config {
    /// What this job says of the host that it runs on.
    #[must_use]
    pub fn host(&self) -> Host {
        Host {
            nccl_library: self.collective.nccl_library.clone(),
            cuda_library: self.collective.cuda_library.clone(),
            cache_dir: self.data.cache_dir.clone(),
            preemption_file: self.workers.preemption_file.clone(),
        }
    }

    /// The same job on another host.
    #[must_use]
    pub fn on(mut self, host: &Host) -> Self {
        let host = host.clone();
        self.collective.nccl_library = host.nccl_library;
        self.collective.cuda_library = host.cuda_library;
        self.data.cache_dir = host.cache_dir;
        self.workers.preemption_file = host.preemption_file;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            nccl_library: "/opt/nccl.so".to_owned(),
            cuda_library: "/opt/cuda.so".to_owned(),
            cache_dir: "/cache".to_owned(),
            preemption_file: "/preempted".to_owned(),
        }
    }

    #[test]
    fn a_job_moves_to_another_host_and_nothing_else_of_it_changes() {
        let job = Config::default();
        let moved = job.clone().on(&host());
        assert_eq!(moved.host(), host());
        assert_eq!(moved.digest(), job.digest());
        assert_eq!(moved.on(&Host::default()), job);
    }

    #[test]
    fn each_key_is_one_of_the_job_files_and_says_which_were_given() {
        let known = Config::default().keys();
        for (key, ..) in host().keys() {
            assert!(known.iter().any(|it| it.key == key), "{key}");
        }
        assert_eq!(host().given(), host().keys());
        assert!(Host::default().given().is_empty());
        let cached = Host {
            cache_dir: "/cache".to_owned(),
            ..Host::default()
        };
        assert_eq!(
            cached.given(),
            [("data.cache_dir", "/cache", "--cache-dir")]
        );
    }
}
