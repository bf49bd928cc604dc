//! Owns the organs: where each lies, how large and how dense it is, and what it takes up of either tracer.

use super::{Body, Form, Tissue, tissue};

const TABLE: Tissue = tissue(-250.0, 0.0, 0.0);
const FOAM: Tissue = tissue(-930.0, 0.0, 0.0);
const FAT: Tissue = tissue(-100.0, 0.3, 0.3);
const MUSCLE: Tissue = tissue(52.0, 0.7, 0.5);
const SKULL: Tissue = tissue(850.0, 0.6, 0.4);
const AIRWAY: Tissue = tissue(-950.0, 0.2, 0.2);
const LUNG: Tissue = tissue(-830.0, 0.45, 0.35);
const BLOOD: Tissue = tissue(42.0, 1.6, 1.3);
const CORTEX: Tissue = tissue(37.0, 10.0, 0.1);
const WHITE_MATTER: Tissue = tissue(30.0, 5.0, 0.1);
const VENTRICLE: Tissue = tissue(8.0, 2.0, 0.1);
const EYE: Tissue = tissue(10.0, 0.8, 0.3);
const LACRIMAL: Tissue = tissue(30.0, 1.2, 9.0);
const PAROTID: Tissue = tissue(15.0, 1.9, 15.0);
const SUBMANDIBULAR: Tissue = tissue(35.0, 2.2, 15.0);
const TONSIL: Tissue = tissue(45.0, 3.5, 2.5);
const LIVER: Tissue = tissue(57.0, 2.3, 5.0);
const SPLEEN: Tissue = tissue(50.0, 1.9, 6.5);
const KIDNEY: Tissue = tissue(34.0, 2.8, 38.0);
const RENAL_PELVIS: Tissue = tissue(12.0, 9.0, 20.0);
const STOMACH: Tissue = tissue(45.0, 2.4, 1.8);
const STOMACH_CONTENT: Tissue = tissue(15.0, 0.8, 0.6);
const DUODENUM: Tissue = tissue(25.0, 1.8, 9.0);
const BOWEL: Tissue = tissue(25.0, 1.7, 2.2);
const BOWEL_GAS: Tissue = tissue(-650.0, 0.8, 0.6);
const PROSTATE: Tissue = tissue(42.0, 1.5, 2.6);

