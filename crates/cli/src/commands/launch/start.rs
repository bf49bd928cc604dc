//! `fratmae launch`: submits a job, once nobody works on its run.

use anyhow::{Result, bail, ensure};
use fratmae_coordinator::CoordinatorError;
use fratmae_launch::{Launching, RecordError, Target, newest};
use fratmae_store::Location;

use super::{Wanted, asked::Asked, follow::Followed};
use crate::{
    commands::owner::{self, Kind},
    identity,
    output::Output,
};

pub(super) async fn run(wanted: &Wanted, output: &mut Output) -> Result<()> {
    let asked = Asked::of(wanted)?;
    // An earlier launch has made them.
    identity::look_at(asked.target, &asked.spec);
    let run = Location::open(&asked.spec.run)?;
    run.probe_read().await?;
    owner::ensure_free(&run, Kind::Run).await?;
    ensure_idle(&run).await?;
    ensure_data(&asked).await?;
    let job = (&asked.config, asked.target, asked.needed_mib);
    let launching = Launching::begin(&run, job, &asked.files).await?;
    let ids = asked.place.submit(&asked.spec, &asked.files).await?;
    launching.submitted(ids).await?;
    let (name, run) = (&asked.spec.name, &asked.spec.run);
    Ok(output.line(&format!(
        "launched {name}\nnext:\n  fratmae launch status {run}\n  fratmae launch logs {run}\n  fratmae launch stop {run}"
    ))?)
}

/// Refuses a run that is finished, led, or waited for by processes of an earlier launch.
async fn ensure_idle(run: &Location) -> Result<()> {
    let url = run.url();
    match fratmae_coordinator::status(run).await {
        Ok(status) if status.state == "finished" => bail!(
            "{url} is finished; `fratmae status {url}` shows its result, and --run names another one"
        ),
        Ok(status) if status.state == "running" => bail!(
            "{url} is led by the coordinator at {}; `fratmae launch status {url}` shows it",
            status.coordinator
        ),
        Ok(_) | Err(CoordinatorError::NoRun { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let earlier = match newest(run).await {
        Ok(launched) => Followed::of(run.clone(), launched)?,
        Err(RecordError::Absent { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let members = earlier.members().await?;
    let there = members.iter().filter(|member| member.state.is_there());
    let count = there.count();
    ensure!(
        count == 0,
        "{url} was launched before and {count} of its processes run or wait; see `fratmae launch status {url}`, end \
         them with `fratmae launch reap {url}`"
    );
    Ok(())
}

/// Refuses a run elsewhere whose data set is not there: only this machine prepares one.
async fn ensure_data(asked: &Asked) -> Result<()> {
    if asked.target == Target::Local {
        return Ok(());
    }
    let url = &asked.config.data.url;
    let is_there = Location::open(url)?.has("manifest.json").await?;
    ensure!(
        is_there,
        "there is no data set at data.url = {url}; make it first: fratmae prepare SOURCE --out {url}"
    );
    Ok(())
}
