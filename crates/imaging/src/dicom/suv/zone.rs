//! Owns the question by which clock a time is written: that of the scanner, or another that names its offset from UTC.

use super::{PetHeader, shown};
use crate::dicom::clock::{DAY, DateTime, Moment, offset_of, seconds_of};
use crate::dicom::codes::{
    ACQUISITION_DATE_TIME, ACQUISITION_TIME, INJECTION_DATE_TIME, TIME_ZONE,
};

/// Offsets from UTC are multiples of this, in seconds.
const QUARTER_HOUR: f64 = 900.0;
/// Times of one event may differ by this in two elements, in seconds: some are written to the minute.
pub(super) const ROUNDED: f64 = 60.0;

/// Gives the moment of a date-time by the clock of the scanner, where that clock's zone matters and is known.
pub(super) fn by_scanner(header: &PetHeader, text: &str) -> Option<Moment> {
    let joined = DateTime::of(text)?;
    Some(joined.by_clock_of(zone(header).ok().flatten()))
}

/// Gives the moment of the injection by the clock of the scanner; nothing where the text is no date-time.
///
/// # Errors
/// The text gives an offset from UTC and nothing gives that of the scanner's clock.
pub(super) fn injection_by_scanner(
    header: &PetHeader,
    text: &str,
) -> Result<Option<Moment>, String> {
    let Some(joined) = DateTime::of(text) else {
        return Ok(None);
    };
    let Some(offset) = joined.offset else {
        return Ok(Some(joined.by_clock_of(None)));
    };
    let zone = match zone(header)? {
        Some(zone) => {
            check_zone(header, zone)?;
            zone
        }
        None => zone_of_pair(header, joined)
            // Nobody writes an offset but that of the place, but for UTC, which is written everywhere.
            .or((offset != 0.0).then_some(offset))
            .ok_or_else(|| {
                format!(
                    "RadiopharmaceuticalStartDateTime {INJECTION_DATE_TIME} reads {}, which is in UTC, and TimezoneOffsetFromUTC {TIME_ZONE} is missing: the scanner's own times may be hours apart from it",
                    shown(text)
                )
            })?,
    };
    Ok(Some(joined.by_clock_of(Some(zone))))
}

/// Gives the offset of the scanner's clock: as it is said, or as one of the scanner's own date-times says.
fn zone(header: &PetHeader) -> Result<Option<f64>, String> {
    if let Some(text) = &header.time_zone {
        return offset_of(text).map(Some).ok_or_else(|| {
            format!(
                "TimezoneOffsetFromUTC {TIME_ZONE} reads {}, which is no offset such as +0100",
                shown(text)
            )
        });
    }
    let enhanced = header.enhanced.as_ref();
    let own = [
        enhanced.and_then(|enhanced| enhanced.decay_reference.as_ref()),
        header.acquisition_date_time.as_ref(),
        header.ge_scan_start.as_ref(),
    ];
    let joined = own.into_iter().flatten();
    Ok(joined.filter_map(|text| DateTime::of(text)?.offset).next())
}

/// Checks that two elements that name the same acquisition do so in this zone.
fn check_zone(header: &PetHeader, zone: f64) -> Result<(), String> {
    let both = header.acquisition_date_time.as_deref();
    let both = both.zip(header.acquisition_time.as_deref());
    let Some((joined, time)) = both else {
        return Ok(());
    };
    let apart = || {
        let joined = DateTime::of(joined)?.by_clock_of(Some(zone));
        Some((joined.time_of_day() - seconds_of(time)?).rem_euclid(DAY))
    };
    match apart() {
        Some(apart) if apart.min(DAY - apart) > ROUNDED => Err(format!(
            "its zones differ: AcquisitionDateTime {ACQUISITION_DATE_TIME} {} is not AcquisitionTime {ACQUISITION_TIME} {} by the scanner's clock",
            shown(joined),
            shown(time)
        )),
        _ => Ok(()),
    }
}

/// RadiopharmaceuticalStartTime is by the scanner's clock: what it is apart from the same moment in UTC is the zone,
/// if it can be one.
fn zone_of_pair(header: &PetHeader, joined: DateTime) -> Option<f64> {
    let time = seconds_of(header.injection_time.as_deref()?)?;
    let utc = joined.by_clock_of(Some(0.0)).time_of_day();
    let apart = (time - utc + DAY / 2.0).rem_euclid(DAY) - DAY / 2.0;
    let zone = (apart / QUARTER_HOUR).round() * QUARTER_HOUR;
    ((apart - zone).abs() <= ROUNDED).then_some(zone)
}
