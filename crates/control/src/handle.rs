//! One rule a file: what each event does to the cluster.

mod accusation;
mod checkpoint;
mod failure;
mod finish;
mod generation;
mod join;
mod leave;
mod returning;
mod stall;
mod tick;

#[cfg(test)]
mod tests;
