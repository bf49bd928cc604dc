//! Which job a checkpoint must be of. Its manifest says which it is.

use crate::error::CheckpointError;
use crate::manifest::Manifest;

/// What tells a job's checkpoints from another job's; what is not known is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Digest of the config keys that decide the result. Versions that know other keys come to other digests.
    pub config_digest: Option<String>,
    /// Digest of the data set.
    pub data_digest: Option<String>,
    pub seed: Option<u64>,
}

impl Lineage {
    /// Checks that a checkpoint is of this job; `object` is its manifest's address.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`] with the first difference.
    pub(crate) fn check(&self, object: &str, manifest: &Manifest) -> Result<(), CheckpointError> {
        let digests = [
            ("data digest", &self.data_digest, &manifest.data_digest),
            (
                "config digest",
                &self.config_digest,
                &manifest.config_digest,
            ),
        ];
        let foreign = |what, found: &str, expected: &str| CheckpointError::Foreign {
            object: object.to_owned(),
            what,
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        for (what, expected, found) in digests {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != found) {
                return Err(foreign(what, found, expected));
            }
        }
        match self.seed.filter(|seed| *seed != manifest.seed) {
            Some(seed) => Err(foreign(
                "seed",
                &manifest.seed.to_string(),
                &seed.to_string(),
            )),
            None => Ok(()),
        }
    }
}
