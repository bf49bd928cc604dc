//! Owns the choice of the slices that make the stack of a series, among a few images that lie across it: localizers
//! that do not say that they are some.

use super::geometry::Plane;
use super::series::SliceFile;

/// A localizer is taken from the front, from the side and perhaps once more.
const MOST: usize = 3;

/// Leaves out the few images that lie across the others. Where they are many, or nearly as many, all stay, and make no
/// stack.
pub(super) fn without(mut files: Vec<SliceFile>) -> Vec<SliceFile> {
    let planes: Vec<Plane> = files
        .iter()
        .filter_map(|file| Some(file.header.frames.first()?.plane))
        .collect();
    let kept = stack(&planes);
    let mut kept = kept.into_iter();
    files.retain(|_| kept.next().unwrap_or(true));
    files
}

/// Says of each image whether it belongs to the stack.
fn stack(planes: &[Plane]) -> Vec<bool> {
    let along = |one: &Plane| planes.iter().filter(|other| other.is_parallel(one)).count();
    let Some(main) = planes.iter().max_by_key(|plane| along(plane)) else {
        return Vec::new();
    };
    let slices = along(main);
    let across = planes.len() - slices;
    let may_go = across <= MOST && 2 * across < slices;
    let stays = |plane: &Plane| !may_go || plane.is_parallel(main);
    planes.iter().map(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIAL: [[f64; 3]; 2] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    const FRONTAL: [[f64; 3]; 2] = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]];
    const SAGITTAL: [[f64; 3]; 2] = [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]];

    /// Says of images in these directions, in this order, which belong to the stack.
    fn kept(directions: &[[[f64; 3]; 2]]) -> Vec<bool> {
        let plane = |&directions| Plane {
            position: [0.0; 3],
            directions,
            spacing: [1.0; 2],
            thickness: None,
            apart: None,
        };
        stack(&directions.iter().map(plane).collect::<Vec<_>>())
    }

    #[test]
    fn a_few_images_across_the_stack_are_left_out_wherever_they_come() {
        let five = [AXIAL; 5];
        let first = [&[FRONTAL, SAGITTAL][..], &five].concat();
        assert_eq!(kept(&first), [false, false, true, true, true, true, true]);
        let middle = [&five[..2], &[SAGITTAL], &five].concat();
        let mut due = vec![true; 8];
        due[2] = false;
        assert_eq!(kept(&middle), due);
    }

    #[test]
    fn what_is_no_stack_with_a_few_images_across_it_stays_whole() {
        for directions in [
            [&[AXIAL; 4][..], &[FRONTAL; 2]].concat(),
            [&[AXIAL; 40][..], &[FRONTAL; 4]].concat(),
            vec![AXIAL, FRONTAL],
            vec![],
        ] {
            assert!(kept(&directions).iter().all(|&stays| stays));
        }
    }
}
