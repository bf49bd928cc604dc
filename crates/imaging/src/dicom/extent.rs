//! Owns the question how many slices a series had when it was made, as far as its headers tell.

use super::slice::SliceHeader;
use crate::provenance::SliceCount;

/// Numbers that run over more than so many times the slices are no count of them.
const MOST_SPREAD: usize = 4;
/// ImagesInAcquisition may count several reconstructions: it is believed where more than these would be missing.
const SEVERAL: usize = 2;

/// Counts the slices of a series; nothing where it promises none.
pub(super) fn of(headers: &[&SliceHeader]) -> Option<SliceCount> {
    let found: usize = headers.iter().map(|header| header.frames.len()).sum();
    let is_pet = headers.first()?.modality == "PT";
    let stated = headers.iter().filter_map(|header| header.promised).max();
    let stated = stated.filter(|&stated| is_pet || stated > SEVERAL * found);
    let promised = stated.max(numbered(headers, found))?;
    Some(SliceCount { found, promised })
}

/// Counts the slices from the first InstanceNumber to the last, where each file has its own.
fn numbered(headers: &[&SliceHeader], found: usize) -> Option<usize> {
    let numbers = headers.iter().map(|header| header.number);
    let mut numbers: Vec<i64> = numbers.collect::<Option<_>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() != found {
        return None;
    }
    let span = numbers.last()?.checked_sub(*numbers.first()?)?;
    let span = usize::try_from(span).ok()?.checked_add(1)?;
    (span <= MOST_SPREAD * found).then_some(span)
}
