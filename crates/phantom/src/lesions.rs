//! Owns the disease of a phantom: in which sites, and there how many lesions, how large and how avid they are.
//!
//! What stage that is follows in `staging`; where organs lie is `anatomy`'s.

use crate::anatomy::{Body, Tissue, spine_at};
use crate::person::{Diagnosis, Person};
use crate::staging::{Side, Site, Stage, ann_arbor};
use fratmae_dataset::KeyedRng;

/// Where in a site lesions occur, in body units, on the right of the body.
struct Place {
    low: [f64; 3],
    high: [f64; 3],
    hu: f64,
    largest: f64,
}

const fn place(low: [f64; 3], high: [f64; 3], hu: f64, largest: f64) -> Place {
    Place {
        low,
        high,
        hu,
        largest,
    }
}

const LEAST_RADIUS: f64 = 7.0;

/// Lists the places of a site: bones of the marrow differ.
fn places(site: Site) -> &'static [Place] {
    const NECK: &[Place] = &[place([0.2, 0.0, 0.13], [0.3, 0.2, 0.16], 48.0, 14.0)];
    const AXILLA: &[Place] = &[place([0.86, -0.15, 0.205], [0.94, 0.15, 0.228], 48.0, 15.0)];
    const CHEST: &[Place] = &[place([-0.12, -0.1, 0.215], [0.14, 0.3, 0.25], 50.0, 24.0)];
    const SPLEEN: &[Place] = &[place(
        [-0.68, -0.4, 0.325],
        [-0.58, -0.15, 0.345],
        44.0,
        17.0,
    )];
    const AORTA: &[Place] = &[place([-0.2, -0.35, 0.37], [0.14, -0.2, 0.42], 50.0, 18.0)];
    const MESENTERY: &[Place] = &[place([-0.25, 0.1, 0.39], [0.25, 0.35, 0.42], 46.0, 22.0)];
    const ILIAC: &[Place] = &[place([0.32, -0.15, 0.445], [0.42, 0.1, 0.468], 48.0, 13.0)];
    const GROIN: &[Place] = &[place([0.42, 0.5, 0.485], [0.56, 0.68, 0.505], 48.0, 14.0)];
    const LUNG: &[Place] = &[place([0.35, -0.4, 0.215], [0.6, 0.3, 0.28], 35.0, 20.0)];
    const LIVER: &[Place] = &[place([0.3, -0.25, 0.322], [0.65, 0.3, 0.355], 36.0, 19.0)];
    const MARROW: &[Place] = &[
        place([0.0, 0.0, 0.2], [0.04, 0.0, 0.435], 420.0, 14.0),
        place([0.0, 0.0, 0.2], [0.04, 0.0, 0.435], 420.0, 14.0),
        place([0.52, -0.4, 0.438], [0.6, -0.15, 0.46], 420.0, 14.0),
        place([0.54, -0.06, 0.5], [0.56, 0.0, 0.515], 420.0, 12.0),
    ];
    const SKIN: &[Place] = &[place([0.3, 0.88, 0.24], [0.5, 0.95, 0.4], 40.0, 13.0)];
    const PROSTATE: &[Place] = &[place([-0.06, -0.05, 0.495], [0.06, 0.05, 0.5], 45.0, 11.0)];
    match site {
        Site::Neck(_) => NECK,
        Site::Axilla(_) => AXILLA,
        Site::Mediastinum => CHEST,
        Site::Spleen => SPLEEN,
        Site::ParaAortic => AORTA,
        Site::Mesentery => MESENTERY,
        Site::Iliac(_) => ILIAC,
        Site::Groin(_) => GROIN,
        Site::Lung(_) => LUNG,
        Site::Liver => LIVER,
        Site::Marrow => MARROW,
        Site::Skin => SKIN,
        Site::Prostate => PROSTATE,
    }
}

/// Opens the stream of numbers that the disease of a person is drawn from.
fn stream(person: &Person) -> KeyedRng {
    KeyedRng::new("phantom lesions", person.seed, &[person.index])
}

/// Gives the stage of a lymphoma; other patients have none.
pub(crate) fn stage(person: &Person) -> Option<Stage> {
    match person.diagnosis {
        Diagnosis::Lymphoma => ann_arbor(&draw_sites(person.diagnosis, &mut stream(person))),
        _ => None,
    }
}

/// Adds the lesions of a person, one to three in each site.
pub(crate) fn add(person: &Person, body: &mut Body<'_>) {
    let mut rng = stream(person);
    for site in draw_sites(person.diagnosis, &mut rng) {
        for _ in 0..1 + rng.below(3) {
            add_one(site, &mut rng, body);
        }
    }
}

