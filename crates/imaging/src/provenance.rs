//! Owns what an image's header tells beside its grid, by which its plausibility is judged. It judges nothing.

/// What an image's own header tells of it, beside its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance {
    /// Whether it tells what its values mean: DICOM does, NIfTI does not.
    pub has_units: bool,
    /// Whether it tells where the image lies.
    pub is_placed: bool,
    /// Slices found, and slices that the series promises, where it promises any.
    pub slices: Option<SliceCount>,
}

/// How much of a series is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceCount {
    /// Slices that were found.
    pub found: usize,
    /// Slices that its headers promise.
    pub promised: usize,
}
