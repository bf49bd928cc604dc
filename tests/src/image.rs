//! Small NIfTI images for inputs that no scanner would make.

use std::path::Path;

const HEADER: usize = 352;
const FLOAT32: i16 = 16;

/// An image with RAS axes; voxel `[0, 0, 0]` lies at `origin` (mm).
#[derive(Debug, Clone)]
pub struct Image {
    /// Voxels along R, A, S.
    pub shape: [usize; 3],
    pub spacing: [f32; 3],
    /// Centre of the first voxel.
    pub origin: [f32; 3],
    pub voxels: Vec<f32>,
}

impl Image {
    /// A cube of 8 voxels a side, 10 mm each, with its first voxel at the origin, all of one value.
    pub fn cube(value: f32) -> Self {
        Self {
            shape: [8; 3],
            spacing: [10.0; 3],
            origin: [0.0; 3],
            voxels: vec![value; 8 * 8 * 8],
        }
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &348_i32.to_le_bytes());
        put(40, &3_i16.to_le_bytes());
        for axis in 0..3 {
            let size = i16::try_from(self.shape[axis]).expect("test images are small");
            put(42 + 2 * axis, &size.to_le_bytes());
            put(80 + 4 * axis, &self.spacing[axis].to_le_bytes());
            let row = 280 + 16 * axis;
            put(row + 4 * axis, &self.spacing[axis].to_le_bytes());
            put(row + 12, &self.origin[axis].to_le_bytes());
        }
        (4..8).for_each(|axis| put(40 + 2 * axis, &1_i16.to_le_bytes()));
        put(70, &FLOAT32.to_le_bytes());
        put(72, &32_i16.to_le_bytes());
        put(76, &1_f32.to_le_bytes());
        put(108, &(HEADER as f32).to_le_bytes());
        put(112, &1_f32.to_le_bytes());
        put(254, &1_i16.to_le_bytes());
        put(344, b"n+1\0");
        bytes.extend(self.voxels.iter().flat_map(|voxel| voxel.to_le_bytes()));
        bytes
    }

    /// Writes it.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).expect("the folder can be written");
    }
}
