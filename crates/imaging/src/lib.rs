//! Images in: NIfTI and DICOM files to voxels that are numbers of a known unit at a known place.
//!
//! Owns the two formats, canonical axes, and the resampling of an image onto another one's grid. It knows nothing of
//! cases, patients and data sets; whether values are plausible is judged by its callers.

mod dicom;
mod error;
mod image;
mod image_source;
mod nifti;
mod orientation;
mod provenance;
mod resample;
mod spread;
mod target;
mod volume;

pub use dicom::{
    EnhancedPet, FoundSeries, FoundTree, HeaderNumber, PetHeader, SeriesHeader, Space, SuvScale,
    TagUsed, find_series, suv_scale,
};
pub use error::ImageError;
pub use image::open::OpenImage;
pub use image::{Image, Units, read_image};
pub use image_source::ImageSource;
pub use nifti::encode::{NiftiVoxels, encode_nifti};
pub use nifti::{read_nifti, write_nifti};
pub use orientation::canonical;
pub use provenance::{Provenance, SliceCount};
pub use resample::Unmeasured;
pub use spread::Spread;
pub use target::{Labels, OnGrid, TargetGrid};
pub use volume::{Affine, Geometry, Volume};
