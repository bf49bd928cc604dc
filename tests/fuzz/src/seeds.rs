//! Owns what fuzzing starts from: sound inputs of every target, made here, and real images where this clone has them.

mod dicom;
mod messages;
mod objects;
mod real;

/// One input.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The target it is for.
    pub target: &'static str,
    /// A name, unique among those of the target.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Seed {
    pub(crate) fn new(
        target: &'static str,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            target,
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// Makes the seeds of all targets; the same ones every time.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = objects::seeds();
    seeds.extend(dicom::seeds());
    seeds.extend(messages::seeds());
    seeds.extend(real::seeds());
    seeds
}
