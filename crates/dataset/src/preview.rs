//! Owns the picture of one case: coronal PET maximum projection beside a coronal slice of CT and PET, as a radiologist
//! hangs them.
//!
//! Head up, the patient's right at the left of the picture, millimetres square; what is labelled has a red outline.

use half::f16;

use crate::DataSetError;
use crate::canvas::{BAR_WIDTH, Canvas, Frame, GAP, INK, Letters, Shades, Side};
use crate::inspect::plane_of_largest_lesion;
use crate::manifest::ManifestCase;
use crate::reader::{DataSet, Slices, unblocked};

/// Height of the images of a picture that small grids are drawn up to.
const HEIGHT: f32 = 640.0;
/// Widest image that is drawn, whatever the manifest says of spacing.
const WIDEST: f32 = 4096.0;

/// Greys of small pictures are multiples of this: it saves two fifths of a page of thousands.
const SHEET_STEP: u8 = 8;

/// Draws one case of a data set as a PNG, and returns its bytes.
///
/// # Errors
/// What [`DataSet::read_slices`] says.
pub async fn preview(data: &DataSet, case: u32) -> Result<Vec<u8>, DataSetError> {
    let (entry, slices) = read(data, case).await?;
    let grid = data.manifest.grid;
    unblocked(move || {
        let planes = Planes::of(&entry, grid, &slices);
        png(&entry, &with_captions(&entry, grid, &planes))
    })
    .await
}

/// Draws a case as a small picture without captions.
pub(crate) fn thumbnail(
    case: &ManifestCase,
    grid: [usize; 3],
    slices: &Slices,
    height: f32,
) -> Result<Vec<u8>, DataSetError> {
    let planes = Planes::of(case, grid, slices);
    let [width, height] = size(case, grid, height);
    let mut canvas = Canvas::new(2 * width + GAP, height);
    let frame = |left| Frame {
        left,
        top: 0,
        width,
        height,
    };
    planes.draw_projection(&mut canvas, frame(0));
    planes.draw_slice(&mut canvas, frame(width + GAP), &planes.ct, Shades::HU);
    canvas.coarsen(SHEET_STEP);
    png(case, &canvas)
}

fn png(case: &ManifestCase, canvas: &Canvas) -> Result<Vec<u8>, DataSetError> {
    canvas.png().map_err(|source| DataSetError::Io {
        action: "draw",
        path: case.case_id.clone().into(),
        source,
    })
}

/// Reads everything of one case.
pub(crate) async fn read(
    data: &DataSet,
    case: u32,
) -> Result<(ManifestCase, Slices), DataSetError> {
    let rows: Vec<u32> = (0..data.manifest.grid[1] as u32).collect();
    let slices = data.read_slices(case, &rows).await?;
    Ok((data.manifest.cases[case as usize].clone(), slices))
}

/// Chooses the coronal slice that tells most: through the largest lesion, else through the highest SUV.
///
/// # Shapes
/// `pet` and `label` are (A, R, S), `plane` the voxels of a slice; the result is an index along A.
pub fn telling_slice(pet: &[f16], label: Option<&[u8]>, [right, superior]: [usize; 2]) -> usize {
    let plane = right * superior;
    let of_lesion = label.and_then(|label| plane_of_largest_lesion(label, [right, superior]));
    of_lesion.unwrap_or_else(|| {
        let highest = pet
            .iter()
            .enumerate()
            .max_by(|(_, one), (_, other)| one.total_cmp(other));
        highest.map_or(0, |(place, _)| place / plane.max(1))
    })
}

/// What is shown of a case: planes of (R, S).
struct Planes {
    sides: [usize; 2],
    projection: Vec<f32>,
    pet: Vec<f32>,
    ct: Vec<f32>,
    labelled_projection: Vec<bool>,
    labelled_slice: Vec<bool>,
    /// Number of the slice along A.
    slice: usize,
    /// Why it is that one.
    why: &'static str,
}

impl Planes {
    fn of(case: &ManifestCase, [right, _, superior]: [usize; 3], voxels: &Slices) -> Self {
        let plane = right * superior;
        let label = voxels.label.as_deref();
        let label = label.filter(|label| label.iter().any(|&voxel| voxel != 0));
        // The table may shine as well.
        let body = case.body.map(|row| row as usize);
        let in_body = body[0] * plane..(body[1] + 1) * plane;
        let pet_in_body = voxels.pet.get(in_body).unwrap_or_default();
        let slice = match label {
            Some(label) => telling_slice(&voxels.pet, Some(label), [right, superior]),
            None => body[0] + telling_slice(pet_in_body, None, [right, superior]),
        };
        let mut projection = vec![f32::NEG_INFINITY; plane];
        for slice in voxels.pet.chunks_exact(plane) {
            for (highest, voxel) in projection.iter_mut().zip(slice) {
                *highest = highest.max(voxel.to_f32());
            }
        }
        let cut = |image: &[f16]| -> Vec<f32> {
            let cut = image.chunks_exact(plane).nth(slice).unwrap_or_default();
            cut.iter().map(|voxel| voxel.to_f32()).collect()
        };
        let labels = label.unwrap_or_default().chunks_exact(plane);
        let mut labelled_projection = vec![false; plane];
        for slice in labels.clone() {
            for (any, voxel) in labelled_projection.iter_mut().zip(slice) {
                *any |= *voxel != 0;
            }
        }
        let labelled_slice = labels.clone().nth(slice).unwrap_or_default();
        Self {
            sides: [right, superior],
            projection,
            pet: cut(&voxels.pet),
            ct: cut(&voxels.ct),
            labelled_projection,
            labelled_slice: labelled_slice.iter().map(|voxel| *voxel != 0).collect(),
            slice,
            why: match label {
                Some(_) => "largest lesion",
                None => "highest SUV",
            },
        }
    }

