//! Python packages from PyPI in an environment of their own under the build folder; nothing outside it changes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::program;

/// A folder with a Python of its own and the packages that it is to have.
pub(crate) struct Environment {
    folder: PathBuf,
    requirements: &'static [&'static str],
}

impl Environment {
    /// The environment of this name under the build folder, which may not be there yet.
    pub(crate) fn new(name: &str, requirements: &'static [&'static str]) -> Self {
        Self {
            folder: program::own_folder().join(name),
            requirements,
        }
    }

    /// Whether these packages at these versions are there.
    pub(crate) fn is_installed(&self) -> bool {
        let stamp = fs::read_to_string(self.stamp());
        stamp.is_ok_and(|stamp| stamp == self.requirements.join("\n"))
    }

    /// Makes the environment anew and fetches the packages.
    ///
    /// # Errors
    /// Python or its `venv` module is missing, or pip cannot fetch a package; the message says what to do.
    pub(crate) fn install(&self) -> Result<()> {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&self.folder);
        program::output(&mut make).context(
            "Python with its `venv` module is needed: install the Debian package python3-venv",
        )?;
        let mut pip = Command::new(self.program("python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        let wanted = self.requirements.join(", ");
        program::output(pip.args(self.requirements)).with_context(|| {
            format!("pip cannot install {wanted}: check the network and the room on the disk")
        })?;
        // Written last, so that an interrupted installation is done again.
        let stamp = self.stamp();
        fs::write(&stamp, self.requirements.join("\n"))
            .with_context(|| format!("cannot write {}", stamp.display()))
    }

    /// Where a program of the environment is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// Says what would be fetched, and where to.
    pub(crate) fn announcement(&self) -> String {
        let wanted = self.requirements.join(", ");
        format!("fetching {wanted} from PyPI into {}", self.folder.display())
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("installed.txt")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: PathBuf) -> Environment {
        Environment {
            folder,
            requirements: &["one==1", "two==2"],
        }
    }

    #[test]
    fn an_environment_that_cannot_be_made_names_the_package_to_install() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = at(file.path().join("venv")).install().unwrap_err();
        let line = format!("{error:#}");
        assert!(
            line.contains("install the Debian package python3-venv"),
            "{line}"
        );
    }

    #[test]
    fn only_the_very_packages_count_as_installed() {
        let folder = tempfile::tempdir().unwrap();
        let environment = at(folder.path().to_path_buf());
        assert!(!environment.is_installed());
        fs::write(environment.stamp(), "one==1\ntwo==1").unwrap();
        assert!(!environment.is_installed());
        fs::write(environment.stamp(), "one==1\ntwo==2").unwrap();
        assert!(environment.is_installed());
    }
}
