//! Owns the reading of what tables and headers say of a patient, in the few words that a data set keeps.
//!
//! A word for a missing value (`nan`, `unknown`) is none in every field.

mod missing;

pub(crate) use missing::known;

use fratmae_dataset::is_hidden;

/// Names a tracer in one way, whatever the spelling: `FDG`, `[18F]FDG` and `F-18 FDG` are `18F-FDG`.
///
/// A nuclide alone, or nothing, is completed by the prefix that AutoPET gives its case ids.
pub(crate) fn tracer_of(word: Option<&str>, case_id: &str) -> Option<String> {
    let word = word.and_then(known);
    let plain: String = word
        .unwrap_or_default()
        .to_uppercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let any = |spellings: [&str; 2]| spellings.iter().any(|spelling| plain.contains(spelling));
    let nuclide = if any(["68GA", "GA68"]) {
        "68Ga"
    } else if any(["18F", "F18"]) {
        "18F"
    } else {
        ""
    };
    let only_nuclide =
        plain.is_empty() || matches!(plain.as_str(), "18F" | "F18" | "68GA" | "GA68");
    if plain.contains("PSMA") || only_nuclide && case_id.starts_with("psma_") {
        return Some(if nuclide.is_empty() {
            "PSMA".to_owned()
        } else {
            format!("{nuclide}-PSMA")
        });
    }
    if plain.contains("FDG") || only_nuclide && case_id.starts_with("fdg_") {
        return Some("18F-FDG".to_owned());
    }
    if only_nuclide {
        Some(nuclide.to_owned()).filter(|name| !name.is_empty())
    } else {
        word.and_then(plain_words)
    }
}

/// A text that is no age.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoAge;

/// Numbers that stand for a missing age.
const NO_AGES: [f32; 7] = [-1.0, -9.0, -99.0, -999.0, 999.0, 9999.0, -9999.0];

/// Reads an age in years (`60`, `60.5`, `60 years`) or in DICOM's form (`060Y`, `018M`, `010W`, `003D`).
///
/// One that is missing, or only known to be above a bound (`>89`, `90+`, as HIPAA asks), is none.
pub(crate) fn read_age(text: &str) -> Result<Option<f32>, NoAge> {
    let Some(text) = known(text) else {
        return Ok(None);
    };
    let text = text.to_lowercase();
    let bare = text
        .trim_start_matches(['>', '<', '≥', '≤', '=', '+'])
        .trim_start_matches("over ")
        .trim();
    let unit = bare
        .trim_start_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-'));
    let number = bare[..bare.len() - unit.len()].parse::<f32>();
    let number = number.map_err(|_| NoAge)?;
    let (unit, is_open) = match unit.trim().strip_suffix(['+', '>']) {
        Some(unit) => (unit.trim_end(), true),
        None => match unit.trim().strip_prefix('+') {
            Some(unit) => (unit.trim_start(), true),
            None => (unit.trim(), bare.len() < text.len()),
        },
    };
    let per_year = match unit {
        "" | "y" | "yr" | "yrs" | "yo" | "y.o." | "year" | "years" => 1.0,
        "m" | "mo" | "month" | "months" => 12.0,
        "w" | "week" | "weeks" => 365.25 / 7.0,
        "d" | "day" | "days" => 365.25,
        _ => return Err(NoAge),
    };
    let years = number / per_year;
    match (0.0..=130.0).contains(&years) {
        _ if NO_AGES.contains(&number) => Ok(None),
        true => Ok(Some(years).filter(|_| !is_open)),
        false => Err(NoAge),
    }
}

/// Reads an age where nobody can mend what is none.
pub(crate) fn age_of(text: &str) -> Option<f32> {
    read_age(text).ok().flatten()
}

/// Reads a sex; `O`, `unknown` and the like are none that is known.
pub(crate) fn sex_of(text: &str) -> Option<String> {
    match known(text)?.to_lowercase().as_str() {
        "m" | "male" | "man" => Some("male".to_owned()),
        "f" | "female" | "woman" => Some("female".to_owned()),
        _ => None,
    }
}

/// Puts a diagnosis in words: `LUNG_CANCER` is `lung cancer`; `NEGATIVE` and `healthy` are `negative`.
pub(crate) fn diagnosis_of(text: &str) -> Option<String> {
    let words = plain_words(&known(text)?.replace('_', " "))?;
    known(&words)?;
    let shouted = !words.chars().any(char::is_lowercase) && words.chars().count() > 5;
    let words = if shouted { words.to_lowercase() } else { words };
    Some(
        if matches!(words.to_lowercase().as_str(), "negative" | "healthy") {
            "negative".to_owned()
        } else {
            words
        },
    )
}

