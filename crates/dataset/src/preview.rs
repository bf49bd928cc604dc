//! Owns the picture of one case: coronal PET maximum projection beside a coronal CT slice, as a radiologist hangs them.
//!
//! Head up, the patient's right at the left of the picture, millimetres square. It draws; it decides nothing.

use half::f16;

use crate::DataSetError;
use crate::manifest::ManifestCase;
use crate::reader::{DataSet, Slices, unblocked};

/// SUV drawn white and black.
const SUV_SHADES: [f32; 2] = [10.0, 0.0];
/// Hounsfield units drawn black and white: air to bone, soft tissue in the middle.
const HU_SHADES: [f32; 2] = [-500.0, 500.0];
/// Height of the picture that small grids are drawn up to.
const HEIGHT: f32 = 512.0;
/// Widest picture that is drawn, whatever the manifest says of spacing.
const WIDEST: f32 = 4096.0;
/// Columns between the two images, drawn mid-grey.
const GAP: usize = 8;

/// Draws one case of a data set as a PNG, and returns its bytes.
///
/// # Errors
/// What [`DataSet::read_slices`] says.
pub async fn preview(data: &DataSet, case: u32) -> Result<Vec<u8>, DataSetError> {
    let [side_r, slices, side_s] = data.manifest.grid;
    let rows: Vec<u32> = (0..slices as u32).collect();
    let voxels = data.read_slices(case, &rows).await?;
    let entry = data.manifest.cases.get(case as usize).cloned();
    unblocked(move || {
        let Some(entry) = entry else {
            return Ok(Vec::new());
        };
        let (pet, ct) = planes(&voxels, side_r * side_s, entry.body);
        let (width, height) = size(&entry, side_r, side_s);
        let pet = draw(&pet, [side_r, side_s], [width, height], SUV_SHADES);
        let ct = draw(&ct, [side_r, side_s], [width, height], HU_SHADES);
        encode(&pet, &ct, width).map_err(|source| DataSetError::Io {
            action: "draw",
            path: entry.case_id.into(),
            source,
        })
    })
    .await
}

/// Projects PET along A, and takes the CT slice in the middle of the body.
fn planes(voxels: &Slices, plane: usize, [first, last]: [u32; 2]) -> (Vec<f32>, Vec<f32>) {
    let mut pet = vec![f32::NEG_INFINITY; plane];
    for slice in voxels.pet.chunks_exact(plane) {
        for (highest, voxel) in pet.iter_mut().zip(slice) {
            *highest = highest.max(voxel.to_f32());
        }
    }
    let middle = (first + last) as usize / 2;
    let ct = voxels
        .ct
        .chunks_exact(plane)
        .nth(middle)
        .unwrap_or_default();
    (pet, ct.iter().map(|voxel: &f16| voxel.to_f32()).collect())
}

/// Returns the width and height of one image: pixels are square in millimetres.
fn size(case: &ManifestCase, side_r: usize, side_s: usize) -> (usize, usize) {
    let millimetres = [
        side_r as f32 * case.spacing[0],
        side_s as f32 * case.spacing[2],
    ];
    let scale = HEIGHT.max(side_s as f32) / millimetres[1];
    let pixels = |millimetres: f32| (millimetres * scale).round().clamp(1.0, WIDEST) as usize;
    (pixels(millimetres[0]), pixels(millimetres[1]))
}

/// Draws an (R, S) plane: R grows to the left, S grows upwards.
fn draw(
    plane: &[f32],
    [side_r, side_s]: [usize; 2],
    [width, height]: [usize; 2],
    [black, white]: [f32; 2],
) -> Vec<Vec<u8>> {
    let shade = |x: usize, y: usize| {
        let r = side_r - 1 - x * side_r / width;
        let s = side_s - 1 - y * side_s / height;
        let value = plane.get(r * side_s + s).copied().unwrap_or(black);
        (((value - black) / (white - black)).clamp(0.0, 1.0) * 255.0).round() as u8
    };
    (0..height)
        .map(|y| (0..width).map(|x| shade(x, y)).collect())
        .collect()
}

fn encode(left: &[Vec<u8>], right: &[Vec<u8>], width: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, (2 * width + GAP) as u32, left.len() as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let gap = [128; GAP];
    let pixels: Vec<u8> = left
        .iter()
        .zip(right)
        .flat_map(|(left, right)| [&left[..], &gap, right].concat())
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
