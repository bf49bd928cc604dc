//! Owns what a stack is: which slices of a case, and how their values become numbers in `[0, 1]`.
//!
//! It reads nothing; the loader brings it the slices.

mod axis;
mod window;

use crate::DataSetError;
use crate::keyed_rng::KeyedRng;
use crate::loader::SkippedSample;
use crate::manifest::{Manifest, ManifestCase};
use crate::order::Sample;
pub use axis::StackAxis;
pub(crate) use window::Windowed;

/// Says how stacks are cut from cases and windowed.
#[derive(Debug, Clone, PartialEq)]
pub struct StackOptions {
    /// Along which axis of the patient slices are stacked.
    pub axis: StackAxis,
    /// Slices in a stack.
    pub depth: usize,
    /// Every how many-th slice is taken.
    pub stride: usize,
    /// SUV that become 0 and 1.
    pub suv_window: [f32; 2],
    /// Hounsfield units that become 0 and 1.
    pub hu_window: [f32; 2],
    /// Seed of the first slice of each stack.
    pub seed: u64,
    /// Whether the sentence names the diagnosis.
    pub with_diagnosis: bool,
    /// Whether a stack carries the label of a case that has one. It costs reading it.
    pub with_label: bool,
}

/// Holds one sample, windowed to `[0, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Which sample it is.
    pub sample: Sample,
    /// Name of its case.
    pub case_id: String,
    /// What is known of the patient, as a sentence.
    pub sentence: String,
    /// PET, row-major, of [`StackAxis::stack_shape`]: (depth, R, S) for a coronal stack.
    pub pet: Vec<f32>,
    /// CT, as the PET.
    pub ct: Vec<f32>,
    /// The label, as the PET, if it was asked for and the case has one. No checksum of a slice covers it, only the
    /// digest of its case.
    pub label: Option<Vec<u8>>,
    /// Damaged samples in whose place it came, in the order they were tried; usually none.
    pub skipped: Vec<SkippedSample>,
}

impl StackOptions {
    /// Checks that stacks can be cut from a data set.
    ///
    /// # Errors
    /// [`DataSetError::Options`] where depth and stride reach over the grid, or a window is empty.
    pub fn check(&self, manifest: &Manifest) -> Result<(), DataSetError> {
        let fault = |reason| Err(DataSetError::Options { reason });
        if self.depth == 0 || self.stride == 0 {
            return fault(format!(
                "depth {} and stride {} must both be at least 1",
                self.depth, self.stride
            ));
        }
        let slices = self.axis.slices(manifest.grid);
        if self.span().is_none_or(|span| span > slices) {
            let (depth, stride) = (self.depth, self.stride);
            return fault(format!(
                "{depth} slices {stride} apart reach over the {slices} slices of a case: lower depth or stride, or prepare a larger grid"
            ));
        }
        for (name, [low, high]) in [("suv", self.suv_window), ("hu", self.hu_window)] {
            if !(low.is_finite() && high.is_finite() && low < high) {
                return fault(format!("the {name} window {low}..{high} is empty"));
            }
        }
        Ok(())
    }

    /// Returns how many slices lie from the first to the last of a stack, both counted.
    fn span(&self) -> Option<usize> {
        self.depth
            .checked_sub(1)?
            .checked_mul(self.stride)?
            .checked_add(1)
    }

    /// Draws the slices of a sample, uniformly from those starts whose stack reaches the body of the case; of axial and
    /// sagittal slices, whose body box is not known, from all starts.
    ///
    /// It is a pure function of (seed, epoch, case, body box, grid); none for options that [`StackOptions::check`]
    /// refuses.
    pub fn rows(&self, manifest: &Manifest, sample: Sample) -> Option<Vec<u32>> {
        let case = manifest.cases.get(sample.case as usize)?;
        let span = u32::try_from(self.span()?).ok()?;
        let slices = self.axis.slices(manifest.grid);
        let latest = u32::try_from(slices).ok()?.checked_sub(span)?;
        let (purpose, (first, last)) = match self.axis {
            StackAxis::Coronal => ("stack", allowed_starts(case, span, latest)),
            StackAxis::Axial => ("axial stack", (0, latest)),
            StackAxis::Sagittal => ("sagittal stack", (0, latest)),
        };
        let draw = KeyedRng::new(purpose, self.seed, &[sample.epoch, u64::from(sample.case)])
            .below(u64::from(last - first) + 1);
        let start = first + u32::try_from(draw).ok()?;
        Some((start..start + span).step_by(self.stride).collect())
    }
}