/// Reads a stage: a number up to 4 in either kind of digits, with letters of Ann Arbor or of a sub-stage behind it.
pub(crate) fn stage_of(text: &str) -> Option<String> {
    let upper = text.trim().to_uppercase();
    let plain = upper
        .trim_start_matches("ANN ARBOR")
        .trim_start()
        .trim_start_matches("STAGE")
        .trim_start();
    let is_letter = |letter: char| matches!(letter, 'A'..='E' | 'S' | 'X');
    let number = plain.trim_end_matches(is_letter).trim_end();
    let letters = plain[number.len()..].trim_start();
    let roman = match number {
        "0" => "0",
        "1" | "I" => "I",
        "2" | "II" => "II",
        "3" | "III" => "III",
        "4" | "IV" => "IV",
        _ => return None,
    };
    (letters.len() <= 3).then(|| format!("{roman}{letters}"))
}

/// Keeps one line of words without a full stop.
fn plain_words(text: &str) -> Option<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || is_hidden(letter));
    let words = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    Some(words.trim_end_matches('.').to_owned()).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use fratmae_dataset::Metadata;

    use super::*;

    #[test]
    fn tracers_have_one_name() {
        let names = [
            ("FDG", "x", Some("18F-FDG")),
            ("[18F]FDG", "x", Some("18F-FDG")),
            ("F-18 FDG", "x", Some("18F-FDG")),
            ("18F", "psma_a_2018-01-01", Some("18F-PSMA")),
            ("68Ga", "psma_a_2018-01-01", Some("68Ga-PSMA")),
            ("Ga-68 PSMA-11", "x", Some("68Ga-PSMA")),
            ("PSMA", "x", Some("PSMA")),
            ("18F", "x", Some("18F")),
            ("18F", "fdg_a_b", Some("18F-FDG")),
            ("DOTATATE", "psma_a", Some("DOTATATE")),
            ("", "fdg_a_b", Some("18F-FDG")),
            ("", "x", None),
        ];
        for (word, case_id, name) in names {
            assert_eq!(
                tracer_of(Some(word), case_id).as_deref(),
                name,
                "{word} {case_id}"
            );
        }
    }

    #[test]
    fn ages_are_read_in_both_forms_and_nonsense_is_none() {
        assert_eq!(age_of("60"), Some(60.0));
        assert_eq!(age_of("060Y"), Some(60.0));
        assert_eq!(age_of("018M"), Some(1.5));
        assert_eq!(age_of("89.0"), Some(89.0));
        assert_eq!(age_of("60 years"), Some(60.0));
        for nonsense in [
            "Y", "old", "fifty", "-3", "1e9", "60Ü", "60-70", "131", "60,5",
        ] {
            assert_eq!(read_age(nonsense), Err(NoAge), "{nonsense}");
        }
        for missing in ["", "NaN", "unknown", "N/A", "999", "-9"] {
            assert_eq!(read_age(missing), Ok(None), "{missing}");
        }
    }

    #[test]
    fn an_age_above_a_bound_is_not_known() {
        for open in [
            ">89",
            "> 89",
            ">=90",
            "≥90",
            "90+",
            "89+ years",
            "90Y+",
            "over 89",
            "<1",
        ] {
            assert_eq!(read_age(open), Ok(None), "{open}");
        }
    }

    #[test]
    fn words_for_missing_values_reach_no_field_and_no_sentence() {
        for word in [
            "nan",
            "unknown",
            "N/A",
            "NULL",
            "-",
            "?",
            "<NA>",
            "#N/A",
            "not available",
            " ",
        ] {
            let metadata = Metadata {
                tracer: tracer_of(Some(word), "x"),
                age: age_of(word),
                sex: sex_of(word),
                diagnosis: diagnosis_of(word),
                stage: stage_of(word),
            };
            assert_eq!(
                metadata.sentence(true),
                "A whole-body PET scan of a patient.",
                "{word}"
            );
        }
        assert_eq!(diagnosis_of("not_available"), None);
        assert_eq!(
            tracer_of(Some("unknown"), "fdg_a_b").as_deref(),
            Some("18F-FDG")
        );
    }

    #[test]
    fn stages_are_one_of_a_few_words() {
        let stages = [
            ("2", Some("II")),
            ("iv", Some("IV")),
            ("Stage IIIB", Some("IIIB")),
            ("Ann Arbor stage 1 E", Some("IE")),
            ("0", Some("0")),
            ("V", None),
            ("5", None),
            ("", None),
            ("B", None),
            ("II Mr Doe", None),
            ("IIABCDE", None),
        ];
        for (text, stage) in stages {
            assert_eq!(stage_of(text).as_deref(), stage, "{text}");
        }
    }

    #[test]
    fn diagnoses_are_one_line_of_words() {
        assert_eq!(diagnosis_of("LUNG_CANCER").as_deref(), Some("lung cancer"));
        assert_eq!(
            diagnosis_of("Hodgkin\nlymphoma.").as_deref(),
            Some("Hodgkin lymphoma")
        );
        assert_eq!(diagnosis_of("NSCLC").as_deref(), Some("NSCLC"));
        assert_eq!(diagnosis_of(" . "), None);
    }
}
