//! One call of the program: its arguments and surroundings, and how it ended.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::running::Running;

/// How long a call may take when the test says nothing else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A call that has not begun.
#[derive(Debug, Clone)]
pub struct Call {
    program: PathBuf,
    prefix: Vec<OsString>,
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
    patience: Duration,
    has_reader: bool,
}

/// Prepares a call of `fratmae` with these arguments.
pub fn fratmae<I>(arguments: I) -> Call
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    program_call(program(), arguments)
}

/// Prepares a call of another program.
pub fn program_call<I>(program: impl Into<PathBuf>, arguments: I) -> Call
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    Call {
        program: program.into(),
        prefix: Vec::new(),
        arguments: arguments.into_iter().map(Into::into).collect(),
        variables: Vec::new(),
        patience: PATIENCE,
        has_reader: true,
    }
}

/// Finds the program beside this test's own binary, whatever the build folder is.
///
/// # Panics
/// When it is not built.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the system names this test's binary");
    let folder = test.parent().and_then(Path::parent);
    let program = folder
        .expect("tests lie in DIR/deps")
        .join(format!("fratmae{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is not there: `cargo build --release -p fratmae` makes it",
        program.display()
    );
    program
}

impl Call {
    /// Adds one argument.
    #[must_use]
    pub fn and(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of its surroundings.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Calls it through another program, such as one that enters a network namespace.
    #[must_use]
    pub fn through(mut self, prefix: &[&str]) -> Self {
        self.prefix = prefix.iter().map(OsString::from).collect();
        self
    }

    /// Gives it so long to end.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Closes the reading end of its standard output before it can write.
    #[must_use]
    pub fn without_reader(mut self) -> Self {
        self.has_reader = false;
        self
    }

    /// Starts it in a process group of its own, which its children share.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self) -> Running {
        let mut words = self.prefix.clone();
        words.push(self.program.clone().into_os_string());
        words.extend(self.arguments.clone());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_remove("RUST_LOG")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::spawn(command, self.described(), self.patience, self.has_reader)
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started or takes longer than allowed.
    pub fn run(&self) -> Finished {
        self.start().wait()
    }

    fn described(&self) -> String {
        let words = self.arguments.iter().map(|word| word.to_string_lossy());
        let name = self.program.file_stem().unwrap_or_default();
        let words = words.collect::<Vec<_>>().join(" ");
        format!("{} {words}", name.to_string_lossy())
    }
}

/// A call that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    pub call: String,
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it and its children wrote to standard error.
    pub stderr: String,
    /// How long it took.
    pub seconds: f64,
}

/// Whether this is how `--log json` writes the error that ends a command.
fn is_json_error(line: &str) -> bool {
    line.starts_with('{')
        && line.contains(r#""level":"ERROR""#)
        && line.contains(r#""target":"fratmae""#)
}

impl Finished {
    /// Checks that it succeeded.
    ///
    /// # Panics
    /// When it failed.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{} failed:\n{}", self.call, self.stderr);
        self.no_panic();
        self
    }

    /// Checks that it failed and said so in exactly one line `error: …`; gives that line.
    ///
    /// # Panics
    /// When it succeeded, panicked, or said more or less.
    pub fn error_line(&self) -> String {
        let Self {
            call, code, stderr, ..
        } = self;
        assert!(
            code.is_some_and(|code| code != 0),
            "{call} ended with {code:?} and no failure:\n{stderr}"
        );
        self.no_panic();
        let errors: Vec<&str> = stderr
            .lines()
            .filter(|line| line.starts_with("error: ") || is_json_error(line))
            .collect();
        match errors.as_slice() {
            [line] => (*line).to_owned(),
            _ => panic!("{call} wrote {} error lines:\n{stderr}", errors.len()),
        }
    }

    /// Checks that it failed and wrote one line to standard error and nothing else; gives that line.
    ///
    /// # Panics
    /// As [`Self::error_line`], and when another line stands there.
    pub fn only_line(&self) -> String {
        let line = self.error_line();
        assert_eq!(self.stderr.trim_end(), line, "{} said more", self.call);
        line
    }

    /// Gives the last line of standard output.
    pub fn last_line(&self) -> String {
        self.stdout.lines().last().unwrap_or_default().to_owned()
    }

    /// Reads the last line of standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        let line = self.last_line();
        serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{} printed no JSON ({error}): {line}", self.call);
        })
    }

    /// The digest of the weights in its last line.
    ///
    /// # Panics
    /// As [`Self::json`], and when there is none.
    pub fn digest(&self) -> String {
        let digest = &self.json()["weights_digest"];
        digest
            .as_str()
            .expect("the run told its weights")
            .to_owned()
    }

    /// Checks that no process of the call panicked.
    ///
    /// # Panics
    /// When one did.
    pub fn no_panic(&self) {
        let Self { call, stderr, .. } = self;
        assert!(!stderr.contains(" panicked"), "{call}:\n{stderr}");
    }
}
