//! What a checkpoint holds: the parameters and the optimizer's moments, as flat vectors cut into named tensors.
//! Owns the names of tensors in files; the vectors are the trainer's.

use std::ops::Range;

use fratmae_control::Step;

/// A parameter's place in the flat vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The parameter's name in the model.
    pub name: String,
    /// Its shape, row-major; empty for a scalar.
    pub shape: Vec<usize>,
    /// The index of its first element.
    pub offset: usize,
}

impl TensorSpec {
    /// The elements of the flat vector that are this tensor's; none if the numbers overflow.
    pub(crate) fn range(&self) -> Option<Range<usize>> {
        let mut sides = self.shape.iter();
        let count = sides.try_fold(1_usize, |count, side| count.checked_mul(*side))?;
        Some(self.offset..self.offset.checked_add(count)?)
    }
}

/// The whole state of training after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The last step applied.
    pub step: Step,
    pub parameters: Vec<f32>,
    /// The optimizer's running mean of gradients, parallel to the parameters.
    pub first_moment: Vec<f32>,
    /// The optimizer's running mean of squared gradients, parallel to the parameters.
    pub second_moment: Vec<f32>,
}

impl State {
    pub(crate) fn vector_mut(&mut self, role: Role) -> &mut [f32] {
        match role {
            Role::Parameters => &mut self.parameters,
            Role::FirstMoment => &mut self.first_moment,
            Role::SecondMoment => &mut self.second_moment,
        }
    }

    /// A state of zeros with room for `tensors`; none if their numbers overflow.
    pub(crate) fn zeros(step: Step, tensors: &[TensorSpec]) -> Option<Self> {
        let length = tensors.iter().try_fold(0, |longest: usize, tensor| {
            Some(longest.max(tensor.range()?.end))
        })?;
        Some(Self {
            step,
            parameters: vec![0.0; length],
            first_moment: vec![0.0; length],
            second_moment: vec![0.0; length],
        })
    }
}

/// Which of the three vectors a tensor in a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The parameters themselves.
    Parameters,
    /// AdamW's first moment.
    FirstMoment,
    /// AdamW's second moment.
    SecondMoment,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Parameters, Self::FirstMoment, Self::SecondMoment];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Parameters => "model.",
            Self::FirstMoment => "adamw.first_moment.",
            Self::SecondMoment => "adamw.second_moment.",
        }
    }

    /// The name of a parameter's tensor in a part.
    #[must_use]
    pub fn tensor_name(self, parameter: &str) -> String {
        format!("{}{parameter}", self.prefix())
    }

    /// Takes a tensor's name in a part apart.
    pub(crate) fn split(tensor: &str) -> Option<(Self, &str)> {
        Self::ALL
            .into_iter()
            .find_map(|role| Some((role, tensor.strip_prefix(role.prefix())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_back() {
        for role in Role::ALL {
            assert_eq!(Role::split(&role.tensor_name("a.b")), Some((role, "a.b")));
        }
        assert_eq!(Role::split("other.a"), None);
    }

    #[test]
    fn scalar_has_one_element_and_overflow_has_none() {
        let tensor = |shape: &[usize], offset| TensorSpec {
            name: "x".to_owned(),
            shape: shape.to_vec(),
            offset,
        };
        assert_eq!(tensor(&[], 5).range(), Some(5..6));
        assert_eq!(tensor(&[2, 3], 1).range(), Some(1..7));
        assert_eq!(tensor(&[usize::MAX, 2], 0).range(), None);
        assert_eq!(tensor(&[2], usize::MAX).range(), None);
        assert_eq!(
            State::zeros(Step::new(0), &[tensor(&[usize::MAX, 2], 0)]),
            None
        );
    }
}
