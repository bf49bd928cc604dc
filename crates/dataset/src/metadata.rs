//! Owns what may be known of a patient, and the sentence it is told in. Names, dates and identifiers have no field here.

use serde::{Deserialize, Serialize};

/// The allow-list of what a data set says about a study.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Radiotracer, such as `18F-FDG` or `68Ga-PSMA`.
    pub tracer: Option<String>,
    pub age: Option<f32>,
    pub sex: Option<String>,
    /// Diagnosis in words; `negative` for none.
    pub diagnosis: Option<String>,
    /// Stage of the disease, such as `II` or `IVB`; no sentence tells it, for it is what a model is to find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

impl Metadata {
    /// Tells a study in one English sentence; what is not known is left out whole.
    ///
    /// The words are frozen, for the text side of the model learns them: `A whole-body 18F-FDG PET scan of a
    /// 60-year-old male patient with lymphoma.`
    pub fn sentence(&self, with_diagnosis: bool) -> String {
        let mut sentence = String::from("A whole-body ");
        if let Some(tracer) = &self.tracer {
            sentence.push_str(&format!("{tracer} "));
        }
        sentence.push_str("PET scan of ");
        match self.age {
            Some(age) => {
                sentence.push_str(&format!("{} {}-year-old ", article(age as u32), age as u32))
            }
            None => sentence.push_str("a "),
        }
        if let Some(sex) = &self.sex {
            sentence.push_str(&format!("{sex} "));
        }
        sentence.push_str("patient");
        match self.diagnosis.as_deref().filter(|_| with_diagnosis) {
            Some("negative") => sentence.push_str(" without avid lesions"),
            Some(diagnosis) => sentence.push_str(&format!(" with {diagnosis}")),
            None => {}
        }
        sentence.push('.');
        sentence
    }
}

/// Gives the article before a number as it is spoken.
fn article(age: u32) -> &'static str {
    if matches!(age, 8 | 11 | 18 | 80..=89) {
        "an"
    } else {
        "a"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Metadata {
        Metadata {
            tracer: Some("18F-FDG".to_owned()),
            age: Some(60.0),
            sex: Some("male".to_owned()),
            diagnosis: Some("lymphoma".to_owned()),
            stage: Some("IIB".to_owned()),
        }
    }

    #[test]
    fn sentence_is_the_frozen_one() {
        let sentence = "A whole-body 18F-FDG PET scan of a 60-year-old male patient with lymphoma.";
        assert_eq!(known().sentence(true), sentence);
        assert_eq!(
            known().sentence(false),
            "A whole-body 18F-FDG PET scan of a 60-year-old male patient."
        );
    }

    #[test]
    fn missing_fields_are_left_out_whole() {
        let forms = [
            (Metadata::default(), "A whole-body PET scan of a patient."),
            (
                Metadata {
                    age: None,
                    ..known()
                },
                "A whole-body 18F-FDG PET scan of a male patient with lymphoma.",
            ),
            (
                Metadata {
                    sex: None,
                    ..known()
                },
                "A whole-body 18F-FDG PET scan of a 60-year-old patient with lymphoma.",
            ),
            (
                Metadata {
                    tracer: None,
                    ..known()
                },
                "A whole-body PET scan of a 60-year-old male patient with lymphoma.",
            ),
        ];
        for (metadata, sentence) in forms {
            assert_eq!(metadata.sentence(true), sentence);
        }
    }

    #[test]
    fn negative_studies_are_without_avid_lesions() {
        let negative = Metadata {
            diagnosis: Some("negative".to_owned()),
            age: Some(81.9),
            ..known()
        };
        let sentence =
            "A whole-body 18F-FDG PET scan of an 81-year-old male patient without avid lesions.";
        assert_eq!(negative.sentence(true), sentence);
    }
}
