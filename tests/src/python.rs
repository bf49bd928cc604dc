//! A Python with packages from PyPI, in an environment of its own under the build folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Tests of one program make an environment one after another.
static MAKING: Mutex<()> = Mutex::new(());

/// Finds or makes the environment `name` with these packages, which is there once `probe` runs in it.
///
/// # Errors
/// There is no Python, or PyPI cannot be reached.
pub fn python(name: &str, packages: &[&str], probe: &str) -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let build = test
        .ancestors()
        .nth(3)
        .ok_or("tests lie in DIR/release/deps")?;
    let environment = build.join("xtask").join(name);
    let python = environment.join("bin/python");
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if call_python(&python, &["-c", probe]).is_ok() {
        return Ok(python);
    }
    let target = environment.display().to_string();
    call_python(Path::new("python3"), &["-m", "venv", "--clear", &target])?;
    let install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:"];
    call_python(&python, &[&install[..], packages].concat())?;
    Ok(python)
}

/// Calls a Python and gives what it wrote to standard output.
///
/// # Errors
/// The last line of what it wrote to standard error.
pub fn call_python(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    // The scripts lie in the source tree, which stays as it is.
    let output = command
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => {
            let said = text(output.stderr);
            let last = said.lines().last().unwrap_or("it said nothing").to_owned();
            Err(format!("{} {}: {last}", program.display(), arguments[0]))
        }
    }
}
