//! The clock of an injection against that of the scan: zones, placeholders, days, nights, and frames.

use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A usual header of which the injection has a date and a time, and no time alone.
fn dated(injection: &str) -> PetHeader {
    PetHeader {
        injection_date_time: text(injection),
        injection_time: None,
        ..header()
    }
}

fn refused(header: PetHeader, words: &[&str]) {
    let refusal = suv_scale(&[header]).unwrap_err();
    for word in words {
        assert!(refusal.contains(word), "{refusal} does not say {word}");
    }
}

/// The factor an hour after the injection, seen so many seconds later.
fn later(seconds: f64, half_life: f64) -> f64 {
    AN_HOUR_LATER * (seconds / half_life).exp2()
}

#[test]
fn an_injection_with_an_offset_is_brought_to_the_zone_of_the_scanner() {
    for (injection, zone) in [
        ("20200301070000.000000+0000", "+0200"),
        ("20200301033000-0530", "+0000"),
        ("20200229233000-0930", "+0000"),
        ("20200301210000+1200", "+0000"),
        ("20200301090000", "+0200"),
        ("20200301090000-0330", "-0330"),
    ] {
        let zoned = PetHeader {
            time_zone: text(zone),
            ..dated(injection)
        };
        let found = suv_scale(&[zoned]).unwrap();
        assert_close(found.factor, AN_HOUR_LATER);
        let names_zone = found.tags.iter().any(|tag| tag.tag == "(0008,0201)");
        assert_eq!(names_zone, injection.contains(['+', '-']));
    }
}

#[test]
fn without_the_scanners_zone_other_times_of_the_header_tell_it() {
    // The time alone is by the scanner's clock.
    for injection in [
        "20200301070000+0000",
        "20200301090000+0000",
        "20200301003000-0530",
    ] {
        let with_time = PetHeader {
            injection_time: text("090000"),
            ..dated(injection)
        };
        assert_close(factor(with_time), AN_HOUR_LATER);
    }
    // So is a date-time of the scanner's own.
    let by_acquisition = PetHeader {
        acquisition_date_time: text("20200301100000+0200"),
        ..dated("20200301070000+0000")
    };
    assert_close(factor(by_acquisition.clone()), AN_HOUR_LATER);
    let alone = PetHeader {
        acquisition_date: None,
        acquisition_time: None,
        ..by_acquisition
    };
    assert_close(factor(alone), AN_HOUR_LATER);
    // Only UTC is written far from its place.
    assert_close(factor(dated("20200301090000+0100")), AN_HOUR_LATER);
    refused(
        dated("20200301090000+0000"),
        &[
            "(0018,1078) reads \"20200301090000+0000\"",
            "(0008,0201) is missing",
        ],
    );
    let nonsense = PetHeader {
        time_zone: text("UTC+2"),
        ..dated("20200301090000+0000")
    };
    refused(
        nonsense,
        &[
            "TimezoneOffsetFromUTC (0008,0201) reads",
            "no offset such as +0100",
        ],
    );
}

#[test]
fn of_two_times_of_injection_the_one_that_was_taken_out_is_passed_over() {
    let both = |joined: &str, time: &str| PetHeader {
        injection_time: text(time),
        ..dated(joined)
    };
    for (joined, time) in [
        // Dummies before and after the scan's time of day.
        ("19000101000000.000000", "090000"),
        ("19000101113000", "090000"),
        ("19700101010000", "090000"),
        // The date was kept and the time was not.
        ("20200301000000", "090000"),
        ("20200301", "090000"),
        // The time alone was taken out.
        ("20200301090000", "000000.00"),
        // Written to the minute.
        ("20200301090000", "090042"),
        ("19600614090000", "0900"),
        ("unknown", "090000"),
        ("20200301090000", "soon"),
    ] {
        assert_close(factor(both(joined, time)), AN_HOUR_LATER);
    }
    let morning = PetHeader {
        series_time: text("053000"),
        acquisition_time: text("053000"),
        ..both("19000101000000.000000", "043000")
    };
    assert_close(factor(morning), AN_HOUR_LATER);
    for (joined, time) in [
        ("20200301080000", "090000"),
        ("20200301101000", "090000"),
        ("20200301090000", "130000"),
        ("19600614080000", "090000"),
    ] {
        refused(
            both(joined, time),
            &["differ", joined, time, "(0018,1078)", "(0018,1072)"],
        );
    }
}

