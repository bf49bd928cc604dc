//! Owns the factor from stored activity to SUV by body weight, as a function of header values alone.
//!
//! The rules are those of QIBA's profile and its pseudo-code. Where a value is missing or cannot be right, there is no
//! factor: a wrong SUV looks like any other.

mod frames;
mod header;
mod injection;
mod start;
#[cfg(test)]
mod tests;
mod timing;
mod zone;

use serde::Serialize;

use super::codes::{
    ATTENUATION_CORRECTED, CORRECTED_IMAGE, DECAY_CORRECTED, DECAY_CORRECTION, HALF_LIFE,
    PATIENT_WEIGHT, RADIOPHARMACEUTICAL_SEQUENCE, REAL_WORLD_UNITS, SUV_TYPE, TOTAL_DOSE, Tag,
    UNITS, printable, shown,
};

pub use header::{EnhancedPet, HeaderNumber, PetHeader};

/// Doses in Bq that a person may be given: one below is likely in MBq or kBq.
const DOSES: [f64; 2] = [1e6, 1e11];
/// Weights in kg that a person may have.
const WEIGHTS: [f64; 2] = [1.0, 500.0];
/// Half-lives in seconds: from rubidium-82 to iodine-124.
const HALF_LIVES: [f64; 2] = [60.0, 400_000.0];

/// One header value that went into a factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagUsed {
    pub tag: String,
    /// Its name in the standard.
    pub name: &'static str,
    pub value: String,
}

/// The factor from rescaled pixel values to SUV by body weight, and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuvScale {
    /// What pixel values, after slope and intercept, are multiplied by.
    pub factor: f64,
    /// The rule in words.
    pub rule: &'static str,
    /// Every header value that was used, as it is written there.
    pub tags: Vec<TagUsed>,
}

/// Finds the factor of a series from the headers of all its slices.
///
/// # Errors
/// One line: which value is missing, implausible or at odds with another.
pub fn suv_scale(slices: &[PetHeader]) -> Result<SuvScale, String> {
    let mut scaling = Scaling {
        slices,
        header: slices.first().ok_or("the series has no slice")?,
        tags: Vec::new(),
    };
    scaling.check_alike()?;
    let decay = scaling.corrections()?;
    let (factor, rule) = scaling.factor(decay)?;
    if !(factor.is_finite() && factor > 0.0) {
        return Err(format!("its factor to SUV comes out as {factor}"));
    }
    Ok(SuvScale {
        factor,
        rule,
        tags: scaling.tags,
    })
}

/// Up to when activity was corrected for decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decay {
    ToScanStart,
    ToInjection,
    /// To the moment that an Enhanced PET names.
    ToNamedMoment,
    Not,
}

struct Scaling<'a> {
    slices: &'a [PetHeader],
    header: &'a PetHeader,
    tags: Vec<TagUsed>,
}

