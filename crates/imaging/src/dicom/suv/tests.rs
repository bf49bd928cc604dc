//! Owns the proofs that the factor to SUV is the one that others compute, and that there is none where it would be a guess.
//!
//! Reference factors were computed in Python from the same header values, as
//! `weight * 1000 / (dose * 2 ** (-(scan_start - injection) / half_life))` in double precision.

mod clocks;

use super::*;

/// A usual header: 70 kg, 370 MBq of 18F injected an hour before the scan.
fn header() -> PetHeader {
    let text = |text: &str| Some(text.to_owned());
    PetHeader {
        corrected_image: ["DECY", "ATTN", "SCAT"].map(str::to_owned).to_vec(),
        units: text("BQML"),
        decay_correction: text("START"),
        series_date: text("20200301"),
        series_time: text("100000"),
        acquisition_date: text("20200301"),
        acquisition_time: text("100000.00"),
        injection_time: text("090000"),
        total_dose: 3.7e8.into(),
        half_life: 6586.2.into(),
        weight: 70.0.into(),
        ..PetHeader::default()
    }
}

fn factor(header: PetHeader) -> f64 {
    suv_scale(&[header]).unwrap().factor
}

fn refusal(change: impl FnOnce(&mut PetHeader)) -> String {
    let mut header = header();
    change(&mut header);
    let refusal = suv_scale(&[header]).unwrap_err();
    assert!(!refusal.contains('\n'), "{refusal}");
    refusal
}

fn assert_close(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 1e-9,
        "{found} is not {expected}"
    );
}

/// Factors of a dose seen at injection, and an hour later: 70000 / 3.7e8 and that by 2 ** (3600 / 6586.2).
const AT_INJECTION: f64 = 1.891_891_891_891_892e-4;
const AN_HOUR_LATER: f64 = 2.763_366_817_176_432_4e-4;

#[test]
fn dose_decays_to_the_moment_that_activity_is_told_for() {
    assert_close(factor(header()), AN_HOUR_LATER);
    let mut at_injection = header();
    at_injection.decay_correction = Some("ADMIN".to_owned());
    assert_close(factor(at_injection), AT_INJECTION);
    let mut uncorrected = header();
    uncorrected.decay_correction = Some("NONE".to_owned());
    uncorrected.corrected_image = vec!["ATTN".to_owned()];
    uncorrected.acquisition_time = Some("095900".to_owned());
    uncorrected.frame_duration = Some(120_000.0);
    // A frame's mean is reached 59.936 854 66 s after it began, a little before its middle.
    let before_middle = (-0.063_145_336_f64 / 6586.2).exp2();
    assert_close(factor(uncorrected), AN_HOUR_LATER * before_middle);
}

#[test]
fn a_series_made_later_starts_with_its_first_acquisition() {
    let mut slices = vec![header(), header()];
    for (slice, time) in slices.iter_mut().zip(["100500", "100000"]) {
        slice.series_time = Some("113000".to_owned());
        slice.acquisition_time = Some(time.to_owned());
    }
    let scale = suv_scale(&slices).unwrap();
    assert_close(scale.factor, AN_HOUR_LATER);
    assert!(
        scale
            .tags
            .iter()
            .any(|tag| tag.tag == "(0008,0032)" && tag.value == "100000")
    );
    for slice in &mut slices {
        slice.ge_scan_start = Some("20200301095500.00".to_owned());
    }
    let earlier = suv_scale(&slices).unwrap().factor;
    assert_close(earlier, AN_HOUR_LATER * (-300.0_f64 / 6586.2).exp2());
}

#[test]
fn injection_may_be_before_midnight_or_on_a_changed_date() {
    let mut night = header();
    night.series_time = Some("003000".to_owned());
    night.acquisition_time = Some("003000".to_owned());
    night.injection_time = Some("233000".to_owned());
    assert_close(factor(night), AN_HOUR_LATER);
    for date_time in ["20200301090000", "19600614090000.00+0100"] {
        let mut joined = header();
        joined.injection_time = None;
        joined.injection_date_time = Some(date_time.to_owned());
        assert_close(factor(joined), AN_HOUR_LATER);
    }
}