#[test]
fn a_placeholder_alone_is_no_time() {
    let at_half_past_five = |header| PetHeader {
        series_time: text("053000"),
        acquisition_time: text("053000"),
        ..header
    };
    for header in [
        dated("19000101000000.000000"),
        dated("20200301000000"),
        PetHeader {
            injection_time: text("000000"),
            ..header()
        },
    ] {
        refused(at_half_past_five(header), &["was removed"]);
    }
    refused(dated("19000101090000"), &["was removed"]);
    refused(dated("20200301"), &["cannot be read", "\"20200301\""]);
    let hours = PetHeader {
        injection_time: text("09"),
        ..header()
    };
    refused(hours, &["cannot be read", "\"09\""]);
}

/// Zirconium-89, yttrium-90, copper-64 and iodine-124, and the factor of 70 kg and 74 MBq at injection.
const LONG_LIVED: [f64; 4] = [282_276.0, 230_400.0, 45_721.0, 360_806.4];
const AT_INJECTION_OF_74: f64 = 70_000.0 / 7.4e7;

#[test]
fn long_lived_nuclides_go_by_full_dates_alone() {
    let of = |half_life: f64, header: PetHeader| PetHeader {
        total_dose: 7.4e7.into(),
        half_life: half_life.into(),
        ..header
    };
    for half_life in LONG_LIVED {
        for (injection, wait) in [
            ("20200301080000", 7200.0),
            ("20200229090000", 90_000.0),
            ("20200228220000", 129_600.0),
        ] {
            let expected = AT_INJECTION_OF_74 * (wait / half_life).exp2();
            assert_close(factor(of(half_life, dated(injection))), expected);
            // The date of one element and the time of the other.
            let split = PetHeader {
                injection_date_time: text(&injection[..8]),
                injection_time: text(&injection[8..]),
                ..header()
            };
            assert_close(factor(of(half_life, split)), expected);
        }
        let words = [
            "only the time of day",
            "(0018,1072)",
            "(0018,1078) is missing",
        ];
        refused(of(half_life, header()), &words);
        let undated = PetHeader {
            series_date: None,
            acquisition_date: None,
            ..dated("20200229090000")
        };
        refused(
            of(half_life, undated),
            &["the date of the scan is not known"],
        );
        refused(
            of(half_life, dated("20200201090000")),
            &["after the injection, later than"],
        );
        refused(
            of(half_life, dated("20200302090000")),
            &["before the injection"],
        );
    }
    let three_days = PetHeader {
        series_time: text("130000"),
        acquisition_time: text("130000"),
        ..dated("20200227120000")
    };
    assert_close(
        factor(of(282_276.0, three_days)),
        0.001_803_542_411_956_951_4,
    );
    // With ADMIN nothing decays.
    let mut administered = of(282_276.0, header());
    administered.decay_correction = text("ADMIN");
    assert_close(factor(administered), AT_INJECTION_OF_74);
}

#[test]
fn a_night_between_injection_scan_and_frames_is_no_day() {
    let beds = |dates: [Option<&str>; 2], series: (Option<&str>, &str)| {
        let bed = |(date, time): (Option<&str>, &str)| PetHeader {
            series_date: series.0.map(str::to_owned),
            series_time: text(series.1),
            acquisition_date: date.map(str::to_owned),
            acquisition_time: text(time),
            injection_time: text("225000"),
            ..header()
        };
        let times = dates.into_iter().zip(["235000", "001000"]);
        times.map(bed).collect::<Vec<_>>()
    };
    for (dates, series) in [
        (
            [Some("20200301"), Some("20200302")],
            (Some("20200301"), "235000"),
        ),
        // The date is that of the evening all night, or there is none.
        (
            [Some("20200301"), Some("20200301")],
            (Some("20200301"), "235000"),
        ),
        ([None, None], (Some("20200301"), "235000")),
        ([None, None], (None, "235000")),
        // The series was written after midnight.
        ([None, None], (None, "003000")),
        (
            [Some("20200301"), Some("20200302")],
            (Some("20200302"), "003000"),
        ),
    ] {
        let found = suv_scale(&beds(dates, series)).unwrap();
        assert_close(found.factor, AN_HOUR_LATER);
    }
    let one_date = PetHeader {
        series_time: text("003000"),
        acquisition_time: text("003000"),
        ..dated("20200301233000")
    };
    assert_close(factor(one_date), AN_HOUR_LATER);
    let days = beds(
        [Some("20200301"), Some("20200305")],
        (Some("20200301"), "235000"),
    );
    let refusal = suv_scale(&days).unwrap_err();
    assert!(refusal.contains("3 days apart"), "{refusal}");
}

