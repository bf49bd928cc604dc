//! `cargo xtask measure`: the size figures of this tree beside the targets of the house style; it only reports.

mod figures;
mod survey;
mod targets;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::program;
use figures::Figures;
use survey::Survey;

/// Prints the row of figures (tab separated, comparable with other trees) and each target with its verdict.
///
/// # Errors
/// The tree cannot be read, or git does not answer.
pub(crate) fn run() -> Result<ExitCode> {
    let root = program::root();
    let figures = Figures::of(&Survey::of(&root)?).context("there is no code to measure")?;
    let name = root
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    println!("{}\n{name}\t{}\n", figures::HEADER, figures.row());
    let commit_files = figures::median(&commit_sizes()?).unwrap_or(0.0);
    for line in targets::verdicts(&figures, commit_files) {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts the files of each commit that is not a merge.
fn commit_sizes() -> Result<Vec<usize>> {
    let mut log = std::process::Command::new("git");
    log.current_dir(program::root())
        .args(["log", "--no-merges", "--name-only", "--format=%x00"]);
    Ok(files_per_commit(&program::output(&mut log)?))
}

fn files_per_commit(log: &str) -> Vec<usize> {
    let commits = log.split('\0').skip(1);
    commits
        .map(|names| names.lines().filter(|line| !line.is_empty()).count())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_commit() {
        assert_eq!(files_per_commit("\0\n\na.rs\nb.rs\n\0\n\nc.rs\n"), [2, 1]);
        assert!(files_per_commit("").is_empty());
    }
}
