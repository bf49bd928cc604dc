//! The figures of steps that no checkpoint covers yet go along with the state: whoever has a state in memory has the
//! figures of how it came about, so the history lives as long as the weights.

use crate::error::WorkerError;
use crate::outbox::Outbox;
use fratmae_collective::ProcessGroup;
use fratmae_control::{Assignment, Source};
use fratmae_protocol::{ProtocolError, pb};
use fratmae_trainer::TrainError;
use std::ops::RangeInclusive;

type Runs = Vec<RangeInclusive<u64>>;

/// Gives every rank the figures of all steps from the newest checkpoint to the step that the generation begins with,
/// as far as any rank has them.
///
/// # Errors
/// The group's; `Exchange` for a message that is none.
pub(crate) fn share_figures(
    outbox: &Outbox,
    assignment: &Assignment,
    group: &mut dyn ProcessGroup,
) -> Result<(), WorkerError> {
    let Source::Peers { step } = assignment.source else {
        // A checkpoint's figures are on the store.
        return Ok(());
    };
    let (after, until) = (assignment.committed.get(), step.get());
    let mine = encode(&outbox.runs_of_figures(after, until));
    let messages = group.all_gather(&mine)?;
    let held = messages.iter().enumerate().map(decode);
    let held: Vec<Runs> = held.collect::<Result<_, _>>()?;
    let rank = group.rank();
    if held.iter().all(|runs| *runs == held[rank]) {
        return Ok(());
    }
    let mut figures = outbox.figures_between(after, until);
    figures.retain(|one| teller(&held, one.step) == Some(rank));
    let mine = pb::Recalled {
        generation: assignment.generation.get(),
        steps: figures,
    };
    for (rank, message) in group.all_gather(&mine.to_bytes())?.iter().enumerate() {
        let unread = |error: ProtocolError| TrainError::Exchange {
            rank,
            reason: error.to_string(),
        };
        let mut steps = pb::Recalled::from_bytes(message).map_err(unread)?.steps;
        steps.retain(|one| after < one.step && one.step <= until);
        outbox.fill_figures(steps);
    }
    Ok(())
}

/// The first rank that has a step, if others lack it.
fn teller(held: &[Runs], step: u64) -> Option<usize> {
    let has = |runs: &Runs| runs.iter().any(|run| run.contains(&step));
    match held.iter().all(has) {
        true => None,
        false => held.iter().position(has),
    }
}

/// First and last step of each run, little-endian.
fn encode(runs: &[RangeInclusive<u64>]) -> Vec<u8> {
    let ends = runs.iter().flat_map(|run| [*run.start(), *run.end()]);
    ends.flat_map(u64::to_le_bytes).collect()
}

fn decode((rank, message): (usize, &Vec<u8>)) -> Result<Runs, WorkerError> {
    const RUN: usize = 16;
    let (runs, rest) = message.as_chunks::<RUN>();
    if !rest.is_empty() {
        let reason = format!("{} bytes of steps", message.len());
        return Err(TrainError::Exchange { rank, reason }.into());
    }
    let run = |run: &[u8; RUN]| {
        let (ends, _) = run.as_chunks();
        u64::from_le_bytes(ends[0])..=u64::from_le_bytes(ends[1])
    };
    Ok(runs.iter().map(run).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_who_has_a_step_tells_it_unless_all_have_it() {
        let held = [vec![4..=9], vec![1..=2, 5..=9], vec![1..=9]];
        let tellers: Vec<_> = (1..=9).map(|step| teller(&held, step)).collect();
        let (second, third) = (Some(1), Some(2));
        let expected = [second, second, third, Some(0), None, None, None, None, None];
        assert_eq!(tellers, expected);
        assert_eq!(teller(&held, 10), None);
    }

    #[test]
    fn runs_come_back_and_half_a_run_names_its_rank() {
        let runs = vec![1..=3, 7..=7];
        let bytes = encode(&runs);
        assert_eq!(decode((0, &bytes)).unwrap(), runs);
        assert!(decode((0, &Vec::new())).unwrap().is_empty());
        let error = decode((2, &bytes[..20].to_vec())).unwrap_err();
        assert!(error.to_string().contains("rank 2 sent"), "{error}");
    }
}
