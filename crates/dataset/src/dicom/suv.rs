//! Owns the factor from stored activity to SUV by body weight, as a function of header values alone.
//!
//! The rules are those of QIBA's profile and its pseudo-code. Where a value is missing or cannot be right, there is no
//! factor: a wrong SUV looks like any other.

use serde::Serialize;

use super::clock::Moment;
use super::codes::{
    ACQUISITION_DATE, ACQUISITION_TIME, CORRECTED_IMAGE, DECAY_CORRECTION, FRAME_DURATION,
    HALF_LIFE, INJECTION_DATE_TIME, INJECTION_TIME, PATIENT_WEIGHT, SERIES_DATE, SERIES_TIME,
    SUV_TYPE, TOTAL_DOSE, Tag, UNITS,
};

#[cfg(test)]
mod tests;

/// Doses in Bq that a person may be given: one below is likely in MBq or kBq.
const DOSES: [f64; 2] = [1e6, 1e11];
/// Weights in kg that a person may have.
const WEIGHTS: [f64; 2] = [1.0, 500.0];
/// Half-lives in seconds: from rubidium-82 to zirconium-89.
const HALF_LIVES: [f64; 2] = [60.0, 400_000.0];
/// Nobody waits longer than this for a scan, in seconds, or than three half-lives if those are longer.
const LONGEST_WAIT: f64 = 6.0 * 3600.0;
/// After so many half-lives nothing is left to see.
const MOST_HALF_LIVES: f64 = 12.0;
/// With a half-life below this, a scan days after the injection cannot be: the dates were changed, the times not.
const SHORT_LIVED: f64 = 43_200.0;

/// What the header of one PET slice says of activity, as it is written there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PetHeader {
    /// Corrected Image (0028,0051).
    pub corrected_image: Vec<String>,
    /// Units (0054,1001).
    pub units: Option<String>,
    /// SUV Type (0054,1006); body weight where missing.
    pub suv_type: Option<String>,
    /// Decay Correction (0054,1102).
    pub decay_correction: Option<String>,
    /// Series Date (0008,0021).
    pub series_date: Option<String>,
    /// Series Time (0008,0031).
    pub series_time: Option<String>,
    /// Acquisition Date (0008,0022).
    pub acquisition_date: Option<String>,
    /// Acquisition Time (0008,0032).
    pub acquisition_time: Option<String>,
    /// Start of the scan as GE writes it (0009,xx0D).
    pub ge_scan_start: Option<String>,
    /// Radiopharmaceutical Start DateTime (0018,1078).
    pub injection_date_time: Option<String>,
    /// Radiopharmaceutical Start Time (0018,1072).
    pub injection_time: Option<String>,
    /// Radionuclide Total Dose (0018,1074), in Bq.
    pub total_dose: Option<f64>,
    /// Radionuclide Half Life (0018,1075), in seconds.
    pub half_life: Option<f64>,
    /// Patient's Weight (0010,1030), in kg.
    pub weight: Option<f64>,
    /// Actual Frame Duration (0018,1242), in milliseconds.
    pub frame_duration: Option<f64>,
    /// SUV Scale Factor of Philips (7053,xx00).
    pub philips_suv: Option<f64>,
    /// Activity Concentration Scale Factor of Philips (7053,xx09).
    pub philips_activity: Option<f64>,
}

