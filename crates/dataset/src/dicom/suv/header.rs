//! Owns the values of a PET header that bear on SUV, as they are written there.

use super::timing::joined;
use crate::dicom::clock::Moment;

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

impl PetHeader {
    /// When the slice was acquired.
    pub(super) fn acquired(&self) -> Option<Moment> {
        joined(
            [&self.acquisition_date, &self.series_date],
            &self.acquisition_time,
        )
    }
}
