//! Owns what a caller can say of how a data set is made, and the defaults with their reasons.

use super::shard_range::Part;

/// Says how a data set is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareOptions {
    /// Voxels along R, A and S of every case.
    pub grid: [usize; 3],
    /// Cases in a shard; the last may hold fewer.
    pub cases_per_shard: usize,
    /// Cases worked on at once: each takes some hundred megabytes for a whole-body study.
    pub threads: usize,
    /// Leaves out cases that cannot be read, instead of stopping at the first.
    pub skip_bad: bool,
    /// Stops at a case that could be used and has notes.
    pub refuse_noted: bool,
    /// Which shards this call makes.
    pub part: Part,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            // Section 3.1 of the paper.
            grid: [160, 160, 192],
            // About 400 MB a shard: few objects, and little work lost when stopped.
            cases_per_shard: 32,
            // More than eight whole-body studies at once would need more memory than most machines spare.
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8)),
            // A data set that silently lacks cases is worse than one that is not there.
            skip_bad: false,
            // A note is a doubt, and whoever prepares reads it.
            refuse_noted: false,
            // One machine is what most have.
            part: Part::Whole,
        }
    }
}
