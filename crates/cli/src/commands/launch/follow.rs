//! `fratmae launch status`, `logs`, `resize`, `stop`, `reap`, `list`: what became of a launch.

use anyhow::Result;
use clap::Args;
use fratmae_coordinator::{CoordinatorError, RunStatus};
use fratmae_launch::{Launched, Member, Spec, Target, newest};
use fratmae_store::Location;
use serde::Serialize;

use super::{
    On,
    place::{self, Place},
};
use crate::{
    commands::status,
    identity,
    lines::shown,
    output::Output,
    table::{Table, counted},
};

/// A run that was launched.
#[derive(Debug, Args)]
struct Run {
    /// The run: a folder or a URL
    #[arg(value_name = "RUN")]
    run: String,
}

/// Shows how a launched run stands, and its processes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch status runs/quickstart/run
  fratmae launch status s3://bucket/run-1 --json

How the run stands is what its journal says; the place tells of processes alone.")]
pub(super) struct Status {
    #[command(flatten)]
    run: Run,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Shows what the processes of a launched run have written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch logs runs/quickstart/run
  fratmae launch logs s3://bucket/run-1 --member coordinator")]
pub(super) struct Logs {
    #[command(flatten)]
    run: Run,
    /// One process alone, as `launch status` names it; on this machine all write to one file
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
}

/// Changes the number of workers while the run goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch resize runs/quickstart/run 1

Workers that are too many leave after their step; no step is lost. The number is from workers.min to workers.count.")]
pub(super) struct Resize {
    #[command(flatten)]
    run: Run,
    /// How many workers it is to have
    #[arg(value_name = "WORKERS")]
    workers: usize,
}

/// Stops a launched run with a checkpoint.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch stop runs/quickstart/run

Launch the same job again to resume.")]
pub(super) struct Stop {
    #[command(flatten)]
    run: Run,
}

/// Ends at once what is left of a launched run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch reap runs/quickstart/run")]
pub(super) struct Reap {
    #[command(flatten)]
    run: Run,
}

/// Lists the launched runs of a place.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae launch list --on local")]
pub(super) struct List {
    /// Which place
    #[arg(long, value_enum, value_name = "PLACE", default_value_t = On::Local)]
    on: On,
}

/// A launch that was found.
pub(super) struct Followed {
    run: Location,
    launched: Launched,
    spec: Spec,
    place: Place,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    on: Target,
    ids: &'a [String],
    members: &'a [Member],
    status: Option<&'a RunStatus>,
}

impl Followed {
    async fn find(run: &Run) -> Result<Self> {
        let run = Location::open(&run.run)?;
        let launched = newest(&run).await?;
        Self::of(run, launched)
    }

    pub(super) fn of(run: Location, launched: Launched) -> Result<Self> {
        let spec = launched.spec()?;
        let place = Place::of(launched.on, &spec, &launched.ids)?;
        identity::look_at(launched.on, &spec);
        Ok(Self {
            run,
            launched,
            spec,
            place,
        })
    }

