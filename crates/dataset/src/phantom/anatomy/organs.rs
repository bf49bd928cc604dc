//! Owns the organs: where each lies, how large and how dense it is, and what it takes up of either tracer.

use super::{Body, Tissue};

const fn tissue(hu: f64, fdg: f64, psma: f64) -> Tissue {
    Tissue { hu, fdg, psma }
}

const FAT: Tissue = tissue(-100.0, 0.3, 0.3);
const MUSCLE: Tissue = tissue(50.0, 0.7, 0.5);
const BONE: Tissue = tissue(650.0, 0.8, 0.6);
const MARROW: Tissue = tissue(230.0, 1.4, 0.8);
const AIRWAY: Tissue = tissue(-950.0, 0.2, 0.2);
const LUNG: Tissue = tissue(-820.0, 0.5, 0.4);
const BLOOD: Tissue = tissue(42.0, 1.7, 1.4);
const BRAIN: Tissue = tissue(35.0, 8.5, 0.1);
const PAROTID: Tissue = tissue(15.0, 1.8, 14.0);
const LIVER: Tissue = tissue(57.0, 2.3, 5.0);
const SPLEEN: Tissue = tissue(50.0, 1.9, 7.0);
const KIDNEY: Tissue = tissue(34.0, 3.2, 36.0);
const DUODENUM: Tissue = tissue(25.0, 1.8, 9.0);
const BOWEL: Tissue = tissue(20.0, 1.6, 1.8);
const PROSTATE: Tissue = tissue(42.0, 1.5, 2.6);