impl Scaling<'_> {
    fn note(&mut self, tag: Tag, name: &'static str, value: impl ToString) {
        self.tags.push(TagUsed {
            tag: tag.to_string(),
            name,
            value: value.to_string(),
        });
    }

    /// Slices may differ in when they were acquired, and in nothing else that counts.
    fn check_alike(&self) -> Result<(), String> {
        let what = |slice: &PetHeader| PetHeader {
            acquisition_date: None,
            acquisition_time: None,
            acquisition_date_time: None,
            frame_duration: None,
            frame_reference: None,
            decay_factor: None,
            ge_scan_start: None,
            ..slice.clone()
        };
        let first = what(self.header);
        if self.slices.iter().all(|slice| what(slice) == first) {
            return Ok(());
        }
        Err(
            "its slices differ in units, dose, weight, injection or series: give one series"
                .to_owned(),
        )
    }

    /// Asks for the corrections without which values say nothing of activity.
    fn corrections(&mut self) -> Result<Decay, String> {
        if let Some(enhanced) = &self.header.enhanced {
            return self.corrections_of_enhanced(enhanced);
        }
        let corrected = &self.header.corrected_image;
        let has = |word: &str| corrected.iter().any(|found| found == word);
        let joined = corrected
            .iter()
            .map(|word| printable(word))
            .collect::<Vec<_>>()
            .join("\\");
        if !has("ATTN") {
            return Err(format!(
                "it is not corrected for attenuation: CorrectedImage {CORRECTED_IMAGE} is {joined:?}, without ATTN"
            ));
        }
        let decay = match self.header.decay_correction.as_deref() {
            Some("START") => Decay::ToScanStart,
            Some("ADMIN") => Decay::ToInjection,
            Some("NONE") => Decay::Not,
            other => {
                return Err(format!(
                    "DecayCorrection {DECAY_CORRECTION} is {}, not START, ADMIN or NONE",
                    other.map_or("missing".to_owned(), printable)
                ));
            }
        };
        if has("DECY") == (decay == Decay::Not) {
            return Err(format!(
                "DecayCorrection {DECAY_CORRECTION} and CorrectedImage {CORRECTED_IMAGE} {joined:?} say different things of DECY"
            ));
        }
        self.note(CORRECTED_IMAGE, "CorrectedImage", joined);
        let word = self.header.decay_correction.clone().unwrap_or_default();
        self.note(DECAY_CORRECTION, "DecayCorrection", word);
        Ok(decay)
    }

    fn corrections_of_enhanced(&mut self, enhanced: &EnhancedPet) -> Result<Decay, String> {
        let asked = [
            (
                ATTENUATION_CORRECTED,
                "AttenuationCorrected",
                &enhanced.attenuation_corrected,
            ),
            (DECAY_CORRECTED, "DecayCorrected", &enhanced.decay_corrected),
        ];
        for (tag, name, word) in asked {
            if word.as_deref() != Some("YES") {
                let word = word.as_deref().map_or("missing".to_owned(), printable);
                return Err(format!("{name} {tag} is {word}, not YES"));
            }
            self.note(tag, name, "YES");
        }
        Ok(Decay::ToNamedMoment)
    }

    fn factor(&mut self, decay: Decay) -> Result<(f64, &'static str), String> {
        let header = self.header;
        let (tag, name) = match header.enhanced {
            None => (UNITS, "Units"),
            Some(_) => (REAL_WORLD_UNITS, "MeasurementUnitsCodeSequence"),
        };
        let Some(units) = header.units.as_deref() else {
            return Err(format!("{name} {tag} are missing"));
        };
        self.note(tag, name, units);
        match units {
            "GML" | "g/ml{SUVbw}" | "{SUVbw}g/ml" => self.already_suv(),
            "BQML" | "Bq/ml" => self.of_activity(decay),
            "CNTS" => {
                if let Some(factor) = header.philips_suv.filter(|&factor| factor != 0.0) {
                    self.note(Tag(0x7053, 0x1000), "SUVScaleFactor (Philips)", factor);
                    return Ok((factor, "counts times the SUV factor of Philips"));
                }
                let Some(scale) = header.philips_activity.filter(|&scale| scale != 0.0) else {
                    return Err("Units are CNTS and neither factor of Philips, (7053,1000) or (7053,1009), is there".to_owned());
                };
                self.note(
                    Tag(0x7053, 0x1009),
                    "ActivityConcentrationScaleFactor (Philips)",
                    scale,
                );
                let (factor, _) = self.of_activity(decay)?;
                Ok((
                    scale * factor,
                    "counts times the activity factor of Philips, then by weight and dose",
                ))
            }
            other => Err(format!(
                "{name} {tag} are {}: only BQML, GML and CNTS lead to SUV",
                printable(other)
            )),
        }
    }

    fn already_suv(&mut self) -> Result<(f64, &'static str), String> {
        match self.header.suv_type.as_deref() {
            None => {}
            Some("BW") => self.note(SUV_TYPE, "SUVType", "BW"),
            Some(other) => {
                return Err(format!(
                    "it is SUV by {} (SUVType {SUV_TYPE}), not by body weight",
                    printable(other)
                ));
            }
        }
        Ok((1.0, "already SUV by body weight"))
    }

    /// From Bq/ml: times the weight in grams, by the dose that was left when activity is told for.
    fn of_activity(&mut self, decay: Decay) -> Result<(f64, &'static str), String> {
        let header = self.header;
        if header.other_injections > 0 {
            return Err(format!(
                "RadiopharmaceuticalInformationSequence {RADIOPHARMACEUTICAL_SEQUENCE} lists {} injections of different doses or times",
                1 + header.other_injections
            ));
        }
        let weight = self.plausible(&header.weight, WEIGHTS, PATIENT_WEIGHT, "PatientWeight kg")?;
        let dose = self.plausible(
            &header.total_dose,
            DOSES,
            TOTAL_DOSE,
            "RadionuclideTotalDose Bq",
        )?;
        let grams_per_dose = 1000.0 * weight / dose;
        if decay == Decay::ToInjection {
            return Ok((grams_per_dose, "activity at injection, by weight and dose"));
        }
        let half_life = self.plausible(
            &header.half_life,
            HALF_LIVES,
            HALF_LIFE,
            "RadionuclideHalfLife s",
        )?;
        let (seen, rule) = match (decay, &header.enhanced) {
            (Decay::Not, _) => (
                self.middle_of_frame(half_life)?,
                "activity in the middle of the frame, by weight and the dose left then",
            ),
            (_, Some(enhanced)) => (
                self.decay_reference(enhanced.decay_reference.as_ref())?,
                "activity at the moment it was corrected to, by weight and the dose left then",
            ),
            (_, None) => (
                self.scan_start(half_life)?,
                "activity at the start of the scan, by weight and the dose left then",
            ),
        };
        let waited = self.wait(seen, half_life)?;
        Ok((grams_per_dose * (waited / half_life).exp2(), rule))
    }

    /// Gives a number that can be what its name says; the unit stands behind the name.
    fn plausible(
        &mut self,
        value: &HeaderNumber,
        [low, high]: [f64; 2],
        tag: Tag,
        name_and_unit: &'static str,
    ) -> Result<f64, String> {
        let (name, unit) = name_and_unit.split_once(' ').unwrap_or((name_and_unit, ""));
        match *value {
            HeaderNumber::Missing => Err(format!("{name} {tag} is missing")),
            HeaderNumber::NoNumber(ref text) => Err(format!(
                "{name} {tag} reads {}, which is not a number",
                shown(text)
            )),
            HeaderNumber::Number(value) if (low..=high).contains(&value) => {
                self.note(tag, name, value);
                Ok(value)
            }
            HeaderNumber::Number(value) => Err(format!(
                "{name} {tag} is {value} {unit}, outside {low} to {high}: it cannot be right"
            )),
        }
    }
}
