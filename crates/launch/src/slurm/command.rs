//! Calls of Slurm's commands: no variable of the user's changes what they mean, and each has a time limit.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::SlurmError;

/// How long a command may take. It repeats its question for a while if the controller does not answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Variables that give commands options, such as `SQUEUE_FORMAT`, or that a job has and its own jobs would inherit.
const OPTIONS: &[&str] = &[
    "SACCT_",
    "SALLOC_",
    "SBATCH_",
    "SCANCEL_",
    "SCONTROL_",
    "SINFO_",
    "SLURM_",
    "SLURMD_",
    "SQUEUE_",
    "SRUN_",
];

/// Those among them that say where the cluster is and who the user is.
const KEPT: &[&str] = &[
    "SLURM_CONF",
    "SLURM_CONF_SERVER",
    "SLURM_JWT",
    "SLURM_SACK_SOCKET",
];

/// What a command reads.
pub(super) enum Input {
    Nothing,
    Text(String),
}

/// How a command ended.
pub(super) struct Answer {
    pub(super) is_success: bool,
    pub(super) printed: String,
    /// What it wrote to standard error.
    said: String,
    status: String,
}

impl Answer {
    pub(super) fn failure(&self, command: &'static str) -> SlurmError {
        SlurmError::Failed {
            command,
            reason: reason(&self.said, &self.status),
        }
    }
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// It is not there, fails, or does not end.
pub(super) async fn ask(command: &'static str, arguments: &[&str]) -> Result<String, SlurmError> {
    ask_with(command, arguments, Input::Nothing).await
}

/// The same with a text to read. What it writes to standard error is its answer if it prints nothing.
///
/// # Errors
/// As [`ask`].
pub(super) async fn ask_with(
    command: &'static str,
    arguments: &[&str],
    input: Input,
) -> Result<String, SlurmError> {
    let answer = call(command, arguments, input).await?;
    match answer.is_success {
        true if answer.printed.is_empty() => Ok(answer.said),
        true => Ok(answer.printed),
        false => Err(answer.failure(command)),
    }
}

/// Runs a command and tells how it ended.
///
/// # Errors
/// It is not there, or does not end.
pub(super) async fn call(
    command: &'static str,
    arguments: &[&str],
    input: Input,
) -> Result<Answer, SlurmError> {
    tracing::debug!(command, ?arguments, "asking Slurm");
    match timeout(PATIENCE, run(command, arguments, input)).await {
        Ok(answer) => answer,
        Err(_) => Err(SlurmError::Silent {
            command,
            seconds: PATIENCE.as_secs(),
        }),
    }
}

async fn run(
    command: &'static str,
    arguments: &[&str],
    input: Input,
) -> Result<Answer, SlurmError> {
    let missing = |source| SlurmError::Missing { command, source };
    let mut call = Command::new(command);
    call.args(arguments)
        .stdin(match input {
            Input::Nothing => Stdio::null(),
            Input::Text(_) => Stdio::piped(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in foreign() {
        call.env_remove(name);
    }
    let mut child = call.spawn().map_err(missing)?;
    if let (Input::Text(text), Some(mut stdin)) = (input, child.stdin.take()) {
        // One that does not read its input says why it ended.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(missing)?;
    Ok(Answer {
        is_success: output.status.success(),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.to_string(),
    })
}

/// The first line that says something, without the name of the command before it.
fn reason(said: &str, status: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or(status);
    match line.split_once("error: ") {
        Some((_, reason)) => reason.to_owned(),
        None => line.to_owned(),
    }
}

fn is_foreign(name: &str) -> bool {
    OPTIONS.iter().any(|prefix| name.starts_with(prefix)) && !KEPT.contains(&name)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what it finds is kept from Slurm's commands, so that they do what is written here"
)]
fn foreign() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    names.filter(|name| is_foreign(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_from_the_surroundings_are_kept_from_commands_and_the_cluster_is_not() {
        for name in [
            "SQUEUE_FORMAT",
            "SQUEUE_STATES",
            "SACCT_FORMAT",
            "SBATCH_PARTITION",
            "SLURM_CPUS_PER_TASK",
            "SLURM_TIME_FORMAT",
            "SLURM_CLUSTERS",
        ] {
            assert!(is_foreign(name), "{name}");
        }
        for name in [
            "SLURM_CONF",
            "SLURM_JWT",
            "PATH",
            "AWS_ACCESS_KEY_ID",
            "SQUEUEFORMAT",
        ] {
            assert!(!is_foreign(name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_fails_or_says_nothing_is_told_in_one_line() {
        let missing = ask("no-such-command", &[]).await.unwrap_err().to_string();
        assert!(missing.contains("where Slurm's commands are"), "{missing}");
        let script = "echo >&2; echo 'sbatch: error: invalid partition specified: x' >&2; echo more >&2; exit 1";
        let failed = ask("sh", &["-c", script]).await.unwrap_err().to_string();
        assert_eq!(failed, "sh failed: invalid partition specified: x");
        let silent = ask("false", &[]).await.unwrap_err().to_string();
        assert_eq!(silent, "false failed: exit status: 1");
    }

    #[tokio::test]
    async fn an_answer_is_what_is_printed_or_else_what_is_said() {
        assert_eq!(
            ask("sh", &["-c", "echo a; echo b >&2"]).await.unwrap(),
            "a\n"
        );
        let input = Input::Text("what".to_owned());
        assert_eq!(
            ask_with("sh", &["-c", "cat >&2"], input).await.unwrap(),
            "what"
        );
    }
}
