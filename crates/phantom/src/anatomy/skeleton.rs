//! Owns the bones. Soft tissue is `organs`'.

use super::{Body, Form, Tissue, tissue};

const CORTEX: Tissue = tissue(750.0, 0.6, 0.5);
const MARROW: Tissue = tissue(220.0, 1.4, 0.7);
const DISC: Tissue = tissue(80.0, 0.7, 0.5);
const RIB: Tissue = tissue(480.0, 0.9, 0.6);

/// Depth of the uppermost vertebra and of the end of the lowest, as a share of the height.
const SPINE: [f64; 2] = [0.095, 0.445];
/// Seven of the neck, twelve of the chest, five of the loins.
const VERTEBRAE: usize = 24;

/// Gives how far forwards the spine lies at a depth, in body units: hollow in neck and loins, bent back in the chest.
pub(crate) fn spine_at(depth: f64) -> f64 {
    let part = (depth - SPINE[0]) / (SPINE[1] - SPINE[0]);
    -0.56 + 0.13 * (std::f64::consts::TAU * (part - 0.02) * 1.15).cos()
}

impl Body<'_> {
    /// Adds head, spine, shoulders and hips; the ribs come before the lungs.
    pub(super) fn add_bones(&mut self) {
        self.add_spine();
        self.add_shoulders();
        self.add_hips();
    }

    /// Adds the ribs, whose inside what follows must fill again.
    pub(super) fn add_ribs(&mut self) {
        let (w, d) = (self.width, self.depth);
        let cage = [0.93 * w, 0.93 * d, self.tall(0.082)];
        let hoops = Form::Hoops {
            pitch: self.tall(0.0135),
            thickness: self.tall(0.006),
        };
        self.add([0.0, 0.0, 0.258], cage, hoops, RIB);
        self.long([0.0, 0.86, 0.235], [17.0, 7.0, self.tall(0.042)], RIB);
    }

    fn add_spine(&mut self) {
        let step = (SPINE[1] - SPINE[0]) / VERTEBRAE as f64;
        let wider = |number: usize| 0.45 + 0.55 * number as f64 / VERTEBRAE as f64;
        for number in 0..VERTEBRAE {
            let depth = SPINE[0] + (number as f64 + 0.5) * step;
            let size = 25.0 * wider(number);
            let place = [0.0, spine_at(depth), depth];
            let high = self.tall(step) / 2.0;
            self.long(place, [size, 0.8 * size, 1.02 * high], DISC);
            self.long(place, [size, 0.8 * size, 0.84 * high], CORTEX);
            self.long(place, [size - 2.5, 0.8 * size - 2.5, 0.74 * high], MARROW);
            let behind = [0.0, place[1] - (0.8 * size + 22.0) / self.depth, depth];
            self.round(behind, [5.0, 14.0, 0.7 * high], RIB);
        }
    }

    fn add_shoulders(&mut self) {
        self.limb_pair([0.62, -0.5, 0.195], [0.5, -0.62, 0.268], 8.0, RIB);
        for side in [1.0, -1.0] {
            for place in [0.2, 0.35, 0.5, 0.65, 0.8] {
                let bent = 0.35 - 0.5 * (place - 0.3);
                self.round([side * place, bent, 0.186], [15.0, 8.0, 8.0], CORTEX);
            }
        }
        self.round_pair([0.94, -0.08, 0.2], [23.0, 23.0, 23.0], CORTEX);
        self.round_pair([0.94, -0.08, 0.2], [20.0, 20.0, 20.0], MARROW);
    }

    fn add_hips(&mut self) {
        let ilium = self.tall(0.026);
        for (shrunk, tissue) in [(0.0, CORTEX), (3.0, MARROW)] {
            let wing = [13.0 - shrunk, 42.0 - shrunk, ilium - shrunk];
            self.round_pair([0.62, -0.3, 0.445], wing, tissue);
            let lower = [17.0 - shrunk, 26.0 - shrunk, 0.8 * ilium - shrunk];
            self.round_pair([0.5, -0.2, 0.468], lower, tissue);
            self.round_pair(
                [0.36, -0.42, 0.505],
                [15.0 - shrunk, 15.0 - shrunk, 26.0],
                tissue,
            );
            self.round(
                [0.0, -0.6, 0.462],
                [38.0 - shrunk, 17.0 - shrunk, 40.0],
                tissue,
            );
            let head = [23.0 - shrunk; 3];
            self.round_pair([0.56, -0.08, 0.484], head, tissue);
            let radius = 15.0 - 1.6 * shrunk;
            self.limb_pair([0.72, -0.08, 0.488], [0.56, 0.0, 0.72], radius, tissue);
        }
        self.round([0.0, 0.42, 0.493], [30.0, 9.0, 14.0], RIB);
        self.round_pair([0.25, 0.3, 0.497], [26.0, 9.0, 11.0], RIB);
    }
}
