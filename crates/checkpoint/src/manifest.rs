//! The manifest: what commits a checkpoint, names its parts, and says what it is a checkpoint of.
//! Owns its text form; writing and finding it are the writer's and the catalogue's.

use bytes::Bytes;
use fratmae_control::{Generation, Step};
use serde::{Deserialize, Serialize};

use crate::error::{CheckpointError, damaged};
use crate::layout::{CheckpointId, CheckpointObjects, part_name};
use crate::sealed::{seal, unseal};

/// The version of everything this crate writes; a reader refuses a newer one.
pub const FORMAT_VERSION: u32 = 1;

/// A part as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// The part's number, from 0.
    pub index: u32,
    /// The object's name in the checkpoint's folder.
    pub name: String,
    pub bytes: u64,
    /// BLAKE3 over the object, in hex.
    pub digest: String,
}

/// What commits a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// The step the checkpoint holds.
    pub step: u64,
    /// The generation whose ranks wrote the parts.
    pub generation: u64,
    /// The fence of the coordinator that commits.
    pub fence: u64,
    /// All parts, in the order of their numbers.
    pub parts: Vec<PartRecord>,
    /// BLAKE3 over the parameters in their stable order.
    pub weights_digest: String,
    /// Samples in the lineage of the weights.
    pub samples_seen: u64,
    /// The loss of the step; not a number is written as null.
    #[serde(deserialize_with = "number_or_null")]
    pub loss: f64,
    /// Digest of the config keys that decide the result.
    pub config_digest: String,
    /// Digest of the data set.
    pub data_digest: String,
    pub seed: u64,
}

impl Manifest {
    /// The identity of the checkpoint it commits.
    #[must_use]
    pub const fn id(&self) -> CheckpointId {
        CheckpointId {
            step: Step::new(self.step),
            generation: Generation::new(self.generation),
        }
    }

    /// The size of all parts together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sizes = self.parts.iter().map(|part| part.bytes);
        sizes.fold(0, u64::saturating_add)
    }

    /// BLAKE3 over its text without the fence: the same whichever coordinator commits it.
    ///
    /// # Errors
    /// [`CheckpointError::Unwritable`] if its parts are not numbered without a hole.
    pub fn digest(&self) -> Result<String, CheckpointError> {
        let without = Self {
            fence: 0,
            ..self.clone()
        };
        Ok(blake3::hash(&without.encode()?).to_hex().to_string())
    }

    pub(crate) fn encode(&self) -> Result<Bytes, CheckpointError> {
        let unwritable = |reason: String| CheckpointError::Unwritable {
            object: self.id().manifest(),
            reason,
        };
        self.check_parts().map_err(unwritable)?;
        let stored = Stored {
            manifest: self.clone(),
            loss_bits: format!("{:016x}", self.loss.to_bits()),
        };
        seal(&stored).map_err(|error| unwritable(error.to_string()))
    }

    /// Reads a manifest that should be `id`'s; `object` is its address for messages.
    pub(crate) fn decode(
        object: &str,
        id: CheckpointId,
        bytes: &[u8],
    ) -> Result<Self, CheckpointError> {
        let body = unseal(bytes).map_err(|reason| damaged(object, reason))?;
        refuse_newer(object, &body)?;
        let mut stored: Stored =
            serde_json::from_str(&body).map_err(|error| damaged(object, error))?;
        if let Ok(bits) = u64::from_str_radix(&stored.loss_bits, 16) {
            stored.manifest.loss = f64::from_bits(bits);
        }
        let manifest = stored.manifest;
        if manifest.id() != id {
            return Err(damaged(
                object,
                format!("it is the manifest of {}", manifest.id()),
            ));
        }
        manifest
            .check_parts()
            .map_err(|reason| damaged(object, reason))?;
        Ok(manifest)
    }

    /// Numbered from 0 without a hole, and named as this crate names them: no name may lead elsewhere.
    fn check_parts(&self) -> Result<(), String> {
        if self.parts.is_empty() {
            return Err("it names no part".to_owned());
        }
        for (index, part) in (0..).zip(&self.parts) {
            if part.index != index || part.name != part_name(index) {
                return Err(format!(
                    "part {index} is missing; it names {} instead",
                    part.name
                ));
            }
        }
        Ok(())
    }
}

/// A manifest in its file. JSON numbers do not keep every bit of a float through every reader, so the loss is kept
/// twice: for people, and exactly.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    manifest: Manifest,
    loss_bits: String,
}

/// Tells a newer version apart before its fields are looked at.
pub(crate) fn refuse_newer(object: &str, body: &str) -> Result<(), CheckpointError> {
    #[derive(Deserialize)]
    struct Versioned {
        format_version: u32,
    }
    let found: Versioned = serde_json::from_str(body).map_err(|error| damaged(object, error))?;
    if found.format_version > FORMAT_VERSION {
        return Err(CheckpointError::Newer {
            object: object.to_owned(),
            what: format!("format {}, known is {FORMAT_VERSION}", found.format_version),
        });
    }
    Ok(())
}

fn number_or_null<'de, D: serde::Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(source)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::manifest;

    fn decoded(manifest: &Manifest) -> Result<Manifest, CheckpointError> {
        Manifest::decode("x", manifest.id(), &manifest.encode().unwrap())
    }

    #[test]
    fn manifest_reads_back_and_its_loss_to_the_bit() {
        for loss in [
            0.1 + 0.2,
            1.0 / 3.0,
            2.225_073_858_507_201e-308,
            -0.0,
            f64::INFINITY,
        ] {
            let written = Manifest {
                loss,
                ..manifest(12, 3)
            };
            let read = decoded(&written).unwrap();
            assert_eq!(read.loss.to_bits(), loss.to_bits());
            assert_eq!(read, written);
        }
        let diverged = Manifest {
            loss: f64::NAN,
            ..manifest(12, 3)
        };
        assert!(decoded(&diverged).unwrap().loss.is_nan());
    }

    #[test]
    fn every_flipped_byte_is_damage() {
        let written = manifest(12, 3);
        let good = written.encode().unwrap();
        for index in 0..good.len() {
            let mut bad = good.to_vec();
            bad[index] ^= 4;
            let error = Manifest::decode("x", written.id(), &bad).unwrap_err();
            assert!(error.is_damage(), "byte {index}: {error}");
        }
    }

    #[test]
    fn newer_version_is_not_called_damage() {
        let newer = Manifest {
            format_version: FORMAT_VERSION + 1,
            ..manifest(12, 3)
        };
        assert!(matches!(
            decoded(&newer),
            Err(CheckpointError::Newer { .. })
        ));
    }

    #[test]
    fn manifest_in_another_checkpoints_folder_is_damage() {
        let bytes = manifest(12, 3).encode().unwrap();
        let error = Manifest::decode("x", manifest(13, 3).id(), &bytes).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }

    #[test]
    fn missing_part_and_a_name_that_leads_elsewhere_are_refused() {
        let mut hole = manifest(12, 3);
        hole.parts[0].index = 1;
        let mut elsewhere = manifest(12, 3);
        elsewhere.parts[0].name = "../../x".to_owned();
        let empty = Manifest {
            parts: Vec::new(),
            ..manifest(12, 3)
        };
        for bad in [hole, elsewhere, empty] {
            let error = bad.encode().unwrap_err();
            assert!(
                matches!(error, CheckpointError::Unwritable { .. }),
                "{error}"
            );
        }
    }
}
