//! Owns the imaging of a phantom: solids to voxels, the blur of a scanner, and noise.

use super::PhantomSize;
use super::anatomy::{Body, Form, Part};
use super::lesions;
use super::person::Person;
use crate::draw::Draw;
use crate::volume::affine::{self, Affine};

/// Air around the body.
const AIR: f32 = -1000.0;
/// Millimetres of air above the crown.
const AIR_ABOVE: f64 = 30.0;
/// Standard deviation of CT noise.
const CT_NOISE: f32 = 12.0;
/// Standard deviation of PET noise at SUV 1; it grows with the root of the SUV.
const PET_NOISE: f32 = 0.25;
/// SUV is stored in steps of one 256th: finer ones are noise that does not compress.
const SUV_STEPS: f32 = 256.0;

/// The images of one study, in NIfTI's order (x fastest).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Study {
    pub(super) shape: [usize; 3],
    pub(super) affine: Affine,
    pub(super) ct: Vec<i16>,
    pub(super) pet: Vec<f32>,
    pub(super) label: Vec<u8>,
}

/// Takes PET and CT of a person.
pub(super) fn render(person: &Person, size: PhantomSize) -> Study {
    let canvas = Canvas::new(person, size);
    let (mut ct, mut pet, label) = paint(person, &canvas);
    let mut draw = Draw::new("phantom imaging", person.seed, &[person.index]);
    let mut noise = Noise(draw.below(u64::MAX));
    for value in ct.iter_mut().filter(|value| **value != AIR) {
        *value += CT_NOISE * noise.next();
    }
    for value in &mut pet {
        *value += PET_NOISE * value.sqrt() * noise.next();
    }
    blur(&mut ct, size.shape, 0.12);
    blur(&mut pet, size.shape, 0.22);
    let stored_suv = |value: f32| (value.max(0.0) * SUV_STEPS).round() / SUV_STEPS;
    let stored_hu = |value: f32| value.clamp(-1024.0, 3071.0).round() as i16;
    Study {
        shape: size.shape,
        affine: canvas.affine(100.0 * draw.unit() - 900.0),
        ct: ct.into_iter().map(stored_hu).collect(),
        pet: pet.into_iter().map(stored_suv).collect(),
        label,
    }
}

/// Gives HU, SUV and lesions without blur and noise.
fn paint(person: &Person, canvas: &Canvas) -> (Vec<f32>, Vec<f32>, Vec<u8>) {
    let mut body = Body::build(person);
    lesions::add(person, &mut body);
    let voxels = canvas.shape.iter().product();
    let (mut ct, mut pet, mut label) = (vec![AIR; voxels], vec![0.0; voxels], vec![0; voxels]);
    for part in &body.parts {
        canvas.fill(part, |voxel| {
            ct[voxel] = part.hu;
            pet[voxel] = part.suv;
            label[voxel] = u8::from(part.lesion);
        });
    }
    (ct, pet, label)
}

/// The voxel grid, laid over the body.
struct Canvas {
    shape: [usize; 3],
    /// Signed step of a voxel along each axis.
    step: [f64; 3],
    /// Place of voxel (0, 0, 0) in the body's millimetres.
    first: [f64; 3],
}

impl Canvas {
    fn new(person: &Person, size: PhantomSize) -> Self {
        let [x, y, z] = size.spacing.map(f64::from);
        let step = [-x, if person.is_stored_lps() { -y } else { y }, z];
        let centred = |axis: usize| -step[axis] * (size.shape[axis] as f64 - 1.0) / 2.0;
        let first = [
            centred(0),
            centred(1),
            AIR_ABOVE - z * (size.shape[2] as f64 - 0.5),
        ];
        Self {
            shape: size.shape,
            step,
            first,
        }
    }

