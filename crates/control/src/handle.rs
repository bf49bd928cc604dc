//! One rule a file: what each event does to the cluster.

mod accusation;
mod checkpoint;
mod damage;
mod failure;
mod finish;
mod generation;
mod host_probe;
mod join;
mod leave;
mod save;
mod stall;
mod takeover;
mod tick;

#[cfg(test)]
mod tests;
