//! Owns the list of targets, and the bound on memory that each must keep.

use crate::memory::peak_of;
use crate::targets;

/// One door and what is done with bytes that come through it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of libFuzzer's program, and of the folder of its inputs.
    pub name: &'static str,
    work: fn(&[u8]),
    /// Bytes of memory that any input may take.
    base: usize,
    /// Bytes of memory that each byte of an input may take beyond.
    per_byte: usize,
}

const MIB: usize = 1 << 20;

/// All targets.
pub const TARGETS: &[Target] = &[
    // Voxels of 8 bits are read as 32, turned and brought to a grid.
    target("nifti", targets::images::nifti, 64 * MIB, 64),
    // A byte of gzip can be 1032 bytes of voxels.
    target("gzip", targets::images::gzip, 64 * MIB, 64 * 1032),
    // A frame has at most 2^22 pixels, whose decoder may take some 32 bytes each; a small file may hold many voxels.
    target("dicom", targets::images::dicom, 512 * MIB, 16 * 8192),
    target("parquet", targets::data_set::shard, 64 * MIB, 64),
    target("data_manifest", targets::data_set::manifest, 64 * MIB, 64),
    target("shard_record", targets::data_set::record, 64 * MIB, 64),
    target(
        "checkpoint_manifest",
        targets::checkpoint::manifest,
        64 * MIB,
        64,
    ),
    target("checkpoint_part", targets::checkpoint::part, 64 * MIB, 64),
    target("journal", targets::checkpoint::journal, 64 * MIB, 64),
    target("tables", targets::tables::tables, 64 * MIB, 64),
    target("job_file", targets::job_file::job_file, 64 * MIB, 64),
    // What a coordinator keeps of a message is hardly more than the message; a new run and its journal take the rest.
    target("wire", targets::wire::wire, 8 * MIB, 64),
];

const fn target(name: &'static str, work: fn(&[u8]), base: usize, per_byte: usize) -> Target {
    Target {
        name,
        work,
        base,
        per_byte,
    }
}

impl Target {
    /// Runs one input.
    ///
    /// # Panics
    /// Where the input takes more memory than the bound, or breaks what the target promises.
    pub fn run(&self, bytes: &[u8]) {
        let peak = peak_of(|| (self.work)(bytes));
        let bound = self.base + self.per_byte * bytes.len();
        assert!(
            peak <= bound,
            "{} bytes took {peak} bytes of memory, more than the bound of {bound}",
            bytes.len()
        );
    }
}

/// Runs one input of the target of this name.
///
/// # Panics
/// As [`Target::run`], and where there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.expect("the name is one of the list").run(bytes);
}
