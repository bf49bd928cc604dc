//! The message that every rank receives about a slot, and what follows for the global batch: sums over all slots, and InfoNCE.

use fratmae_model::{Contrast, ModalityStats, SlotStats};
use fratmae_trainer::TaskError;
use prost::Message;

/// Numbers that the stats of one modality take.
const STATS: usize = 5;

/// Figures, embeddings and sentences of a slot.
#[derive(Clone, PartialEq, Message)]
pub struct SlotMessage {
    /// PET's and CT's stats, floats as their bits.
    #[prost(fixed64, repeated, tag = "1")]
    stats: Vec<u64>,
    /// `[slot size, embedding]`, row-major.
    #[prost(float, repeated, tag = "2")]
    pet: Vec<f32>,
    /// Likewise.
    #[prost(float, repeated, tag = "3")]
    text: Vec<f32>,
    /// A number a sample, equal for equal sentences.
    #[prost(fixed64, repeated, tag = "4")]
    sentences: Vec<u64>,
}

impl SlotMessage {
    pub(crate) fn new(
        stats: &SlotStats,
        (pet, text): (Vec<f32>, Vec<f32>),
        sentences: Vec<u64>,
    ) -> Self {
        Self {
            stats: [&stats.pet, &stats.ct].map(words).concat(),
            pet,
            text,
            sentences,
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        let embeddings = self.pet.iter().chain(&self.text);
        self.stats().reconstruction().is_finite() && embeddings.into_iter().all(|x| x.is_finite())
    }

    fn stats(&self) -> SlotStats {
        let (pet, ct) = self.stats.split_at(STATS.min(self.stats.len()));
        SlotStats {
            pet: modality(pet),
            ct: modality(ct),
        }
    }

    /// What does not have the shape of a slot of so many samples.
    pub(crate) fn fault(&self, n_samples: usize, embedding: usize) -> Option<String> {
        let values = n_samples * embedding;
        let parts = [
            ("stats", self.stats.len(), 2 * STATS),
            ("numbers of PET embeddings", self.pet.len(), values),
            ("numbers of text embeddings", self.text.len(), values),
            ("sentences", self.sentences.len(), n_samples),
        ];
        let mut faults = parts
            .iter()
            .filter(|(_, found, expected)| found != expected);
        faults
            .next()
            .map(|(part, found, expected)| format!("{found} {part}, not {expected}"))
    }
}

fn words(stats: &ModalityStats) -> [u64; STATS] {
    [
        stats.squared_error.to_bits(),
        stats.samples,
        stats.target_sum.to_bits(),
        stats.target_squares.to_bits(),
        stats.targets,
    ]
}

fn modality(words: &[u64]) -> ModalityStats {
    let &[squared_error, samples, target_sum, target_squares, targets] = words else {
        return ModalityStats::default();
    };
    ModalityStats {
        squared_error: f64::from_bits(squared_error),
        samples,
        target_sum: f64::from_bits(target_sum),
        target_squares: f64::from_bits(target_squares),
        targets,
    }
}

/// What a global batch comes to; the same on every rank.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    pub(crate) stats: SlotStats,
    /// None without the contrastive loss.
    pub(crate) contrast: Option<Contrast>,
    pub(crate) loss: f64,
}

impl Global {
    /// Adds up the slots' stats and computes InfoNCE over all samples, at a temperature and with a weight.
    pub(crate) fn of(
        slots: &[SlotMessage],
        logit_scale: Option<f32>,
        weight: f64,
    ) -> Result<Self, TaskError> {
        let mut stats = SlotStats::default();
        let (mut pet, mut text, mut sentences) = (Vec::new(), Vec::new(), Vec::new());
        for slot in slots {
            stats += slot.stats();
            pet.extend_from_slice(&slot.pet);
            text.extend_from_slice(&slot.text);
            sentences.extend_from_slice(&slot.sentences);
        }
        let contrast = match logit_scale {
            Some(scale) => {
                let groups = groups(&sentences);
                Some(fratmae_model::contrast(&pet, &text, scale, &groups)?)
            }
            None => None,
        };
        let contrastive = contrast.as_ref().map_or(0.0, |contrast| contrast.loss);
        Ok(Self {
            loss: stats.reconstruction() + weight * contrastive,
            stats,
            contrast,
        })
    }

