//! The folder of one call: its own run, the undisturbed one, logs and the scorecard. It refuses a folder that another call did not make.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use fratmae_dataset::KeyedRng;

use super::disk;

/// What marks a folder as chaos's own.
const MARK: &str = "chaos.json";

/// The folder.
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Takes a folder that is absent, empty or of an earlier call, whose runs are removed.
    ///
    /// # Errors
    /// When something else lies there, or it cannot be written.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("cannot make {shown}"))?;
        let is_ours = path.join(MARK).is_file();
        let is_empty = fs::read_dir(path)?.next().is_none();
        if !is_ours && !is_empty {
            bail!(
                "{shown} holds something that chaos did not make; name a folder that is empty or not there"
            );
        }
        let path = path.canonicalize()?;
        fs::write(path.join(MARK), "{}\n").with_context(|| format!("cannot write to {shown}"))?;
        for part in ["run", "run.kept", "undisturbed", "logs"] {
            let part = path.join(part);
            disk::unmount(&part);
            if part.exists() {
                fs::remove_dir_all(&part)?;
            }
        }
        fs::create_dir_all(path.join("logs"))?;
        Ok(Self { path })
    }

    /// The disturbed run.
    pub(crate) fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// A place in the folder.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The log of all processes of a name.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// Adds a line with its time to chaos's own log, and returns it.
    pub(crate) fn log_at(&self, at: Duration, what: &str) -> String {
        let line = format!("{:>7.1} s  {what}", at.as_secs_f64());
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log("chaos"));
        // A log that cannot be written is missed by nobody but its readers.
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
        line
    }

    /// Changes a byte of a part of the newest checkpoint; says whether there was one.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn damage_part(&self, seed: u64) -> Result<bool> {
        let Some(part) = self.part(seed)? else {
            return Ok(false);
        };
        let mut bytes = fs::read(&part)?;
        let place = KeyedRng::new("chaos byte", seed, &[]).below(bytes.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << (seed % 8);
        }
        fs::write(&part, bytes)?;
        Ok(true)
    }

    /// Removes a part of the newest checkpoint; says whether there was one.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn delete_part(&self, seed: u64) -> Result<bool> {
        let part = self.part(seed)?;
        part.as_ref().map(fs::remove_file).transpose()?;
        Ok(part.is_some())
    }

    /// A part of the newest committed checkpoint.
    fn part(&self, seed: u64) -> Result<Option<PathBuf>> {
        let all = self.run().join("checkpoints");
        let Some(newest) = listed(&all)
            .into_iter()
            .rfind(|folder| folder.join("manifest.json").is_file())
        else {
            return Ok(None);
        };
        let is_part = |path: &PathBuf| path.extension().is_some_and(|end| end == "safetensors");
        let mut parts: Vec<PathBuf> = listed(&newest).into_iter().filter(is_part).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let place = KeyedRng::new("chaos part", seed, &[]).below(parts.len() as u64) as usize;
        Ok(Some(parts.swap_remove(place)))
    }
}

/// What lies in a folder, in the order of names; nothing where there is none.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_anything_else_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("config.json");
        fs::write(&run, "a run").unwrap();
        let refusal = RunDir::take(folder.path()).err().unwrap().to_string();
        assert!(refusal.contains("that chaos did not make"), "{refusal}");
        assert_eq!(fs::read_to_string(run).unwrap(), "a run");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_earlier_call_gives_its_runs_up_and_keeps_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let first = RunDir::take(&own).unwrap();
        for name in ["run", "data"] {
            fs::create_dir_all(first.place(name)).unwrap();
        }
        let again = RunDir::take(&own).unwrap();
        assert!(!again.run().exists() && again.place("data").exists());
    }

    #[test]
    fn only_parts_of_the_newest_checkpoint_with_a_manifest_are_harmed() {
        let folder = tempfile::tempdir().unwrap();
        let ours = RunDir::take(folder.path()).unwrap();
        assert!(!ours.damage_part(0).unwrap());
        for (step, is_committed) in [(1, true), (2, true), (3, false)] {
            let place = ours.run().join(format!("checkpoints/step-{step}"));
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("part-00000.safetensors"), [7; 64]).unwrap();
            if is_committed {
                fs::write(place.join("manifest.json"), "{}").unwrap();
            }
        }
        let part = |step| {
            ours.run()
                .join(format!("checkpoints/step-{step}/part-00000.safetensors"))
        };
        assert!(ours.damage_part(5).unwrap());
        let changed = |step| {
            fs::read(part(step))
                .unwrap()
                .iter()
                .filter(|byte| **byte != 7)
                .count()
        };
        assert_eq!([1, 2, 3].map(changed), [0, 1, 0]);
        assert!(ours.delete_part(5).unwrap());
        assert_eq!(
            [1, 2, 3].map(|step| part(step).exists()),
            [true, false, true]
        );
    }
}
