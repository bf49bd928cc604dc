//! Owns the notes of a case: what is unlikely about it, as the manifest and the report keep it. It judges nothing.

use serde::{Deserialize, Serialize};

/// What is unlikely about a case that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Which kind of doubt it is, for programs.
    pub kind: NoteKind,
    /// What was measured and what it may mean, for people; it names no path and no patient.
    pub text: String,
}

/// Kinds of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The PET has more negative values than a reconstruction leaves.
    PetNegative,
    /// The mean SUV in the body is too high.
    PetTooHigh,
    /// The PET was scaled to a maximum of 1.
    PetScaled,
    /// The CT holds no air.
    CtWithoutAir,
    /// The CT holds hardly any soft tissue.
    CtWithoutTissue,
    /// The CT covers less than half of the PET's length.
    CtTooShort,
    /// The label had voxels and lost all or most of them.
    LabelLost,
    /// A DICOM series lacks some of the slices that it promises.
    SlicesMissing,
    /// No image says where it lies.
    NoGeometry,
    /// The field of view is too short for a whole body.
    NotWholeBody,
}

impl Note {
    /// Makes a note.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}