#[test]
fn without_dates_the_times_of_day_are_enough() {
    let mut undated = header();
    undated.series_date = None;
    undated.acquisition_date = None;
    assert_close(factor(undated.clone()), AN_HOUR_LATER);
    undated.injection_date_time = Some("20200301090000".to_owned());
    assert_close(factor(undated), AN_HOUR_LATER);
}

#[test]
fn beds_may_differ_in_time_and_duration_of_a_corrected_pet_only() {
    let mut beds = vec![header(), header()];
    beds[1].acquisition_time = Some("100300".to_owned());
    beds[1].frame_duration = Some(180_000.0);
    assert_close(suv_scale(&beds).unwrap().factor, AN_HOUR_LATER);
    for bed in &mut beds {
        bed.corrected_image = vec!["ATTN".to_owned()];
        bed.decay_correction = Some("NONE".to_owned());
    }
    let refusal = suv_scale(&beds).unwrap_err();
    assert!(
        refusal.contains("several times of acquisition"),
        "{refusal}"
    );
}

#[test]
fn every_value_that_was_used_is_named() {
    let scale = suv_scale(&[header()]).unwrap();
    let names: Vec<&str> = scale.tags.iter().map(|tag| tag.name).collect();
    assert_eq!(
        names,
        [
            "CorrectedImage",
            "DecayCorrection",
            "Units",
            "PatientWeight",
            "RadionuclideTotalDose",
            "RadionuclideHalfLife",
            "SeriesDate",
            "SeriesTime",
            "RadiopharmaceuticalStartTime"
        ]
    );
}

