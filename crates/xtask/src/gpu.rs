//! `cargo xtask gpu build|run`: the program with CUDA linked in, the archive that travels to a machine with a card, and
//! the script that measures there (`benches/gpu.py`).

mod archive;
mod llvm;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::program;

/// Apart from the usual build folder, whose dependencies have other features.
const BUILD_FOLDER: &str = "target/gpu";

/// Builds the program with CUDA and packs it, with the script and the jobs that it needs, into one archive.
///
/// Neither a card nor NVIDIA's driver or toolkit is needed. Symbols are stripped, since the file travels.
///
/// # Errors
/// LLVM cannot be fetched, the program does not build, or the archive is larger than may travel.
pub(crate) fn build() -> Result<ExitCode> {
    let mut build = program::cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "fratmae",
        "--features",
        "cuda",
        "--target-dir",
        BUILD_FOLDER,
    ]);
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    if let Some(data) = llvm::data_folder()? {
        build.env("XDG_DATA_HOME", data);
    }
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

fn built() -> PathBuf {
    program::root().join(BUILD_FOLDER).join("release/fratmae")
}
