//! Owns the measuring of lesions: what is labelled and touches is one lesion.

use half::f16;
use serde::Serialize;

/// Sums up the lesions of one case on the grid of the data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Lesions {
    /// Groups of labelled voxels that touch by a face, an edge or a corner.
    pub count: usize,
    /// Volume of all labelled voxels.
    pub millilitres: f64,
    /// Highest SUV in them.
    pub highest_suv: f32,
}

/// Measures lesions of voxels in the order (A, R, S).
pub(super) fn measure(
    label: &[u8],
    pet: &[f16],
    [right, anterior, superior]: [usize; 3],
    spacing: [f32; 3],
) -> Lesions {
    let shape = [anterior, right, superior];
    let mut left: Vec<bool> = label.iter().map(|&voxel| voxel != 0).collect();
    let labelled = left.iter().filter(|&&labelled| labelled).count();
    let hot = left.iter().zip(pet).filter(|(labelled, _)| **labelled);
    let highest_suv = hot.fold(0.0, |highest: f32, (_, suv)| highest.max(suv.to_f32()));
    let mut count = 0;
    for start in 0..left.len() {
        if left[start] {
            count += 1;
            take_group(&mut left, shape, start, &mut |_| {});
        }
    }
    let voxel: f64 = spacing.iter().map(|&size| f64::from(size)).product();
    Lesions {
        count,
        millilitres: labelled as f64 * voxel / 1000.0,
        highest_suv,
    }
}

/// Finds the plane of (A, R, S) that holds most of the largest lesion; none where nothing is labelled.
pub(crate) fn plane_of_largest_lesion(
    label: &[u8],
    [right, superior]: [usize; 2],
) -> Option<usize> {
    let plane = right * superior;
    let shape = [label.len() / plane.max(1), right, superior];
    let mut left: Vec<bool> = label.iter().map(|&voxel| voxel != 0).collect();
    let mut largest: Option<(usize, Vec<usize>)> = None;
    for start in 0..left.len() {
        if left[start] {
            let (mut size, mut of_planes) = (0, vec![0; shape[0]]);
            take_group(&mut left, shape, start, &mut |voxel| {
                size += 1;
                of_planes[voxel / plane] += 1;
            });
            if largest.as_ref().is_none_or(|(most, _)| size > *most) {
                largest = Some((size, of_planes));
            }
        }
    }
    let (_, of_planes) = largest?;
    // The first of equals.
    let best = of_planes
        .iter()
        .enumerate()
        .rev()
        .max_by_key(|(_, count)| **count);
    best.map(|(plane, _)| plane)
}

/// Clears all voxels that hang together with one, and tells each.
fn take_group(left: &mut [bool], shape: [usize; 3], start: usize, tell: &mut dyn FnMut(usize)) {
    let mut waiting = vec![start];
    left[start] = false;
    while let Some(voxel) = waiting.pop() {
        tell(voxel);
        let at = [
            voxel / (shape[1] * shape[2]),
            voxel / shape[2] % shape[1],
            voxel % shape[2],
        ];
        let around = |axis: usize| at[axis].saturating_sub(1)..shape[axis].min(at[axis] + 2);
        for i in around(0) {
            for j in around(1) {
                for k in around(2) {
                    let next = (i * shape[1] + j) * shape[2] + k;
                    if left[next] {
                        left[next] = false;
                        waiting.push(next);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_voxels_are_one_lesion_and_others_are_not() {
        let grid = [3, 2, 5];
        let mut label = vec![0; 30];
        // (A, R, S): a corner touches, and one lies two voxels further.
        for (a, r, s) in [(0, 0, 0), (1, 1, 1), (1, 1, 3)] {
            label[(a * 3 + r) * 5 + s] = 1;
        }
        let mut pet = vec![f16::from_f32(20.0); 30];
        pet[0] = f16::from_f32(3.0);
        pet[5 * 4 + 1] = f16::from_f32(4.0);
        pet[5 * 4 + 3] = f16::from_f32(2.0);
        let lesions = measure(&label, &pet, grid, [10.0, 10.0, 10.0]);
        assert_eq!(lesions.count, 2);
        assert!((lesions.millilitres - 3.0).abs() < 1e-9);
        assert_eq!(lesions.highest_suv, 4.0);
        assert_eq!(measure(&[0; 30], &pet, grid, [1.0; 3]), Lesions::default());
    }
}
