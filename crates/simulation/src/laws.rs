//! The laws, one a file, and what watches over all of them.

mod bits;
mod committed_once;
mod durable_generations;
mod fence;
mod given_up;
mod healing;
mod kept_promises;
mod newest_state;
mod own_seats;
mod single_group;
mod sound_damage;
mod sound_verdicts;
mod whole_checkpoints;

use crate::observation::Observation;

/// A fact that holds whatever happens.
trait Law {
    /// The name by which a violation is reported.
    fn name(&self) -> &'static str;

    /// Takes a fact in; says what is wrong with it.
    fn observe(&mut self, fact: &Observation) -> Result<(), String>;
}

/// All laws, and the first violation.
pub(crate) struct Laws {
    laws: Vec<Box<dyn Law>>,
    pub(crate) violation: Option<String>,
}

impl Laws {
    /// The laws of a run whose global batches have `slots` slots.
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            laws: vec![
                Box::new(bits::Bits::new(slots)),
                Box::new(committed_once::CommittedOnce::default()),
                Box::new(durable_generations::DurableGenerations::default()),
                Box::new(fence::Fence::default()),
                Box::new(given_up::GivenUp::default()),
                Box::new(kept_promises::KeptPromises),
                Box::new(newest_state::NewestState),
                Box::new(own_seats::OwnSeats),
                Box::new(single_group::SingleGroup::default()),
                Box::new(sound_damage::SoundDamage),
                Box::new(sound_verdicts::SoundVerdicts),
                Box::new(whole_checkpoints::WholeCheckpoints),
                Box::new(healing::Healing),
            ],
            violation: None,
        }
    }

    pub(crate) fn observe(&mut self, fact: &Observation) {
        for law in &mut self.laws {
            if let Err(what) = law.observe(fact)
                && self.violation.is_none()
            {
                self.violation = Some(format!("{}: {what}", law.name()));
            }
        }
    }
}
