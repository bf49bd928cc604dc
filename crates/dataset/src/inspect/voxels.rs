//! Reads the voxels of a data set for a person: histograms, lesions and pictures, one case after the other.
//!
//! No more than a few cases are in memory, however many there are. The caller decides how they are shown.

use futures::{StreamExt, TryStreamExt};
use half::f16;
use serde::Serialize;

use super::lesions::{Lesions, measure};
use crate::DataSetError;
use crate::preview::{read, thumbnail};
use crate::reader::{DataSet, unblocked};

/// Cases read at once: one is looked at while the next is on its way.
const AT_ONCE: usize = 2;
/// Height in pixels of the pictures of a sheet.
const SHEET_HEIGHT: f32 = 224.0;

/// Where the bins of a SUV histogram end: background, organs, avid lesions.
const SUV_ENDS: [f32; 10] = [0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0];
/// Where the bins of a HU histogram end: air, lung, fat, soft tissue, contrast, bone.
const HU_ENDS: [f32; 11] = [
    -950.0, -700.0, -200.0, -50.0, 0.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1500.0,
];

/// Counts voxels by value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Where each bin but the last ends, its end not included.
    pub ends: Vec<f32>,
    /// Voxels in each bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    fn new(ends: &[f32]) -> Self {
        Self {
            ends: ends.to_vec(),
            counts: vec![0; ends.len() + 1],
        }
    }

    /// Starts an empty histogram of SUV.
    pub fn of_suv() -> Self {
        Self::new(&SUV_ENDS)
    }

    /// Starts an empty histogram of Hounsfield units.
    pub fn of_hu() -> Self {
        Self::new(&HU_ENDS)
    }

    /// Adds what another of the same bins counted.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    fn count(&mut self, voxels: &[f16]) {
        // There are no more than 65,536 different values: to count those first saves a search for every voxel.
        let mut seen = vec![0_u64; 1 << 16];
        for voxel in voxels {
            seen[usize::from(voxel.to_bits())] += 1;
        }
        for (bits, count) in (0..=u16::MAX).zip(seen) {
            let value = f16::from_bits(bits).to_f32();
            let bin = self.ends.partition_point(|end| *end <= value);
            self.counts[bin] += count;
        }
    }
}

/// What was seen of one case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseStats {
    /// Number of the case in the manifest.
    pub case: u32,
    pub case_id: String,
    /// SUV of all its voxels.
    pub suv: Histogram,
    /// Hounsfield units of all its voxels.
    pub hu: Histogram,
    /// Its lesions, where it has a label.
    pub lesions: Option<Lesions>,
    /// The picture as a PNG, where one was asked for.
    #[serde(skip)]
    pub picture: Option<Vec<u8>>,
}

/// Looks at cases in the order given, and hands each on as it comes.
///
/// # Errors
/// What [`DataSet::read_slices`] says, and what `show` returns.
pub async fn inspect_voxels<E: From<DataSetError>>(
    data: &DataSet,
    cases: &[u32],
    pictures: bool,
    show: &mut dyn FnMut(CaseStats) -> Result<(), E>,
) -> Result<(), E> {
    let looks = futures::stream::iter(cases.iter().copied())
        .map(|case| look_at(data, case, pictures))
        .buffered(AT_ONCE);
    let mut looks = std::pin::pin!(looks);
    while let Some(seen) = looks.try_next().await? {
        show(seen)?;
    }
    Ok(())
}

async fn look_at(data: &DataSet, case: u32, pictures: bool) -> Result<CaseStats, DataSetError> {
    let (entry, slices) = read(data, case).await?;
    let grid = data.manifest.grid;
    unblocked(move || {
        let (mut suv, mut hu) = (Histogram::of_suv(), Histogram::of_hu());
        suv.count(&slices.pet);
        hu.count(&slices.ct);
        let label = slices.label.as_deref();
        let drawn = || thumbnail(&entry, grid, &slices, SHEET_HEIGHT);
        Ok(CaseStats {
            case,
            case_id: entry.case_id.clone(),
            picture: pictures.then(drawn).transpose()?,
            lesions: label.map(|label| measure(label, &slices.pet, grid, entry.spacing)),
            suv,
            hu,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::{GRID, stored};

    #[test]
    fn bins_hold_their_low_end_and_not_their_high_one() {
        let mut histogram = Histogram::new(&[0.0, 1.0]);
        histogram.count(&[-1.0, 0.0, 0.5, 1.0, 7.0, 9.0].map(f16::from_f32));
        assert_eq!(histogram.counts, [1, 2, 3]);
        histogram.add(&histogram.clone());
        assert_eq!(histogram.counts, [2, 4, 6]);
        let json = serde_json::to_string(&histogram).unwrap();
        assert_eq!(json, r#"{"ends":[0.0,1.0],"counts":[2,4,6]}"#);
    }

    #[tokio::test]
    async fn every_case_asked_for_is_looked_at_in_order() {
        let data = DataSet::open(&stored(3, 2).await).await.unwrap();
        let mut seen = Vec::new();
        let mut keep = |case: CaseStats| -> Result<(), DataSetError> {
            seen.push(case);
            Ok(())
        };
        inspect_voxels(&data, &[2, 0, 1], true, &mut keep)
            .await
            .unwrap();
        let names: Vec<&str> = seen.iter().map(|seen| seen.case_id.as_str()).collect();
        assert_eq!(names, ["case-2", "case-0", "case-1"]);
        let voxels = GRID.iter().product::<usize>() as u64;
        for case in &seen {
            assert_eq!(case.suv.counts.iter().sum::<u64>(), voxels);
            assert_eq!(case.hu.counts.iter().sum::<u64>(), voxels);
            assert_eq!(case.lesions.is_some(), case.case % 2 == 0);
            assert!(case.picture.as_ref().unwrap().starts_with(b"\x89PNG"));
        }
    }
}
