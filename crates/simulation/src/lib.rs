//! Whole runs of `control` in a simulated world, each from one seed.
//!
//! Workers, network, store and coordinators are simulated; what decides is the real [`fratmae_control::Cluster`].
//! A run has a time of faults and then a time of healing, after which it must finish. Laws watch everything that
//! happens; each law is proved by a [`Mutation`] of what `control` sees or says, which it must catch.

mod agenda;
mod clock;
mod coordinator;
mod group;
mod jitter;
mod laws;
mod life;
mod market;
mod mutation;
mod observation;
mod random;
mod retention;
mod scale;
mod store;
mod worker;
mod world;

pub use jitter::{Illness, jittered};
pub use market::{ASSUMED, Season, season};
pub use mutation::Mutation;
pub use scale::{Scale, measure};
pub use world::{Report, narrate, simulate};

#[cfg(test)]
mod tests;
