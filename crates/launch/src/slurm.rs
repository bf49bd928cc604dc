//! Slurm. A job for the coordinator and an array of jobs, one a worker, which come and go; or one job for all of them.
//!
//! What a job does with an exit code of its process is in its script (`script`), so that it holds though nobody watches.
//! Here is what the user's side asks: jobs are submitted, looked up, signalled and cancelled by Slurm's own commands,
//! whose answers are text of a fixed form (`queue`).

mod command;
mod error;
mod folder;
mod queue;
mod resize;
mod script;
mod site;

pub use error::SlurmError;
pub use script::render;
pub use site::Remark;

use crate::{Member, MemberState, RenderedFile, Spec};
use command::{Input, ask, ask_with, call};
use queue::{QUEUE_FORMAT, RECORD_FORMAT, Task};
use script::{LEAD, Names};
use std::path::PathBuf;

/// Submits the jobs of a run, whose files it writes first; gives their numbers, the coordinator's first.
///
/// # Errors
/// Jobs of this run are in the queue, a file cannot be written, or Slurm refuses a job: then no job is left.
pub async fn submit(spec: &Spec, files: &[RenderedFile]) -> Result<Vec<String>, SlurmError> {
    let names = Names::of(&spec.name);
    let there = queued(&["--me", &format!("--name={}", names.all())]).await?;
    if let Some(task) = there.first() {
        return Err(SlurmError::Launched {
            name: spec.name.clone(),
            job: task.id.clone(),
        });
    }
    folder::write(spec, files)?;
    let keys = keys(spec);
    if !keys.exists() {
        fratmae_trust::make(&keys, &spec.name, fratmae_trust::DAY)?;
    }
    let unfit = folder::unfit(spec);
    let mut ids: Vec<String> = Vec::new();
    for script in script::submitted(spec) {
        let mut arguments = vec!["--parsable".to_owned()];
        if *script != LEAD && !unfit.is_empty() {
            arguments.push(format!("--exclude={}", unfit.join(",")));
        }
        arguments.push(folder::path(spec, script).display().to_string());
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match ask("sbatch", &words).await {
            // With several clusters the cluster follows.
            Ok(answer) => ids.push(
                answer
                    .trim()
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            Err(error) => {
                cancel_all(&ids).await?;
                return Err(error);
            }
        }
    }
    Ok(ids)
}

/// Where the keys of a run are, which submitting makes.
#[must_use]
pub fn keys(spec: &Spec) -> PathBuf {
    folder::path(spec, script::KEYS)
}

/// Asks Slurm whether it would take these jobs, without submitting any; gives its answers.
///
/// # Errors
/// It would not.
pub async fn check(spec: &Spec, files: &[RenderedFile]) -> Result<Vec<String>, SlurmError> {
    let mut answers = Vec::new();
    for script in script::submitted(spec) {
        let file = files.iter().find(|file| file.name == *script);
        let text = file.map(|file| file.text.clone()).unwrap_or_default();
        let answer = ask_with("sbatch", &["--test-only"], Input::Text(text)).await?;
        answers.push(format!("{script}: {}", answer.trim()));
    }
    Ok(answers)
}

/// What is to be said of the cluster's settings, before a run is launched there.
///
/// # Errors
/// Slurm's commands are missing, or do not answer.
pub async fn remarks(spec: &Spec) -> Result<Vec<Remark>, SlurmError> {
    let settings = ask("scontrol", &["show", "config"]).await?;
    let partitions = ask("scontrol", &["show", "partition", "--oneliner"]).await?;
    Ok(site::remarks(spec, &settings, &partitions))
}

/// Lets `fratmae doctor` look at a machine that a worker could get; gives what it printed, and whether it misses nothing.
/// The files of the run are written first, as the jobs would find them.
///
/// # Errors
/// A file cannot be written, no machine is free, or the program does not start there.
pub async fn check_up(spec: &Spec, files: &[RenderedFile]) -> Result<(String, bool), SlurmError> {
    folder::write(spec, files)?;
    let words = script::check_up(spec);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = call("srun", &words, Input::Nothing).await?;
    match answer.printed.is_empty() && !answer.is_success {
        true => Err(answer.failure("srun")),
        false => Ok((answer.printed, answer.is_success)),
    }
}

/// What Slurm says of the jobs with these numbers. One that it does not speak of is unknown, which is not ended.
///
/// # Errors
/// Slurm's commands are missing, or do not answer.
pub async fn members(spec: &Spec, ids: &[String]) -> Result<Vec<Member>, SlurmError> {
    let tasks = tasks(ids).await?;
    let names = Names::of(&spec.name);
    let mut members: Vec<Member> = tasks.iter().map(|task| names.member(task)).collect();
    let is_known = |id: &&String| tasks.iter().any(|task| task.job() == id.as_str());
    let unknown = ids.iter().filter(|id| !is_known(id));
    members.extend(unknown.map(|id| Member {
        name: id.clone(),
        state: MemberState::Unknown,
        reason: "Slurm says nothing of it".to_owned(),
        host: String::new(),
    }));
    Ok(members)
}

/// The log of one process, as it ends; or the last lines of each.
///
/// # Errors
/// There is no log.
pub async fn logs(
    spec: &Spec,
    _ids: &[String],
    member: Option<&str>,
) -> Result<String, SlurmError> {
    folder::logs(spec, member)
}

/// Changes how many workers may run. Those that are too many are asked to leave, the youngest tasks first, and wait in
/// the queue until there is room for them again.
///
/// # Errors
/// The run is one job of fixed size, the number is not from 1 to the most, or Slurm refuses.
pub async fn resize(spec: &Spec, ids: &[String], workers: usize) -> Result<(), SlurmError> {
    let most = spec.workers.most;
    let [_, array] = ids else {
        return Err(SlurmError::Fixed);
    };
    if !(1..=most).contains(&workers) {
        return Err(SlurmError::Workers { workers, most });
    }
    let tasks = queued(&[&format!("--jobs={array}")]).await?;
    if tasks.is_empty() {
        return Err(SlurmError::Gone {
            name: spec.name.clone(),
        });
    }
    // First: the place of a worker that leaves is not to be taken by the next task.
    throttle(array, workers).await?;
    for task in resize::leavers(&tasks, workers) {
        signal(&task.id).await?;
    }
    Ok(())
}

/// Stops a run in good order: it saves a checkpoint, and its jobs leave the queue.
///
/// # Errors
/// Slurm refuses, or does not answer.
pub async fn stop(spec: &Spec, ids: &[String]) -> Result<(), SlurmError> {
    let Some((lead, rest)) = ids.split_first() else {
        return Ok(());
    };
    let tasks = queued(&[&format!("--jobs={}", ids.join(","))]).await?;
    let is_led = tasks
        .iter()
        .any(|task| task.job() == lead && task.state == MemberState::Running);
    if !is_led {
        return reap(spec, ids).await;
    }
    // By this its script knows that it was asked to stop: it cannot requeue itself.
    ask(
        "scontrol",
        &["update", &format!("JobId={lead}"), "Requeue=0"],
    )
    .await?;
    if !rest.is_empty() {
        let mut arguments = vec!["--state=PENDING"];
        arguments.extend(rest.iter().map(String::as_str));
        cancel(&arguments).await?;
    }
    signal(lead).await
}

/// Takes whatever is left of a run out of the queue, at once.
///
/// # Errors
/// Slurm refuses, or does not answer.
pub async fn reap(_spec: &Spec, ids: &[String]) -> Result<(), SlurmError> {
    cancel_all(ids).await
}

/// All processes of all runs of this user that are in the queue. Their names begin with their run's.
///
/// # Errors
/// Slurm's commands are missing, or do not answer.
pub async fn list() -> Result<Vec<Member>, SlurmError> {
    let tasks = queued(&["--me"]).await?;
    let listed = tasks.iter().filter_map(|task| {
        let (run, _) = script::run_of(&task.name)?;
        let member = Names::of(run).member(task);
        let name = format!("{run}/{}", member.name);
        Some(Member { name, ..member })
    });
    Ok(listed.collect())
}

/// What the queue says of jobs, and the records of the past where it is silent.
async fn tasks(ids: &[String]) -> Result<Vec<Task>, SlurmError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = format!("--jobs={}", ids.join(","));
    // A job that has ended stays in the controller's memory for some minutes.
    let now = queued(&[&jobs, "--states=all"]).await?;
    let is_there = |id: &String| now.iter().any(|task| task.job() == id);
    if ids.iter().all(is_there) {
        return Ok(now);
    }
    let format = format!("--format={RECORD_FORMAT}");
    let records = [
        "--allocations",
        "--duplicates",
        "--noheader",
        "--parsable2",
        &jobs,
        &format,
    ];
    // Many clusters keep no records.
    let past = ask("sacct", &records).await.unwrap_or_default();
    Ok(queue::merged(queue::records(&past), now))
}

