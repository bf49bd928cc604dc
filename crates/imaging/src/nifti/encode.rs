//! Owns the writing of NIfTI-1 bytes. It compresses nothing and writes no file.

use crate::volume::affine::{self, Affine};

/// NiftiVoxels to store, in NIfTI's order: axis 0 fastest.
pub enum NiftiVoxels<'a> {
    /// A mask or labels.
    U8(&'a [u8]),
    /// Hounsfield units.
    I16(&'a [i16]),
    /// SUV.
    F32(&'a [f32]),
}

impl NiftiVoxels<'_> {
    fn code_and_bits(&self) -> [i16; 2] {
        match self {
            Self::U8(_) => [2, 8],
            Self::I16(_) => [4, 16],
            Self::F32(_) => [16, 32],
        }
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::U8(values) => bytes.extend_from_slice(values),
            Self::I16(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::F32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        }
    }
}

/// Encodes a whole `.nii` file, little-endian, with the affine as its sform and units of millimetres.
pub fn encode_nifti(shape: [usize; 3], affine: &Affine, voxels: &NiftiVoxels<'_>) -> Vec<u8> {
    let mut bytes = vec![0_u8; 352];
    let mut put =
        |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
    let size = affine::spacing(affine);
    put(0, &348_i32.to_le_bytes());
    let dims = [3, shape[0], shape[1], shape[2], 1, 1, 1, 1];
    for (index, dim) in dims.into_iter().enumerate() {
        put(40 + 2 * index, &(dim as i16).to_le_bytes());
    }
    let [code, bits] = voxels.code_and_bits();
    put(70, &code.to_le_bytes());
    put(72, &bits.to_le_bytes());
    let sizes = [1.0, size[0], size[1], size[2], 1.0, 1.0, 1.0, 1.0];
    for (index, size) in sizes.into_iter().enumerate() {
        put(76 + 4 * index, &(size as f32).to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    for (index, value) in affine.iter().flatten().enumerate() {
        put(280 + 4 * index, &(*value as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    voxels.append_to(&mut bytes);
    bytes
}
