//! How a state is cut into parts: by size, in one order, whatever the number of ranks.
//! Owns the cut; who writes which part is the trainer's.

use crate::state::{Role, TensorSpec};

/// The tensors of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPlan {
    /// The part's number, from 0.
    pub index: u32,
    /// Its tensors: which vector, which place in it.
    pub tensors: Vec<(Role, TensorSpec)>,
}

impl PartPlan {
    /// The size of its tensors' values in bytes; as large as can be if that overflows.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sizes = self.tensors.iter().map(|(_, tensor)| bytes(tensor));
        sizes.fold(0, u64::saturating_add)
    }
}

/// Cuts the state of `tensors` into parts of at most `part_bytes` of tensor data.
///
/// A tensor is never cut: one that is larger than `part_bytes` gets a part of its own, however large. The cut is a
/// function of the arguments alone, so every rank finds the same one.
#[must_use]
pub fn plan_parts(tensors: &[TensorSpec], part_bytes: u64) -> Vec<PartPlan> {
    let mut parts: Vec<Vec<(Role, TensorSpec)>> = Vec::new();
    let mut filled = 0_u64;
    for role in Role::ALL {
        for tensor in tensors {
            let bytes = bytes(tensor);
            let fits = filled
                .checked_add(bytes)
                .is_some_and(|sum| sum <= part_bytes);
            match parts.last_mut().filter(|_| fits) {
                Some(part) => {
                    part.push((role, tensor.clone()));
                    filled += bytes;
                }
                None => {
                    parts.push(vec![(role, tensor.clone())]);
                    filled = bytes;
                }
            }
        }
    }
    (0..)
        .zip(parts)
        .map(|(index, tensors)| PartPlan { index, tensors })
        .collect()
}

/// A size that overflows can not be written anyway; it counts as larger than any part.
fn bytes(tensor: &TensorSpec) -> u64 {
    let elements = tensor.range().map(|range| range.len() as u64);
    elements
        .and_then(|count| count.checked_mul(size_of::<f32>() as u64))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(sizes: &[usize]) -> Vec<TensorSpec> {
        let mut offset = 0;
        let mut place = |(index, &size): (usize, &usize)| {
            let name = format!("t{index}");
            let tensor = TensorSpec {
                name,
                shape: vec![size],
                offset,
            };
            offset += size;
            tensor
        };
        sizes.iter().enumerate().map(&mut place).collect()
    }

    fn cut(sizes: &[usize], part_bytes: u64) -> Vec<Vec<String>> {
        let names = |part: PartPlan| {
            let names = part
                .tensors
                .iter()
                .map(|(role, tensor)| role.tensor_name(&tensor.name));
            names.collect()
        };
        plan_parts(&tensors(sizes), part_bytes)
            .into_iter()
            .map(names)
            .collect()
    }

    #[test]
    fn parts_are_filled_in_order_up_to_the_limit() {
        let parts = cut(&[2, 2, 3], 16);
        assert_eq!(parts[0], ["model.t0", "model.t1"]);
        assert_eq!(parts[1], ["model.t2"]);
        assert_eq!(parts[2], ["adamw.first_moment.t0", "adamw.first_moment.t1"]);
        assert_eq!(parts.len(), 6);
    }

    #[test]
    fn large_tensor_gets_a_part_of_its_own() {
        let parts = cut(&[1, 100, 1], 16);
        assert_eq!(parts[1], ["model.t1"]);
        assert_eq!(parts[2], ["model.t2", "adamw.first_moment.t0"]);
    }

    #[test]
    fn every_tensor_is_planned_once_for_any_limit() {
        let sizes = [5, 1, 0, 7, 2];
        for part_bytes in [0, 1, 4, 20, 1000, u64::MAX] {
            let mut names = cut(&sizes, part_bytes).concat();
            assert_eq!(names.len(), 3 * sizes.len());
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 3 * sizes.len(), "{part_bytes}");
        }
    }

    #[test]
    fn nothing_makes_no_part() {
        assert_eq!(plan_parts(&[], 16), []);
    }
}
