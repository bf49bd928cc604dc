//! Owns what the header of one file says, in typed values: places, voxel form, scales and activity.
//!
//! Nothing else of a header is kept, so that no name, number or date of a patient can leave it.

use super::codes::*;
use super::enhanced;
use super::geometry::{Plane, Space};
use super::pixels::PixelForm;
use super::pixels::padding::Padding;
use super::stream::Elements;
use super::suv::{HeaderNumber, PetHeader};

/// The header of a file of slices.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SliceHeader {
    pub(super) modality: String,
    pub(super) series: String,
    /// SOPInstanceUID: equal in copies of one image.
    pub(super) image: Option<String>,
    pub(super) frames: Vec<Frame>,
    pub(super) form: PixelForm,
    pub(super) padding: Option<Padding>,
    /// InstanceNumber, where it is one.
    pub(super) number: Option<i64>,
    /// How many slices the header says that there are in all.
    pub(super) promised: Option<usize>,
    pub(super) pet: PetHeader,
}

/// Where a frame lies, and how its values are scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) plane: Plane,
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// What a file says of the study and series it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesHeader {
    /// `PT`, `CT`, `SEG` or another code.
    pub modality: String,
    pub study: String,
    pub series: String,
    /// SOPInstanceUID: equal in copies of one image.
    pub image: Option<String>,
    /// FrameOfReferenceUID: equal in images whose positions can be compared.
    pub frame_of_reference: Option<String>,
    /// Whether a PET is corrected for attenuation.
    pub attenuation_corrected: bool,
    /// Whether it shows where a scan was planned.
    pub localizer: bool,
    /// Straight from the scanner, and not made from other images.
    pub original: bool,
    /// Slices in the file.
    pub frames: usize,
    /// The space its slices take, where it says.
    pub space: Option<Space>,
    /// The series that a segmentation was drawn on.
    pub refers_to: Vec<String>,
    /// Nuclide and tracer, of those that are known: `18F FDG`. Free text of a header is never handed on.
    pub tracer: Option<String>,
    /// PatientAge as it is stored: it should be `060Y`, and may be anything.
    pub age: Option<String>,
    /// PatientSex as it is stored: it should be `M`, `F` or `O`, and may be anything.
    pub sex: Option<String>,
}

impl SliceHeader {
    /// Reads the header of a CT or a PET; nothing of a localizer, which is no slice of any.
    pub(super) fn of(data: &Elements<'_>, syntax: Syntax) -> Result<Option<Self>, String> {
        let modality = data.text(MODALITY).unwrap_or_default();
        if !matches!(modality.as_str(), "CT" | "PT") {
            return Err(format!(
                "its Modality {MODALITY} is {}: only CT, PT and SEG are read",
                data.text(MODALITY)
                    .map_or("missing".to_owned(), |code| printable(&code))
            ));
        }
        if is_localizer(data) {
            return Ok(None);
        }
        let is_enhanced_pet = enhanced::is_pet(data)?;
        let promised = match modality.as_str() {
            "PT" => data.short(NUMBER_OF_SLICES).map(usize::from),
            _ => data
                .text(IMAGES_IN_ACQUISITION)
                .and_then(|text| text.parse().ok()),
        };
        Ok(Some(Self {
            modality,
            series: data.text(SERIES).unwrap_or_default(),
            image: data.text(IMAGE),
            form: PixelForm::of(data, syntax)?,
            padding: Padding::of(data),
            number: data
                .text(INSTANCE_NUMBER)
                .and_then(|text| text.parse().ok()),
            promised,
            frames: frames(data)?,
            pet: match is_enhanced_pet {
                true => enhanced::pet_header(data, pet_header(data)?)?,
                false => pet_header(data)?,
            },
        }))
    }
}

impl SeriesHeader {
    pub(super) fn of(data: &Elements<'_>) -> Result<Self, String> {
        let required = |tag| {
            data.text(tag)
                .ok_or_else(|| format!("its header has no {tag}"))
        };
        let kinds = data.texts(IMAGE_TYPE);
        let of_enhanced = data.text(ATTENUATION_CORRECTED);
        let refers_to = data.items(REFERENCED_SERIES)?;
        Ok(Self {
            modality: required(MODALITY)?,
            study: required(STUDY)?,
            series: required(SERIES)?,
            image: data.text(IMAGE),
            frame_of_reference: data.text(FRAME_OF_REFERENCE),
            attenuation_corrected: data
                .texts(CORRECTED_IMAGE)
                .iter()
                .any(|word| word == "ATTN")
                || of_enhanced.as_deref() == Some("YES"),
            localizer: is_localizer(data),
            original: kinds.first().is_some_and(|word| word == "ORIGINAL"),
            frames: frame_count(data)?,
            space: space(data),
            refers_to: refers_to
                .iter()
                .filter_map(|series| series.text(SERIES))
                .collect(),
            tracer: tracer(data)?,
            age: data.text(PATIENT_AGE),
            sex: data.text(PATIENT_SEX),
        })
    }
}