impl Body<'_> {
    /// Adds every organ, outer ones first.
    pub(super) fn add_organs(&mut self) {
        self.add_trunk();
        self.add_legs();
        self.add_head();
        self.add_chest();
        self.add_abdomen();
        self.add_pelvis();
    }

    /// A share of the height in millimetres.
    fn tall(&self, share: f64) -> f64 {
        share * self.person.height
    }

    /// What a contrast agent, where one was given, makes of a tissue.
    fn enhanced(&self, tissue: Tissue, hu: f64) -> Tissue {
        let added = if self.person.contrast { hu } else { 0.0 };
        Tissue {
            hu: tissue.hu + added,
            ..tissue
        }
    }

    fn add_trunk(&mut self) {
        let (w, d, fat) = (self.width, self.depth, self.fat);
        let [long, spine, belly] = [0.17, 0.165, 0.07].map(|share| self.tall(share));
        self.long([0.0, 0.0, 0.335], [w + fat, d + fat, long], FAT);
        self.round_pair([0.93, -0.05, 0.195], [62.0, 58.0, 55.0], MUSCLE);
        self.long([0.0, 0.0, 0.335], [w, d, 0.96 * long], MUSCLE);
        self.round([0.0, 0.1, 0.41], [0.8 * w, 0.72 * d, belly], FAT);
        self.long([0.0, -0.62, 0.31], [20.0, 20.0, spine], MARROW);
        if !self.person.male {
            self.round_pair([0.5, 1.05, 0.27], [52.0, 38.0, 48.0], FAT);
        }
    }

    fn add_legs(&mut self) {
        let [thigh, long] = [0.042, 0.11].map(|share| self.tall(share));
        let skin = thigh + self.fat;
        self.long_pair([0.5, -0.05, 0.585], [skin, skin, long], FAT);
        self.long_pair([0.5, -0.05, 0.585], [thigh, thigh, long], MUSCLE);
        self.long_pair([0.52, 0.0, 0.585], [15.0, 15.0, 0.9 * long], BONE);
    }

    fn add_head(&mut self) {
        let [head, face, neck] = [0.067, 0.03, 0.05].map(|share| self.tall(share));
        let [skull, brain] = [0.058, 0.053].map(|share| self.tall(share));
        self.long([0.0, -0.05, 0.155], [56.0, 56.0, neck], MUSCLE);
        self.round([0.0, 0.0, 0.067], [77.0, 97.0, head], MUSCLE);
        self.round([0.0, 0.42, 0.105], [52.0, 48.0, face], MUSCLE);
        self.round([0.0, -0.02, 0.062], [72.0, 92.0, skull], BONE);
        self.round([0.0, -0.02, 0.062], [65.0, 85.0, brain], BRAIN);
        self.round_pair([0.38, 0.1, 0.105], [14.0, 18.0, 22.0], PAROTID);
        self.long([0.0, -0.45, 0.155], [15.0, 15.0, 0.9 * neck], MARROW);
        self.long([0.0, 0.12, 0.17], [9.0, 9.0, 1.2 * neck], AIRWAY);
    }

    fn add_chest(&mut self) {
        let (w, d) = (self.width, self.depth);
        let [ribs, lung, aorta] = [0.078, 0.068, 0.09].map(|share| self.tall(share));
        let heart = tissue(45.0, 2.0 + 6.0 * self.draw.unit().powi(2), 1.3);
        let blood = self.enhanced(BLOOD, 90.0);
        self.round([0.0, 0.0, 0.255], [0.94 * w, 0.94 * d, ribs], MARROW);
        self.round([0.0, 0.0, 0.255], [0.89 * w, 0.87 * d, 0.96 * ribs], MUSCLE);
        self.round_pair([0.45, 0.0, 0.252], [0.38 * w, 0.76 * d, lung], LUNG);
        self.long([0.0, -0.62, 0.255], [20.0, 20.0, aorta], MARROW);
        self.long([-0.12, -0.32, 0.32], [12.0, 12.0, aorta], blood);
        self.round([0.0, 0.1, 0.235], [25.0, 22.0, 30.0], blood);
        self.round([-0.22, 0.28, 0.275], [48.0, 40.0, 50.0], heart);
        self.round([-0.20, 0.28, 0.272], [31.0, 25.0, 32.0], blood);
    }

    fn add_abdomen(&mut self) {
        let (w, d) = (self.width, self.depth);
        let [right, left] = [0.045, 0.026].map(|share| self.tall(share));
        let liver = self.enhanced(LIVER, 50.0);
        let spleen = self.enhanced(SPLEEN, 60.0);
        let kidney = self.enhanced(KIDNEY, 110.0);
        self.round([0.42, 0.05, 0.338], [0.48 * w, 0.72 * d, right], liver);
        self.round([0.05, 0.35, 0.328], [0.42 * w, 0.38 * d, left], liver);
        self.round([-0.62, -0.3, 0.335], [32.0, 44.0, 55.0], spleen);
        self.round([-0.36, 0.3, 0.345], [42.0, 36.0, 48.0], BOWEL);
        self.round_pair([0.42, -0.45, 0.385], [27.0, 25.0, 54.0], kidney);
        self.round([0.16, 0.15, 0.38], [26.0, 20.0, 30.0], DUODENUM);
        for _ in 0..7 {
            let [x, y, z, size] = [0; 4].map(|_| self.draw.unit());
            let place = [x - 0.5, 0.1 + 0.4 * y, 0.395 + 0.05 * z];
            let half = 16.0 + 14.0 * size;
            self.round(place, [1.4 * half, half, half], BOWEL);
        }
    }

    fn add_pelvis(&mut self) {
        let filling = 26.0 + 16.0 * self.draw.unit();
        let urine = 6.0 + 14.0 * self.draw.unit();
        let ilium = self.tall(0.03);
        self.round_pair([0.55, -0.25, 0.452], [30.0, 48.0, ilium], BONE);
        self.round_pair([0.55, -0.25, 0.452], [22.0, 40.0, 0.87 * ilium], MARROW);
        self.round_pair([0.56, 0.0, 0.487], [25.0, 25.0, 25.0], BONE);
        self.round([0.0, -0.55, 0.462], [42.0, 22.0, 48.0], MARROW);
        let bladder = [1.2 * filling, filling, filling];
        self.round([0.0, 0.2, 0.474], bladder, tissue(6.0, urine, urine));
        if self.person.male {
            self.round([0.0, 0.0, 0.498], [21.0, 18.0, 17.0], PROSTATE);
        }
    }
}