    pub(super) async fn members(&self) -> Result<Vec<Member>> {
        self.place.members(&self.launched, &self.spec).await
    }
}

pub(super) async fn status(arguments: &Status, output: &mut Output) -> Result<()> {
    let followed = Followed::find(&arguments.run).await?;
    let status = match fratmae_coordinator::status(&followed.run).await {
        Ok(status) => Some(status),
        Err(CoordinatorError::NoRun { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if arguments.json {
        let members = followed.members().await?;
        return Ok(output.json(&Report {
            on: followed.launched.on,
            ids: &followed.launched.ids,
            members: &members,
            status: status.as_ref(),
        })?);
    }
    match &status {
        Some(status) => output.table(&status::table(status, output))?,
        None => output.line("no coordinator has opened the run yet")?,
    }
    // What the run says of itself is shown also where the place does not answer.
    let members = followed.members().await?;
    output.line("")?;
    output.table(&members_table(&members))?;
    let state = status.as_ref().map(|status| status.state);
    match remark(state, &members, followed.run.url()) {
        Some(line) => Ok(output.line(&line)?),
        None => Ok(()),
    }
}

fn members_table(members: &[Member]) -> Table {
    let mut table = Table::new(&["process", "state", "host?", "reason"]);
    for member in members {
        table.row(vec![
            member.name.clone(),
            member.state.to_string(),
            member.host.clone(),
            member.reason.clone(),
        ]);
    }
    table
}

/// What is to be done where the run and its processes disagree; the run knows best.
fn remark(state: Option<&str>, members: &[Member], run: &str) -> Option<String> {
    let there = members.iter().filter(|member| member.state.is_there());
    let count = there.count();
    let processes = || match count {
        1 => "1 process is".to_owned(),
        count => format!("{count} processes are"),
    };
    match (state, count) {
        (Some("finished" | "failed" | "interrupted"), 1..) => Some(format!(
            "the run has ended and {} left; `fratmae launch reap {run}` ends what does not end by itself",
            processes()
        )),
        (None | Some("stopped"), 0) => Some(
            "nothing of it runs or waits; launch the same job again to go on, `fratmae launch logs` may say why"
                .to_owned(),
        ),
        _ => None,
    }
}

pub(super) async fn logs(arguments: &Logs, output: &mut Output) -> Result<()> {
    let followed = Followed::find(&arguments.run).await?;
    let (launched, spec) = (&followed.launched, &followed.spec);
    let member = arguments.member.as_deref();
    let text = followed.place.logs(launched, spec, member).await?;
    Ok(output.bytes(shown(&text).as_bytes())?)
}

pub(super) async fn resize(arguments: &Resize, output: &mut Output) -> Result<()> {
    let followed = Followed::find(&arguments.run).await?;
    let (launched, spec) = (&followed.launched, &followed.spec);
    let workers = arguments.workers;
    followed.place.resize(launched, spec, workers).await?;
    let run = followed.run.url();
    Ok(output.line(&format!(
        "asked for {}; `fratmae launch status {run}` shows them come or go",
        counted(workers, "worker")
    ))?)
}

pub(super) async fn stop(arguments: &Stop, output: &mut Output) -> Result<()> {
    let followed = Followed::find(&arguments.run).await?;
    followed
        .place
        .stop(&followed.launched, &followed.spec)
        .await?;
    let run = followed.run.url();
    Ok(output.line(&format!(
        "asked the run to stop with a checkpoint; `fratmae launch status {run}` shows when it has"
    ))?)
}

pub(super) async fn reap(arguments: &Reap, output: &mut Output) -> Result<()> {
    let followed = Followed::find(&arguments.run).await?;
    followed
        .place
        .reap(&followed.launched, &followed.spec)
        .await?;
    Ok(output.line("ended what was left of the run's processes")?)
}

pub(super) async fn list(arguments: &List, output: &mut Output) -> Result<()> {
    let members = place::list(arguments.on.into()).await?;
    Ok(output.table(&members_table(&members))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_launch::MemberState;

    #[test]
    fn the_run_knows_best_and_what_disagrees_is_told_with_what_to_do() {
        let member = |state| Member {
            name: "coordinator".to_owned(),
            state,
            reason: String::new(),
            host: String::new(),
        };
        let running = [member(MemberState::Running)];
        let gone = [member(MemberState::Unknown)];
        for state in ["finished", "failed", "interrupted"] {
            let line = remark(Some(state), &running, "/r").unwrap();
            assert!(
                line.contains("1 process is left; `fratmae launch reap /r`"),
                "{line}"
            );
            assert_eq!(remark(Some(state), &gone, "/r"), None);
        }
        assert_eq!(remark(Some("running"), &running, "/r"), None);
        assert_eq!(remark(None, &running, "/r"), None);
        for state in [None, Some("stopped")] {
            let line = remark(state, &gone, "/r").unwrap();
            assert!(line.contains("launch the same job again"), "{line}");
        }
    }
}
