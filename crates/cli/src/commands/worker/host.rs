//! What of a job is this host's own: typed, else from the environment, and never from a coordinator.

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_config::Host;
use fratmae_store::local_path;

/// The options of one host.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HostOptions {
    /// Folder on a local disk for parts of a remote data set, shared by the workers of a machine [env: FRATMAE_CACHE_DIR]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<String>,
    /// Leave the run once this file appears (preemption notice) [env: FRATMAE_PREEMPTION_FILE]
    #[arg(long, value_name = "FILE")]
    preemption_file: Option<String>,
    /// NCCL's library: a path, or a name on the library search path [env: FRATMAE_NCCL_LIBRARY]
    #[arg(long, value_name = "FILE")]
    nccl_library: Option<String>,
    /// The CUDA driver's library, likewise [env: FRATMAE_CUDA_LIBRARY]
    #[arg(long, value_name = "FILE")]
    cuda_library: Option<String>,
}

impl HostOptions {
    /// Resolves them: the defaults, the environment, what was typed.
    ///
    /// # Errors
    /// An option that names no path on this machine.
    pub(crate) fn resolve(&self, environment: impl Fn(&str) -> String) -> Result<Host> {
        let mut host = Host::default();
        for (value, typed, variable) in [
            (&mut host.cache_dir, &self.cache_dir, "FRATMAE_CACHE_DIR"),
            (
                &mut host.preemption_file,
                &self.preemption_file,
                "FRATMAE_PREEMPTION_FILE",
            ),
            (
                &mut host.nccl_library,
                &self.nccl_library,
                "FRATMAE_NCCL_LIBRARY",
            ),
            (
                &mut host.cuda_library,
                &self.cuda_library,
                "FRATMAE_CUDA_LIBRARY",
            ),
        ] {
            let given = typed.clone().unwrap_or_else(|| environment(variable));
            if !given.is_empty() {
                *value = given;
            }
        }
        for (option, path) in [
            ("--cache-dir", &host.cache_dir),
            ("--preemption-file", &host.preemption_file),
        ] {
            if !path.is_empty() {
                local_path(path).with_context(|| format!("{option} cannot be used"))?;
            }
        }
        Ok(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_goes_before_the_environment_and_that_before_the_default() {
        let typed = HostOptions {
            cache_dir: Some("/typed".to_owned()),
            ..HostOptions::default()
        };
        let environment = |variable: &str| match variable {
            "FRATMAE_CACHE_DIR" => "/cache".to_owned(),
            "FRATMAE_PREEMPTION_FILE" => "/preempted".to_owned(),
            "FRATMAE_NCCL_LIBRARY" => "/nccl.so".to_owned(),
            _ => String::new(),
        };
        let expected = Host {
            cache_dir: "/typed".to_owned(),
            preemption_file: "/preempted".to_owned(),
            nccl_library: "/nccl.so".to_owned(),
            ..Host::default()
        };
        assert_eq!(typed.resolve(environment).unwrap(), expected);
        let nothing = HostOptions::default();
        assert_eq!(nothing.resolve(|_| String::new()).unwrap(), Host::default());
    }

    #[test]
    fn what_is_no_path_here_is_refused_with_its_option() {
        let typed = HostOptions {
            preemption_file: Some("s3://bucket/file".to_owned()),
            ..HostOptions::default()
        };
        let line = format!("{:#}", typed.resolve(|_| String::new()).unwrap_err());
        assert!(line.contains("--preemption-file"), "{line}");
    }
}