impl Body<'_> {
    /// Adds every organ, outer ones first.
    pub(super) fn add_organs(&mut self) {
        self.add_table();
        self.add_limbs();
        self.add_trunk();
        self.add_head();
        self.add_chest();
        self.add_bones();
        self.add_abdomen();
        self.add_bowel();
        self.add_pelvis();
    }

    /// What a contrast agent, where one was given, makes of a tissue.
    fn enhanced(&self, tissue: Tissue, hu: f64) -> Tissue {
        let added = if self.person.contrast { hu } else { 0.0 };
        Tissue {
            hu: tissue.hu + added,
            ..tissue
        }
    }

    /// Adds the table, some way below the back, as far as CT shows it.
    fn add_table(&mut self) {
        let below = self.depth + self.fat + 32.0;
        let place = [0.0, -below / self.depth, 0.3];
        self.long(place, [215.0, 17.0, 2000.0], TABLE);
        self.long(place, [207.0, 12.0, 2000.0], FOAM);
    }

    /// Adds arms, raised in every other patient, and the legs as far as the image goes.
    fn add_limbs(&mut self) {
        let [arm, wrist, thigh] = [0.026, 0.019, 0.044].map(|share| self.tall(share));
        let bone = tissue(700.0, 0.7, 0.5);
        let (shoulder, elbow, hand) = if self.rng.below(2) == 0 {
            ([1.08, -0.1, 0.2], [1.42, -0.3, 0.35], [1.44, 0.1, 0.49])
        } else {
            ([1.0, -0.1, 0.2], [1.22, 0.05, 0.03], [0.8, 0.4, -0.1])
        };
        let ordered = |one: [f64; 3], other: [f64; 3]| {
            if one[2] < other[2] {
                (one, other)
            } else {
                (other, one)
            }
        };
        let skin = 0.45 * self.fat;
        for (joints, radius) in [((shoulder, elbow), arm), ((elbow, hand), wrist)] {
            let (top, foot) = ordered(joints.0, joints.1);
            self.limb_pair(top, foot, radius + skin, FAT);
            self.limb_pair(top, foot, radius, MUSCLE);
            self.limb_pair(top, foot, 11.0, bone);
        }
        let (hip, knee) = ([0.54, -0.05, 0.475], [0.5, -0.05, 0.75]);
        self.limb_pair(hip, knee, thigh + self.fat, FAT);
        self.limb_pair(hip, knee, thigh, MUSCLE);
    }

    fn add_trunk(&mut self) {
        let size = [self.width, self.depth, self.person.height];
        let (w, d, fat) = (self.width, self.depth, self.fat);
        self.add([0.0; 3], size, Form::Trunk { margin: fat }, FAT);
        if !self.person.male {
            self.round_pair([0.5, 1.0, 0.265], [55.0, 42.0, 50.0], FAT);
        }
        self.add([0.0; 3], size, Form::Trunk { margin: 0.0 }, MUSCLE);
        let belly = self.tall(0.075);
        self.round([0.0, 0.12, 0.41], [0.76 * w, 0.7 * d, belly], FAT);
        self.round([0.0, 0.0, 0.475], [0.6 * w, 0.55 * d, self.tall(0.03)], FAT);
    }

    fn add_head(&mut self) {
        let [head, face, neck] = [0.066, 0.036, 0.05].map(|share| self.tall(share));
        let [skull, brain] = [0.059, 0.054].map(|share| self.tall(share));
        self.long([0.0, -0.15, 0.15], [57.0, 58.0, neck], MUSCLE);
        self.round([0.0, 0.0, 0.066], [78.0, 97.0, head], MUSCLE);
        self.round([0.0, 0.42, 0.103], [54.0, 50.0, face], MUSCLE);
        self.limb_pair([0.38, 0.05, 0.105], [0.12, 0.72, 0.128], 7.0, SKULL);
        self.round([0.0, 0.55, 0.098], [30.0, 28.0, 22.0], SKULL);
        self.round([0.0, 0.55, 0.09], [15.0, 30.0, 20.0], AIRWAY);
        self.round([0.0, -0.03, 0.06], [72.0, 92.0, skull], SKULL);
        self.round([0.0, -0.03, 0.06], [65.0, 85.0, brain], CORTEX);
        self.round([0.0, -0.03, 0.057], [45.0, 62.0, 0.6 * brain], WHITE_MATTER);
        self.round_pair([0.1, -0.03, 0.053], [6.0, 28.0, 12.0], VENTRICLE);
        self.round_pair([0.13, 0.08, 0.06], [9.0, 14.0, 13.0], CORTEX);
        self.round_pair([0.21, 0.76, 0.073], [12.0, 12.0, 12.0], EYE);
        self.round_pair([0.29, 0.72, 0.067], [6.0, 6.0, 7.0], LACRIMAL);
        self.round_pair([0.42, 0.1, 0.1], [13.0, 17.0, 22.0], PAROTID);
        self.round_pair([0.23, 0.32, 0.132], [10.0, 14.0, 12.0], SUBMANDIBULAR);
        self.round_pair([0.11, 0.15, 0.115], [6.0, 9.0, 11.0], TONSIL);
        self.long([0.0, 0.12, 0.165], [9.0, 9.0, 1.2 * neck], AIRWAY);
    }

    fn add_chest(&mut self) {
        let (w, d) = (self.width, self.depth);
        let [cage, lung, aorta] = [0.079, 0.07, 0.09].map(|share| self.tall(share));
        let heart = tissue(45.0, 2.0 + 7.0 * self.rng.unit().powi(2), 1.3);
        let blood = self.enhanced(BLOOD, 90.0);
        self.add_ribs();
        self.round([0.0, 0.0, 0.258], [0.89 * w, 0.87 * d, cage], MUSCLE);
        self.round_pair([0.45, -0.02, 0.253], [0.39 * w, 0.78 * d, lung], LUNG);
        for _ in 0..14 {
            let [x, y, z] = [0; 3].map(|_| self.rng.unit());
            let from = [0.2 + 0.1 * x, -0.1 + 0.1 * y, 0.245];
            let to = [0.3 + 0.35 * x, -0.4 + 0.7 * y, 0.262 + 0.03 * z];
            self.limb_pair(from, to, 2.5 + 2.0 * z, blood);
        }
        self.long([-0.14, -0.36, 0.32], [12.0, 12.0, aorta], blood);
        self.long([0.14, -0.2, 0.36], [11.0, 9.0, 0.8 * aorta], blood);
        self.round([-0.02, 0.05, 0.222], [26.0, 34.0, 20.0], blood);
        self.round([0.08, 0.25, 0.262], [36.0, 34.0, 46.0], blood);
        self.round([-0.28, 0.3, 0.276], [47.0, 39.0, 43.0], heart);
        self.round([-0.26, 0.3, 0.272], [31.0, 25.0, 30.0], blood);
        self.long([0.0, 0.0, 0.2], [9.0, 9.0, self.tall(0.032)], AIRWAY);
        self.limb_pair([0.02, -0.05, 0.229], [0.26, -0.08, 0.244], 7.0, AIRWAY);
    }

    fn add_abdomen(&mut self) {
        let (w, d) = (self.width, self.depth);
        let [right, left, psoas] = [0.045, 0.026, 0.04].map(|share| self.tall(share));
        let liver = self.enhanced(LIVER, 50.0);
        let spleen = self.enhanced(SPLEEN, 60.0);
        let kidney = self.enhanced(KIDNEY, 110.0);
        self.limb_pair(
            [0.24, -0.45, 0.37],
            [0.42, -0.2, 0.46],
            0.5 * psoas.min(50.0),
            MUSCLE,
        );
        self.round([0.42, 0.05, 0.338], [0.47 * w, 0.72 * d, right], liver);
        self.round([0.05, 0.35, 0.328], [0.42 * w, 0.38 * d, left], liver);
        self.round(
            [0.46, 0.3, 0.368],
            [15.0, 17.0, 24.0],
            tissue(10.0, 0.7, 7.0),
        );
        self.round([-0.64, -0.3, 0.335], [29.0, 44.0, 52.0], spleen);
        self.round([-0.4, 0.3, 0.345], [42.0, 36.0, 46.0], STOMACH);
        self.round([-0.4, 0.28, 0.347], [35.0, 29.0, 38.0], STOMACH_CONTENT);
        self.round([-0.4, 0.5, 0.34], [26.0, 14.0, 22.0], BOWEL_GAS);
        self.round(
            [-0.05, 0.0, 0.366],
            [52.0, 12.0, 13.0],
            tissue(40.0, 1.6, 2.0),
        );
        self.round_pair([0.46, -0.42, 0.385], [28.0, 26.0, 54.0], kidney);
        self.round_pair([0.38, -0.38, 0.385], [13.0, 12.0, 20.0], RENAL_PELVIS);
        self.round([0.16, 0.15, 0.378], [26.0, 20.0, 30.0], DUODENUM);
    }

    /// Adds the frame of the large bowel and loops of the small one.
    fn add_bowel(&mut self) {
        let [long, across] = [0.026, 0.006].map(|share| self.tall(share));
        let lively = tissue(25.0, 1.2 + 3.0 * self.rng.unit().powi(2), 1.6);
        for (x, z) in [(0.68, 0.42), (-0.7, 0.4), (-0.68, 0.43)] {
            self.long([x, 0.0, z], [21.0, 22.0, long], lively);
            self.long([x, 0.05, z], [12.0, 12.0, 0.8 * long], BOWEL_GAS);
        }
        for step in 0..7_u8 {
            let x = -0.6 + 0.2 * f64::from(step);
            let sagging = 0.392 - 0.02 * x * x;
            self.round([x, 0.55, sagging], [22.0, 18.0, 2.0 * across], lively);
            self.round([x, 0.58, sagging], [13.0, 10.0, across], BOWEL_GAS);
        }
        for _ in 0..16 {
            let [x, y, z, size] = [0; 4].map(|_| self.rng.unit());
            let place = [0.9 * x - 0.45, 0.1 + 0.35 * y, 0.402 + 0.05 * z];
            let half = 11.0 + 7.0 * size;
            self.round(place, [1.7 * half, half, half], BOWEL);
        }
    }

    fn add_pelvis(&mut self) {
        let filling = 24.0 + 16.0 * self.rng.unit();
        let urine = 7.0 + 16.0 * self.rng.unit();
        self.round([0.0, -0.32, 0.48], [20.0, 17.0, 40.0], BOWEL);
        let bladder = [1.25 * filling, filling, filling];
        let urine = tissue(6.0, urine, 0.8 * urine);
        if self.person.male {
            self.round([0.0, 0.02, 0.4985], [21.0, 18.0, 17.0], PROSTATE);
        } else {
            self.round(
                [0.0, 0.0, 0.465],
                [28.0, 24.0, 30.0],
                tissue(48.0, 1.5, 1.2),
            );
        }
        self.round([0.0, 0.2, 0.474], bladder, urine);
    }
}