/// Beds of a scan that began at 10:00: when each was acquired, in seconds after it, and what its FrameReferenceTime is
/// counted to, in seconds after its acquisition.
fn frames(series: &str, beds: &[f64], to: f64) -> Vec<PetHeader> {
    let bed = |&start: &f64| {
        let minute = 36_000.0 + start;
        PetHeader {
            series_time: text(series),
            acquisition_time: text(&format!(
                "{:02}{:02}{:02}",
                (minute / 3600.0) as u32,
                (minute / 60.0) as u32 % 60,
                minute as u32 % 60
            )),
            frame_duration: Some(180_000.0),
            frame_reference: Some((start + to) * 1000.0),
            ..header()
        }
    };
    beds.iter().map(bed).collect()
}

/// Where counts of three minutes of 18F average: 90 - 0.142 s.
const AVERAGE: f64 = 89.857_923_249_308_91;

#[test]
fn frames_tell_the_start_where_the_series_was_written_later_and_beds_are_missing() {
    let rest = [480.0, 720.0, 960.0];
    for series in ["120000", "100000"] {
        let found = suv_scale(&frames(series, &rest, AVERAGE)).unwrap();
        assert!(
            (found.factor / AN_HOUR_LATER - 1.0).abs() < 1e-7,
            "{found:?}"
        );
    }
    // One bed is enough where the series' time cannot be.
    let found = suv_scale(&frames("120000", &[960.0], AVERAGE)).unwrap();
    assert!((found.factor / AN_HOUR_LATER - 1.0).abs() < 1e-7);
    assert!(
        found
            .tags
            .iter()
            .any(|tag| tag.name == "FrameReferenceTime")
    );
    // A series' time that was set to the first bed that is left, or to an earlier moment, is not believed.
    for series in ["100800", "094000", "000000"] {
        let found = suv_scale(&frames(series, &rest, AVERAGE)).unwrap();
        assert!(
            (found.factor / AN_HOUR_LATER - 1.0).abs() < 1e-7,
            "{series}: {found:?}"
        );
    }
    let refusal = suv_scale(&frames("094000", &[480.0], AVERAGE)).unwrap_err();
    assert!(
        refusal.contains("SeriesTime (0008,0031) \"094000\" is not the start"),
        "{refusal}"
    );
}

#[test]
fn frames_of_ge_count_to_their_own_start() {
    // The first bed shows it, or the factor by which decay was corrected.
    let found = suv_scale(&frames("120000", &[0.0, 240.0], 0.0)).unwrap();
    assert_close(found.factor, AN_HOUR_LATER);
    let mut rest = frames("120000", &[480.0, 720.0], 0.0);
    for (bed, start) in rest.iter_mut().zip([480.0, 720.0]) {
        bed.decay_factor = Some(((start + AVERAGE) / 6586.2).exp2());
    }
    assert_close(suv_scale(&rest).unwrap().factor, AN_HOUR_LATER);
    // Or the series' time.
    let by_series = frames("100000", &[480.0, 720.0], 0.0);
    assert_close(suv_scale(&by_series).unwrap().factor, AN_HOUR_LATER);
}

