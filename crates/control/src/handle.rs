//! One rule a file: what each event does to the cluster.

mod accusation;
mod checkpoint;
mod damage;
mod failure;
mod finish;
mod generation;
mod join;
mod knock;
mod leave;
mod returning;
mod save;
mod stall;
mod tick;
mod unfit;

#[cfg(test)]
mod tests;