/// Says whether an image shows where a scan was planned, across its slices.
fn is_localizer(data: &Elements<'_>) -> bool {
    data.texts(IMAGE_TYPE)
        .iter()
        .any(|word| word == "LOCALIZER")
}

/// Names nuclide and tracer where they are ones that are known.
fn tracer(data: &Elements<'_>) -> Result<Option<String>, String> {
    let Some(drug) = data.first_item(RADIOPHARMACEUTICAL_SEQUENCE)? else {
        return Ok(None);
    };
    let meaning = |tag| -> Result<Option<String>, String> {
        Ok(drug
            .first_item(tag)?
            .and_then(|code| code.text(CODE_MEANING)))
    };
    let words = [
        drug.text(RADIOPHARMACEUTICAL),
        meaning(RADIOPHARMACEUTICAL_CODES)?,
        meaning(NUCLIDE_CODES)?,
    ];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let words = words.to_uppercase().replace("FLUORODEOXYGLUCOSE", "FDG");
    let name = ["PSMA", "FDG"]
        .into_iter()
        .find(|name| words.contains(name));
    let plain: String = words.chars().filter(char::is_ascii_alphanumeric).collect();
    let nuclide = [["18F", "F18"], ["68GA", "GA68"]]
        .into_iter()
        .find(|forms| forms.iter().any(|form| plain.contains(form)))
        .map(|forms| forms[0]);
    let known: Vec<&str> = [nuclide, name].into_iter().flatten().collect();
    Ok(Some(known.join(" ")).filter(|known| !known.is_empty()))
}

fn frame_count(data: &Elements<'_>) -> Result<usize, String> {
    match data.text(FRAMES) {
        None => Ok(1),
        Some(text) => match text.parse() {
            Ok(count @ 1..=65_535) => Ok(count),
            _ => Err(format!(
                "its NumberOfFrames {FRAMES} is no number from 1 to 65535"
            )),
        },
    }
}

/// Gives the space of all frames; nothing where one has no place.
fn space(data: &Elements<'_>) -> Option<Space> {
    let size = [data.short(ROWS)?, data.short(COLUMNS)?].map(f64::from);
    let planes = each_frame(data, |sources| plane(sources)).ok()?;
    let spaces = planes.iter().map(|plane| plane.space(size));
    spaces.reduce(Space::with)
}

/// Reads the frames: of an ordinary file its own, of a multi-frame one those of its functional groups.
fn frames(data: &Elements<'_>) -> Result<Vec<Frame>, String> {
    each_frame(data, |sources| frame(sources))
}

/// Where the values of a frame are looked for, the first first.
pub(super) type Sources<'s, 'd> = &'s [&'s Elements<'d>];

/// Runs `read` on each frame.
pub(super) fn each_frame<'d, T>(
    data: &Elements<'d>,
    read: impl Fn(Sources<'_, 'd>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let count = frame_count(data)?;
    let each = data.items(FRAME_GROUPS)?;
    if each.is_empty() {
        if count > 1 {
            return Err(format!(
                "it has {count} frames and no functional groups {FRAME_GROUPS} to say where they lie"
            ));
        }
        return Ok(vec![read(&[data])?]);
    }
    // A segmentation of which frames were cut away may keep their groups: those of the frames that are left come first.
    let spare = data.text(MODALITY).as_deref() == Some("SEG") && each.len() > count;
    if each.len() != count && !spare {
        return Err(format!(
            "it has {count} frames and functional groups of {}",
            each.len()
        ));
    }
    let shared = data.first_item(SHARED_GROUPS)?;
    let mut frames = Vec::with_capacity(each.len());
    for own in each.iter().take(count) {
        let mut sources = Vec::new();
        for group in [
            PIXEL_MEASURES,
            PLANE_ORIENTATION,
            PLANE_POSITION,
            PIXEL_TRANSFORM,
            REAL_WORLD_VALUES,
        ] {
            for place in [Some(own), shared.as_ref()].into_iter().flatten() {
                sources.extend(place.items(group)?);
            }
        }
        let sources: Vec<&Elements<'_>> = sources.iter().chain([data]).collect();
        frames.push(read(&sources)?);
    }
    Ok(frames)
}

fn find<const N: usize>(sources: Sources<'_, '_>, tag: Tag) -> Option<[f64; N]> {
    sources.iter().find_map(|source| source.numbers(tag))
}

