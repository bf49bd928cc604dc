//! The record of a service's process in its folder, and its end by that number; which service it is does not matter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const END_PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
const PROCESS: &str = "process.txt";
const LITTER: &str = "litter.txt";

/// Writes the number of a service's process into its folder, and the files that it leaves outside the folder.
///
/// # Errors
/// A file cannot be written.
pub(super) fn record(folder: &Path, process: u32, litter: &[PathBuf]) -> Result<()> {
    let litter: Vec<_> = litter.iter().map(|path| path.to_string_lossy()).collect();
    fs::write(folder.join(LITTER), litter.join("\n"))
        .and_then(|()| fs::write(folder.join(PROCESS), process.to_string()))
        .with_context(|| format!("cannot write in {}", folder.display()))
}

/// Answers with the recorded process if it still runs for this folder; a number may belong to another by now.
pub(super) fn recorded(folder: &Path) -> Option<u32> {
    let process = fs::read_to_string(folder.join(PROCESS))
        .ok()?
        .parse()
        .ok()?;
    let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let names_folder = String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy());
    (names_folder && is_alive(process)).then_some(process)
}

/// Ends the recorded process, waits until it is gone, and removes its files; answers with its number if it ran.
///
/// It is killed, not asked: the data is thrown away, and SeaweedFS takes fifteen seconds to end politely.
///
/// # Errors
/// The process does not end, or the folder cannot be removed.
pub(super) fn end(folder: &Path) -> Result<Option<u32>> {
    let process = recorded(folder);
    if let Some(process) = process {
        kill(process)?;
    }
    remove_litter(folder);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(process),
    }
}

fn kill(process: u32) -> Result<()> {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -KILL \"$1\"", "kill", &process.to_string()]);
    crate::program::output(&mut kill)?;
    let deadline = Instant::now() + END_PATIENCE;
    while is_alive(process) {
        if Instant::now() > deadline {
            bail!("process {process} does not end");
        }
        pause();
    }
    Ok(())
}

/// Tells whether a process runs; one that has ended but was not yet waited for does not.
pub(super) fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat"));
    // The state follows the name, which stands in brackets and may hold anything.
    status.is_ok_and(|line| {
        line.rsplit_once(") ")
            .is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    })
}

/// Waits a moment between two looks at something that another process does.
#[expect(
    clippy::disallowed_methods,
    reason = "another process changes state without telling; each caller has a deadline"
)]
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}

fn remove_litter(folder: &Path) {
    let litter = fs::read_to_string(folder.join(LITTER)).unwrap_or_default();
    for path in litter.lines() {
        // A service may not have got as far as making all of them.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Child, Stdio};

    use super::*;

    /// Starts a process whose command line names `folder`, and waits until it runs: before that it has no line.
    fn sleeper(folder: &Path) -> Child {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo ready; read line", "sleeper"])
            .arg(folder);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 5];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        child
    }

    #[test]
    fn a_recorded_process_is_ended_with_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("service");
        fs::create_dir(&folder).unwrap();
        let mut child = sleeper(&folder);
        let litter = parent.path().join("socket");
        fs::write(&litter, "").unwrap();
        record(
            &folder,
            child.id(),
            &[litter.clone(), parent.path().join("never made")],
        )
        .unwrap();
        assert_eq!(recorded(&folder), Some(child.id()));
        assert_eq!(end(&folder).unwrap(), Some(child.id()));
        assert!(!folder.exists() && !litter.exists() && !child.wait().unwrap().success());
        assert_eq!(end(&folder).unwrap(), None);
    }

    #[test]
    fn a_number_that_belongs_to_another_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = sleeper(Path::new("/elsewhere"));
        record(folder.path(), child.id(), &[]).unwrap();
        assert_eq!(recorded(folder.path()), None);
        assert!(is_alive(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_alive(child.id()));
    }
}
