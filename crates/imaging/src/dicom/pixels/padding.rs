//! Owns the stored values that stand where a scanner measured nothing: outside of the circle that it reconstructs.

use crate::dicom::codes::{PADDING, PADDING_LIMIT, PIXEL_REPRESENTATION};
use crate::dicom::stream::Elements;

/// Values between these, in Hounsfield units, may have been measured.
const MEASURED_HU: std::ops::Range<f64> = -1000.0..3071.0;

/// The stored values that are padding, before slope and intercept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Padding {
    low: i32,
    high: i32,
}

impl Padding {
    /// Reads PixelPaddingValue, and PixelPaddingRangeLimit where padding has many values. Both have the sign of the
    /// pixels, whichever kind of number they are written as.
    pub(in crate::dicom) fn of(data: &Elements<'_>) -> Option<Self> {
        let is_signed = data.short(PIXEL_REPRESENTATION) == Some(1);
        let number = |tag| {
            let raw = data.short(tag)?;
            Some(match is_signed {
                true => i32::from(raw.cast_signed()),
                false => i32::from(raw),
            })
        };
        let value = number(PADDING)?;
        let limit = number(PADDING_LIMIT).unwrap_or(value);
        Some(Self {
            low: value.min(limit),
            high: value.max(limit),
        })
    }

    /// Says whether a stored value is padding.
    pub(in crate::dicom) fn holds(self, stored: i32) -> bool {
        (self.low..=self.high).contains(&stored)
    }

    /// Says whether a frame of a CT was padded. Some programs name a value that tissue has as well, and padded nothing:
    /// such a value is believed only where it fills a corner.
    pub(in crate::dicom) fn is_in_ct(
        self,
        stored: &[i32],
        columns: usize,
        hounsfield: impl Fn(i32) -> f64,
    ) -> bool {
        let ends = [self.low, self.high];
        if !ends
            .iter()
            .any(|&end| MEASURED_HU.contains(&hounsfield(end)))
        {
            return true;
        }
        let last = stored.len().saturating_sub(1);
        let right = columns.saturating_sub(1);
        [0, right, last.saturating_sub(right), last]
            .iter()
            .any(|&corner| stored.get(corner).is_some_and(|&value| self.holds(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::codes::EXPLICIT;
    use crate::dicom::stream::Extent;
    use crate::dicom::test_files::Made;

    /// The padding of pixels with this sign.
    fn padding(sign: u16, value: i32, limit: Option<i32>) -> Padding {
        let mut made = Made::default()
            .short(0x28, 0x103, sign)
            .short(0x28, 0x120, value as u16);
        if let Some(limit) = limit {
            made = made.short(0x28, 0x121, limit as u16);
        }
        Padding::of(&Elements::read(&made.0, EXPLICIT, Extent::Whole).unwrap()).unwrap()
    }

    #[test]
    fn a_range_runs_either_way_and_has_the_sign_of_the_pixels() {
        let one = padding(1, -2000, None);
        assert_eq!((one.low, one.high), (-2000, -2000));
        assert_eq!(padding(1, 63_536, None), one);
        let unsigned = padding(0, 65_535, Some(65_000));
        assert!(unsigned.holds(65_000) && unsigned.holds(65_535) && !unsigned.holds(64_999));
        let signed = padding(1, -2000, Some(-1500));
        assert!(signed.holds(-1700) && !signed.holds(-1499));
    }

    #[test]
    fn a_value_that_tissue_has_is_padding_only_in_a_corner() {
        let zero = padding(1, 0, None);
        let hounsfield = |stored: i32| f64::from(stored);
        let inside = [-1000, -900, 5, 0, 60, 70, 1, -1000, -2];
        assert!(!zero.is_in_ct(&inside, 3, hounsfield));
        let mut corner = inside;
        corner[6] = 0;
        assert!(zero.is_in_ct(&corner, 3, hounsfield));
        assert!(zero.is_in_ct(&inside, 3, |stored| f64::from(stored) - 1024.0));
    }
}
