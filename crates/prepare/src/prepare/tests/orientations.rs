//! One study is one data set, however its files lay out axes, numbers and bytes.

use std::ops::Range;

use fratmae_imaging::Affine;

use super::*;

const SHAPE: [usize; 3] = [6, 7, 8];
// Powers of two, so that no way of computing a place rounds.
const SPACING: [f64; 3] = [8.0, 4.0, 16.0];
const ORIGIN: [f64; 3] = [-24.0, 12.0, -64.0];

/// Lays out the axes of a file: its axis `a` runs along axis `order[a]` of the patient, backwards where flipped.
#[derive(Debug, Clone, Copy)]
struct Axes {
    order: [usize; 3],
    flipped: [bool; 3],
}

/// Lays out the numbers of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Numbers {
    F32,
    I16,
    U8,
}

/// Lists all six orders with all eight flips.
fn all_axes() -> Vec<Axes> {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    let flips = (0..8).map(|bits| [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0]);
    flips
        .flat_map(|flipped| orders.map(|order| Axes { order, flipped }))
        .collect()
}

impl Axes {
    fn shape(&self) -> [usize; 3] {
        self.order.map(|axis| SHAPE[axis])
    }

    fn affine(&self) -> Affine {
        let mut affine = [0, 1, 2].map(|axis| [0.0, 0.0, 0.0, ORIGIN[axis]]);
        for (file_axis, axis) in self.order.into_iter().enumerate() {
            let step = SPACING[axis];
            let is_flipped = self.flipped[file_axis];
            affine[axis][file_axis] = if is_flipped { -step } else { step };
            if is_flipped {
                affine[axis][3] += step * (SHAPE[axis] - 1) as f64;
            }
        }
        affine
    }

    /// Puts a volume, (R, A, S) row-major, into the order of the file.
    fn lay(&self, volume: &[u8]) -> Vec<u8> {
        let [first, second, third] = self.shape();
        let mut laid = Vec::new();
        for place in 0..first * second * third {
            let in_file = [
                place % first,
                place / first % second,
                place / first / second,
            ];
            let mut at = [0; 3];
            for (file_axis, axis) in self.order.into_iter().enumerate() {
                at[axis] = match self.flipped[file_axis] {
                    true => SHAPE[axis] - 1 - in_file[file_axis],
                    false => in_file[file_axis],
                };
            }
            laid.push(volume[(at[0] * SHAPE[1] + at[1]) * SHAPE[2] + at[2]]);
        }
        laid
    }

    /// Saves `slope * volume + intercept`, with the scaling in the header where the numbers are no floats.
    fn save(
        &self,
        volume: &[u8],
        scale: [f32; 2],
        numbers: Numbers,
        is_big_endian: bool,
    ) -> Vec<u8> {
        let laid = self.lay(volume);
        let [slope, intercept] = scale;
        let floats: Vec<f32> = laid
            .iter()
            .map(|&value| slope * f32::from(value) + intercept)
            .collect();
        let words: Vec<i16> = laid.iter().copied().map(i16::from).collect();
        let (voxels, width) = match numbers {
            Numbers::F32 => (NiftiVoxels::F32(&floats), 4),
            Numbers::I16 => (NiftiVoxels::I16(&words), 2),
            Numbers::U8 => (NiftiVoxels::U8(&laid), 1),
        };
        let mut bytes = encode_nifti(self.shape(), &self.affine(), &voxels);
        if numbers != Numbers::F32 {
            bytes[112..116].copy_from_slice(&slope.to_le_bytes());
            bytes[116..120].copy_from_slice(&intercept.to_le_bytes());
        }
        if is_big_endian {
            swap(&mut bytes, width);
        }
        bytes
    }
}

/// Turns the bytes of all numbers of a little-endian file around.
fn swap(bytes: &mut [u8], width: usize) {
    // The fields of NIfTI-1 that the writer fills, and the width of their numbers.
    let fields: [(Range<usize>, usize); 6] = [
        (0..4, 4),
        (40..56, 2),
        (68..76, 2),
        (76..120, 4),
        (252..256, 2),
        (280..328, 4),
    ];
    for (field, width) in fields {
        bytes[field]
            .chunks_exact_mut(width)
            .for_each(<[u8]>::reverse);
    }
    bytes[352..]
        .chunks_exact_mut(width)
        .for_each(<[u8]>::reverse);
}

fn volume(seed: u64, below: u64) -> Vec<u8> {
    let mut rng = fratmae_dataset::KeyedRng::new("a volume of this test", seed, &[]);
    let voxels = 0..SHAPE.iter().product();
    voxels.map(|_: usize| rng.below(below) as u8).collect()
}

#[tokio::test]
async fn all_orders_flips_numbers_and_endians_give_one_digest() {
    let bench = Bench::new(0);
    let path = |name: &str| bench.folder.path().join(name);
    let [pet_path, ct_path, label_path] = ["pet.nii", "ct.nii", "label.nii"].map(path);
    let case = CaseSource {
        label: Some(label_path.clone().into()),
        ..CaseSource::new("one", pet_path.clone(), ct_path.clone())
    };
    let (pet, ct, label) = (volume(1, 256), volume(2, 256), volume(3, 4));
    let all = all_axes();
    let (mut digests, mut seen) = (BTreeMap::new(), std::collections::BTreeSet::new());
    for (at, axes) in all.iter().enumerate() {
        for numbers in [Numbers::F32, Numbers::I16, Numbers::U8] {
            for is_big_endian in [false, true] {
                // CT and label lie in other axes than the PET, as they do in archives.
                let [ct_axes, label_axes] = [at + 17, at + 29].map(|place| all[place % all.len()]);
                let saved = axes.save(&pet, [0.5, 0.0], numbers, is_big_endian);
                seen.insert(blake3::hash(&saved).to_hex().to_string());
                fs::write(&pet_path, saved).unwrap();
                let saved = ct_axes.save(&ct, [8.0, -1024.0], numbers, is_big_endian);
                fs::write(&ct_path, saved).unwrap();
                let saved = label_axes.save(&label, [1.0, 0.0], Numbers::U8, is_big_endian);
                fs::write(&label_path, saved).unwrap();
                let name = format!("{at}-{numbers:?}-{is_big_endian}");
                let options = PrepareOptions {
                    threads: 1,
                    ..OPTIONS
                };
                let out = bench.out(&name);
                let report = prepare(
                    survey_of(std::slice::from_ref(&case)),
                    &out,
                    &options,
                    &mut |_| {},
                )
                .await;
                digests.insert(report.unwrap().digest, name);
            }
        }
    }
    // In bytes of one voxel only the header turns, so that all files differ.
    assert_eq!(seen.len(), 48 * 3 * 2, "files that differ");
    assert_eq!(digests.len(), 1, "{digests:?}");
}
