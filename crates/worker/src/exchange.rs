//! What ranks tell each other between forward and backward: embeddings and figures of every slot.
//!
//! The message of a rank is one byte of wishes (what was asked of it), the sum of its parameters' bits (zero where they
//! are not compared), and then, a slot after the other, its figures, PET embeddings, text embeddings, sentence numbers,
//! and the samples' positions and cases, all little-endian.

use crate::error::WorkerError;
use fratmae_model::{ModalityFigures, SlotFigures};
use fratmae_protocol::pb;

/// Numbers a modality's figures take.
const FIGURES: usize = 5;
/// Numbers a sample has: of its sentence, its position and its case.
const NUMBERS: usize = 3;

/// What one rank was asked for and all do together after the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// To stop for good.
    pub(crate) is_draining: bool,
    /// To leave the group for the next generation.
    pub(crate) is_leaving: bool,
    /// To store a checkpoint.
    pub(crate) is_saving: bool,
}

impl Wishes {
    fn byte(self) -> u8 {
        u8::from(self.is_draining) | u8::from(self.is_leaving) << 1 | u8::from(self.is_saving) << 2
    }

    /// The whole message of a rank that has nothing else to tell.
    pub(crate) fn encode(self) -> [u8; 1] {
        [self.byte()]
    }

    /// What any of the ranks with such messages was asked for.
    pub(crate) fn of_all(messages: &[Vec<u8>]) -> Self {
        let mut wishes = Self::default();
        messages
            .iter()
            .flatten()
            .for_each(|byte| wishes.join(*byte));
        wishes
    }

    fn join(&mut self, byte: u8) {
        self.is_draining |= byte & 1 != 0;
        self.is_leaving |= byte & 2 != 0;
        self.is_saving |= byte & 4 != 0;
    }
}

/// One slot's part of a rank's message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlotShare {
    pub(crate) figures: SlotFigures,
    /// `[slot size, embedding]`, row-major.
    pub(crate) pet: Vec<f32>,
    /// Likewise.
    pub(crate) text: Vec<f32>,
    /// A number a sample, equal for equal sentences.
    pub(crate) sentences: Vec<u64>,
    /// Each sample's position in the endless order, and the case that was loaded there.
    pub(crate) samples: Vec<(u64, u32)>,
}

/// All slots of the global batch in slot order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gathered {
    /// What any rank was asked for.
    pub(crate) wishes: Wishes,
    /// Summed in slot order.
    pub(crate) figures: SlotFigures,
    /// `[batch, embedding]`, row-major.
    pub(crate) pet: Vec<f32>,
    /// Likewise.
    pub(crate) text: Vec<f32>,
    sentences: Vec<u64>,
    /// What was trained on.
    pub(crate) trained: pb::Trained,
    /// Each rank's sum of the parameters that it computed with.
    pub(crate) bit_sums: Vec<u64>,
    /// Slots with a figure or an embedding that is not finite.
    pub(crate) bad_slots: Vec<usize>,
    slots: usize,
}

impl Gathered {
    /// A group number a sample: samples of one sentence share it.
    pub(crate) fn sentence_groups(&self) -> Vec<u32> {
        let first = |sentence: &u64| {
            self.sentences
                .iter()
                .position(|other| other == sentence)
                .unwrap_or(0)
        };
        self.sentences
            .iter()
            .map(|sentence| u32::try_from(first(sentence)).unwrap_or(u32::MAX))
            .collect()
    }
}

/// Writes a rank's message.
pub(crate) fn encode(wishes: Wishes, bit_sum: u64, shares: &[SlotShare]) -> Vec<u8> {
    let mut bytes = vec![wishes.byte()];
    bytes.extend(bit_sum.to_le_bytes());
    for share in shares {
        bytes.extend(
            figures(&share.figures)
                .iter()
                .flat_map(|number| number.to_le_bytes()),
        );
        bytes.extend(
            share
                .pet
                .iter()
                .chain(&share.text)
                .flat_map(|value| value.to_le_bytes()),
        );
        let positions = share.samples.iter().map(|(position, _)| *position);
        let cases = share.samples.iter().map(|(_, case)| u64::from(*case));
        let numbers = share.sentences.iter().copied();
        let numbers = numbers.chain(positions).chain(cases);
        bytes.extend(numbers.flat_map(u64::to_le_bytes));
    }
    bytes
}

