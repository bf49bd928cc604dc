//! The prepared data set: its layout (Parquet shards and a manifest), the order of samples, and windowed stacks out.
//!
//! Shards are written and read here, so that columns, checksums and digests are said once; what goes into them is made
//! by `prepare`. It reads no image, and knows nothing of ranks, models or runs.

mod cache;
mod canvas;
mod error;
mod extract;
mod inspect;
mod keyed_rng;
mod loader;
mod manifest;
mod metadata;
mod note;
mod order;
mod pages;
mod preview;
mod reader;
mod shard;
mod stack;
mod text;
mod verify;

pub use cache::Cache;
pub use canvas::{
    BAR_WIDTH, Canvas, Colour, FAINT, Frame, GAP, INK, Letters, OUTLINE, Shades, Side,
};
pub use error::DataSetError;
pub use extract::{CaseImage, extract};
pub use inspect::{
    CaseInspection, CaseStats, Histogram, Inspection, Lesions, Summary, inspect, inspect_voxels,
};
pub use keyed_rng::KeyedRng;
pub use loader::{BadSample, Loader, LoaderOptions, SkippedSample};
pub use manifest::{
    LARGEST_TEXT, LAYOUT_VERSION, MANIFEST_NAME, Manifest, ManifestCase, ValueRange, grid_fault,
    shard_name,
};
pub use metadata::Metadata;
pub use note::{Note, NoteKind};
pub use order::{Sample, SampleOrder, Samples};
pub use preview::{preview, telling_slice};
pub use reader::{DataSet, Slices, task_failure};
pub use shard::{CaseEncoder, EncodedCase, PreparedCase, ShardWriter};
pub use stack::{Stack, StackAxis, StackOptions};
pub use text::{is_hidden, printable};
pub use verify::{Damage, VerifyReport, verify};