/// Returns the first and last start in `0..=latest` whose `span` slices share one with the body box.
fn allowed_starts(case: &ManifestCase, span: u32, latest: u32) -> (u32, u32) {
    let [body_first, body_last] = case.body;
    let last = body_last.min(latest);
    ((body_first + 1).saturating_sub(span).min(last), last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest_of;

    fn options() -> StackOptions {
        StackOptions {
            axis: StackAxis::Coronal,
            depth: 4,
            stride: 3,
            suv_window: [0.0, 20.0],
            hu_window: [-1000.0, 1000.0],
            seed: 9,
            with_diagnosis: false,
            with_label: false,
        }
    }

    fn sample(epoch: u64) -> Sample {
        Sample {
            position: 0,
            epoch,
            case: 0,
        }
    }

    #[test]
    fn slices_of_a_sample_are_frozen() {
        let manifest = manifest_of([2, 160, 2], &[("a", [20, 140])]);
        let options = StackOptions {
            depth: 5,
            stride: 2,
            ..options()
        };
        let starts: Vec<u32> = (0..6)
            .map(|epoch| options.rows(&manifest, sample(epoch)).unwrap()[0])
            .collect();
        assert_eq!(starts, [134, 118, 22, 123, 135, 49]);
        assert_eq!(
            options.rows(&manifest, sample(0)).unwrap(),
            [134, 136, 138, 140, 142]
        );
    }

    #[test]
    fn every_start_that_meets_the_body_comes_up_and_no_other() {
        // 20 slices, a span of 10: starts 0..=10; the body box 12..=13 is met by the starts 3..=13, so 3..=10.
        let manifest = manifest_of([2, 20, 2], &[("a", [12, 13])]);
        let mut seen = [0_u32; 20];
        for epoch in 0..800 {
            let rows = options().rows(&manifest, sample(epoch)).unwrap();
            assert_eq!((rows.len(), rows[3] - rows[0]), (4, 9));
            seen[rows[0] as usize] += 1;
        }
        assert!((3..=10).all(|start| seen[start] > 60), "{seen:?}");
        assert_eq!(seen[3..=10].iter().sum::<u32>(), 800);
    }

    #[test]
    fn a_body_at_either_end_is_met() {
        for body in [[0, 0], [19, 19]] {
            let manifest = manifest_of([2, 20, 2], &[("a", body)]);
            let narrow = StackOptions {
                depth: 1,
                ..options()
            };
            assert_eq!(narrow.rows(&manifest, sample(5)).unwrap(), [body[0]]);
        }
    }

    #[test]
    fn a_stack_as_long_as_the_grid_has_one_start() {
        let manifest = manifest_of([2, 10, 2], &[("a", [4, 5])]);
        assert_eq!(options().rows(&manifest, sample(3)).unwrap(), [0, 3, 6, 9]);
        assert!(options().check(&manifest).is_ok());
    }

    #[test]
    fn a_stack_longer_than_the_grid_is_refused() {
        let manifest = manifest_of([2, 9, 2], &[("a", [4, 5])]);
        let refusal = options().check(&manifest).unwrap_err().to_string();
        assert!(
            refusal.contains("4 slices 3 apart reach over the 9 slices"),
            "{refusal}"
        );
        assert_eq!(options().rows(&manifest, sample(0)), None);
    }

    #[test]
    fn stacks_along_other_axes_reach_over_their_own_slices() {
        let manifest = manifest_of([8, 4, 10], &[("a", [1, 2])]);
        let [axial, sagittal] =
            [StackAxis::Axial, StackAxis::Sagittal].map(|axis| StackOptions { axis, ..options() });
        assert!(axial.check(&manifest).is_ok(), "a span of 10 in 10 slices");
        assert_eq!(axial.rows(&manifest, sample(2)).unwrap(), [0, 3, 6, 9]);
        let refusal = sagittal.check(&manifest).unwrap_err().to_string();
        assert!(refusal.contains("reach over the 8 slices"), "{refusal}");
        let pair = StackOptions {
            depth: 2,
            ..sagittal
        };
        let starts = (0..200).map(|epoch| pair.rows(&manifest, sample(epoch)).unwrap()[0]);
        let starts: std::collections::BTreeSet<u32> = starts.collect();
        assert_eq!(starts, (0..=4).collect());
    }

    #[test]
    fn empty_stacks_and_windows_are_refused() {
        let manifest = manifest_of([2, 20, 2], &[("a", [4, 5])]);
        let refused = [
            StackOptions {
                depth: 0,
                ..options()
            },
            StackOptions {
                stride: 0,
                ..options()
            },
            StackOptions {
                stride: usize::MAX,
                ..options()
            },
            StackOptions {
                suv_window: [1.0, 1.0],
                ..options()
            },
            StackOptions {
                hu_window: [0.0, f32::NAN],
                ..options()
            },
        ];
        for options in refused {
            assert!(options.check(&manifest).is_err(), "{options:?}");
        }
    }
}
