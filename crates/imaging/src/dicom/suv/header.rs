//! Owns the values of a PET header that bear on SUV, as they are written there.

/// A number of a header, or what stands in its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum HeaderNumber {
    /// The element is not there, or is empty.
    #[default]
    Missing,
    /// A finite number.
    Number(f64),
    /// Text that is no single number, such as `75,5`.
    NoNumber(String),
}

impl From<f64> for HeaderNumber {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// What the header of one PET slice says of activity, as it is written there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PetHeader {
    /// Corrected Image (0028,0051).
    pub corrected_image: Vec<String>,
    /// Units (0054,1001); of an enhanced image those of its real world values.
    pub units: Option<String>,
    /// SUV Type (0054,1006); body weight where missing.
    pub suv_type: Option<String>,
    /// Decay Correction (0054,1102).
    pub decay_correction: Option<String>,
    /// Timezone Offset From UTC (0008,0201): of all dates and times that give no offset themselves.
    pub time_zone: Option<String>,
    /// Series Date (0008,0021).
    pub series_date: Option<String>,
    /// Series Time (0008,0031).
    pub series_time: Option<String>,
    /// Acquisition Date (0008,0022).
    pub acquisition_date: Option<String>,
    /// Acquisition Time (0008,0032).
    pub acquisition_time: Option<String>,
    /// Acquisition DateTime (0008,002A).
    pub acquisition_date_time: Option<String>,
    /// Start of the scan as GE writes it (0009,xx0D).
    pub ge_scan_start: Option<String>,
    /// Radiopharmaceutical Start DateTime (0018,1078).
    pub injection_date_time: Option<String>,
    /// Radiopharmaceutical Start Time (0018,1072).
    pub injection_time: Option<String>,
    /// Radionuclide Total Dose (0018,1074), in Bq.
    pub total_dose: HeaderNumber,
    /// Radionuclide Half Life (0018,1075), in seconds.
    pub half_life: HeaderNumber,
    /// Patient's Weight (0010,1030), in kg.
    pub weight: HeaderNumber,
    /// Actual Frame Duration (0018,1242), in milliseconds.
    pub frame_duration: Option<f64>,
    /// Frame Reference Time (0054,1300), in milliseconds after the start of the scan.
    pub frame_reference: Option<f64>,
    /// Decay Factor (0054,1321).
    pub decay_factor: Option<f64>,
    /// Injections that Radiopharmaceutical Information Sequence (0054,0016) lists beyond the first and unlike it.
    pub other_injections: usize,
    /// SUV Scale Factor of Philips (7053,xx00).
    pub philips_suv: Option<f64>,
    /// Activity Concentration Scale Factor of Philips (7053,xx09).
    pub philips_activity: Option<f64>,
    /// What an Enhanced PET says in place of CorrectedImage and DecayCorrection.
    pub enhanced: Option<EnhancedPet>,
}

/// The corrections of an Enhanced PET.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnhancedPet {
    /// Attenuation Corrected (0018,9759).
    pub attenuation_corrected: Option<String>,
    /// Decay Corrected (0018,9758).
    pub decay_corrected: Option<String>,
    /// Decay Correction DateTime (0018,9701): the moment that all activity is given for.
    pub decay_reference: Option<String>,
}
