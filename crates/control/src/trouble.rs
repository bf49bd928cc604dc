//! What has gone wrong since the last applied step; a step shows that it is over.

use crate::event::Departure;
use crate::ids::{Generation, WorkerId};
use crate::membership::Membership;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What has gone wrong since the last applied step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trouble {
    /// Generations that broke without a step.
    pub(crate) without_step: u32,
    /// Members that were found unfit.
    pub(crate) n_unfit: usize,
    /// How many damaged samples each member has told of.
    pub(crate) n_skipped: BTreeMap<WorkerId, u32>,
    /// Who could not reach whom, and in which generation.
    pub(crate) broken_links: BTreeSet<(WorkerId, WorkerId, Generation)>,
}

impl Trouble {
    /// The member with the most links broken in this generation, then before it: who was away then may be back. Of equals
    /// the one without the newest state, then the youngest. Nobody unless this generation and one before it broke at a link between members.
    pub(crate) fn suspect(
        &self,
        generation: Generation,
        membership: &Membership,
    ) -> Option<(WorkerId, Departure)> {
        let is_member = |id| membership.seated(id).is_some();
        let is_between = |&(a, b, _): &_| a != b && is_member(a) && is_member(b);
        let links: Vec<_> = self
            .broken_links
            .iter()
            .copied()
            .filter(is_between)
            .collect();
        if !links.iter().any(|(_, _, of)| *of < generation) {
            return None;
        }
        let mut severed: BTreeMap<WorkerId, [BTreeSet<WorkerId>; 2]> = BTreeMap::new();
        for &(accuser, accused, of) in &links {
            for (one, other) in [(accuser, accused), (accused, accuser)] {
                let [now, ever] = severed.entry(one).or_default();
                ever.insert(other);
                if of == generation {
                    now.insert(other);
                }
            }
        }
        let is_severed_now = |(_, [now, _]): &(_, &[BTreeSet<WorkerId>; 2])| !now.is_empty();
        let weighed = severed.iter().filter(is_severed_now);
        let weighed = weighed.filter_map(|(id, [now, ever])| {
            let (rank, member) = membership.seated(*id)?;
            let weight = (now.len(), ever.len(), Reverse(member.held), rank);
            Some((weight, *id))
        });
        let (_, suspect) = weighed.max()?;
        let name = |id| membership.member(id).map(|member| &member.name);
        let pairs: BTreeSet<_> = links.iter().map(|(a, b, _)| (*a, *b)).collect();
        let of_it = pairs
            .into_iter()
            .filter(|(accuser, accused)| [accuser, accused].contains(&&suspect));
        let statement = |(accuser, accused)| {
            Some(format!(
                "{} does not reach {}",
                name(accuser)?,
                name(accused)?
            ))
        };
        let statements = of_it.filter_map(statement).collect();
        Some((suspect, Departure::Unreachable { statements }))
    }

    /// Forgets what a member that goes said, and what was said of it.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.broken_links
            .retain(|&(accuser, accused, _)| accuser != worker && accused != worker);
    }
}
