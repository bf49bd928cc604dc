//! A verdict on one worker, with all that is known of where it was. Who is to blame is decided in `handle`.

use crate::cluster::Cluster;
use crate::command::Parting;
use crate::event::Departure;
use crate::ids::{Generation, Rank, Step, WorkerId};
use crate::progress::{Call, Phase};
use std::fmt;

/// Who is at fault, where it was in its work, why, and what that rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub worker: String,
    /// Where its peers reach it, without the port.
    pub host: String,
    /// Its rank; none if it stood by.
    pub rank: Option<Rank>,
    /// The generation at that time.
    pub generation: Generation,
    /// The generation and step that it was last heard to work on; none if it was not heard to work.
    pub heard_at: Option<(Generation, Step)>,
    /// What it was last heard to do.
    pub phase: Phase,
    /// The last collective call that it was heard to begin.
    pub call: Option<Call>,
    /// What is wrong with it.
    pub reason: String,
    /// What that rests on, where it does not speak for itself.
    pub evidence: Vec<String>,
    /// What its end means for whoever started it; none if it goes on.
    pub parting: Option<Parting>,
}

impl Cluster {
    /// The verdict on a registered worker that departs.
    pub(crate) fn verdict_on(&self, worker: WorkerId, departure: &Departure) -> Option<Verdict> {
        Some(Verdict {
            evidence: departure.evidence(),
            parting: Some(departure.parting()),
            ..self.finding_on(worker, departure.reason())?
        })
    }

    /// A verdict on a registered worker that goes on.
    pub(crate) fn finding_on(&self, worker: WorkerId, reason: String) -> Option<Verdict> {
        let member = self.membership.member(worker)?;
        let rank = self.membership.rank_of(worker);
        let heard = member.progress.as_ref().map(|(_, progress)| progress);
        let host = member.address.rsplit_once(':');
        Some(Verdict {
            worker: member.name.clone(),
            host: host
                .map_or(member.address.as_str(), |(host, _)| host)
                .to_owned(),
            rank: rank
                .and_then(|rank| u32::try_from(rank).ok())
                .map(Rank::new),
            generation: self.lineage.generation,
            heard_at: heard.map(|progress| (progress.generation, progress.step)),
            phase: heard.map_or(Phase::Idle, |progress| progress.phase),
            call: heard.and_then(|progress| progress.call.clone()),
            reason,
            evidence: Vec::new(),
            parting: None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.worker)?;
        match self.rank {
            Some(rank) => write!(f, " (rank {rank} of generation {})", self.generation)?,
            None => f.write_str(" (standing by)")?,
        }
        write!(f, ": {}", self.reason)?;
        for line in &self.evidence {
            write!(f, "; {line}")?;
        }
        if let Some((generation, step)) = self.heard_at {
            let (phase, host) = (self.phase.name(), &self.host);
            write!(f, "; last heard in {phase} of step {step} on {host}")?;
            if generation != self.generation {
                write!(f, " in generation {generation}")?;
            }
        }
        match &self.call {
            Some(Call {
                operation,
                sequence,
            }) => write!(f, ", its last collective {operation} {sequence}"),
            None => Ok(()),
        }
    }
}
