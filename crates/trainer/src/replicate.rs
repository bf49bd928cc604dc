//! Copies a state from the memory of ranks that hold it to those that are behind; every copy is verified.
//!
//! Where several ranks hold a state, their majority says which it is. One that is held by a single rank was compared with
//! its peers' in every step that led to it.

use crate::digest::state_digest;
use crate::error::TrainError;
use crate::integrity;
use checkpoint::State;
use collective::ProcessGroup;

/// Moves the values of `holders`, which are ranks, to all others, then compares everybody's digest of the whole state.
/// `call` hears of each call to the group.
///
/// # Errors
/// The group's; `Unlike` for a holder that differs from most, `NoMajority` where they differ otherwise, `CopyDiffers` for a
/// bad copy. Whatever was copied is of no use then.
pub fn replicate(
    state: &mut State,
    holders: &[usize],
    group: &mut dyn ProcessGroup,
    call: impl Fn(&'static str),
) -> Result<(), TrainError> {
    let values = vec![
        state.parameters.as_mut_slice(),
        state.first_moment.as_mut_slice(),
        state.second_moment.as_mut_slice(),
    ];
    call("replicate");
    group.replicate(holders, values)?;
    call("all_gather");
    let digests = group.all_gather(state_digest(state).as_bytes())?;
    compare(&digests, holders, group.rank(), state.step.get())
}

fn compare(
    digests: &[Vec<u8>],
    holders: &[usize],
    own_rank: usize,
    step: u64,
) -> Result<(), TrainError> {
    let held = holders.iter().map(|&rank| (rank, digests.get(rank)));
    let held: Vec<_> = held.collect();
    let Some(&(holder, original)) = held.first() else {
        return Ok(());
    };
    integrity::compare("weights and moments", &held, own_rank, step)?;
    match (0..digests.len()).find(|rank| digests.get(*rank) != original) {
        Some(rank) => Err(TrainError::CopyDiffers { rank, holder, step }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(digests: &[&str], holders: &[usize], own_rank: usize) -> Result<(), TrainError> {
        let digests: Vec<_> = digests.iter().map(|it| it.as_bytes().to_vec()).collect();
        compare(&digests, holders, own_rank, 5)
    }

    #[test]
    fn copies_of_what_the_holders_hold_are_good_and_others_are_named() {
        compared(&["a", "a"], &[0], 1).unwrap();
        compared(&["a", "a", "a"], &[1, 2], 0).unwrap();
        let copy = compared(&["a", "a", "b"], &[0, 1], 2).unwrap_err();
        let is_named = matches!(
            copy,
            TrainError::CopyDiffers {
                rank: 2,
                holder: 0,
                ..
            }
        );
        assert!(is_named, "{copy}");
        assert!(!copy.invalidates_state());
    }

    #[test]
    fn most_holders_decide_which_state_it_is_and_who_has_another_loses_it() {
        for own_rank in 0..4 {
            let error = compared(&["a", "b", "a", "c"], &[0, 1, 2], own_rank).unwrap_err();
            assert!(
                matches!(
                    error,
                    TrainError::Unlike {
                        rank: 1,
                        n_alike: 2,
                        ..
                    }
                ),
                "{error}"
            );
            assert_eq!(error.invalidates_state(), own_rank == 1, "rank {own_rank}");
        }
    }

    #[test]
    fn two_holders_that_differ_prove_nothing_and_nobody_copies_from_either() {
        for own_rank in 0..3 {
            let error = compared(&["a", "b", "b"], &[0, 1], own_rank).unwrap_err();
            assert!(matches!(error, TrainError::NoMajority { .. }), "{error}");
            assert!(error.invalidates_state());
        }
    }
}
