//! Owns the picture of one case: coronal PET maximum projection beside a coronal CT slice, as a radiologist hangs them.
//!
//! Head up, the patient's right at the left of the picture, millimetres square; what is labelled is red. It draws; it
//! decides nothing.

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
/// Share of red in what is labelled.
const RED: f32 = 0.6;

/// Draws one case of a data set as a PNG, and returns its bytes.
///
/// # Errors
/// What [`DataSet::read_slices`] says.
pub async fn preview(data: &DataSet, case: u32) -> Result<Vec<u8>, DataSetError> {
    let (entry, slices, label) = read(data, case).await?;
    let grid = data.manifest.grid;
    unblocked(move || picture(&entry, grid, &slices, label.as_deref(), HEIGHT)).await
}

/// Reads everything of one case.
pub(crate) async fn read(
    data: &DataSet,
    case: u32,
) -> Result<(ManifestCase, Slices, Option<Vec<u8>>), DataSetError> {
    let rows: Vec<u32> = (0..data.manifest.grid[1] as u32).collect();
    let slices = data.read_slices(case, &rows).await?;
    let entry = &data.manifest.cases[case as usize];
    let label = match entry.label {
        true => Some(data.fetch_label(case).await?),
        false => None,
    };
    Ok((entry.clone(), slices, label))
}

/// Draws voxels in the order (A, R, S), as high as asked but for grids that are higher.
pub(crate) fn picture(
    case: &ManifestCase,
    [side_r, _, side_s]: [usize; 3],
    slices: &Slices,
    label: Option<&[u8]>,
    height: f32,
) -> Result<Vec<u8>, DataSetError> {
    let plane = side_r * side_s;
    let (pet, ct) = planes(slices, plane, case.body);
    let (projected, cut) =
        label.map_or_else(Default::default, |label| masks(label, plane, case.body));
    let sides = [side_r, side_s];
    let pixels = size(case, side_r, side_s, height);
    let pet = draw(&pet, &projected, sides, pixels, SUV_SHADES);
    let ct = draw(&ct, &cut, sides, pixels, HU_SHADES);
    encode(&pet, &ct, pixels[0]).map_err(|source| DataSetError::Io {
        action: "draw",
        path: case.case_id.clone().into(),
        source,
    })
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

/// Says where the planes of [`planes`] are labelled.
fn masks(label: &[u8], plane: usize, [first, last]: [u32; 2]) -> (Vec<bool>, Vec<bool>) {
    let mut projected = vec![false; plane];
    for slice in label.chunks_exact(plane) {
        for (any, voxel) in projected.iter_mut().zip(slice) {
            *any |= *voxel != 0;
        }
    }
    let middle = (first + last) as usize / 2;
    let cut = label.chunks_exact(plane).nth(middle).unwrap_or_default();
    (projected, cut.iter().map(|voxel| *voxel != 0).collect())
}

/// Returns the width and height of one image: pixels are square in millimetres.
fn size(case: &ManifestCase, side_r: usize, side_s: usize, height: f32) -> [usize; 2] {
    let millimetres = [
        side_r as f32 * case.spacing[0],
        side_s as f32 * case.spacing[2],
    ];
    let scale = height.max(side_s as f32) / millimetres[1];
    millimetres.map(|millimetres| (millimetres * scale).round().clamp(1.0, WIDEST) as usize)
}

/// Draws an (R, S) plane: R grows to the left, S grows upwards.
fn draw(
    plane: &[f32],
    mask: &[bool],
    [side_r, side_s]: [usize; 2],
    [width, height]: [usize; 2],
    [black, white]: [f32; 2],
) -> Vec<Vec<[u8; 3]>> {
    let pixel = |x: usize, y: usize| {
        let r = side_r - 1 - x * side_r / width;
        let s = side_s - 1 - y * side_s / height;
        let place = r * side_s + s;
        let value = plane.get(place).copied().unwrap_or(black);
        let shade = ((value - black) / (white - black)).clamp(0.0, 1.0) * 255.0;
        let tint = mask
            .get(place)
            .map_or(0.0, |&labelled| if labelled { RED } else { 0.0 });
        [255.0, 0.0, 0.0].map(|red| (shade + tint * (red - shade)).round() as u8)
    };
    (0..height)
        .map(|y| (0..width).map(|x| pixel(x, y)).collect())
        .collect()
}

fn encode(left: &[Vec<[u8; 3]>], right: &[Vec<[u8; 3]>], width: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, (2 * width + GAP) as u32, left.len() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let gap = [[128; 3]; GAP];
    let pixels: Vec<u8> = left
        .iter()
        .zip(right)
        .flat_map(|(left, right)| [&left[..], &gap, right].concat())
        .flatten()
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
