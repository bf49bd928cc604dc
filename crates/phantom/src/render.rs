//! Owns the imaging of a phantom: solids to voxels, and what a scanner makes of them.

use std::ops::Range;

use fratmae_imaging::Affine;

use crate::PhantomSize;
use crate::anatomy::{Body, Part, Section};
use crate::lesions;
use crate::person::Person;
use crate::scanner::{CT_BLUR, Noise, PET_BLUR, blur};
use fratmae_dataset::KeyedRng;

/// Air around the body.
const AIR: f32 = -1000.0;
/// Millimetres of air above the crown.
const AIR_ABOVE: f64 = 30.0;
/// Standard deviation of CT noise before the blur; air has a third of it.
const CT_NOISE: f32 = 22.0;
/// Standard deviation of PET noise at SUV 1 before the blur, in voxels of 5 x 5 x 7.5 mm; it grows with the root of the
/// SUV, as counts do, and with that of what is smaller than those voxels.
const PET_NOISE: f32 = 0.3;
/// SUV that noise sees where there is no activity: scattered counts.
const SCATTER: f32 = 0.01;
/// SUV is stored in steps of one 256th: finer ones are noise that does not compress.
const SUV_STEPS: f32 = 256.0;

/// The images of one study, in NIfTI's order (x fastest).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Study {
    pub(crate) shape: [usize; 3],
    pub(crate) affine: Affine,
    pub(crate) ct: Vec<i16>,
    pub(crate) pet: Vec<f32>,
    pub(crate) label: Vec<u8>,
}

/// Takes PET and CT of a person.
pub(crate) fn render(person: &Person, size: PhantomSize) -> Study {
    let canvas = Canvas::new(person, size);
    let (mut ct, mut pet, label) = paint(person, &canvas);
    let mut rng = KeyedRng::new("phantom imaging", person.seed, &[person.index]);
    let mut noise = Noise(rng.below(u64::MAX));
    for value in &mut ct {
        let strength = if *value == AIR {
            CT_NOISE / 3.0
        } else {
            CT_NOISE
        };
        *value += strength * noise.next();
    }
    let strength = pet_noise(size) * (0.7 + 0.8 * rng.unit() as f32);
    blur(&mut pet, size.shape, size.spacing, 0.8 * PET_BLUR);
    for value in &mut pet {
        *value += strength * (*value + SCATTER).sqrt() * noise.next();
    }
    blur(&mut ct, size.shape, size.spacing, CT_BLUR);
    // Reconstruction smooths noise too: the two blurs make that of the scanner.
    blur(&mut pet, size.shape, size.spacing, 0.6 * PET_BLUR);
    let stored_suv = |value: f32| (value.max(0.0) * SUV_STEPS).round() / SUV_STEPS;
    let stored_hu = |value: f32| value.clamp(-1024.0, 3071.0).round() as i16;
    Study {
        shape: size.shape,
        affine: canvas.affine(100.0 * rng.unit() - 900.0),
        ct: ct.into_iter().map(stored_hu).collect(),
        pet: pet.into_iter().map(stored_suv).collect(),
        label,
    }
}

fn pet_noise(size: PhantomSize) -> f32 {
    let volume: f32 = size.spacing.iter().product();
    PET_NOISE * (5.0 * 5.0 * 7.5 / volume).sqrt().clamp(0.2, 4.0)
}

/// Gives HU, SUV and lesions without blur and noise.
fn paint(person: &Person, canvas: &Canvas) -> (Vec<f32>, Vec<f32>, Vec<u8>) {
    let mut body = Body::build(person);
    lesions::add(person, &mut body);
    let voxels = canvas.shape.iter().product();
    let (mut ct, mut pet, mut label) = (vec![AIR; voxels], vec![0.0; voxels], vec![0; voxels]);
    for part in &body.parts {
        canvas.fill(part, |voxels| {
            ct[voxels.clone()].fill(part.hu);
            pet[voxels.clone()].fill(part.suv);
            label[voxels].fill(u8::from(part.lesion));
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
        [
            [x, 0.0, 0.0, self.first[0]],
            [0.0, y, 0.0, self.first[1]],
            [0.0, 0.0, z, table],
        ]
    }

    /// Calls `paint` with every run of voxels whose centres lie in a part.
    fn fill(&self, part: &Part, mut paint: impl FnMut(Range<usize>)) {
        for k in 0..self.shape[2] {
            let Some(Section { centre, half }) =
                part.section(self.first[2] + self.step[2] * k as f64)
            else {
                continue;
            };
            for j in self.within(1, centre[1], half[1]) {
                let y = (self.first[1] + self.step[1] * j as f64 - centre[1]) / half[1];
                let reach = half[0] * (1.0 - y * y).max(0.0).sqrt();
                let line = (k * self.shape[1] + j) * self.shape[0];
                let columns = self.within(0, centre[0], reach);
                paint(line + columns.start..line + columns.end);
            }
        }
    }

    /// Gives the voxels along an axis whose centres lie within `reach` of a place.
    fn within(&self, axis: usize, centre: f64, reach: f64) -> Range<usize> {
        let index = |place: f64| (place - self.first[axis]) / self.step[axis];
        let (one, other) = (index(centre - reach), index(centre + reach));
        let bounded = |value: f64| value.clamp(0.0, self.shape[axis] as f64) as usize;
        let (low, high) = (
            bounded(one.min(other).ceil()),
            bounded(one.max(other).floor() + 1.0),
        );
        low..high.max(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anatomy::Form;

    #[test]
    fn a_solid_fills_its_volume() {
        let person = Person::draw(1, 0);
        let size = PhantomSize::default();
        let canvas = Canvas::new(&person, size);
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
            canvas.fill(&part, |voxels| count += voxels.len());
            count as f64 * f64::from(size.spacing.iter().product::<f32>())
        };
        let box_volume = 8.0 * 60.0 * 50.0 * 100.0;
        let share = std::f64::consts::PI / 6.0;
        assert!((volume(Form::Round) / box_volume - share).abs() < 0.01);
        assert!((0.65..0.785).contains(&(volume(Form::Long([0.0; 2])) / box_volume)));
    }
}