fn add_one(site: Site, rng: &mut KeyedRng, body: &mut Body<'_>) {
    let place = pick(rng, places(site));
    let mut at =
        [0, 1, 2].map(|axis| place.low[axis] + (place.high[axis] - place.low[axis]) * rng.unit());
    let is_left = match site {
        Site::Neck(side)
        | Site::Axilla(side)
        | Site::Iliac(side)
        | Site::Groin(side)
        | Site::Lung(side) => side == Side::Left,
        Site::Marrow | Site::Skin => rng.below(2) == 0,
        _ => false,
    };
    if is_left {
        at[0] = -at[0];
    }
    // The vertebrae lie on a curve.
    if site == Site::Marrow && place.high[1] == place.low[1] {
        at[1] = spine_at(at[2]);
    }
    let radius = LEAST_RADIUS + (place.largest - LEAST_RADIUS) * rng.unit();
    let half = [0, 1, 2].map(|_| radius * (0.8 + 0.4 * rng.unit()));
    let uptake = 5.0 + 11.0 * rng.unit();
    let tissue = Tissue {
        hu: place.hu,
        fdg: uptake,
        psma: 1.6 * uptake,
    };
    body.round(at, half, tissue);
    if let Some(part) = body.parts.last_mut() {
        part.lesion = true;
    }
}

/// Draws the sites of a disease, each once.
fn draw_sites(diagnosis: Diagnosis, rng: &mut KeyedRng) -> Vec<Site> {
    match diagnosis {
        Diagnosis::Negative => Vec::new(),
        Diagnosis::Lymphoma => {
            let stage = *pick(rng, &Stage::ALL);
            lymphoma(stage, rng)
        }
        Diagnosis::LungCancer => {
            let lung = Site::Lung(side(rng));
            let spread = [Site::Mediastinum, Site::Marrow, Site::Liver];
            [vec![lung], some(rng, &spread, 0, 3)].concat()
        }
        Diagnosis::Melanoma => {
            let spread = [
                Site::Skin,
                Site::Liver,
                Site::Lung(side(rng)),
                Site::Marrow,
                Site::Axilla(side(rng)),
                Site::Groin(side(rng)),
            ];
            some(rng, &spread, 1, 5)
        }
        // One in ten has no lesion, as in AutoPET.
        Diagnosis::Prostate if rng.below(10) == 0 => Vec::new(),
        Diagnosis::Prostate => {
            let spread = [
                Site::Prostate,
                Site::Iliac(Side::Right),
                Site::Iliac(Side::Left),
                Site::ParaAortic,
                Site::Marrow,
            ];
            some(rng, &spread, 1, 5)
        }
    }
}

/// Draws sites that make a lymphoma of a stage.
fn lymphoma(stage: Stage, rng: &mut KeyedRng) -> Vec<Site> {
    let above = [
        Site::Neck(Side::Right),
        Site::Neck(Side::Left),
        Site::Axilla(Side::Right),
        Site::Axilla(Side::Left),
        Site::Mediastinum,
    ];
    let below = [
        Site::Spleen,
        Site::ParaAortic,
        Site::Mesentery,
        Site::Iliac(side(rng)),
        Site::Groin(Side::Right),
        Site::Groin(Side::Left),
    ];
    let one_side = if rng.below(3) > 0 {
        &above[..]
    } else {
        &below[..]
    };
    match stage {
        Stage::One => some(rng, one_side, 1, 1),
        Stage::Two => some(rng, one_side, 2, 3),
        Stage::Three => [some(rng, &above, 1, 3), some(rng, &below, 1, 3)].concat(),
        Stage::Four => {
            let organs = [Site::Liver, Site::Marrow, Site::Lung(side(rng))];
            [
                some(rng, &above, 1, 3),
                some(rng, &below, 0, 3),
                some(rng, &organs, 1, 3),
            ]
            .concat()
        }
    }
}

fn side(rng: &mut KeyedRng) -> Side {
    if rng.below(2) == 0 {
        Side::Right
    } else {
        Side::Left
    }
}

fn pick<'a, T>(rng: &mut KeyedRng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len() as u64) as usize]
}

/// Draws `least` to `most` different ones.
fn some(rng: &mut KeyedRng, from: &[Site], least: usize, most: usize) -> Vec<Site> {
    let count = least + rng.below((most - least + 1) as u64) as usize;
    let order = rng.permutation(from.len());
    let chosen = order.into_iter().take(count);
    chosen.map(|place| from[place as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_sites_make_the_stage_they_were_drawn_for() {
        for seed in 0..50 {
            for stage in Stage::ALL {
                let sites = lymphoma(stage, &mut KeyedRng::new("test", seed, &[]));
                assert_eq!(ann_arbor(&sites), Some(stage), "{sites:?}");
            }
        }
    }

    #[test]
    fn lymphomas_of_all_stages_occur_about_alike_and_others_have_none() {
        let mut counts = [0; 4];
        for person in (0..400).map(|index| Person::draw(3, index)) {
            let stage = stage(&person);
            assert_eq!(stage.is_some(), person.diagnosis == Diagnosis::Lymphoma);
            if let Some(stage) = stage {
                counts[stage as usize] += 1;
            }
        }
        assert!(counts.iter().all(|&count| count >= 15), "{counts:?}");
    }
}