    fn draw_projection(&self, canvas: &mut Canvas, frame: Frame) {
        self.draw(canvas, frame, &self.projection, Shades::SUV);
        self.draw_outline(canvas, frame, &self.labelled_projection);
    }

    fn draw_slice(&self, canvas: &mut Canvas, frame: Frame, plane: &[f32], shades: Shades) {
        self.draw(canvas, frame, plane, shades);
        self.draw_outline(canvas, frame, &self.labelled_slice);
    }

    fn draw(&self, canvas: &mut Canvas, frame: Frame, plane: &[f32], shades: Shades) {
        let value = |r: usize, s: usize| {
            let value = plane.get(r * self.sides[1] + s);
            value.copied().unwrap_or(shades.black)
        };
        canvas.fill(frame, |x, y| {
            shades.of(between_voxels([x, y], frame, self.sides, value))
        });
    }

    fn draw_outline(&self, canvas: &mut Canvas, frame: Frame, mask: &[bool]) {
        if mask.contains(&true) {
            canvas.outline(frame, |x, y| {
                let r = self.sides[0] - 1 - x * self.sides[0] / frame.width;
                let s = self.sides[1] - 1 - y * self.sides[1] / frame.height;
                mask.get(r * self.sides[1] + s).copied().unwrap_or(false)
            });
        }
    }
}

/// Interpolates an (R, S) plane at a pixel: R grows to the left, S grows upwards.
fn between_voxels(
    [x, y]: [usize; 2],
    frame: Frame,
    [right, superior]: [usize; 2],
    value: impl Fn(usize, usize) -> f32,
) -> f32 {
    // Along an axis the two voxels around the pixel's centre, and how far it is from the first to the second.
    let around = |pixel: usize, pixels: usize, voxels: usize| {
        let place = (pixel as f32 + 0.5) * voxels as f32 / pixels as f32 - 0.5;
        let place = voxels as f32 - 1.0 - place;
        let place = place.clamp(0.0, voxels as f32 - 1.0);
        let first = (place as usize).min(voxels - 1);
        (first, (first + 1).min(voxels - 1), place - first as f32)
    };
    let (r, next_r, along_r) = around(x, frame.width, right);
    let (s, next_s, along_s) = around(y, frame.height, superior);
    let mix = |one: f32, other: f32, part: f32| one + (other - one) * part;
    let low = mix(value(r, s), value(r, next_s), along_s);
    let high = mix(value(next_r, s), value(next_r, next_s), along_s);
    mix(low, high, along_r)
}

/// Draws projection, CT and PET side by side with all that explains them.
fn with_captions(case: &ManifestCase, grid: [usize; 3], planes: &Planes) -> Canvas {
    let [width, height] = size(case, grid, HEIGHT);
    let (large, small) = (Letters::Large.height(), Letters::Small.height());
    let step = width.max(300) + BAR_WIDTH + 2 * GAP;
    let top = 2 * GAP + large + GAP + 2 * (small + 4);
    let mut canvas = Canvas::new(3 * step + GAP, top + height + 4 * GAP + small);
    let title = (2 * GAP, GAP);
    canvas.text(title, Side::Left, Letters::Large, INK, &case.case_id);
    let slice = format!("coronal slice {} of {}", planes.slice + 1, grid[1]);
    let through = format!("through the {}", planes.why);
    let captions = [
        ["PET maximum projection", "SUV 0 to 10"],
        [
            &format!("CT, {slice}"),
            &format!("{through}, HU -500 to 500"),
        ],
        [&format!("PET, {slice}"), &format!("{through}, SUV 0 to 10")],
    ];
    for (column, lines) in captions.into_iter().enumerate() {
        let frame = Frame {
            left: 2 * GAP + column * step,
            top,
            width,
            height,
        };
        for (line, text) in lines.into_iter().enumerate() {
            let place = (frame.left, 2 * GAP + large + line * (small + 4));
            canvas.text(place, Side::Left, Letters::Small, INK, text);
        }
        let (shades, unit) = if column == 1 {
            (Shades::HU, "HU")
        } else {
            (Shades::SUV, "SUV")
        };
        match column {
            0 => planes.draw_projection(&mut canvas, frame),
            1 => planes.draw_slice(&mut canvas, frame, &planes.ct, shades),
            _ => planes.draw_slice(&mut canvas, frame, &planes.pet, shades),
        }
        canvas.sides(frame, ["R", "L", "H", "F"]);
        canvas.colour_bar(frame, shades, unit);
        let millimetres = grid[2] as f32 * case.spacing[2];
        canvas.scale_bar(frame, 10.0 * height as f32 / millimetres);
    }
    canvas
}

/// Returns the width and height of one image: pixels are square in millimetres.
fn size(case: &ManifestCase, [side_r, _, side_s]: [usize; 3], height: f32) -> [usize; 2] {
    let millimetres = [
        side_r as f32 * case.spacing[0],
        side_s as f32 * case.spacing[2],
    ];
    let scale = height.max(side_s as f32) / millimetres[1];
    millimetres.map(|millimetres| (millimetres * scale).round().clamp(1.0, WIDEST) as usize)
}

#[cfg(test)]
mod tests;
