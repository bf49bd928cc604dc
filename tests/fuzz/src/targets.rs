//! What is done with an input, a file for each family of formats.

pub(crate) mod checkpoint;
pub(crate) mod data_set;
pub(crate) mod images;
pub(crate) mod job_file;
pub(crate) mod tables;
pub(crate) mod wire;
