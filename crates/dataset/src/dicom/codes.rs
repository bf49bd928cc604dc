//! Owns the names of what is read of a DICOM file: tags and transfer syntaxes. A tag that is not here is never read.

use std::fmt;

/// Names one element, as group and element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(pub(super) u16, pub(super) u16);

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({:04X},{:04X})", self.0, self.1)
    }
}

pub(super) const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);
pub(super) const IMAGE_TYPE: Tag = Tag(0x0008, 0x0008);
pub(super) const SERIES_DATE: Tag = Tag(0x0008, 0x0021);
pub(super) const ACQUISITION_DATE: Tag = Tag(0x0008, 0x0022);
pub(super) const ACQUISITION_DATE_TIME: Tag = Tag(0x0008, 0x002A);
pub(super) const SERIES_TIME: Tag = Tag(0x0008, 0x0031);
pub(super) const ACQUISITION_TIME: Tag = Tag(0x0008, 0x0032);
pub(super) const MODALITY: Tag = Tag(0x0008, 0x0060);
pub(super) const CODE_MEANING: Tag = Tag(0x0008, 0x0104);
pub(super) const PATIENT_SEX: Tag = Tag(0x0010, 0x0040);
pub(super) const PATIENT_AGE: Tag = Tag(0x0010, 0x1010);
pub(super) const PATIENT_WEIGHT: Tag = Tag(0x0010, 0x1030);
pub(super) const RADIOPHARMACEUTICAL: Tag = Tag(0x0018, 0x0031);
pub(super) const SLICE_THICKNESS: Tag = Tag(0x0018, 0x0050);
pub(super) const SLICE_SPACING: Tag = Tag(0x0018, 0x0088);
pub(super) const INJECTION_TIME: Tag = Tag(0x0018, 0x1072);
pub(super) const TOTAL_DOSE: Tag = Tag(0x0018, 0x1074);
pub(super) const HALF_LIFE: Tag = Tag(0x0018, 0x1075);
pub(super) const INJECTION_DATE_TIME: Tag = Tag(0x0018, 0x1078);
pub(super) const FRAME_DURATION: Tag = Tag(0x0018, 0x1242);
pub(super) const STUDY: Tag = Tag(0x0020, 0x000D);
pub(super) const SERIES: Tag = Tag(0x0020, 0x000E);
pub(super) const POSITION: Tag = Tag(0x0020, 0x0032);
pub(super) const ORIENTATION: Tag = Tag(0x0020, 0x0037);
pub(super) const FRAME_OF_REFERENCE: Tag = Tag(0x0020, 0x0052);
pub(super) const PLANE_POSITION: Tag = Tag(0x0020, 0x9113);
pub(super) const PLANE_ORIENTATION: Tag = Tag(0x0020, 0x9116);
pub(super) const SAMPLES: Tag = Tag(0x0028, 0x0002);
pub(super) const FRAMES: Tag = Tag(0x0028, 0x0008);
pub(super) const ROWS: Tag = Tag(0x0028, 0x0010);
pub(super) const COLUMNS: Tag = Tag(0x0028, 0x0011);
pub(super) const PIXEL_SPACING: Tag = Tag(0x0028, 0x0030);
pub(super) const CORRECTED_IMAGE: Tag = Tag(0x0028, 0x0051);
pub(super) const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
pub(super) const BITS_STORED: Tag = Tag(0x0028, 0x0101);
pub(super) const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
pub(super) const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);
pub(super) const INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(super) const SLOPE: Tag = Tag(0x0028, 0x1053);
pub(super) const PIXEL_MEASURES: Tag = Tag(0x0028, 0x9110);
pub(super) const PIXEL_TRANSFORM: Tag = Tag(0x0028, 0x9145);
pub(super) const RADIOPHARMACEUTICAL_SEQUENCE: Tag = Tag(0x0054, 0x0016);
pub(super) const NUCLIDE_CODES: Tag = Tag(0x0054, 0x0300);
pub(super) const RADIOPHARMACEUTICAL_CODES: Tag = Tag(0x0054, 0x0304);
pub(super) const UNITS: Tag = Tag(0x0054, 0x1001);
pub(super) const SUV_TYPE: Tag = Tag(0x0054, 0x1006);
pub(super) const DECAY_CORRECTION: Tag = Tag(0x0054, 0x1102);
pub(super) const SHARED_GROUPS: Tag = Tag(0x5200, 0x9229);
pub(super) const FRAME_GROUPS: Tag = Tag(0x5200, 0x9230);
pub(super) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
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
