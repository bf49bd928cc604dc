//! Owns the body as a set of solids: its build, and how a solid is placed in it.
//!
//! Places are in units of the body: x of half its inner width (to the right), y of half its inner depth (to the front),
//! depth below the crown of its height. Which organs there are is `organs`', which bones `skeleton`'s.

mod organs;
mod skeleton;

use crate::person::{Person, Tracer, bell};
use fratmae_dataset::KeyedRng;

pub(crate) use skeleton::spine_at;

/// How a part is bounded: each is a stack of ellipses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// An ellipsoid.
    Round,
    /// An elliptic cylinder with rounded ends whose axis moves in x and y by so many millimetres from its top to its foot.
    Long([f64; 2]),
    /// An ellipsoid of which only hoops are there, each so thick and so far below the one before, in millimetres.
    Hoops { pitch: f64, thickness: f64 },
    /// The outline of the trunk, grown by a margin to all sides but up and down.
    Trunk { margin: f64 },
}

/// The outline of the trunk: depth below the crown, half width, half depth, and how far forwards the middle lies.
const TRUNK: [[f64; 4]; 14] = [
    [0.150, 0.34, 0.46, -0.12],
    [0.167, 0.42, 0.52, -0.12],
    [0.178, 0.78, 0.62, -0.12],
    [0.190, 1.08, 0.74, -0.10],
    [0.215, 1.10, 0.88, -0.04],
    [0.250, 1.00, 0.97, 0.00],
    [0.300, 0.97, 1.00, 0.00],
    [0.345, 0.92, 0.97, 0.00],
    [0.385, 0.87, 0.91, 0.02],
    [0.420, 0.91, 0.92, 0.02],
    [0.455, 1.00, 0.94, 0.00],
    [0.485, 1.05, 0.92, -0.04],
    [0.505, 1.02, 0.82, -0.06],
    [0.522, 0.80, 0.50, -0.06],
];

/// Density and uptake of one kind of tissue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tissue {
    pub(crate) hu: f64,
    pub(crate) fdg: f64,
    pub(crate) psma: f64,
}

const fn tissue(hu: f64, fdg: f64, psma: f64) -> Tissue {
    Tissue { hu, fdg, psma }
}

/// One solid, in millimetres from the crown of the head: x right, y anterior, z up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) centre: [f64; 3],
    pub(crate) half: [f64; 3],
    pub(crate) form: Form,
    pub(crate) hu: f32,
    pub(crate) suv: f32,
    pub(crate) lesion: bool,
}

/// An ellipse in a transverse plane, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Section {
    pub(crate) centre: [f64; 2],
    pub(crate) half: [f64; 2],
}

impl Part {
    /// Cuts the part at a height; nothing where it does not reach.
    pub(crate) fn section(&self, z: f64) -> Option<Section> {
        let [x, y, middle] = self.centre;
        let place = (z - middle) / self.half[2];
        let scaled = |share: f64, lean: [f64; 2]| Section {
            centre: [x - lean[0] * place / 2.0, y - lean[1] * place / 2.0],
            half: [self.half[0] * share, self.half[1] * share],
        };
        let inside = place.abs() <= 1.0;
        match self.form {
            Form::Trunk { margin } => self.trunk(z, margin),
            Form::Round => inside.then(|| scaled((1.0 - place * place).sqrt(), [0.0; 2])),
            Form::Long(lean) => inside.then(|| scaled((1.0 - place.powi(8)).sqrt(), lean)),
            Form::Hoops { pitch, thickness } => (inside && z.rem_euclid(pitch) < thickness)
                .then(|| scaled((1.0 - place * place).sqrt(), [0.0; 2])),
        }
    }

    fn trunk(&self, z: f64, margin: f64) -> Option<Section> {
        let depth = -z / self.half[2];
        let below = TRUNK.iter().position(|ring| ring[0] > depth)?;
        let (upper, lower) = (TRUNK.get(below.checked_sub(1)?)?, TRUNK.get(below)?);
        let part = (depth - upper[0]) / (lower[0] - upper[0]);
        let [_, width, thick, forwards] =
            [0, 1, 2, 3].map(|column| upper[column] + part * (lower[column] - upper[column]));
        Some(Section {
            centre: [0.0, forwards * self.half[1]],
            half: [width * self.half[0] + margin, thick * self.half[1] + margin],
        })
    }
}

