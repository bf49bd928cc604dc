//! Owns who a phantom is: tracer, age, sex, build, diagnosis, and the names of the study. Organs are `anatomy`'s.

use fratmae_dataset::KeyedRng;

/// What was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracer {
    Fdg,
    Psma { nuclide: &'static str },
}

/// What the patient has; the words are those of AutoPET's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    Negative,
    Lymphoma,
    Melanoma,
    LungCancer,
    Prostate,
}

impl Diagnosis {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Negative => "NEGATIVE",
            Self::Lymphoma => "LYMPHOMA",
            Self::Melanoma => "MELANOMA",
            Self::LungCancer => "LUNG_CANCER",
            Self::Prostate => "PROSTATE_CARCINOMA",
        }
    }
}

/// One phantom patient and its study.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) seed: u64,
    pub(crate) index: u64,
    pub(crate) tracer: Tracer,
    pub(crate) male: bool,
    pub(crate) age: u32,
    pub(crate) height: f64,
    /// Kilograms a square metre.
    pub(crate) body_mass_index: f64,
    pub(crate) diagnosis: Diagnosis,
    /// Whether the CT shows a contrast agent.
    pub(crate) contrast: bool,
    /// Hexadecimal name of the subject.
    pub(crate) subject: String,
    pub(crate) date: [u64; 3],
    /// Five digits that end the name of an FDG study.
    number: u64,
}

impl Person {
    pub(crate) fn draw(seed: u64, index: u64) -> Self {
        let mut rng = KeyedRng::new("phantom person", seed, &[index]);
        let psma = rng.unit() < 0.37;
        let male = rng.unit() < 0.55 || psma;
        let age = if psma {
            50 + rng.below(36)
        } else {
            20 + rng.below(66)
        } as u32;
        let height = bell(&mut rng, if male { 1760.0 } else { 1640.0 }, 65.0).clamp(1550.0, 1920.0);
        let body_mass_index = bell(&mut rng, 26.0, 4.0).clamp(18.5, 36.0);
        let tracer = match (psma, rng.unit() < 0.62) {
            (false, _) => Tracer::Fdg,
            (true, true) => Tracer::Psma { nuclide: "18F" },
            (true, false) => Tracer::Psma { nuclide: "68Ga" },
        };
        let diagnosis = draw_diagnosis(&mut rng, psma);
        let subject = if psma {
            format!("{:08x}{:08x}", rng.below(1 << 32), rng.below(1 << 32))
        } else {
            format!("{:010x}", rng.below(1 << 40))
        };
        Self {
            seed,
            index,
            tracer,
            male,
            age,
            height,
            body_mass_index,
            diagnosis,
            contrast: rng.unit() < 0.6,
            subject,
            date: [2000 + rng.below(20), 1 + rng.below(12), 1 + rng.below(28)],
            number: rng.below(100_000),
        }
    }

    /// Names the folder of an FDG study as the scanner's archive does, blanks and all.
    pub(crate) fn study(&self) -> String {
        let [year, month, day] = self.date;
        format!(
            "{month:02}-{day:02}-{year}-NA-PET-CT phantom-{:05}",
            self.number
        )
    }

    pub(crate) fn case_id(&self) -> String {
        let [year, month, day] = self.date;
        match self.tracer {
            Tracer::Fdg => format!("fdg_{}_{}", self.subject, self.study()),
            Tracer::Psma { .. } => format!("psma_{}_{year}-{month:02}-{day:02}", self.subject),
        }
    }

    /// Whether the study is stored with y towards the back (LPS) and not the front (LAS).
    pub(crate) fn is_stored_lps(&self) -> bool {
        self.index % 2 == 1
    }
}

/// Draws an illness: those of AutoPET, but every other FDG study shows a lymphoma, so that stages can be learnt.
fn draw_diagnosis(rng: &mut KeyedRng, psma: bool) -> Diagnosis {
    match (psma, rng.below(8)) {
        (true, _) => Diagnosis::Prostate,
        (false, 0 | 1) => Diagnosis::Negative,
        (false, 2) => Diagnosis::Melanoma,
        (false, 3) => Diagnosis::LungCancer,
        (false, _) => Diagnosis::Lymphoma,
    }
}

/// Draws from a bell-shaped distribution: the sum of four even ones, so never further than 3.5 deviations away.
pub(crate) fn bell(rng: &mut KeyedRng, mean: f64, deviation: f64) -> f64 {
    let sum: f64 = (0..4).map(|_| rng.unit()).sum();
    mean + deviation * (sum - 2.0) * 3.0_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_a_function_of_seed_and_index() {
        assert_eq!(Person::draw(3, 5), Person::draw(3, 5));
        assert_ne!(Person::draw(3, 5).subject, Person::draw(3, 6).subject);
        assert_ne!(Person::draw(3, 5).subject, Person::draw(4, 5).subject);
    }

    #[test]
    fn names_are_formed_as_in_autopet() {
        let people: Vec<Person> = (0..40).map(|index| Person::draw(1, index)).collect();
        for person in &people {
            let case_id = person.case_id();
            let parts: Vec<&str> = case_id.splitn(3, '_').collect();
            assert!(
                parts[1].bytes().all(|letter| letter.is_ascii_hexdigit()),
                "{case_id}"
            );
            match person.tracer {
                Tracer::Fdg => {
                    assert_eq!((parts[0], parts[1].len()), ("fdg", 10));
                    assert_eq!(parts[2].len(), "01-31-2003-NA-PET-CT phantom-94971".len());
                }
                Tracer::Psma { .. } => {
                    assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("psma", 16, 10));
                }
            }
        }
    }

    #[test]
    fn builds_and_ages_are_those_of_adults_and_vary() {
        let people: Vec<Person> = (0..200).map(|index| Person::draw(2, index)).collect();
        for person in &people {
            assert!((20..=85).contains(&person.age) && (1550.0..=1920.0).contains(&person.height));
            assert!((18.5..=36.0).contains(&person.body_mass_index));
            assert!(person.male || person.tracer == Tracer::Fdg);
        }
        let mean = people.iter().map(|person| person.height).sum::<f64>() / 200.0;
        let spread = people
            .iter()
            .map(|person| (person.height - mean).powi(2))
            .sum::<f64>()
            / 200.0;
        assert!((1660.0..1760.0).contains(&mean) && (40.0..110.0).contains(&spread.sqrt()));
        let women = people.iter().filter(|person| !person.male).count();
        assert!((30..90).contains(&women), "{women}");
    }
}
