//! What the run is called and what it learns from: the sections `run` and `data`.

use serde::{Deserialize, Serialize};

/// Where the run lives and from which seed it grows.
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
            // Any number does; zero is the one a reader expects.
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
    /// The raw cases: a CSV table or a folder in the AutoPET layout.
    pub source: String,
    /// How many phantom cases `pretrain` writes to `source` when nothing is there; 0 for none.
    pub phantoms: usize,
    /// Voxels of a prepared case along R, A and S.
    pub grid: [usize; 3],
    /// Every how-manieth coronal slice a stack takes.
    pub stride: usize,
    /// SUV that become 0 and 1.
    pub suv_window: [f64; 2],
    /// Hounsfield units that become 0 and 1.
    pub hu_window: [f64; 2],
    /// Whether the sentence given to the text encoder names the diagnosis.
    pub diagnosis_in_sentence: bool,
    /// Stacks that a worker reads ahead.
    pub prefetch: usize,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            // No data set can be guessed; `pretrain` asks for one.
            url: String::new(),
            source: String::new(),
            // Phantoms are asked for, never a surprise.
            phantoms: 0,
            // Paper: PET and CT resized to 160x160x192.
            grid: [160, 160, 192],
            // Paper: subsampling k = 2.
            stride: 2,
            // Not from the paper: keeps all but the hottest lesions, brain and bladder below saturation.
            suv_window: [0.0, 20.0],
            // Not from the paper: from air to dense bone.
            hu_window: [-1000.0, 1000.0],
            // Not from the paper: "NEGATIVE" would tell a lesion task whether there is anything to find.
            diagnosis_in_sentence: false,
            // Not from the paper: two slots of four ahead of the step; 16 MB a stack at the paper's size.
            prefetch: 8,
        }
    }
}
