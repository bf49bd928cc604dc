//! The Slurm cluster that `cargo xtask test` starts, and calls of its commands.

use std::path::PathBuf;

use crate::call::{Call, program_call};
use crate::skipping::{skip, variable};

/// Names the folder of its commands.
const VARIABLE: &str = "FRATMAE_TEST_SLURM";

/// What users set to change what the commands do and print.
const HOSTILE: [(&str, &str); 8] = [
    ("SQUEUE_FORMAT", "%.3i %.9P"),
    ("SQUEUE_STATES", "SUSPENDED"),
    ("SQUEUE_USERS", "nobody"),
    ("SQUEUE_ARRAY_UNIQUE", "1"),
    ("SACCT_FORMAT", "jobid"),
    ("SBATCH_PARTITION", "nowhere"),
    ("SBATCH_NO_REQUEUE", "1"),
    ("SCANCEL_STATE", "SUSPENDED"),
];

/// A cluster of four nodes, with one partition.
#[derive(Debug)]
pub struct Slurm {
    commands: PathBuf,
}

impl Slurm {
    /// The cluster, where there is one.
    pub fn here(test: &str) -> Option<Self> {
        let commands = variable(VARIABLE).map(PathBuf::from);
        if commands.is_none() {
            skip(test, &format!("{VARIABLE} names no cluster"));
        }
        commands.map(|commands| Self { commands })
    }

    /// A call that finds the cluster's commands, made by a user who has them changed in every way.
    #[must_use]
    pub fn for_call(&self, call: Call) -> Call {
        let path = variable("PATH").unwrap_or_default();
        let call = call.with("PATH", &format!("{}:{path}", self.commands.display()));
        let hostile = HOSTILE.iter();
        hostile.fold(call, |call, (name, value)| call.with(name, value))
    }

    /// Calls one of its commands, and gives what that printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn ask(&self, command: &str, arguments: &[&str]) -> String {
        let call = program_call(self.commands.join(command), arguments);
        call.run().succeeded().stdout
    }

    /// The jobs and tasks in its queue whose name begins so: number, state and node.
    ///
    /// # Panics
    /// When the controller does not answer.
    pub fn queue(&self, name: &str) -> Vec<[String; 3]> {
        let format = "--format=%j|%i|%T|%N";
        let text = self.ask("squeue", &["--noheader", "--array", format]);
        let mine = text.lines().filter(|line| line.starts_with(name));
        let task = |line: &str| {
            let mut fields = line.split('|').skip(1).map(str::to_owned);
            [(); 3].map(|()| fields.next().unwrap_or_default())
        };
        mine.map(task).collect()
    }
}
