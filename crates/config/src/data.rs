//! What the run is called and what it learns from: the sections `run` and `data`.

use serde::{Deserialize, Serialize};

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
