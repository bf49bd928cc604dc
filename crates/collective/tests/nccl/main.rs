//! The group over NCCL, between real processes and with the stand-in library in NCCL's and the driver's place.
//!
//! What a rank does is `rank.rs`, what a test tells it is `world.rs`.

#[cfg(test)]
mod failures;
#[cfg(test)]
mod libraries;
#[cfg(test)]
mod rank;
#[cfg(test)]
mod results;
#[cfg(test)]
mod world;
