//! How a worker is started as a child process of this one, and where its lines go. When it is, is `fleet.rs`'s.

use crate::error::CoordinatorError;
use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The environment variable in which a worker that was started here finds what it shows when it registers.
pub const LAUNCH_TOKEN: &str = "FRATMAE_LAUNCH_TOKEN";

/// How long the lines of a process that has ended may take to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How to start local workers.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program; it is called as `program worker --coordinator URL …`.
    pub program: PathBuf,
    /// How many to start.
    pub workers: usize,
    /// Threads each may use.
    pub threads: usize,
    /// Further arguments for each.
    pub arguments: Vec<String>,
    /// How often within an hour each is started again after it died.
    pub restarts_per_hour: u32,
    /// Takes what they write to standard error; without it they write where this process does.
    pub listener: Option<Listener>,
}

/// Takes the lines of workers: a worker's name and one line.
///
/// Workers outlive their coordinator, so they never wait for it here: what finds the pipe full or without a reader is lost.
#[derive(Clone)]
pub struct Listener(Arc<Take>);

type Take = dyn Fn(&str, &str) + Send + Sync;

impl Listener {
    /// Makes a listener of a function.
    pub fn new(take: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// The end of a new pipe for the worker, and the task that reads the other end until the worker closes it.
    fn pipe(&self, worker: String) -> std::io::Result<(Stdio, JoinHandle<()>)> {
        let (sender, receiver) = pipe::pipe()?;
        let take = Arc::clone(&self.0);
        let read = async move {
            let mut lines = BufReader::new(receiver).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                take(&worker, String::from_utf8_lossy(&line).trim_end());
            }
        };
        Ok((sender.into_nonblocking_fd()?.into(), tokio::spawn(read)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// A worker's process; dropping it kills it.
pub(crate) struct Process {
    child: Child,
    lines: Option<JoinHandle<()>>,
}

impl Process {
    /// Waits until it has ended and its lines are read.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let ended = self.child.wait().await;
        if let Some(lines) = self.lines.take() {
            // A process of its own that it left behind may keep the pipe open.
            let _ = tokio::time::timeout(LAST_LINES, lines).await;
        }
        ended
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill().await
    }
}

impl Launcher {
    /// The name of the worker at a place.
    pub(crate) fn name(number: usize) -> String {
        format!("local-{number}")
    }

    /// Starts the worker of a place against the coordinator at `address`.
    ///
    /// It shows `token` when it registers. That is in its environment, which nobody but its own user can read.
    pub(crate) fn spawn(
        &self,
        address: &str,
        number: usize,
        token: &str,
    ) -> Result<Process, CoordinatorError> {
        self.start(address, number, token)
            .map_err(|source| CoordinatorError::Launch {
                program: self.program.clone(),
                source,
            })
    }

    fn start(&self, address: &str, number: usize, token: &str) -> std::io::Result<Process> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .args(["worker", "--launched", "--coordinator", address])
            .args(["--name", &Self::name(number)])
            .args(["--local-rank", &number.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .env(LAUNCH_TOKEN, token)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut lines = None;
        if let Some(listener) = &self.listener {
            let (end, reading) = listener.pipe(Self::name(number))?;
            command.stderr(end);
            lines = Some(reading);
        }
        Ok(Process {
            child: command.spawn()?,
            lines,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Runs a shell in the place of a worker and gives the lines that arrived.
    async fn heard(script: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mut rights = std::fs::metadata(&program).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
        std::fs::set_permissions(&program, rights).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let page = Arc::clone(&lines);
        let launcher = Launcher {
            program,
            workers: 1,
            threads: 1,
            arguments: Vec::new(),
            restarts_per_hour: 0,
            listener: Some(Listener::new(move |worker, line| {
                page.lock()
                    .unwrap()
                    .push((worker.to_owned(), line.to_owned()));
            })),
        };
        launcher
            .spawn("http://h:1", 3, "t")
            .unwrap()
            .wait()
            .await
            .unwrap();
        lines.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn all_lines_arrive_before_the_end_with_the_name_of_their_worker() {
        let lines = heard("echo one >&2; printf 'tw\\377o' >&2").await;
        let of = |text: &str| ("local-3".to_owned(), text.to_owned());
        assert_eq!(lines, [of("one"), of("tw\u{fffd}o")]);
    }

    #[tokio::test]
    async fn a_worker_whose_lines_nobody_reads_does_not_wait() {
        let listener = Listener::new(|_, _| std::thread::yield_now());
        let (end, reading) = listener.pipe("w".to_owned()).unwrap();
        // The reader is gone, as with a coordinator that died.
        reading.abort();
        let _ = reading.await;
        let mut child = Command::new("/bin/sh")
            .args(["-c", "trap '' PIPE; i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done >&2 2>/dev/null; exit 7"])
            .stderr(end)
            .spawn()
            .unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
    }
}