#[test]
fn frames_that_say_nothing_of_the_start_leave_it_to_the_other_times() {
    // All acquired at the start of the scan, as some scanners write.
    let mut of_scan = frames("100000", &[0.0, 0.0], AVERAGE);
    of_scan[1].frame_reference = Some(1_328_700.0);
    assert_close(suv_scale(&of_scan).unwrap().factor, AN_HOUR_LATER);
    let mut one = frames("095959", &[0.0], AVERAGE);
    one[0].frame_reference = Some(1_328_700.0);
    assert_close(suv_scale(&one).unwrap().factor, later(-1.0, 6586.2));
    // Zero everywhere, or at odds with the acquisitions.
    let mut none = frames("100000", &[480.0, 720.0], AVERAGE);
    none.iter_mut()
        .for_each(|bed| bed.frame_reference = Some(0.0));
    assert_close(suv_scale(&none).unwrap().factor, AN_HOUR_LATER);
    let mut odd = frames("120000", &[480.0, 720.0], AVERAGE);
    odd[1].frame_reference = Some(60_000.0);
    assert_close(suv_scale(&odd).unwrap().factor, later(480.0, 6586.2));
}

#[test]
fn ge_names_the_start_and_its_date_may_be_another() {
    let of_ge = |start: &str| PetHeader {
        series_time: text("120000"),
        acquisition_time: text("100500"),
        ge_scan_start: text(start),
        ..header()
    };
    for start in ["20200301100000.00", "19990817100000.00"] {
        let found = suv_scale(&[of_ge(start)]).unwrap();
        assert_close(found.factor, AN_HOUR_LATER);
        assert!(found.tags.iter().any(|tag| tag.value == start));
    }
    // It cannot begin after its first frame, or hours before it.
    for start in ["20200301110000.00", "20200301060000.00"] {
        assert_close(factor(of_ge(start)), later(300.0, 6586.2));
    }
}

#[test]
fn two_injections_lead_to_no_dose() {
    let two = PetHeader {
        other_injections: 1,
        ..header()
    };
    refused(two, &["(0054,0016) lists 2 injections"]);
}

#[test]
fn numbers_that_are_none_are_shown_and_names_are_not() {
    let unreadable = |text: &str| HeaderNumber::NoNumber(text.to_owned());
    let weight = |text| PetHeader {
        weight: unreadable(text),
        ..header()
    };
    refused(
        weight("75,5"),
        &["PatientWeight (0010,1030) reads \"75,5\", which is not a number"],
    );
    refused(weight("75 kg"), &["reads \"75\" and other letters"]);
    let named = suv_scale(&[weight("Smith^John\u{1b}[31m")]).unwrap_err();
    assert!(
        !named.contains("mith") && !named.contains('\u{1b}'),
        "{named}"
    );
    let dose = PetHeader {
        total_dose: unreadable("350\\370"),
        ..header()
    };
    refused(dose, &["RadionuclideTotalDose (0018,1074) reads"]);
}

#[test]
fn an_enhanced_pet_names_the_moment_that_its_activity_is_given_for() {
    let enhanced = |change: fn(&mut EnhancedPet)| {
        let mut said = EnhancedPet {
            attenuation_corrected: text("YES"),
            decay_corrected: text("YES"),
            decay_reference: text("20200301100000"),
        };
        change(&mut said);
        PetHeader {
            corrected_image: vec![],
            decay_correction: None,
            units: text("Bq/ml"),
            enhanced: Some(said),
            ..dated("20200301090000")
        }
    };
    assert_close(factor(enhanced(|_| ())), AN_HOUR_LATER);
    // Both sides name their offsets.
    let mut zoned = enhanced(|said| said.decay_reference = text("20200301100000+0200"));
    zoned.injection_date_time = text("20200301070000+0000");
    assert_close(factor(zoned), AN_HOUR_LATER);
    refused(
        enhanced(|said| said.attenuation_corrected = text("NO")),
        &["AttenuationCorrected (0018,9759) is NO, not YES"],
    );
    refused(
        enhanced(|said| said.decay_corrected = None),
        &["DecayCorrected (0018,9758) is missing"],
    );
    refused(
        enhanced(|said| said.decay_reference = None),
        &["DecayCorrectionDateTime (0018,9701) is missing"],
    );
}