/// A body under construction; later parts cover earlier ones.
pub(crate) struct Body<'a> {
    person: &'a Person,
    rng: KeyedRng,
    /// Half the width of the chest without its fat, in millimetres.
    pub(crate) width: f64,
    /// Half the depth of the chest without its fat.
    pub(crate) depth: f64,
    /// Thickness of the fat below the skin.
    fat: f64,
    pub(crate) parts: Vec<Part>,
}

impl<'a> Body<'a> {
    /// Builds all organs of a person; lesions are `lesions`'.
    pub(crate) fn build(person: &'a Person) -> Self {
        let build = person.body_mass_index / 25.0;
        let padding = if person.male { 5.0 } else { 9.0 };
        let mut body = Self {
            person,
            rng: KeyedRng::new("phantom anatomy", person.seed, &[person.index]),
            width: 0.088 * person.height * build.powf(0.35),
            depth: 0.060 * person.height * build.powf(0.55),
            fat: padding + 1.4 * (person.body_mass_index - 18.0),
            parts: Vec::new(),
        };
        body.add_organs();
        body
    }

    /// Adds an ellipsoid at a place in body units; half axes are in millimetres.
    pub(crate) fn round(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.add(place, half, Form::Round, tissue);
    }

    /// Adds a cylinder along z.
    fn long(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.add(place, half, Form::Long([0.0; 2]), tissue);
    }

    /// Adds an ellipsoid on the right and its mirror image on the left.
    fn round_pair(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.round(place, half, tissue);
        self.round([-place[0], place[1], place[2]], half, tissue);
    }

    /// Adds a limb on the right and its mirror image on the left, from one place to another further down; the radius is
    /// in millimetres.
    fn limb_pair(&mut self, top: [f64; 3], foot: [f64; 3], radius: f64, tissue: Tissue) {
        let middle = [0, 1, 2].map(|axis| (top[axis] + foot[axis]) / 2.0);
        let half = [
            radius,
            radius,
            (foot[2] - top[2]) * self.person.height / 2.0,
        ];
        for side in [1.0, -1.0] {
            let lean = [
                side * (foot[0] - top[0]) * self.width,
                (foot[1] - top[1]) * self.depth,
            ];
            let place = [side * middle[0], middle[1], middle[2]];
            self.add(place, half, Form::Long(lean), tissue);
        }
    }

    fn add(&mut self, place: [f64; 3], half: [f64; 3], form: Form, tissue: Tissue) {
        let height = self.person.height;
        let uptake = match self.person.tracer {
            Tracer::Fdg => tissue.fdg,
            Tracer::Psma { .. } => tissue.psma,
        };
        let suv = bell(&mut self.rng, uptake, 0.12 * uptake).max(0.0) as f32;
        let hu = bell(&mut self.rng, tissue.hu, 4.0) as f32;
        self.parts.push(Part {
            centre: [
                place[0] * self.width,
                place[1] * self.depth,
                -place[2] * height,
            ],
            half,
            form,
            hu,
            suv,
            lesion: false,
        });
    }

    /// A share of the height in millimetres.
    fn tall(&self, share: f64) -> f64 {
        share * self.person.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(form: Form) -> Part {
        Part {
            centre: [10.0, 0.0, -100.0],
            half: [20.0, 30.0, 40.0],
            form,
            hu: 0.0,
            suv: 0.0,
            lesion: false,
        }
    }

    #[test]
    fn sections_are_widest_in_the_middle_and_end_where_the_part_does() {
        for form in [Form::Round, Form::Long([0.0; 2])] {
            let middle = part(form).section(-100.0).unwrap();
            assert_eq!((middle.centre, middle.half), ([10.0, 0.0], [20.0, 30.0]));
            let near_end = part(form).section(-62.0).unwrap();
            assert!(near_end.half[0] < 20.0);
            assert_eq!(part(form).section(-59.0), None);
        }
    }

    #[test]
    fn a_leaning_limb_moves_from_its_top_to_its_foot() {
        let limb = part(Form::Long([8.0, -6.0]));
        assert_eq!(limb.section(-60.0).unwrap().centre, [6.0, 3.0]);
        assert_eq!(limb.section(-140.0).unwrap().centre, [14.0, -3.0]);
    }

    #[test]
    fn hoops_leave_gaps() {
        let hoops = part(Form::Hoops {
            pitch: 20.0,
            thickness: 8.0,
        });
        let there = (61..=140).filter(|depth| hoops.section(-f64::from(*depth)).is_some());
        assert_eq!(there.count(), 4 * 8);
    }
}
