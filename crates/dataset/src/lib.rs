//! PET/CT cases in, windowed stacks out.
//!
//! Owns the reading of images and tables, the prepared data set (Parquet shards and a manifest), the order of
//! samples and the loader. It knows nothing of ranks, models or runs.

mod cache;
mod canvas;
mod case;
mod draw;
mod error;
mod extract;
mod inspect;
mod loader;
mod manifest;
mod metadata;
mod note;
mod order;
mod pages;
mod plausible;
mod prepare;
mod preview;
mod reader;
mod shard;
mod source;
mod stack;
mod text;
mod verify;

#[cfg(test)]
#[path = "../../imaging/src/dicom/test_files.rs"]
mod test_files;

pub use cache::Cache;
pub use canvas::{
    BAR_WIDTH, Canvas, Colour, FAINT, Frame, GAP, INK, Letters, OUTLINE, Shades, Side,
};
pub use case::prepare_case;
pub use draw::Draw;
pub use error::DataSetError;
pub use extract::{CaseImage, extract};
pub use inspect::{
    CaseInspection, CaseLook, Histogram, Inspection, Lesions, Summary, inspect, look,
};
pub use loader::{BadSample, Loader, LoaderOptions, SkippedSample};
pub use manifest::{LAYOUT_VERSION, MANIFEST_NAME, Manifest, ManifestCase, ValueRange, shard_name};
pub use metadata::Metadata;
pub use note::{Note, NoteKind};
pub use order::{Order, Sample, Samples};
pub use prepare::{
    CaseOutcome, CaseReport, CaseVerdict, KeptFields, Part, PrepareOptions, PrepareProgress,
    PrepareReport, REPORT_NAME, SkippedCase, StoredReport, prepare, stored_report,
};
pub use preview::{preview, telling_slice};
pub use reader::{DataSet, Slices};
pub use shard::PreparedCase;
pub use source::{CaseSource, Fault, Layout, Remark, Survey, find_cases, survey};
pub use stack::{Stack, StackAxis, StackOptions};
pub use text::printable;
pub use verify::{Damage, VerifyReport, verify};