#[test]
fn counts_and_grams_have_their_own_rules() {
    let units = |units: &str| PetHeader {
        units: Some(units.to_owned()),
        ..header()
    };
    assert_close(
        factor(PetHeader {
            philips_suv: Some(0.000_728),
            ..units("CNTS")
        }),
        0.000_728,
    );
    let activity = PetHeader {
        philips_suv: Some(0.0),
        philips_activity: Some(2.0),
        ..units("CNTS")
    };
    assert_close(factor(activity), 2.0 * AN_HOUR_LATER);
    let grams = PetHeader {
        total_dose: HeaderNumber::Missing,
        ..units("GML")
    };
    assert_close(factor(grams), 1.0);
    assert!(
        refusal(|header| header.units = Some("CNTS".to_owned()))
            .contains("neither factor of Philips")
    );
    assert!(refusal(|header| header.units = Some("PROPCPS".to_owned())).contains("are PROPCPS"));
    let lean = refusal(|header| {
        header.units = Some("GML".to_owned());
        header.suv_type = Some("LBM".to_owned());
    });
    assert!(lean.contains("SUV by LBM"), "{lean}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_would_be_a_guess_is_refused() {
    type Change = fn(&mut PetHeader);
    let cases: [(Change, &str); 14] = [
        (
            |header| header.corrected_image.retain(|word| word != "ATTN"),
            "not corrected for attenuation",
        ),
        (
            |header| header.corrected_image.retain(|word| word != "DECY"),
            "different things of DECY",
        ),
        (
            |header| header.decay_correction = None,
            "is missing, not START",
        ),
        (
            |header| header.weight = HeaderNumber::Missing,
            "PatientWeight (0010,1030) is missing",
        ),
        (|header| header.weight = 0.0.into(), "is 0 kg, outside"),
        (|header| header.weight = 70_000.0.into(), "outside 1 to 500"),
        (
            |header| header.total_dose = 370.0.into(),
            "is 370 Bq, outside",
        ),
        (
            |header| header.half_life = 0.0.into(),
            "RadionuclideHalfLife",
        ),
        (|header| header.half_life = 109.8.into(), "later than"),
        (
            |header| header.injection_time = None,
            "the time of injection",
        ),
        (
            |header| header.injection_time = Some("020000".to_owned()),
            "28800 s after the injection",
        ),
        (
            |header| {
                header.injection_date_time = Some("20200301101000".to_owned());
                header.injection_time = None;
            },
            "600 s before the injection",
        ),
        (
            |header| header.acquisition_time = None,
            "do not say when the scan began",
        ),
        (
            |header| {
                header.half_life = 282_240.0.into();
                header.injection_date_time = Some("20200215090000".to_owned());
            },
            "1299600 s after the injection, later than 846720 s",
        ),
    ];
    for (change, words) in cases {
        let refusal = refusal(change);
        assert!(refusal.contains(words), "{refusal} does not say {words}");
    }
    assert!(suv_scale(&[]).is_err());
    let other = PetHeader {
        weight: 80.0.into(),
        ..header()
    };
    assert!(
        suv_scale(&[header(), other])
            .unwrap_err()
            .contains("slices differ")
    );
}

/// Reads the headers of a series as the files of `suv_headers` hold them.
fn from_json(name: &str) -> Option<Vec<PetHeader>> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/suv_headers"
    );
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).ok()?;
    let slices: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let header = |slice: &serde_json::Value| {
        let text = |name: &str| Some(slice[name].as_str()?.to_owned());
        let number = |name: &str| slice[name].as_f64();
        let header_number = |name: &str| number(name).map_or(HeaderNumber::Missing, Into::into);
        let philips = |name: &str| {
            slice["PhilipsPETPrivateGroup"][name]
                .as_str()?
                .trim()
                .parse()
                .ok()
        };
        let words = slice["CorrectedImage"].as_array().unwrap().iter();
        PetHeader {
            corrected_image: words
                .map(|word| word.as_str().unwrap().to_owned())
                .collect(),
            units: text("Units"),
            decay_correction: text("DecayCorrection"),
            series_date: text("SeriesDate"),
            series_time: text("SeriesTime"),
            acquisition_date: text("AcquisitionDate"),
            acquisition_time: text("AcquisitionTime"),
            injection_date_time: text("RadiopharmaceuticalStartDateTime"),
            injection_time: text("RadiopharmaceuticalStartTime"),
            total_dose: header_number("RadionuclideTotalDose"),
            half_life: header_number("RadionuclideHalfLife"),
            weight: header_number("PatientWeight"),
            frame_duration: number("ActualFrameDuration"),
            frame_reference: number("FrameReferenceTime"),
            philips_suv: philips("SUVScaleFactor"),
            philips_activity: philips("ActivityConcentrationScaleFactor"),
            ..PetHeader::default()
        }
    };
    Some(slices.iter().map(header).collect())
}

#[test]
fn real_headers_of_three_makers_give_the_reference_factors() {
    let references = [
        (
            "BQML_AC_DT_lessThan_S_DT_SIEMENS",
            0.000_406_915_685_401_223_9,
        ),
        ("GE_MEDICAL_AND_BQML", 0.000_536_738_768_181_974_2),
        ("PHILIPS_BQML", 0.000_746_374_701_388_948_8),
        ("PHILIPS_CNTS_AND_SUV", 0.000_728),
    ];
    for (name, expected) in references {
        match from_json(name) {
            Some(slices) => assert_close(suv_scale(&slices).unwrap().factor, expected),
            None => tracing::warn!("skipped: this clone has no real headers"),
        }
    }
    // Without its SUV factor the last has no other way to SUV; with an activity factor it would go by weight and dose.
    if let Some(mut slices) = from_json("PHILIPS_CNTS_AND_SUV") {
        for slice in &mut slices {
            slice.philips_suv = None;
            slice.philips_activity = Some(1.0);
        }
        assert_close(
            suv_scale(&slices).unwrap().factor,
            0.000_364_339_718_529_699_8,
        );
    }
}
