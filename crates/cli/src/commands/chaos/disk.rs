//! A file system of the run's own, in a file, which can be frozen: whoever writes to it waits, as on a network's that hangs.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::run_dir::RunDir;

/// The most that it holds; the file takes as much as is written.
const BYTES: u64 = 64 << 30;

/// The file system, where the run lies. With the value it is gone, and what lies there is in a folder of that name.
pub(crate) struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    /// Makes one where the run will lie.
    ///
    /// # Errors
    /// Why this user or system cannot.
    pub(crate) fn mount(folder: &RunDir) -> Result<Self> {
        let (image, place) = (folder.place("run.img"), folder.run());
        fs::File::create(&image)
            .and_then(|file| file.set_len(BYTES))
            .with_context(|| image.display().to_string())?;
        fs::create_dir_all(&place)?;
        let disk = Self { image, place };
        call("mkfs.ext4", &["-q", "-F"], &[&disk.image])?;
        call("mount", &["-o", "loop"], &[&disk.image, &disk.place])?;
        // A run's folder holds nothing else.
        fs::remove_dir(disk.place.join("lost+found"))?;
        disk.freeze()?;
        disk.thaw()?;
        Ok(disk)
    }

    /// Lets whoever writes there wait.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn freeze(&self) -> Result<()> {
        if !is_mounted(&self.place) {
            bail!("{} is no file system of its own", self.place.display());
        }
        call("fsfreeze", &["--freeze"], &[&self.place])
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn thaw(&self) -> Result<()> {
        call("fsfreeze", &["--unfreeze"], &[&self.place])
    }

    fn keep(&self) -> Result<()> {
        if !is_mounted(&self.place) {
            return Ok(());
        }
        let kept = self.place.with_extension("kept");
        call("cp", &["-a"], &[&self.place, &kept])?;
        call("umount", &[], &[&self.place])?;
        fs::remove_dir(&self.place)?;
        fs::rename(&kept, &self.place)?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.keep() {
            tracing::debug!(%error, "the run stays in its image");
            unmount(&self.place);
        }
        // It may be gone already.
        let _ = fs::remove_file(&self.image);
    }
}

/// Whether a file system of its own is at a place: nothing else may be frozen.
fn is_mounted(place: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let around = place.parent().and_then(device);
    device(place).is_some_and(|own| Some(own) != around)
}

/// Takes a file system away that a call which was killed has left at a place; most places have none.
pub(crate) fn unmount(place: &Path) {
    if !is_mounted(place) {
        return;
    }
    // It is not frozen where the call was killed at another moment.
    let _ = call("fsfreeze", &["--unfreeze"], &[place]);
    if let Err(error) = call("umount", &["--lazy"], &[place]) {
        tracing::debug!(%error, "a file system is left");
    }
}

fn call(program: &str, words: &[&str], paths: &[&Path]) -> Result<()> {
    let output = Command::new(program).args(words).args(paths).output();
    let output = output.with_context(|| program.to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{program} {}: {}", words.join(" "), said.trim())
}