/// Says why a value cannot be used: it is not there, or is not what it should be.
fn unusable(sources: Sources<'_, '_>, name: &str, tag: Tag) -> String {
    match sources.iter().find_map(|source| source.text(tag)) {
        None => format!("it has no {name} {tag}"),
        Some(text) => format!(
            "its {name} {tag} reads {}, which cannot be used",
            shown_list(&text)
        ),
    }
}

fn shown_list(text: &str) -> String {
    let parts: Vec<String> = text.split('\\').map(shown).collect();
    parts.join(" ")
}

/// Reads the place of a frame from the first of `sources` that has each value.
pub(super) fn plane(sources: Sources<'_, '_>) -> Result<Plane, String> {
    let unusable = |name, tag| unusable(sources, name, tag);
    let spacing =
        find(sources, PIXEL_SPACING).ok_or_else(|| unusable("PixelSpacing", PIXEL_SPACING))?;
    let position =
        find(sources, POSITION).ok_or_else(|| unusable("ImagePositionPatient", POSITION))?;
    let [a, b, c, d, e, f] = find(sources, ORIENTATION)
        .ok_or_else(|| unusable("ImageOrientationPatient", ORIENTATION))?;
    if spacing.iter().any(|&size| size <= 0.0) {
        return Err(format!("its PixelSpacing {spacing:?} is not above 0"));
    }
    let single = |tag| find(sources, tag).map(|[value]: [f64; 1]| value.abs());
    Ok(Plane {
        position,
        directions: [[a, b, c], [d, e, f]],
        spacing,
        thickness: single(SLICE_THICKNESS).or(single(SLICE_SPACING)),
        apart: single(SLICE_SPACING),
    })
}

fn frame(sources: Sources<'_, '_>) -> Result<Frame, String> {
    let plane = plane(sources)?;
    let [slope, intercept] = match enhanced::real_world_scale(sources) {
        Some(scale) => scale,
        None => {
            let number = |name, tag| match find(sources, tag) {
                Some([number]) => Ok(number),
                None => Err(unusable(sources, name, tag)),
            };
            [
                number("RescaleSlope", SLOPE)?,
                number("RescaleIntercept", INTERCEPT)?,
            ]
        }
    };
    if slope == 0.0 {
        return Err(format!("its RescaleSlope {slope} is not above 0"));
    }
    Ok(Frame {
        plane,
        slope,
        intercept,
    })
}

fn pet_header(data: &Elements<'_>) -> Result<PetHeader, String> {
    let drugs = data.items(RADIOPHARMACEUTICAL_SEQUENCE)?;
    let drug = drugs.first();
    let injection = |drug: &Elements<'_>| {
        [TOTAL_DOSE, HALF_LIFE, INJECTION_DATE_TIME, INJECTION_TIME].map(|tag| drug.text(tag))
    };
    let is_other = |other: &&Elements<'_>| drug.map(injection) != Some(injection(other));
    let private = |group, creator: &str, element| {
        let tag = data.private(group, creator, element)?;
        data.text(tag)
    };
    let of_drug = |tag| drug.map_or(HeaderNumber::Missing, |drug| drug.header_number(tag));
    let factor = |element| private(0x7053, PHILIPS_PET, element)?.parse().ok();
    Ok(PetHeader {
        corrected_image: data.texts(CORRECTED_IMAGE),
        units: data.text(UNITS),
        suv_type: data.text(SUV_TYPE),
        decay_correction: data.text(DECAY_CORRECTION),
        series_date: data.text(SERIES_DATE),
        series_time: data.text(SERIES_TIME),
        time_zone: data.text(TIME_ZONE),
        acquisition_date: data.text(ACQUISITION_DATE),
        acquisition_time: data.text(ACQUISITION_TIME),
        acquisition_date_time: data.text(ACQUISITION_DATE_TIME),
        ge_scan_start: private(0x0009, GE_PET, 0x0D),
        injection_date_time: drug.and_then(|drug| drug.text(INJECTION_DATE_TIME)),
        injection_time: drug.and_then(|drug| drug.text(INJECTION_TIME)),
        total_dose: of_drug(TOTAL_DOSE),
        half_life: of_drug(HALF_LIFE),
        weight: data.header_number(PATIENT_WEIGHT),
        frame_duration: data.number(FRAME_DURATION),
        frame_reference: data.number(FRAME_REFERENCE),
        decay_factor: data.number(DECAY_FACTOR),
        other_injections: drugs.iter().filter(is_other).count(),
        philips_suv: factor(0x00),
        philips_activity: factor(0x09),
        enhanced: None,
    })
}