/// Reads all ranks' messages; `slots` says how many slots each rank has.
///
/// # Errors
/// `Exchange` for a message that is not exactly as long as its slots.
pub(crate) fn decode(
    messages: &[Vec<u8>],
    slots: &[usize],
    slot_size: usize,
    embedding: usize,
) -> Result<Gathered, WorkerError> {
    let share_bytes = 2 * FIGURES * 8 + 2 * slot_size * embedding * 4 + NUMBERS * slot_size * 8;
    let mut gathered = Gathered::default();
    for (rank, (message, slots)) in messages.iter().zip(slots).enumerate() {
        let expected = 9 + slots * share_bytes;
        let head = message
            .split_first_chunk()
            .filter(|_| message.len() == expected);
        let Some(([wishes, bit_sum @ ..], shares)): Option<(&[u8; 9], &[u8])> = head else {
            return Err(WorkerError::Exchange {
                rank,
                found: message.len(),
                expected,
            });
        };
        gathered.wishes.join(*wishes);
        gathered.bit_sums.push(u64::from_le_bytes(*bit_sum));
        shares
            .chunks_exact(share_bytes)
            .for_each(|share| gathered.add(share, slot_size, embedding));
    }
    Ok(gathered)
}

impl Gathered {
    fn add(&mut self, share: &[u8], slot_size: usize, embedding: usize) {
        let values = slot_size * embedding;
        let (figures, rest) = share.split_at(2 * FIGURES * 8);
        let (pet, rest) = rest.split_at(values * 4);
        let (text, rest) = rest.split_at(values * 4);
        let (sentences, samples) = rest.split_at(slot_size * 8);
        let (positions, cases) = samples.split_at(slot_size * 8);
        let figures = slot_figures(&words(figures));
        let (first, figures_are) = (self.pet.len(), figures.reconstruction().is_finite());
        self.figures += figures;
        self.pet.extend(floats(pet));
        self.text.extend(floats(text));
        let embeddings = [&self.pet, &self.text].map(|all| &all[first..]);
        if !(figures_are && embeddings.into_iter().flatten().all(|v| v.is_finite())) {
            self.bad_slots.push(self.slots);
        }
        self.slots += 1;
        self.sentences.extend(words(sentences));
        self.trained.positions.extend(words(positions));
        // Cases are numbered by u32; what does not fit was never sent.
        let case = |number| u32::try_from(number).unwrap_or(u32::MAX);
        self.trained
            .cases
            .extend(words(cases).into_iter().map(case));
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
        .collect()
}

fn figures(figures: &SlotFigures) -> [u64; 2 * FIGURES] {
    let of = |f: &ModalityFigures| {
        [
            f.squared_error.to_bits(),
            f.samples,
            f.target_sum.to_bits(),
            f.target_squares.to_bits(),
            f.targets,
        ]
    };
    let [pet, ct] = [of(&figures.pet), of(&figures.ct)];
    std::array::from_fn(|i| if i < FIGURES { pet[i] } else { ct[i - FIGURES] })
}

fn slot_figures(words: &[u64]) -> SlotFigures {
    let of = |words: &[u64]| ModalityFigures {
        squared_error: f64::from_bits(words[0]),
        samples: words[1],
        target_sum: f64::from_bits(words[2]),
        target_squares: f64::from_bits(words[3]),
        targets: words[4],
    };
    SlotFigures {
        pet: of(&words[..FIGURES]),
        ct: of(&words[FIGURES..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(number: u64) -> SlotShare {
        let modality = |samples| ModalityFigures {
            squared_error: number as f64 + 0.5,
            samples,
            target_sum: -1.25,
            target_squares: 3.0,
            targets: 100 + number,
        };
        SlotShare {
            figures: SlotFigures {
                pet: modality(1),
                ct: modality(1),
            },
            pet: vec![number as f32, 1.0, 2.0, 3.0],
            text: vec![-1.0, number as f32, 0.0, f32::MIN_POSITIVE],
            sentences: vec![number % 2, 9],
            samples: vec![(2 * number, 7), (2 * number + 1, number as u32)],
        }
    }

    fn gather(bounds: &[u64]) -> Gathered {
        let runs: Vec<_> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let message = |run: &std::ops::Range<u64>| {
            let wishes = Wishes {
                is_draining: run.start == 2,
                is_leaving: run.start == 1,
                is_saving: run.start == 3,
            };
            encode(wishes, 7, &run.clone().map(share).collect::<Vec<_>>())
        };
        let slots: Vec<_> = runs
            .iter()
            .map(|run| (run.end - run.start) as usize)
            .collect();
        let messages: Vec<_> = runs.iter().map(message).collect();
        decode(&messages, &slots, 2, 2).unwrap()
    }

    #[test]
    fn the_global_batch_is_the_same_however_slots_are_dealt() {
        let whole = gather(&[0, 4]);
        for bounds in [&[0, 3, 4], &[0, 0, 4]] {
            let mut dealt = gather(bounds);
            assert_eq!(dealt.bit_sums, [7, 7]);
            dealt.bit_sums = vec![7];
            dealt.wishes = whole.wishes;
            assert_eq!(dealt, whole);
        }
        assert_eq!(whole.pet.len(), 16);
        assert_eq!(whole.figures.pet.samples, 4);
        assert_eq!(whole.trained.positions, (0..8).collect::<Vec<_>>());
        assert_eq!(whole.trained.cases, [7, 0, 7, 1, 7, 2, 7, 3]);
    }

    #[test]
    fn a_slot_that_two_ranks_trained_on_is_recorded_twice_and_one_that_nobody_did_not_at_all() {
        let message = |slots: [u64; 2]| encode(Wishes::default(), 0, &slots.map(share));
        let gathered = decode(&[message([0, 1]), message([1, 3])], &[2, 2], 2, 2).unwrap();
        assert_eq!(gathered.trained.positions, [0, 1, 2, 3, 2, 3, 6, 7]);
    }

    #[test]
    fn what_one_rank_is_asked_for_all_do() {
        let wishes = |is_draining, is_leaving, is_saving| Wishes {
            is_draining,
            is_leaving,
            is_saving,
        };
        assert_eq!(gather(&[0, 4]).wishes, wishes(false, false, false));
        assert_eq!(gather(&[0, 2, 4]).wishes, wishes(true, false, false));
        assert_eq!(gather(&[0, 3, 4]).wishes, wishes(false, false, true));
        assert_eq!(gather(&[0, 1, 2, 3, 4]).wishes, wishes(true, true, true));
        let late = [wishes(false, false, false), wishes(true, false, true)];
        let messages = late.map(|wishes| wishes.encode().to_vec());
        assert_eq!(Wishes::of_all(&messages), wishes(true, false, true));
        assert_eq!(Wishes::of_all(&messages[..1]), wishes(false, false, false));
    }

    #[test]
    fn four_ranks_find_the_contrastive_loss_and_gradients_of_one_to_the_bit() {
        let contrast = |bounds: &[u64]| {
            let gathered = gather(bounds);
            let groups = gathered.sentence_groups();
            let contrast = fratmae_model::contrast(&gathered.pet, &gathered.text, 2.5, &groups);
            let contrast = contrast.unwrap();
            let gradients = contrast.pet_gradient.iter().chain(&contrast.text_gradient);
            let bits: Vec<u32> = gradients.map(|slope| slope.to_bits()).collect();
            let scale = contrast.logit_scale_gradient.to_bits();
            (contrast.loss.to_bits(), scale, bits)
        };
        let one = contrast(&[0, 4]);
        assert!(f64::from_bits(one.0) > 0.0 && one.2.iter().any(|bits| *bits != 0));
        for ranks in [&[0, 1, 2, 3, 4][..], &[0, 2, 4], &[0, 3, 3, 4]] {
            assert!(contrast(ranks) == one, "{ranks:?}");
        }
    }

    #[test]
    fn a_slot_with_a_number_that_is_not_finite_is_known_by_its_place() {
        let mut shares: Vec<_> = (0..3).map(share).collect();
        shares[1].text[3] = f32::NAN;
        shares[2].figures.ct.squared_error = f64::INFINITY;
        let messages = [
            encode(Wishes::default(), 0, &shares[..1]),
            encode(Wishes::default(), 0, &shares[1..]),
        ];
        let gathered = decode(&messages, &[1, 2], 2, 2).unwrap();
        assert_eq!(gathered.bad_slots, [1, 2]);
    }

    #[test]
    fn equal_sentences_share_a_group() {
        assert_eq!(gather(&[0, 3]).sentence_groups(), [0, 1, 2, 1, 0, 1]);
    }

    #[test]
    fn a_message_of_the_wrong_length_names_its_rank() {
        let good = encode(Wishes::default(), 0, &[share(0)]);
        let mut short = good.clone();
        short.pop();
        for bad in [short, Vec::new()] {
            let error = decode(&[good.clone(), bad], &[1, 1], 2, 2).unwrap_err();
            assert!(
                matches!(error, WorkerError::Exchange { rank: 1, .. }),
                "{error}"
            );
        }
    }
}
