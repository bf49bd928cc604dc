//! Owns the counts over all cases of a data set, from what their manifest says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::CaseInspection;

/// What nothing is known of is counted under this word.
const UNKNOWN: &str = "unknown";

/// Sums up cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    pub cases: usize,
    /// Cases with a label.
    pub labelled: usize,
    /// Cases with a note.
    pub noted: usize,
    /// Cases of each tracer.
    pub tracers: BTreeMap<String, usize>,
    /// Cases of each sex.
    pub sexes: BTreeMap<String, usize>,
    /// Cases of each diagnosis.
    pub diagnoses: BTreeMap<String, usize>,
    /// Cases of each stage.
    pub stages: BTreeMap<String, usize>,
    /// Lowest and highest age in years, where any is known.
    pub age: Option<[f32; 2]>,
    /// Fewest and most voxels of the PET along R, A, S.
    pub shape: Option<[[usize; 3]; 2]>,
    /// Finest and coarsest voxels of the PET along R, A, S, in millimetres.
    pub spacing: Option<[[f32; 3]; 2]>,
}

impl Summary {
    /// Counts cases.
    pub fn of(cases: &[CaseInspection]) -> Self {
        let count = |word: fn(&CaseInspection) -> &Option<String>| {
            let mut counts = BTreeMap::new();
            for case in cases {
                let word = word(case).as_deref().unwrap_or(UNKNOWN);
                *counts.entry(word.to_owned()).or_insert(0) += 1;
            }
            counts
        };
        let ages = cases.iter().filter_map(|case| case.metadata.age);
        Self {
            cases: cases.len(),
            labelled: cases.iter().filter(|case| case.label).count(),
            noted: cases.iter().filter(|case| !case.notes.is_empty()).count(),
            tracers: count(|case| &case.metadata.tracer),
            sexes: count(|case| &case.metadata.sex),
            diagnoses: count(|case| &case.metadata.diagnosis),
            stages: count(|case| &case.metadata.stage),
            age: ends(ages),
            shape: ends_of_axes(cases, |case| case.source_shape),
            spacing: ends_of_axes(cases, |case| case.source_spacing),
        }
    }
}

/// Gives the lowest and the highest of some values.
fn ends<T: PartialOrd + Copy>(values: impl Iterator<Item = T>) -> Option<[T; 2]> {
    values.fold(None, |ends, value| match ends {
        None => Some([value; 2]),
        Some([low, _]) if value < low => ends.map(|[_, high]| [value, high]),
        Some([low, high]) => Some([low, if value > high { value } else { high }]),
    })
}

fn ends_of_axes<T: PartialOrd + Copy>(
    cases: &[CaseInspection],
    values: impl Fn(&CaseInspection) -> [T; 3],
) -> Option<[[T; 3]; 2]> {
    let along = |axis: usize| ends(cases.iter().map(|case| values(case)[axis]));
    let [r, a, s] = [along(0)?, along(1)?, along(2)?];
    Some([0, 1].map(|end| [r[end], a[end], s[end]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_the_lowest_and_the_highest() {
        assert_eq!(ends([3, 1, 2, 5, 4].into_iter()), Some([1, 5]));
        assert_eq!(ends([7.0].into_iter()), Some([7.0, 7.0]));
        assert_eq!(ends(std::iter::empty::<f32>()), None);
    }

    #[test]
    fn nothing_has_no_ends() {
        let summary = Summary::of(&[]);
        assert_eq!((summary.cases, summary.age, summary.shape), (0, None, None));
    }
}
