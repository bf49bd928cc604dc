//! `cargo xtask gpu build|rehearse|run`: the program with CUDA linked in, the archive that travels to a machine with a
//! card, the same kernels on the CPU, and the script that measures on a card (`benches/gpu.py`).

mod archive;
mod llvm;
mod rehearsal;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::program;

pub(crate) use rehearsal::{REHEARSAL, run as rehearse};

/// Apart from the usual build folder, whose dependencies have other features.
const BUILD_FOLDER: &str = "target/gpu";

/// Builds the program with CUDA and packs it, with the script and the jobs that it needs, into one archive.
///
/// Neither a card nor NVIDIA's driver or toolkit is needed.
///
/// # Errors
/// LLVM cannot be fetched, the program does not build, or the archive is larger than may travel.
pub(crate) fn build() -> Result<ExitCode> {
    let mut build = cargo(&["build", "-p", "fratmae", "--features", "cuda"])?;
    ensure!(
        program::watch(&mut build)?.success(),
        "the program does not build with the `cuda` feature"
    );
    archive::pack(&built())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the measuring script on this machine with the program that `build` made; `arguments` go to the script.
///
/// # Errors
/// There is no such program, or Python cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let program = built();
    ensure!(
        program.is_file(),
        "{} is not there: `cargo xtask gpu build` makes it",
        program.display()
    );
    let mut python = Command::new("python3");
    python
        .current_dir(program::root())
        .arg("benches/gpu.py")
        .arg("--program")
        .arg(program)
        .args(arguments);
    Ok(match program::watch(&mut python)?.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A cargo command that links LLVM, and comes to the same dependencies as every other one from here.
///
/// Symbols are stripped, since the program travels.
fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = program::cargo(arguments);
    command
        .args(["--release", "--locked", "--target-dir", BUILD_FOLDER])
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    if let Some(data) = llvm::data_folder()? {
        command.env("XDG_DATA_HOME", data);
    }
    Ok(command)
}

fn built() -> PathBuf {
    program::root().join(BUILD_FOLDER).join("release/fratmae")
}
