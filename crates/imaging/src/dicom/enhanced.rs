//! Owns what an Enhanced PET says in other words than the PET of single slices: its corrections, the moment that its
//! activity is given for, and the unit and scale of its values.

use super::codes::*;
use super::slice::{Sources, each_frame};
use super::stream::Elements;
use super::suv::{EnhancedPet, PetHeader};

/// Enhanced PET Image Storage.
const ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.130";
/// Legacy Converted Enhanced PET Image Storage.
const CONVERTED: &str = "1.2.840.10008.5.1.4.1.1.128.1";
/// Units of real world values that lead to SUV, the surest first.
const UNITS_OF_USE: [&str; 3] = ["Bq/ml", "g/ml{SUVbw}", "{SUVbw}g/ml"];

/// Says whether an image is an Enhanced PET.
///
/// # Errors
/// It is one whose corrections stand where they are not read.
pub(super) fn is_pet(data: &Elements<'_>) -> Result<bool, String> {
    match data.text(KIND).as_deref() {
        Some(ENHANCED) => Ok(true),
        Some(CONVERTED) => Err(
            "it is a Legacy Converted Enhanced PET, which is not read: give the single slices that it was made from"
                .to_owned(),
        ),
        _ => Ok(false),
    }
}

/// Adds to a header what an Enhanced PET says of itself.
pub(super) fn pet_header(data: &Elements<'_>, header: PetHeader) -> Result<PetHeader, String> {
    let units = each_frame(data, |sources| Ok(mapping(sources).map(|(unit, _)| unit)))?;
    if units.iter().any(|unit| *unit != units[0]) {
        return Err("its frames have several units: give one image".to_owned());
    }
    Ok(PetHeader {
        units: units.into_iter().next().flatten().or(header.units),
        enhanced: Some(EnhancedPet {
            attenuation_corrected: data.text(ATTENUATION_CORRECTED),
            decay_corrected: data.text(DECAY_CORRECTED),
            decay_reference: data.text(DECAY_REFERENCE),
        }),
        ..header
    })
}

/// Gives slope and intercept from stored values to Bq/ml or SUV, where `sources` map to them.
pub(super) fn real_world_scale(sources: Sources<'_, '_>) -> Option<[f64; 2]> {
    let (unit, scale) = mapping(sources)?;
    UNITS_OF_USE.contains(&unit.as_str()).then_some(scale)
}

/// Gives the unit of the mapping that is used, and its slope and intercept.
fn mapping(sources: Sources<'_, '_>) -> Option<(String, [f64; 2])> {
    let of = |source: &&Elements<'_>| {
        let unit = source.first_item(REAL_WORLD_UNITS).ok()??;
        // Both letters stand for the litre.
        let unit = unit.text(CODE_VALUE)?.replace("mL", "ml");
        let [slope, intercept] =
            [REAL_WORLD_SLOPE, REAL_WORLD_INTERCEPT].map(|tag| source.double(tag));
        Some((unit, [slope?, intercept?]))
    };
    let found: Vec<_> = sources.iter().filter_map(of).collect();
    let of_use = |wanted: &&str| found.iter().position(|(unit, _)| unit == wanted);
    let at = UNITS_OF_USE.iter().find_map(of_use).unwrap_or(0);
    found.into_iter().nth(at)
}
