//! What the run is called and what it learns from: the sections `run` and `data`.

use serde::{Deserialize, Serialize};

use crate::rules::{Allowed, LARGEST, MILLION, Rule};

/// Where the run is stored, and its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Where the run's config, journal and checkpoints are kept: a path or `s3://`, `gs://`, `az://`, `file://`.
    pub url: String,
    /// The one seed: weights, order of the samples, stacks and masks follow from it.
    pub seed: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            // A folder beside the caller, so that a first run needs nothing.
            url: "runs/default".to_owned(),
            // Any number works; zero is what a reader expects.
            seed: 0,
        }
    }
}

/// The data set and how stacks are cut from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// The prepared data set; `pretrain` prepares `source` into it when it has no manifest.
    pub url: String,
    /// The raw cases: a CSV table or a folder in a known layout.
    pub source: String,
    /// How many phantom cases `pretrain` writes to `source` when nothing is there; 0 for none.
    pub phantoms: usize,
    /// Voxels of a prepared case along R, A and S.
    pub grid: [usize; 3],
    /// Along which axis of the patient slices are stacked: the first size of `model.stack`.
    pub axis: Axis,
    /// Slice stride of a stack.
    pub stride: usize,
    /// SUV that become 0 and 1.
    pub suv_window: [f64; 2],
    /// Hounsfield units that become 0 and 1.
    pub hu_window: [f64; 2],
    /// Whether the sentence given to the text encoder names the diagnosis.
    pub diagnosis_in_sentence: bool,
    /// Memory in MiB that a worker may use to read ahead, from the first byte fetched to the last stack waiting.
    pub prefetch_mib: u64,
    /// A folder for pieces of a remote data set, shared by the workers of a machine; empty for none.
    pub cache_dir: String,
    /// MiB that the pieces in `cache_dir` may take.
    pub cache_mib: u64,
    /// What to do with a sample whose stored voxels are damaged.
    pub bad_sample: BadSample,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            // No data set can be guessed; `pretrain` asks for one.
            url: String::new(),
            source: String::new(),
            // Phantoms are made only on request.
            phantoms: 0,
            // Paper: PET and CT resized to 160x160x192.
            grid: [160, 160, 192],
            // Paper: coronal slices.
            axis: Axis::Coronal,
            // Paper: subsampling k = 2.
            stride: 2,
            // Not from the paper: keeps all but the hottest lesions, brain and bladder below saturation.
            suv_window: [0.0, 20.0],
            // Not from the paper: from air to dense bone.
            hu_window: [-1000.0, 1000.0],
            // Not from the paper: "NEGATIVE" would tell a lesion task whether there is anything to find.
            diagnosis_in_sentence: false,
            // Sixteen stacks waiting (8 MB each at the paper's size), or five on their way at their largest: two slots
            // of four ahead of the step, and as many again for a store that is slow for a moment.
            prefetch_mib: 128,
            // Nothing is written to a disk unless the job names a folder.
            cache_dir: String::new(),
            // Holds the paper's 1,292 cases, some 15 MB each.
            cache_mib: 32_768,
            // Nobody should learn after the run that part of the data was not used.
            bad_sample: BadSample::Fail,
        }
    }
}

/// The direction along which slices are stacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// From front to back.
    Coronal,
    /// From feet to head.
    Axial,
    /// From side to side.
    Sagittal,
}

/// What to do with a sample whose stored voxels do not match their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadSample {
    /// The run ends.
    Fail,
    /// Another case, drawn from the seed and the sample's position, takes its place, and the journal records it.
    Skip,
}

/// What the keys of this file's sections may be, and what they are for.
pub(crate) const RULES: &[Rule] = &[
    (
        "run.url",
        Allowed::Name,
        "Where config, journal, checkpoints and history are stored: a path, file://, s3://, gs:// or az://.",
    ),
    (
        "run.seed",
        Allowed::Whole(0, LARGEST),
        "Seed of the initial weights, the sample order, the stacks and the masks.",
    ),
    (
        "data.url",
        Allowed::Text,
        "The prepared data set (made by: fratmae prepare SOURCE --out URL).",
    ),
    (
        "data.source",
        Allowed::Text,
        "Raw cases, prepared into data.url if nothing is there: a CSV table or a folder in a known layout.",
    ),
    (
        "data.phantoms",
        Allowed::Whole(0, MILLION),
        "Number of phantom cases to write to data.source if it does not exist; 0: none.",
    ),
    (
        "data.grid",
        Allowed::Sizes(1, 4096),
        "Voxels along R, A and S after resizing. Paper.",
    ),
    (
        "data.axis",
        Allowed::Choice(&["coronal", "axial", "sagittal"]),
        "Axis along which slices are stacked: \"coronal\", \"axial\" or \"sagittal\". model.stack is then [depth, R, S],\n\
         [depth, R, A] or [depth, A, S]. Paper: coronal.",
    ),
    (
        "data.stride",
        Allowed::Whole(1, 1024),
        "Slice stride: with 2, every second slice, 32 slices span a body from front to back. Paper (k = 2).",
    ),
    (
        "data.suv_window",
        Allowed::Window,
        "SUV mapped to 0 and 1. Not from the paper: only the hottest lesions, brain and bladder saturate.",
    ),
    (
        "data.hu_window",
        Allowed::Window,
        "Hounsfield units mapped to 0 and 1. Not from the paper: from air to dense bone.",
    ),
    (
        "data.diagnosis_in_sentence",
        Allowed::Flag,
        "Put the diagnosis into the text. It would leak the label into lesion tasks. Not from the paper.",
    ),
    (
        "data.prefetch_mib",
        Allowed::Whole(1, MILLION),
        "Memory in MiB that each worker may use to read ahead. 128 holds about two slots of the paper's size.",
    ),
    (
        "data.cache_dir",
        Allowed::Text,
        "Folder on a local disk for parts of a remote data set, shared by the workers of a machine; \"\": no cache.\n\
         Losing it costs only time. For the workers of pretrain; others take --cache-dir.",
    ),
    (
        "data.cache_mib",
        Allowed::Whole(16, 1_000 * MILLION),
        "Largest size of the cache in MiB. The paper's 1,292 cases fit, about 15 MB each.",
    ),
    (
        "data.bad_sample",
        Allowed::Choice(&["fail", "skip"]),
        "What to do when the stored voxels of a sample are damaged: \"fail\" ends the run, \"skip\" trains on another case\n\
         and records it in the journal.",
    ),
];
