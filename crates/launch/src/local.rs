//! This machine: a coordinator that starts workers of its own, as `fratmae pretrain` does, in the background.
//!
//! Its folder has the job, the script that was started, the log, and the processes by number and time of start, so that
//! nobody else is signalled who has a number again.

mod process;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};

use crate::{Member, MemberState, RenderedFile, Spec, shell};
use process::Process;

/// The job as the processes read it.
const JOB: &str = "job.toml";
/// What is started.
const SCRIPT: &str = "start.sh";
/// What the processes say.
const LOG: &str = "log";
/// The processes that were started, a line each: a number and a time of start.
const PROCESSES: &str = "processes";
/// How a worker beyond those that the coordinator starts is named.
const EXTRA: &str = "extra-";

/// What ends a launch on this machine, or a question about one.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A file of the launch.
    #[error("cannot write {}", .path.display())]
    Write {
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of the launch.
    #[error("cannot read {}: was a run of this name launched on this machine?", .path.display())]
    Read {
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The name is taken.
    #[error(
        "a run named {0} is running on this machine; give the other one another name with launch.name"
    )]
    Taken(String),
    /// A process cannot be started.
    #[error("cannot start {program}")]
    Start {
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended at once.
    #[error("{reason}")]
    Ended {
        /// The last line of its log.
        reason: String,
    },
    /// More or fewer workers than the run takes.
    #[error("{wanted} workers are not from workers.min to workers.count, here {least} to {most}")]
    Workers {
        wanted: usize,
        least: usize,
        most: usize,
    },
}

/// The files of a launch.
#[must_use]
pub fn render(spec: &Spec, folder: &Path) -> Vec<RenderedFile> {
    let words = [
        spec.program.clone(),
        "pretrain".to_owned(),
        folder.join(JOB).display().to_string(),
    ];
    let words: Vec<String> = words.iter().map(|word| shell::quoted(word)).collect();
    let script = format!(
        "#!/bin/sh\n# Run {} on this machine: a coordinator and its workers.\nexec {}\n",
        spec.name,
        words.join(" ")
    );
    let file = |name: &str, text: String| RenderedFile {
        name: name.to_owned(),
        text,
    };
    vec![file(JOB, spec.job.clone()), file(SCRIPT, script)]
}

/// Starts the run in the background, in a folder of its own. Gives that folder.
///
/// # Errors
/// A file or a process of the system; `Taken`; `Ended` if it ends within a moment.
pub async fn submit(
    spec: &Spec,
    files: &[RenderedFile],
    folder: &Path,
) -> Result<Vec<String>, LocalError> {
    if !process::read(&folder.join(PROCESSES)).is_empty() {
        return Err(LocalError::Taken(spec.name.clone()));
    }
    let failed = |path: PathBuf| |source| LocalError::Write { path, source };
    std::fs::create_dir_all(folder).map_err(failed(folder.to_owned()))?;
    for RenderedFile { name, text } in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(failed(path))?;
    }
    let path = folder.join(PROCESSES);
    std::fs::write(&path, "").map_err(failed(path))?;
    let path = folder.join(LOG);
    File::create(&path).map_err(failed(path))?;
    let mut command = Command::new("/bin/sh");
    command.arg(folder.join(SCRIPT));
    watch(&mut start(command, folder)?, folder).await?;
    Ok(vec![folder.display().to_string()])
}

/// How long a coordinator is watched that may fail at once; one that prepares data may take hours to begin.
const MOMENT: Duration = Duration::from_secs(10);
/// How often.
const LOOK: Duration = Duration::from_millis(50);

/// Watches a process until it has started workers, or has ended, or a moment is over.
async fn watch(child: &mut Child, folder: &Path) -> Result<(), LocalError> {
    let process = child.id().and_then(Process::of);
    let has_begun = || process.is_some_and(|process| !process.children().is_empty());
    let mut looks = tokio::time::interval(LOOK);
    for _ in 0..MOMENT.div_duration_f64(LOOK) as u32 {
        looks.tick().await;
        match child.try_wait() {
            Ok(Some(status)) if !status.success() => {
                let text = logs(folder).unwrap_or_default();
                let last = text.lines().rev().find(|line| !line.trim().is_empty());
                let last = last.map(|line| line.trim_start_matches("error: ").to_owned());
                let reason = last.unwrap_or_else(|| format!("it ended at once with {status}"));
                return Err(LocalError::Ended { reason });
            }
            Ok(Some(_)) | Err(_) => break,
            Ok(None) if has_begun() => break,
            Ok(None) => {}
        }
    }
    Ok(())
}

