//! What the tests of every place begin from.

use fratmae_config::Config;

use crate::{Spec, SpecError, Target};

/// What a job with these settings asks of a place; a later setting holds.
pub(crate) fn spec_of(target: Target, base: &[&str], sets: &[&str]) -> Result<Spec, SpecError> {
    let sets = base.iter().chain(sets).map(|set| (*set).to_owned());
    let config = Config::load(None, &sets.collect::<Vec<_>>()).unwrap();
    Spec::of(&config, target, 3000)
}
