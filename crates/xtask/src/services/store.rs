//! A running S3 store: its start, when it is ready, and its end; how SeaweedFS is spoken to is in `seaweed`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process;
use super::seaweed::{self, Ports};

/// The variable that tells tests where they may write; where it is not set, there is no store.
pub(crate) const URL_VARIABLE: &str = "FRATMAE_TEST_S3_URL";

const READY_PATIENCE: Duration = Duration::from_secs(60);

/// How often other ports are tried: between finding a port free and using it, another process may take it.
const TRIES: usize = 3;

/// How long a store is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// As long as this process; an interrupt at the terminal ends both.
    ThisRun,
    /// Until somebody stops it.
    UntilStopped,
}

/// A running store; it ends with this value, unless it is left running.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    child: Child,
    ports: Ports,
    is_left_running: bool,
}

impl Store {
    /// Starts a store with an empty bucket and waits until it takes writes.
    ///
    /// # Errors
    /// It does not start, or is not ready in a minute; the message carries the end of its log.
    pub(super) fn start(weed: &Path, folder: &Path, span: Span) -> Result<Self> {
        let mut tries_left = TRIES;
        loop {
            tries_left -= 1;
            match Self::start_once(weed, folder, span) {
                Err(_) if tries_left > 0 => {}
                last => return last,
            }
        }
    }

    fn start_once(weed: &Path, folder: &Path, span: Span) -> Result<Self> {
        process::end(folder)?;
        let ports = Ports::free()?;
        let mut server = seaweed::server(weed, folder, ports)
            .with_context(|| format!("cannot write in {}", folder.display()))?;
        if span == Span::UntilStopped {
            server.process_group(0);
        }
        let log = fs::File::create(folder.join("log.txt"))?;
        server
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = server
            .spawn()
            .with_context(|| format!("cannot start {}", weed.display()))?;
        let mut store = Self {
            folder: folder.to_path_buf(),
            child,
            ports,
            is_left_running: false,
        };
        process::record(folder, store.process(), &ports.sockets())?;
        match store
            .wait_until_ready()
            .and_then(|()| seaweed::create_bucket(weed, ports))
        {
            Ok(()) => Ok(store),
            Err(error) => Err(error.context(format!(
                "SeaweedFS does not start; its log ends with\n{}",
                store.log_end()
            ))),
        }
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            match self.ports.write_and_look() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context("not ready after a minute"));
                }
                Err(_) => process::pause(),
            }
        }
    }

    /// Names where S3 is spoken.
    pub(crate) fn endpoint(&self) -> String {
        self.ports.endpoint()
    }

    /// Answers with the number of the store's process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Names the file that the store writes its log to.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// Lists the variables that tests and the program read.
    pub(crate) fn variables(&self) -> [(&'static str, String); 5] {
        [
            (URL_VARIABLE, format!("s3://{}", seaweed::BUCKET)),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", seaweed::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", seaweed::SECRET_KEY.to_owned()),
        ]
    }

    /// Lets the store outlive this process.
    pub(super) fn leave_running(mut self) {
        self.is_left_running = true;
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.is_left_running {
            return;
        }
        if let Err(error) = process::end(&self.folder) {
            eprintln!(
                "cannot stop the store (process {}): {error:#}",
                self.process()
            );
            return;
        }
        // It has ended: this only lets the system forget it.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts another program in the place of SeaweedFS, which cannot succeed.
    fn failure(program: &str, span: Span) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::start(Path::new(program), &folder.path().join("store"), span);
        (folder, format!("{:#}", store.unwrap_err()))
    }

    #[test]
    fn a_store_that_ends_at_once_is_an_error_with_its_log_and_leaves_nothing() {
        for span in [Span::ThisRun, Span::UntilStopped] {
            // `cat` knows none of the options and says so.
            let (folder, message) = failure("cat", span);
            assert!(message.contains("log ends with\ncat: "), "{message}");
            assert!(
                message.contains("it ended with exit status: 1"),
                "{message}"
            );
            assert!(!folder.path().join("store").exists());
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let (_, message) = failure("/nonexistent/weed", Span::ThisRun);
        assert!(
            message.contains("cannot start /nonexistent/weed"),
            "{message}"
        );
    }
}
