//! Names of a run's objects on its store.
//! Owns the naming and its reading back; reads and writes nothing.

pub use fratmae_control::CheckpointId;
use fratmae_control::{Generation, Step};

/// The folder of all checkpoints of a run.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// The folder of the journal of a run.
pub(crate) const JOURNAL: &str = "journal";

const MANIFEST: &str = "manifest.json";

/// The names of a checkpoint's objects.
pub(crate) trait CheckpointObjects: Sized {
    /// Its manifest.
    fn manifest(self) -> String;

    /// One of its objects.
    fn object(self, name: &str) -> String;

    /// The folder of all its objects, whose name is the checkpoint's.
    fn folder(self) -> String;

    /// Reads the name of a manifest; other objects, and folders named otherwise, are none.
    fn of_manifest(object: &str) -> Option<Self>;

    /// Reads the name of a checkpoint's folder; others are none.
    fn of_folder(folder: &str) -> Option<Self>;

    /// Reads whose object this is, and its name in the folder; folders named otherwise are none.
    fn of_object(object: &str) -> Option<(Self, &str)>;
}

impl CheckpointObjects for CheckpointId {
    fn manifest(self) -> String {
        self.object(MANIFEST)
    }

    fn object(self, name: &str) -> String {
        format!("{CHECKPOINTS}/{self}/{name}")
    }

    fn folder(self) -> String {
        format!("{CHECKPOINTS}/{self}")
    }

    fn of_manifest(object: &str) -> Option<Self> {
        let (id, name) = Self::of_object(object)?;
        (name == MANIFEST).then_some(id)
    }

    fn of_object(object: &str) -> Option<(Self, &str)> {
        let (folder, name) = object
            .strip_prefix(CHECKPOINTS)?
            .strip_prefix('/')?
            .split_once('/')?;
        Some((Self::of_folder(folder)?, name))
    }

    fn of_folder(folder: &str) -> Option<Self> {
        let (step, generation) = folder.strip_prefix("step-")?.split_once(".generation-")?;
        let id = Self {
            step: Step::new(step.parse().ok()?),
            generation: Generation::new(generation.parse().ok()?),
        };
        (id.to_string() == folder).then_some(id)
    }
}

pub(crate) fn part_name(index: u32) -> String {
    format!("part-{index:05}.safetensors")
}

pub(crate) fn journal_record(number: u64) -> String {
    format!("{JOURNAL}/{number:020}.json")
}

/// Reads the name of a journal record; other objects are none.
pub(crate) fn journal_number(object: &str) -> Option<u64> {
    let name = object.strip_prefix(JOURNAL)?.strip_prefix('/')?;
    let number = name.strip_suffix(".json")?.parse().ok()?;
    (journal_record(number) == object).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(step: u64, generation: u64) -> CheckpointId {
        CheckpointId {
            step: Step::new(step),
            generation: Generation::new(generation),
        }
    }

    #[test]
    fn names_are_as_documented() {
        assert_eq!(
            id(12_000, 3).to_string(),
            "step-000000012000.generation-000003"
        );
        assert_eq!(
            id(12_000, 3).object(&part_name(7)),
            "checkpoints/step-000000012000.generation-000003/part-00007.safetensors"
        );
        assert_eq!(journal_record(42), "journal/00000000000000000042.json");
    }

    #[test]
    fn names_read_back() {
        for id in [id(0, 0), id(12_000, 3), id(u64::MAX, u64::MAX)] {
            assert_eq!(CheckpointId::of_manifest(&id.manifest()), Some(id));
        }
        for number in [0, 42, u64::MAX] {
            assert_eq!(journal_number(&journal_record(number)), Some(number));
        }
    }

    #[test]
    fn other_names_are_no_checkpoint_and_no_record() {
        for object in [
            "checkpoints/step-1.generation-1/manifest.json",
            "checkpoints/step-000000000001.generation-000001/part-00000.safetensors",
            "checkpoints/step-000000000001.generation-000001/old/manifest.json",
            "checkpoints/step-+00000000001.generation-000001/manifest.json",
            "checkpoints/manifest.json",
        ] {
            assert_eq!(CheckpointId::of_manifest(object), None, "{object}");
        }
        for object in [
            "journal/1.json",
            "journal/notes.txt",
            "history/00000000000000000001.json",
        ] {
            assert_eq!(journal_number(object), None, "{object}");
        }
    }
}