/// The tasks in the queue that `filter` names.
async fn queued(filter: &[&str]) -> Result<Vec<Task>, SlurmError> {
    let format = format!("--format={QUEUE_FORMAT}");
    let mut arguments = vec!["--noheader", "--array", &format];
    arguments.extend(filter);
    match ask("squeue", &arguments).await {
        Ok(text) => Ok(queue::tasks(&text)),
        // So it speaks of a single job that it has forgotten.
        Err(SlurmError::Failed { reason, .. }) if reason.contains("Invalid job id") => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Sets how many tasks of an array may run.
async fn throttle(array: &str, tasks: usize) -> Result<(), SlurmError> {
    let (job, throttle) = (
        format!("JobId={array}"),
        format!("ArrayTaskThrottle={tasks}"),
    );
    match ask("scontrol", &["update", &job, &throttle]).await {
        // It does so, and fails for each task that has ended.
        Err(SlurmError::Failed { reason, .. })
            if reason.ends_with("already finished") || reason.ends_with("No error") =>
        {
            Ok(())
        }
        answer => answer.map(drop),
    }
}

/// Sends the processes of a job, and not its script, the signal by which they leave.
async fn signal(id: &str) -> Result<(), SlurmError> {
    cancel(&["--signal=USR1", id]).await
}

/// Calls `scancel`. Jobs that have ended or are about to are no failure: nothing is left to do.
async fn cancel(arguments: &[&str]) -> Result<(), SlurmError> {
    match ask("scancel", arguments).await {
        Err(SlurmError::Failed { reason, .. })
            if reason.contains("Invalid job id") || reason.contains("already complet") =>
        {
            Ok(())
        }
        answer => answer.map(drop),
    }
}

async fn cancel_all(ids: &[String]) -> Result<(), SlurmError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    cancel(&ids).await
}
