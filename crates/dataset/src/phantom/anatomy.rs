//! Owns the body as a set of solids: its build, and how a solid is placed in it.
//!
//! Places are in units of the body: x of half its inner width (to the right), y of half its inner
//! depth (to the front), depth below the crown of its height. Which organs there are is `organs`'.

mod organs;

use super::person::{Person, Tracer, bell};
use crate::draw::Draw;

/// How a part is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An ellipsoid.
    Round,
    /// An elliptic cylinder along z with rounded ends.
    Long,
}

/// Density and uptake of one kind of tissue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tissue {
    pub(super) hu: f64,
    pub(super) fdg: f64,
    pub(super) psma: f64,
}

/// One solid, in millimetres from the crown of the head: x right, y anterior, z up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) centre: [f64; 3],
    pub(super) half: [f64; 3],
    pub(super) form: Form,
    pub(super) hu: f32,
    pub(super) suv: f32,
    pub(super) lesion: bool,
}

/// A body under construction; later parts cover earlier ones.
pub(super) struct Body<'a> {
    person: &'a Person,
    draw: Draw,
    /// Half the width of the chest without its fat, in millimetres.
    pub(super) width: f64,
    /// Half the depth of the chest without its fat.
    pub(super) depth: f64,
    /// Thickness of the fat below the skin.
    fat: f64,
    pub(super) parts: Vec<Part>,
}

impl<'a> Body<'a> {
    /// Builds all organs of a person; lesions are `lesions`'.
    pub(super) fn build(person: &'a Person) -> Self {
        let build = person.body_mass_index / 25.0;
        let padding = if person.male { 5.0 } else { 9.0 };
        let mut body = Self {
            person,
            draw: Draw::new("phantom anatomy", person.seed, &[person.index]),
            width: 0.088 * person.height * build.powf(0.35),
            depth: 0.060 * person.height * build.powf(0.55),
            fat: padding + 1.6 * (person.body_mass_index - 18.0),
            parts: Vec::new(),
        };
        body.add_organs();
        body
    }

    /// Adds an ellipsoid at a place in body units; half axes are in millimetres.
    pub(super) fn round(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.add(place, half, Form::Round, tissue);
    }

    /// Adds a cylinder along z.
    fn long(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.add(place, half, Form::Long, tissue);
    }

    /// Adds an ellipsoid on the right and its mirror image on the left.
    fn round_pair(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.round(place, half, tissue);
        self.round([-place[0], place[1], place[2]], half, tissue);
    }

    /// Adds a cylinder on the right and its mirror image on the left.
    fn long_pair(&mut self, place: [f64; 3], half: [f64; 3], tissue: Tissue) {
        self.long(place, half, tissue);
        self.long([-place[0], place[1], place[2]], half, tissue);
    }

    fn add(&mut self, place: [f64; 3], half: [f64; 3], form: Form, tissue: Tissue) {
        let height = self.person.height;
        let uptake = match self.person.tracer {
            Tracer::Fdg => tissue.fdg,
            Tracer::Psma { .. } => tissue.psma,
        };
        let suv = bell(&mut self.draw, uptake, 0.12 * uptake).max(0.0) as f32;
        let hu = bell(&mut self.draw, tissue.hu, 4.0) as f32;
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
}
