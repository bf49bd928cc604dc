//! From what was typed to what a place is told.

use anyhow::{Context as _, Result};
use fratmae_config::Config;
use fratmae_launch::{RenderedFile, Spec, Target};
use fratmae_store::{Location, local_path};

use super::{Wanted, place::Place};
use crate::commands::pretrain::{self, memory};

/// What was asked for, resolved.
pub(super) struct Asked {
    pub(super) config: Config,
    pub(super) target: Target,
    /// Memory that a worker is estimated to need.
    pub(super) needed_mib: usize,
    pub(super) spec: Spec,
    pub(super) place: Place,
    pub(super) files: Vec<RenderedFile>,
}

impl Asked {
    /// Resolves the job and renders what would be submitted. It sends nothing anywhere.
    pub(super) fn of(wanted: &Wanted) -> Result<Self> {
        let config = wanted.job.resolve_with(&wanted.named, None, None)?;
        let target = wanted.on.into();
        let config = at_home(config, target)?;
        let needed_mib = memory::needed_mib(&config);
        let spec = Spec::of(&config, target, needed_mib)?;
        let place = Place::of(target, &spec, &[])?;
        let files = place.render(&spec)?;
        Ok(Self {
            config,
            target,
            needed_mib,
            spec,
            place,
            files,
        })
    }
}

/// The job with what this machine adds: places written out, since other processes have other folders; on this machine
/// also the program, and a share of the cores for each worker.
fn at_home(mut config: Config, target: Target) -> Result<Config> {
    for url in [&mut config.run.url, &mut config.data.url] {
        if !url.is_empty() {
            *url = Location::open(url)?.url().to_owned();
        }
    }
    if !config.data.source.is_empty() {
        let source = local_path(&config.data.source)?;
        let source = std::path::absolute(source).context("data.source")?;
        config.data.source = source.display().to_string();
    }
    if target == Target::Slurm {
        let folder = &mut config.launch.slurm.folder;
        *folder = std::path::absolute(local_path(folder)?)
            .context("launch.slurm.folder")?
            .display()
            .to_string();
    }
    if target == Target::Local {
        let launch = &mut config.launch;
        if launch.program.is_empty() {
            let program = std::env::current_exe().context("cannot find this program's own file")?;
            launch.program = program.display().to_string();
        }
        if launch.cpus == 0 {
            config.launch.cpus = pretrain::threads_here(&config);
        }
    }
    Ok(config)
}
