//! Which modality of each sample is masked and which of its tokens stay. It checks masks; the caller draws them.

use crate::error::ModelError;

/// One of the two images of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// The PET image, in SUV.
    Pet,
    /// The CT image, in HU.
    Ct,
}

impl Modality {
    /// The other image of the same case.
    pub const fn other(self) -> Self {
        match self {
            Self::Pet => Self::Ct,
            Self::Ct => Self::Pet,
        }
    }
}

/// The masks of a slot: every sample hides part of one modality and shows the other whole (paper, section 2.1), or hides
/// part of both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Masks {
    /// The masked modality of each sample.
    pub modality: Vec<Modality>,
    /// The tokens of the masked modality that stay visible, in the order in which they are fed; one number of them in a slot.
    pub keep: Vec<Vec<u32>>,
    /// The same of each sample's other modality where both are masked; empty where the other one is whole.
    pub keep_other: Vec<Vec<u32>>,
}

impl Masks {
    /// Keeps the first tokens of each permutation, as many as the ratio leaves.
    pub fn from_permutations(
        modality: Vec<Modality>,
        permutations: &[Vec<u32>],
        mask_ratio: f64,
    ) -> Self {
        let keep = permutations
            .iter()
            .map(|order| order[..n_kept(order.len(), mask_ratio)].to_vec())
            .collect();
        Self {
            modality,
            keep,
            keep_other: Vec::new(),
        }
    }

    /// Whether both modalities of each sample are masked.
    pub(crate) fn is_symmetric(&self) -> bool {
        !self.keep_other.is_empty()
    }

    /// The places in the slot whose masked modality is this one, ascending.
    pub(crate) fn samples_of(&self, modality: Modality) -> Vec<usize> {
        (0..self.modality.len())
            .filter(|&sample| self.modality[sample] == modality)
            .collect()
    }

    /// Refuses masks that do not fit stacks of `n_tokens` tokens.
    pub(crate) fn check(&self, n_tokens: usize) -> Result<(), ModelError> {
        check_keep(&self.keep, n_tokens)?;
        match self.is_symmetric() {
            true => check_keep(&self.keep_other, n_tokens),
            false => Ok(()),
        }
    }
}

/// The tokens that are not kept, ascending.
pub(crate) fn hidden(keep: &[u32], n_tokens: usize) -> Vec<u32> {
    let kept = marks(keep, n_tokens);
    (0..n_tokens as u32)
        .filter(|&token| !kept[token as usize])
        .collect()
}

fn check_keep(keep: &[Vec<u32>], n_tokens: usize) -> Result<(), ModelError> {
    let expected = keep.first().map_or(0, Vec::len);
    if expected == 0 || expected >= n_tokens {
        return Err(ModelError::NothingToLearn {
            kept: expected,
            tokens: n_tokens,
        });
    }
    for (sample, keep) in keep.iter().enumerate() {
        let found = keep.len();
        if found != expected {
            return Err(ModelError::UnevenMasks {
                sample,
                found,
                expected,
            });
        }
        check_tokens(sample, keep, n_tokens)?;
    }
    Ok(())
}

/// The number of tokens that stay visible: all but the ratio, rounded, and at least one of either kind.
pub fn n_kept(n_tokens: usize, mask_ratio: f64) -> usize {
    let n_hidden = (n_tokens as f64 * mask_ratio).round() as usize;
    let most = n_tokens.saturating_sub(1).max(1);
    n_tokens.saturating_sub(n_hidden).clamp(1, most)
}

fn check_tokens(sample: usize, keep: &[u32], n_tokens: usize) -> Result<(), ModelError> {
    let mut seen = vec![false; n_tokens];
    for &token in keep {
        match seen.get_mut(token as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return Err(ModelError::BadToken {
                    sample,
                    token,
                    tokens: n_tokens,
                });
            }
        }
    }
    Ok(())
}

fn marks(tokens: &[u32], n_tokens: usize) -> Vec<bool> {
    let mut marks = vec![false; n_tokens];
    for &token in tokens {
        marks[token as usize] = true;
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(keep: Vec<Vec<u32>>) -> Masks {
        Masks {
            modality: vec![Modality::Pet; keep.len()],
            keep,
            ..Masks::default()
        }
    }

    #[test]
    fn half_of_240_is_120_and_a_tenth_is_24() {
        assert_eq!((n_kept(240, 0.5), n_kept(240, 0.9)), (120, 24));
        assert_eq!((n_kept(12, 0.0), n_kept(12, 1.0)), (11, 1));
    }

    #[test]
    fn permutations_become_masks_in_feed_order() {
        let masks = Masks::from_permutations(vec![Modality::Ct], &[vec![3, 0, 2, 1]], 0.5);
        assert_eq!(masks.keep, [[3, 0]]);
        assert_eq!(hidden(&masks.keep[0], 4), [1, 2]);
        assert_eq!(masks.check(4), Ok(()));
    }

    #[test]
    fn samples_are_grouped_by_masked_modality() {
        let modality = vec![Modality::Ct, Modality::Pet, Modality::Ct];
        let masks = Masks {
            modality,
            keep: vec![vec![0]; 3],
            ..Masks::default()
        };
        assert_eq!(masks.samples_of(Modality::Ct), [0, 2]);
        assert_eq!(masks.samples_of(Modality::Pet), [1]);
    }

    #[test]
    fn a_token_outside_or_twice_is_refused() {
        for (keep, token) in [(vec![0, 4], 4), (vec![1, 1], 1)] {
            let refused = masks(vec![vec![0, 1], keep]).check(4);
            let expected = ModelError::BadToken {
                sample: 1,
                token,
                tokens: 4,
            };
            assert_eq!(refused, Err(expected));
        }
    }

    #[test]
    fn masks_of_two_lengths_are_refused() {
        let refused = masks(vec![vec![0, 1], vec![0]]).check(4);
        assert!(matches!(
            refused,
            Err(ModelError::UnevenMasks { sample: 1, .. })
        ));
    }

    #[test]
    fn the_other_modalitys_mask_is_judged_by_itself() {
        let mut masks = masks(vec![vec![0, 1], vec![2, 3]]);
        masks.keep_other = vec![vec![0], vec![3]];
        assert_eq!(masks.check(4), Ok(()));
        masks.keep_other[1] = vec![4];
        let refused = masks.check(4);
        assert!(matches!(
            refused,
            Err(ModelError::BadToken { token: 4, .. })
        ));
    }

    #[test]
    fn a_mask_that_keeps_or_hides_nothing_is_refused() {
        for keep in [vec![], vec![0, 1, 2, 3]] {
            let refused = masks(vec![keep]).check(4);
            assert!(matches!(refused, Err(ModelError::NothingToLearn { .. })));
        }
    }
}