/// One header value that went into a factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagUsed {
    /// Group and element.
    pub tag: String,
    /// Its name in the standard.
    pub name: &'static str,
    /// What it says.
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
        let corrected = &self.header.corrected_image;
        let has = |word: &str| corrected.iter().any(|found| found == word);
        let joined = corrected.join("\\");
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
                    other.unwrap_or("missing")
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

    fn factor(&mut self, decay: Decay) -> Result<(f64, &'static str), String> {
        let header = self.header;
        let units = header.units.as_deref().unwrap_or("missing");
        self.note(UNITS, "Units", units);
        match units {
            "GML" => self.already_suv(),
            "BQML" => self.of_activity(decay),
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
                "Units {UNITS} are {other}: only BQML, GML and CNTS lead to SUV"
            )),
        }
    }

    fn already_suv(&mut self) -> Result<(f64, &'static str), String> {
        match self.header.suv_type.as_deref() {
            None => {}
            Some("BW") => self.note(SUV_TYPE, "SUVType", "BW"),
            Some(other) => {
                return Err(format!(
                    "it is SUV by {other} (SUVType {SUV_TYPE}), not by body weight"
                ));
            }
        }
        Ok((1.0, "already SUV by body weight"))
    }

    /// From Bq/ml: times the weight in grams, by the dose that was left when activity is told for.
    fn of_activity(&mut self, decay: Decay) -> Result<(f64, &'static str), String> {
        let header = self.header;
        let weight = self.plausible(
            header.weight,
            WEIGHTS,
            PATIENT_WEIGHT,
            "PatientWeight",
            "kg",
        )?;
        let dose = self.plausible(
            header.total_dose,
            DOSES,
            TOTAL_DOSE,
            "RadionuclideTotalDose",
            "Bq",
        )?;
        let grams_per_dose = 1000.0 * weight / dose;
        if decay == Decay::ToInjection {
            return Ok((grams_per_dose, "activity at injection, by weight and dose"));
        }
        let half_life = self.plausible(
            header.half_life,
            HALF_LIVES,
            HALF_LIFE,
            "RadionuclideHalfLife",
            "s",
        )?;
        let (seen, rule) = if decay == Decay::Not {
            (
                self.middle_of_frame()?,
                "activity in the middle of the frame, by weight and the dose left then",
            )
        } else {
            (
                self.scan_start()?,
                "activity at the start of the scan, by weight and the dose left then",
            )
        };
        let waited = self.wait(seen.0, half_life)? + seen.1;
        Ok((grams_per_dose * (waited / half_life).exp2(), rule))
    }

    fn plausible(
        &mut self,
        value: Option<f64>,
        [low, high]: [f64; 2],
        tag: Tag,
        name: &'static str,
        unit: &str,
    ) -> Result<f64, String> {
        match value {
            None => Err(format!("{name} {tag} is missing")),
            Some(value) if (low..=high).contains(&value) => {
                self.note(tag, name, value);
                Ok(value)
            }
            Some(value) => Err(format!(
                "{name} {tag} is {value} {unit}, outside {low} to {high}: it cannot be right"
            )),
        }
    }

    /// The earliest acquisition of all slices.
    fn first_acquisition(&self) -> Option<(Moment, &PetHeader)> {
        let moments = self
            .slices
            .iter()
            .filter_map(|slice| Some((slice.acquired()?, slice)));
        moments.min_by(|(a, _), (b, _)| a.since(*b).total_cmp(&0.0))
    }

    /// The series' time, unless the series was made after the first acquisition; then GE's, then the acquisition's.
    fn scan_start(&mut self) -> Result<(Moment, f64), String> {
        let header = self.header;
        let acquisition = self
            .first_acquisition()
            .map(|(moment, slice)| (moment, slice.clone()));
        let series = joined(&header.series_date, &header.series_time);
        if let (Some(series), Some((first, _))) = (series, &acquisition)
            && first.since(series) >= 0.0
        {
            self.note(
                SERIES_DATE,
                "SeriesDate",
                header.series_date.clone().unwrap_or_default(),
            );
            self.note(
                SERIES_TIME,
                "SeriesTime",
                header.series_time.clone().unwrap_or_default(),
            );
            return Ok((series, 0.0));
        }
        if let Some(text) = &header.ge_scan_start
            && let Some(start) = Moment::of_joined(text)
        {
            self.note(Tag(0x0009, 0x100D), "PETScanDateTime (GE)", text);
            return Ok((start, 0.0));
        }
        let (first, slice) = acquisition.ok_or_else(|| {
            format!("AcquisitionDate {ACQUISITION_DATE} and AcquisitionTime {ACQUISITION_TIME} do not say when the scan began")
        })?;
        self.note_acquisition(&slice);
        Ok((first, 0.0))
    }

    fn note_acquisition(&mut self, slice: &PetHeader) {
        self.note(
            ACQUISITION_DATE,
            "AcquisitionDate",
            slice.acquisition_date.clone().unwrap_or_default(),
        );
        self.note(
            ACQUISITION_TIME,
            "AcquisitionTime",
            slice.acquisition_time.clone().unwrap_or_default(),
        );
    }

    /// Without decay correction each bed would need a factor of its own: only one bed is taken.
    fn middle_of_frame(&mut self) -> Result<(Moment, f64), String> {
        let header = self.header;
        let start = header
            .acquired()
            .ok_or("it is not corrected for decay and has no time of acquisition")?;
        let one_bed = self
            .slices
            .iter()
            .all(|slice| slice.acquired() == Some(start));
        let Some(frame) = header
            .frame_duration
            .filter(|&frame| frame >= 0.0 && one_bed)
        else {
            return Err(format!(
                "it is not corrected for decay, and its slices have several times of acquisition or no ActualFrameDuration {FRAME_DURATION}"
            ));
        };
        self.note_acquisition(header);
        self.note(FRAME_DURATION, "ActualFrameDuration", frame);
        Ok((start, frame / 2000.0))
    }

    /// Gives the seconds from injection to `seen`.
    fn wait(&mut self, seen: Moment, half_life: f64) -> Result<f64, String> {
        let injected = self.injection(seen, half_life)?;
        let waited = seen.since(injected);
        if waited < 0.0 {
            return Err(format!(
                "it was scanned {:.0} s before the injection",
                -waited
            ));
        }
        let longest = LONGEST_WAIT
            .max(3.0 * half_life)
            .min(MOST_HALF_LIVES * half_life);
        if waited > longest {
            return Err(format!(
                "it was scanned {waited:.0} s after the injection, later than {longest:.0} s: dose, times or half-life cannot be right"
            ));
        }
        Ok(waited)
    }

    fn injection(&mut self, seen: Moment, half_life: f64) -> Result<Moment, String> {
        let header = self.header;
        if let Some(text) = &header.injection_date_time
            && let Some(injected) = Moment::of_joined(text)
        {
            self.note(
                INJECTION_DATE_TIME,
                "RadiopharmaceuticalStartDateTime",
                text,
            );
            let days = seen.day - injected.day;
            if days.abs() <= 1 {
                return Ok(injected);
            }
            if half_life > SHORT_LIVED {
                return Err(format!(
                    "injection and scan are {days} days apart with a half-life of {half_life} s: were the dates changed?"
                ));
            }
            return Ok(seen.last_at(injected));
        }
        let text = header.injection_time.as_deref().unwrap_or("missing");
        // Only the time of day is known; the date is the scan's.
        let injected = Moment::of("19700101", text).ok_or_else(|| {
            format!("the time of injection, {INJECTION_DATE_TIME} or {INJECTION_TIME}, is missing")
        })?;
        self.note(INJECTION_TIME, "RadiopharmaceuticalStartTime", text);
        Ok(seen.last_at(injected))
    }
}

impl PetHeader {
    fn acquired(&self) -> Option<Moment> {
        joined(&self.acquisition_date, &self.acquisition_time)
    }
}

fn joined(date: &Option<String>, time: &Option<String>) -> Option<Moment> {
    Moment::of(date.as_deref()?, time.as_deref()?)
}