/// Starts a process that outlives this one, and notes it.
fn start(mut command: Command, folder: &Path) -> Result<Child, LocalError> {
    let log = folder.join(LOG);
    let program = command.as_std().get_program().display().to_string();
    let failed = |source| LocalError::Start {
        program: program.clone(),
        source,
    };
    let open = || File::options().append(true).create(true).open(&log);
    command
        .stdin(Stdio::null())
        .stdout(open().map_err(failed)?)
        .stderr(open().map_err(failed)?)
        // Ctrl-C and the end of the terminal are not for it.
        .process_group(0);
    let child = command.spawn().map_err(failed)?;
    let path = folder.join(PROCESSES);
    if let Some(process) = child.id().and_then(Process::of) {
        process::note(&path, process).map_err(|source| LocalError::Write { path, source })?;
    }
    Ok(child)
}

/// Lists the processes of a launch.
pub fn members(folder: &Path) -> Vec<Member> {
    let started = process::read(&folder.join(PROCESSES));
    let workers = started.iter().flat_map(|process| process.children());
    let member = |process: &Process| {
        let words = process.words();
        let named = words.iter().position(|word| word == "--name");
        let name = named.and_then(|place| words.get(place + 1)).cloned();
        Member {
            name: name.unwrap_or_else(|| "coordinator".to_owned()),
            state: MemberState::Running,
            reason: format!("process {}", process.id()),
            host: String::new(),
        }
    };
    let mut members: Vec<Member> = started.iter().map(member).collect();
    members.extend(workers.map(|worker| member(&worker)));
    members
}

/// What its processes said, all of them or one alone.
///
/// # Errors
/// `Read`.
pub fn logs(folder: &Path) -> Result<String, LocalError> {
    let path = folder.join(LOG);
    let bytes = std::fs::read(&path).map_err(|source| LocalError::Read { path, source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Starts workers, or asks workers to leave, until there are so many.
///
/// # Errors
/// `Workers`, `Start`.
pub fn resize(spec: &Spec, folder: &Path, wanted: usize) -> Result<(), LocalError> {
    let crate::Workers { least, most, .. } = spec.workers;
    if !(least..=most).contains(&wanted) {
        return Err(LocalError::Workers {
            wanted,
            least,
            most,
        });
    }
    let started = process::read(&folder.join(PROCESSES));
    let is_worker = |process: &Process| process.words().iter().any(|word| word == "worker");
    let children = started.iter().flat_map(|process| process.children());
    let mut workers: Vec<Process> = children.filter(is_worker).collect();
    workers.extend(started.iter().copied().filter(is_worker));
    // Those beyond the coordinator's own go first: they are the last ones.
    for worker in workers.iter().skip(wanted) {
        worker.signal(Signal::SIGTERM);
    }
    for number in workers.len()..wanted {
        let mut command = Command::new(&spec.program);
        command
            .args(spec.worker_arguments())
            .args(["--name", &format!("{EXTRA}{number}")])
            .args(["--local-rank", &number.to_string()]);
        start(command, folder)?;
    }
    Ok(())
}

/// Asks the coordinator to stop: it stores a checkpoint, and its workers end.
pub fn stop(folder: &Path) {
    for process in process::read(&folder.join(PROCESSES)) {
        process.signal(Signal::SIGTERM);
    }
}

/// Ends whatever is left of it, at once.
pub fn reap(folder: &Path) {
    for process in process::read(&folder.join(PROCESSES)) {
        for child in process.children() {
            child.signal(Signal::SIGKILL);
        }
        process.signal(Signal::SIGKILL);
    }
}

/// The runs that were launched here and whose processes are there, by the folder of all of them.
pub fn list(folders: &Path) -> Vec<Member> {
    let entries = std::fs::read_dir(folders).into_iter().flatten().flatten();
    let mut members: Vec<Member> = entries
        .filter_map(|entry| {
            let started = process::read(&entry.path().join(PROCESSES));
            let first = started.first()?;
            Some(Member {
                name: entry.file_name().to_string_lossy().into_owned(),
                state: MemberState::Running,
                reason: format!("process {}", first.id()),
                host: String::new(),
            })
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

#[cfg(test)]
mod tests;
