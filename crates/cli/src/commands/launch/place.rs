//! Which place is asked: the one dispatch to what the `launch` crate has for each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fratmae_launch::{Launched, Member, RenderedFile, Spec, Target, kubernetes, local, slurm};

/// A place, with what finds the processes of one launch there.
pub(super) enum Place {
    /// This machine, with the launch's folder.
    Local(PathBuf),
    Slurm,
    Kubernetes,
}

impl Place {
    /// The place of a launch; `ids` are what submitting gave, and empty before that.
    pub(super) fn of(target: Target, spec: &Spec, ids: &[String]) -> Result<Self> {
        Ok(match (target, ids) {
            (Target::Local, [folder, ..]) => Self::Local(folder.into()),
            (Target::Local, []) => Self::Local(local_folder()?.join(&spec.name)),
            (Target::Slurm, _) => Self::Slurm,
            (Target::Kubernetes, _) => Self::Kubernetes,
        })
    }

    pub(super) fn render(&self, spec: &Spec) -> Result<Vec<RenderedFile>> {
        match self {
            Self::Local(folder) => Ok(local::render(spec, folder)),
            Self::Slurm => Ok(slurm::render(spec)),
            Self::Kubernetes => Ok(kubernetes::render(spec)),
        }
    }

    pub(super) async fn submit(&self, spec: &Spec, files: &[RenderedFile]) -> Result<Vec<String>> {
        match self {
            Self::Local(folder) => Ok(local::submit(spec, files, folder).await?),
            Self::Slurm => Ok(slurm::submit(spec, files).await?),
            Self::Kubernetes => Ok(kubernetes::submit(spec).await?),
        }
    }

    pub(super) async fn members(&self, launched: &Launched, spec: &Spec) -> Result<Vec<Member>> {
        match self {
            Self::Local(folder) => Ok(local::members(folder)),
            Self::Slurm => Ok(slurm::members(spec, &launched.ids).await?),
            Self::Kubernetes => Ok(kubernetes::members(spec).await?),
        }
    }

    pub(super) async fn logs(
        &self,
        launched: &Launched,
        spec: &Spec,
        member: Option<&str>,
    ) -> Result<String> {
        match self {
            Self::Local(folder) => Ok(local::logs(folder)?),
            Self::Slurm => Ok(slurm::logs(spec, &launched.ids, member).await?),
            Self::Kubernetes => Ok(kubernetes::logs(spec, member).await?),
        }
    }

    pub(super) async fn resize(
        &self,
        launched: &Launched,
        spec: &Spec,
        workers: usize,
    ) -> Result<()> {
        match self {
            Self::Local(folder) => Ok(local::resize(spec, folder, workers)?),
            Self::Slurm => Ok(slurm::resize(spec, &launched.ids, workers).await?),
            Self::Kubernetes => Ok(kubernetes::resize(spec, workers).await?),
        }
    }

    pub(super) async fn stop(&self, launched: &Launched, spec: &Spec) -> Result<()> {
        match self {
            Self::Local(folder) => {
                local::stop(folder);
                Ok(())
            }
            Self::Slurm => Ok(slurm::stop(spec, &launched.ids).await?),
            Self::Kubernetes => Ok(kubernetes::stop(spec).await?),
        }
    }

    pub(super) async fn reap(&self, launched: &Launched, spec: &Spec) -> Result<()> {
        match self {
            Self::Local(folder) => {
                local::reap(folder);
                Ok(())
            }
            Self::Slurm => Ok(slurm::reap(spec, &launched.ids).await?),
            Self::Kubernetes => Ok(kubernetes::reap(spec).await?),
        }
    }
}

/// The runs that were launched on a place and are there.
pub(super) async fn list(target: Target) -> Result<Vec<Member>> {
    match target {
        Target::Local => Ok(local::list(&local_folder()?)),
        Target::Slurm => Ok(slurm::list().await?),
        Target::Kubernetes => Ok(kubernetes::list().await?),
    }
}

/// Where the folders of all launches on this machine are, by XDG's rules.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks where a user's programs keep their state"
)]
fn local_folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|state| state.is_absolute());
    let home = || variable("HOME").map(|home| Path::new(&home).join(".local/state"));
    let state = state.or_else(home);
    let state = state.context("neither XDG_STATE_HOME nor HOME is set; set one of them")?;
    Ok(state.join("fratmae/launch"))
}
