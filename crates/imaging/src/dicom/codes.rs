//! Owns the names of what is read of a DICOM file: tags, by the dictionary of the
//! standard, and transfer syntaxes. A tag that is not here is never read.

pub(super) use dicom_core::Tag;
pub(super) use dicom_dictionary_std::tags::{
    ACQUISITION_DATE, ACQUISITION_DATE_TIME, ACQUISITION_TIME,
    ACTUAL_FRAME_DURATION as FRAME_DURATION, ATTENUATION_CORRECTED, BITS_ALLOCATED, BITS_STORED,
    CODE_MEANING, CODE_VALUE, COLUMNS, CORRECTED_IMAGE, DECAY_CORRECTED, DECAY_CORRECTION,
    DECAY_CORRECTION_DATE_TIME as DECAY_REFERENCE, DECAY_FACTOR,
    FRAME_OF_REFERENCE_UID as FRAME_OF_REFERENCE, FRAME_REFERENCE_TIME as FRAME_REFERENCE,
    HIGH_BIT, IMAGE_ORIENTATION_PATIENT as ORIENTATION, IMAGE_POSITION_PATIENT as POSITION,
    IMAGE_TYPE, IMAGES_IN_ACQUISITION, INSTANCE_NUMBER,
    MAXIMUM_FRACTIONAL_VALUE as LARGEST_FRACTION,
    MEASUREMENT_UNITS_CODE_SEQUENCE as REAL_WORLD_UNITS, MODALITY, NUMBER_OF_FRAMES as FRAMES,
    NUMBER_OF_SLICES, PATIENT_AGE, PATIENT_SEX, PATIENT_WEIGHT,
    PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE as FRAME_GROUPS, PIXEL_DATA,
    PIXEL_MEASURES_SEQUENCE as PIXEL_MEASURES, PIXEL_PADDING_RANGE_LIMIT as PADDING_LIMIT,
    PIXEL_PADDING_VALUE as PADDING, PIXEL_REPRESENTATION, PIXEL_SPACING,
    PIXEL_VALUE_TRANSFORMATION_SEQUENCE as PIXEL_TRANSFORM,
    PLANE_ORIENTATION_SEQUENCE as PLANE_ORIENTATION, PLANE_POSITION_SEQUENCE as PLANE_POSITION,
    RADIONUCLIDE_CODE_SEQUENCE as NUCLIDE_CODES, RADIONUCLIDE_HALF_LIFE as HALF_LIFE,
    RADIONUCLIDE_TOTAL_DOSE as TOTAL_DOSE, RADIOPHARMACEUTICAL,
    RADIOPHARMACEUTICAL_CODE_SEQUENCE as RADIOPHARMACEUTICAL_CODES,
    RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE as RADIOPHARMACEUTICAL_SEQUENCE,
    RADIOPHARMACEUTICAL_START_DATE_TIME as INJECTION_DATE_TIME,
    RADIOPHARMACEUTICAL_START_TIME as INJECTION_TIME,
    REAL_WORLD_VALUE_INTERCEPT as REAL_WORLD_INTERCEPT,
    REAL_WORLD_VALUE_MAPPING_SEQUENCE as REAL_WORLD_VALUES,
    REAL_WORLD_VALUE_SLOPE as REAL_WORLD_SLOPE, REFERENCED_SERIES_SEQUENCE as REFERENCED_SERIES,
    RESCALE_INTERCEPT as INTERCEPT, RESCALE_SLOPE as SLOPE, ROWS, SAMPLES_PER_PIXEL as SAMPLES,
    SEGMENTATION_TYPE, SERIES_DATE, SERIES_INSTANCE_UID as SERIES, SERIES_TIME,
    SHARED_FUNCTIONAL_GROUPS_SEQUENCE as SHARED_GROUPS, SLICE_THICKNESS, SOP_CLASS_UID as KIND,
    SOP_INSTANCE_UID as IMAGE, SPACING_BETWEEN_SLICES as SLICE_SPACING,
    STUDY_INSTANCE_UID as STUDY, SUV_TYPE, TIMEZONE_OFFSET_FROM_UTC as TIME_ZONE,
    TRANSFER_SYNTAX_UID as TRANSFER_SYNTAX, UNITS,
};

pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(super) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// The block in which GE keeps the start of the scan.
pub(super) const GE_PET: &str = "GEMS_PETD_01";
/// The block in which Philips keeps its two factors.
pub(super) const PHILIPS_PET: &str = "Philips PET Private Group";

/// How the pixels of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// As they are.
    None,
    /// Run lengths of bytes.
    Rle,
    /// JPEG, also lossless.
    Jpeg,
    /// JPEG-LS.
    JpegLs,
    /// JPEG 2000.
    Jpeg2000,
}

/// How a file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    /// Elements name their value representation.
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
    /// All after the file's meta information is one deflate stream.
    pub(super) deflated: bool,
    pub(super) packing: Packing,
}

/// Explicit VR, little-endian, pixels as they are: also the encoding of a file's meta information.
pub(super) const EXPLICIT: Syntax = Syntax {
    explicit: true,
    big_endian: false,
    deflated: false,
    packing: Packing::None,
};
/// Implicit VR, little-endian.
pub(super) const IMPLICIT: Syntax = Syntax {
    explicit: false,
    ..EXPLICIT
};

impl Syntax {
    /// Finds a transfer syntax by its UID.
    pub(super) fn of(uid: &str) -> Option<Self> {
        let packed = |packing| {
            Some(Self {
                packing,
                ..EXPLICIT
            })
        };
        match uid.strip_prefix("1.2.840.10008.1.2")? {
            "" => Some(IMPLICIT),
            ".1" => Some(EXPLICIT),
            ".1.99" => Some(Self {
                deflated: true,
                ..EXPLICIT
            }),
            ".2" => Some(Self {
                big_endian: true,
                ..EXPLICIT
            }),
            ".5" => packed(Packing::Rle),
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => packed(Packing::Jpeg),
            ".4.80" | ".4.81" => packed(Packing::JpegLs),
            ".4.90" | ".4.91" => packed(Packing::Jpeg2000),
            _ => None,
        }
    }
}

/// Keeps of a code what may be printed: capital letters and digits, as codes are written, and not many of them.
pub(super) fn printable(code: &str) -> String {
    code.chars()
        .filter(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
        .take(16)
        .collect()
}

/// Shows a text that should be a number, a date or a time: its digits and signs. Other letters may be anything, and
/// are left out.
pub(super) fn shown(text: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_digit() || ".,+-:".contains(*letter);
    let plain: String = text.chars().filter(is_plain).take(32).collect();
    let is_all = plain.len() == text.trim().len();
    format!(
        "{plain:?}{}",
        if is_all { "" } else { " and other letters" }
    )
}