    pub(crate) fn metrics(&self) -> Vec<(&'static str, Option<f64>)> {
        let SlotStats { pet, ct } = self.stats;
        let contrastive = self.contrast.as_ref().map(|contrast| contrast.loss);
        let [pet_mean, ct_mean] = [pet, ct].map(|f| f.baseline().unwrap_or(0.0));
        let both = pet_mean * pet.samples as f64 + ct_mean * ct.samples as f64;
        let mean_baseline = both / (pet.samples + ct.samples) as f64;
        vec![
            ("reconstruction", Some(self.stats.reconstruction())),
            ("pet_reconstruction", pet.mean_squared_error()),
            ("ct_reconstruction", ct.mean_squared_error()),
            ("contrastive", contrastive),
            ("mean_baseline", Some(mean_baseline)),
            ("baseline_pet", pet.baseline()),
            ("baseline_ct", ct.baseline()),
        ]
    }
}

/// A group number a sample: samples of one sentence share it.
fn groups(sentences: &[u64]) -> Vec<u32> {
    let first = |sentence| sentences.iter().position(|other| other == sentence);
    let group = |sentence| u32::try_from(first(sentence).unwrap_or(0)).unwrap_or(u32::MAX);
    sentences.iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64) -> SlotMessage {
        let modality = ModalityStats {
            squared_error: number as f64 + 0.5,
            samples: 1,
            target_sum: -1.25,
            target_squares: 3.0,
            targets: 100 + number,
        };
        let stats = SlotStats {
            pet: modality,
            ct: modality,
        };
        let pet = vec![number as f32, 1.0, 2.0, 3.0];
        let text = vec![-1.0, number as f32, 0.0, f32::MIN_POSITIVE];
        SlotMessage::new(&stats, (pet, text), vec![number % 2, 9])
    }

    #[test]
    fn a_message_travels_to_the_bit() {
        let mut sent = message(3);
        sent.pet[0] = f32::from_bits(0x7fc0_1234);
        sent.text[1] = -0.0;
        let read = SlotMessage::decode(&sent.encode_to_vec()[..]).unwrap();
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.pet), bits(&sent.pet));
        assert_eq!(bits(&read.text), bits(&sent.text));
        assert_eq!(read.stats(), message(3).stats());
        assert_eq!(read.sentences, [1, 9]);
    }

    #[test]
    fn the_global_batch_has_all_slots() {
        let slots: Vec<_> = (0..4).map(message).collect();
        let global = Global::of(&slots, Some(2.5), 0.1).unwrap();
        assert_eq!(global.stats.pet.samples, 4);
        assert_eq!(global.stats.ct.targets, 406);
        let contrast = global.contrast.unwrap();
        assert_eq!(contrast.pet_gradient.len(), 16);
        assert!(contrast.loss > 0.0);
        let expected = global.stats.reconstruction() + 0.1 * contrast.loss;
        assert_eq!(global.loss, expected);
        let plain = Global::of(&slots, None, 0.1).unwrap();
        assert_eq!(plain.loss, plain.stats.reconstruction());
    }

    #[test]
    fn a_slot_with_a_number_that_is_not_finite_is_known() {
        assert!(message(0).is_finite());
        let mut text = message(1);
        text.text[3] = f32::NAN;
        let mut error = message(2);
        error.stats[STATS] = f64::INFINITY.to_bits();
        assert!(!text.is_finite() && !error.is_finite());
    }

    #[test]
    fn equal_sentences_share_a_group() {
        assert_eq!(groups(&[0, 9, 1, 9, 0, 9]), [0, 1, 2, 1, 0, 1]);
    }

    #[test]
    fn a_message_of_the_wrong_length_says_what_of_it_is_wrong() {
        type Change = fn(&mut SlotMessage);
        assert_eq!(message(1).fault(2, 2), None);
        let changes: [(Change, &str); 4] = [
            (|it| it.stats.truncate(9), "9 stats, not 10"),
            (
                |it| it.pet.truncate(3),
                "3 numbers of PET embeddings, not 4",
            ),
            (
                |it| it.text.push(0.0),
                "5 numbers of text embeddings, not 4",
            ),
            (|it| it.sentences.clear(), "0 sentences, not 2"),
        ];
        for (change, said) in changes {
            let mut changed = message(1);
            change(&mut changed);
            assert_eq!(changed.fault(2, 2).as_deref(), Some(said));
        }
    }
}