    /// Gives the affine of the stored image, with the bottom of the field of view at height `table`.
    fn affine(&self, table: f64) -> Affine {
        let [x, y, z] = self.step;
        let columns = [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]];
        affine::from_columns(columns, [self.first[0], self.first[1], table])
    }

    /// Calls `paint` with every voxel whose centre lies in a part.
    fn fill(&self, part: &Part, mut paint: impl FnMut(usize)) {
        let [columns, rows, slices] = [0, 1, 2].map(|axis| self.distances(part, axis));
        for &(k, z) in &slices {
            let along = if part.form == Form::Long {
                z * z * z * z
            } else {
                z
            };
            for &(j, y) in &rows {
                let line = (k * self.shape[1] + j) * self.shape[0];
                for &(i, x) in &columns {
                    if x + y + along <= 1.0 {
                        paint(line + i);
                    }
                }
            }
        }
    }

    /// Lists the voxels along an axis that a part can reach, with their squared distance in units of its half axis.
    fn distances(&self, part: &Part, axis: usize) -> Vec<(usize, f64)> {
        let distance = |index: usize| {
            let place = self.first[axis] + self.step[axis] * index as f64;
            ((place - part.centre[axis]) / part.half[axis]).powi(2)
        };
        (0..self.shape[axis])
            .map(|index| (index, distance(index)))
            .filter(|&(_, distance)| distance <= 1.0)
            .collect()
    }
}

/// Mixes each voxel with its two neighbours along every axis; `side` is the share of each of them.
fn blur(voxels: &mut [f32], shape: [usize; 3], side: f32) {
    let mut stride = 1;
    for length in shape {
        let mut before = vec![0.0; stride];
        for block in voxels.chunks_exact_mut(stride * length) {
            before.copy_from_slice(&block[..stride]);
            for start in (0..length).map(|place| place * stride) {
                for offset in 0..stride {
                    let own = block[start + offset];
                    let after = *block.get(start + stride + offset).unwrap_or(&own);
                    block[start + offset] = own + side * (before[offset] + after - 2.0 * own);
                    before[offset] = own;
                }
            }
        }
        stride *= length;
    }
}

/// A fast stream of bell-shaped noise (SplitMix64); drawing each voxel from `Draw` would take longer than imaging.
struct Noise(u64);

impl Noise {
    /// Gives the next value: mean 0, deviation 1, from the sum of four even 16-bit numbers.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let sum: u64 = (0..4).map(|part| word >> (16 * part) & 0xffff).sum();
        (sum as f32 / 65_535.0 - 2.0) * 3.0_f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_nought_and_deviation_one() {
        let mut noise = Noise(1);
        let values: Vec<f32> = (0..40_000).map(|_| noise.next()).collect();
        let mean = values.iter().sum::<f32>() / 40_000.0;
        let variance = values.iter().map(|value| value * value).sum::<f32>() / 40_000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn blur_keeps_the_sum_and_is_the_same_to_all_sides() {
        let shape = [5, 7, 9];
        let mut voxels = vec![0.0; 5 * 7 * 9];
        let centre = (4 * 7 + 3) * 5 + 2;
        voxels[centre] = 1.0;
        blur(&mut voxels, shape, 0.2);
        assert!((voxels.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        for stride in [1, 5, 35] {
            assert!((voxels[centre - stride] - voxels[centre + stride]).abs() < 1e-7);
            assert!((voxels[centre + stride] - 0.2 * 0.6 * 0.6).abs() < 1e-6);
        }
    }

    #[test]
    fn blur_changes_nothing_where_all_is_even() {
        let mut voxels = vec![7.0; 4 * 3 * 2];
        blur(&mut voxels, [4, 3, 2], 0.25);
        assert!(voxels.iter().all(|value| (value - 7.0).abs() < 1e-5));
    }

    #[test]
    fn a_solid_fills_its_volume() {
        let person = Person::draw(1, 0);
        let canvas = Canvas::new(&person, PhantomSize::default());
        let volume = |form| {
            let part = Part {
                centre: [20.0, -10.0, -500.0],
                half: [60.0, 50.0, 100.0],
                form,
                hu: 0.0,
                suv: 0.0,
                lesion: false,
            };
            let mut count = 0;
            canvas.fill(&part, |_| count += 1);
            f64::from(count) * 4.5 * 4.5 * 7.5
        };
        let box_volume = 8.0 * 60.0 * 50.0 * 100.0;
        let share = std::f64::consts::PI / 6.0;
        assert!((volume(Form::Round) / box_volume - share).abs() < 0.01);
        assert!((0.65..0.785).contains(&(volume(Form::Long) / box_volume)));
    }
}
