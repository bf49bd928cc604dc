//! Copies a state from the memory of ranks that hold it to those that are behind; every copy is verified.

use crate::digest::state_digest;
use crate::error::TrainError;
use checkpoint::State;
use collective::ProcessGroup;

/// Moves the values of `holders`, which are ranks, to all others, then compares everybody's digest of the whole state with
/// the first holder's. `call` hears of each call to the group.
///
/// # Errors
/// The group's; `CopyDiffers` for a bad copy, `Diverged` for holders that differ.
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
    compare(&digests, holders, state.step.get())
}

fn compare(digests: &[Vec<u8>], holders: &[usize], step: u64) -> Result<(), TrainError> {
    let Some(&holder) = holders.first() else {
        return Ok(());
    };
    let differs = |rank: &usize| digests.get(*rank) != digests.get(holder);
    if let Some(&rank) = holders.iter().find(|rank| differs(rank)) {
        return Err(TrainError::Diverged { rank, holder, step });
    }
    match (0..digests.len()).find(differs) {
        Some(rank) => Err(TrainError::CopyDiffers { rank, holder, step }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_copy_and_holders_that_differ_are_told_apart() {
        let digests = [b"a".to_vec(), b"a".to_vec(), b"b".to_vec()];
        assert!(compare(&digests[..2], &[0], 5).is_ok());
        let copy = compare(&digests, &[0, 1], 5);
        assert!(matches!(
            copy,
            Err(TrainError::CopyDiffers {
                rank: 2,
                holder: 0,
                ..
            })
        ));
        let holder = compare(&digests, &[1, 2], 5);
        assert!(matches!(
            holder,
            Err(TrainError::Diverged {
                rank: 2,
                holder: 1,
                ..
            })
        ));
    }
}
