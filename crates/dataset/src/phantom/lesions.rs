//! Owns the lesions of a phantom: how many, where they sit for each diagnosis, how large and how avid they are.

use super::anatomy::{Body, Tissue};
use super::person::{Diagnosis, Person};
use crate::draw::Draw;

/// A region where lesions occur, in body units; those off the midline occur on both sides.
struct Site {
    low: [f64; 3],
    high: [f64; 3],
    hu: f64,
    largest: f64,
}

const fn site(low: [f64; 3], high: [f64; 3], hu: f64, largest: f64) -> Site {
    Site {
        low,
        high,
        hu,
        largest,
    }
}

const NECK: Site = site([0.15, 0.0, 0.135], [0.28, 0.25, 0.17], 48.0, 14.0);
const AXILLA: Site = site([0.75, -0.1, 0.2], [0.85, 0.2, 0.225], 48.0, 16.0);
const MEDIASTINUM: Site = site([0.02, -0.15, 0.22], [0.12, 0.25, 0.265], 50.0, 22.0);
const PARA_AORTIC: Site = site([0.05, -0.3, 0.37], [0.16, -0.1, 0.42], 50.0, 18.0);
const GROIN: Site = site([0.4, 0.5, 0.475], [0.55, 0.75, 0.5], 48.0, 14.0);
const LUNG: Site = site([0.3, -0.4, 0.215], [0.6, 0.4, 0.285], 40.0, 26.0);
const LIVER: Site = site([0.3, -0.2, 0.325], [0.6, 0.3, 0.355], 38.0, 20.0);
const SKIN: Site = site([0.3, 0.95, 0.22], [0.8, 1.05, 0.45], 40.0, 14.0);
const SPINE: Site = site([0.0, -0.66, 0.2], [0.05, -0.58, 0.46], 520.0, 16.0);
const PELVIC_NODE: Site = site([0.25, -0.1, 0.44], [0.4, 0.15, 0.47], 48.0, 12.0);
const ILIUM: Site = site([0.5, -0.4, 0.44], [0.6, -0.1, 0.465], 560.0, 16.0);
const PROSTATE: Site = site([0.0, -0.1, 0.495], [0.08, 0.1, 0.501], 45.0, 12.0);

fn sites(diagnosis: Diagnosis) -> &'static [Site] {
    match diagnosis {
        Diagnosis::Negative => &[],
        Diagnosis::Lymphoma => &[
            NECK,
            AXILLA,
            MEDIASTINUM,
            MEDIASTINUM,
            PARA_AORTIC,
            PARA_AORTIC,
            GROIN,
        ],
        Diagnosis::LungCancer => &[LUNG, LUNG, MEDIASTINUM, SPINE],
        Diagnosis::Melanoma => &[LIVER, LUNG, SKIN, SPINE, AXILLA],
        Diagnosis::Prostate => &[PROSTATE, PELVIC_NODE, PELVIC_NODE, SPINE, SPINE, ILIUM],
    }
}

/// Adds the lesions of a person; one in ten of the patients with prostate carcinoma has none, as in AutoPET.
pub(super) fn add(person: &Person, body: &mut Body<'_>) {
    let mut draw = Draw::new("phantom lesions", person.seed, &[person.index]);
    let sites = sites(person.diagnosis);
    let clear = draw.below(10) == 0 && person.diagnosis == Diagnosis::Prostate;
    if sites.is_empty() || clear {
        return;
    }
    for _ in 0..1 + draw.below(7) {
        let site = &sites[draw.below(sites.len() as u64) as usize];
        let mut place =
            [0, 1, 2].map(|axis| site.low[axis] + (site.high[axis] - site.low[axis]) * draw.unit());
        if draw.below(2) == 0 {
            place[0] = -place[0];
        }
        let radius = 7.0 + (site.largest - 7.0) * draw.unit();
        let half = [0, 1, 2].map(|_| radius * (0.8 + 0.4 * draw.unit()));
        let uptake = 4.0 + 12.0 * draw.unit();
        let tissue = Tissue {
            hu: site.hu,
            fdg: uptake,
            psma: 1.6 * uptake,
        };
        body.round(place, half, tissue);
        if let Some(part) = body.parts.last_mut() {
            part.lesion = true;
        }
    }
}
