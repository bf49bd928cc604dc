//! A file system that is soon full.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, in memory unless it is formatted; it is gone with the value.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Makes one with so many KiB at `folder`, which must exist.
    ///
    /// # Errors
    /// Why this user or system cannot.
    pub fn mount(folder: &Path, kib: u64) -> Result<Self, String> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "fratmae-test"]);
        succeed(mount.arg(folder))?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Makes one with so many KiB in a file `image`, so that it is no memory, at `folder`, which must exist.
    ///
    /// # Errors
    /// Why this user or system cannot.
    pub fn format(image: &Path, folder: &Path, kib: u64) -> Result<Self, String> {
        let blank = std::fs::File::create(image).and_then(|file| file.set_len(kib << 10));
        blank.map_err(|error| format!("{}: {error}", image.display()))?;
        succeed(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image))?;
        succeed(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(image)
                .arg(folder),
        )?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Changes its size.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn resize(&self, kib: u64) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={kib}k")]);
        succeed(mount.arg(&self.folder)).expect("what was mounted can be mounted again");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached, so that a process which still has a file open does not keep it in the tree.
        let _ = succeed(Command::new("umount").arg("--lazy").arg(&self.folder));
    }
}

/// Runs a system's command.
///
/// # Errors
/// What it said, or that it is not there.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let named = format!("{command:?}");
    let output = command
        .output()
        .map_err(|error| format!("{named}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{named}: {said}"))
}
