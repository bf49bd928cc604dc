//! What `control` costs with many workers: a whole life of a run, chapter by chapter.

use crate::life::Life;
use std::time::Instant;

/// Steps in the life that is measured.
const STEPS: u64 = 30;

/// A part of a life.
type Chapter = (&'static str, fn(&mut Life));

/// One worker of so many stands by, or goes.
const ONE_IN: usize = 10;

const CHAPTERS: [Chapter; 8] = [
    ("gather", Life::gather),
    ("train", |life| {
        for _ in 0..10 {
            life.train();
            life.commit();
        }
    }),
    ("lose and take in one", |life| {
        life.lose_one();
        life.take_in(1);
    }),
    ("accuse one", |life| {
        life.accuse_last();
        life.take_in(1);
    }),
    ("let a tenth go", |life| {
        life.let_go(life.workers.len() / ONE_IN)
    }),
    ("take a tenth in", |life| {
        life.take_in(life.workers.len() / ONE_IN)
    }),
    ("another coordinator", Life::take_over),
    ("finish", Life::finish),
];

/// What a life with so many workers took.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Workers in the group.
    pub workers: u32,
    pub events: u64,
    pub commands: u64,
    pub seconds: f64,
    /// Growth of this process's resident memory, in KiB; nothing where the system does not say.
    pub memory_kib: Option<u64>,
    /// Nanoseconds an event, by chapter.
    pub chapters: Vec<(&'static str, f64)>,
}

/// Registers so many workers, trains, commits, loses some, takes some in, is taken over, and finishes.
#[must_use]
pub fn measure(workers: u32) -> Scale {
    let before = resident_kib();
    let mut life = Life::new(workers, STEPS);
    let mut seconds = 0.0;
    let mut chapters = Vec::new();
    for (name, live) in CHAPTERS {
        let (events, started) = (life.events, Instant::now());
        live(&mut life);
        let took = started.elapsed().as_secs_f64();
        seconds += took;
        chapters.push((name, took * 1e9 / (life.events - events) as f64));
    }
    Scale {
        workers,
        events: life.events,
        commands: life.commands,
        seconds,
        memory_kib: before
            .zip(resident_kib())
            .map(|(before, after)| after.saturating_sub(before)),
        chapters,
    }
}

pub(crate) fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_control::{Generation, RunPhase};

    #[test]
    fn the_life_that_is_measured_goes_as_it_should() {
        let mut life = Life::new(20, STEPS);
        let generations = CHAPTERS.map(|(_, live)| {
            live(&mut life);
            (life.cluster.group_names().len(), life.generation)
        });
        let expected = [
            (20, 1),
            (20, 1),
            (20, 3),
            (20, 6),
            (18, 8),
            (19, 9),
            (19, 9),
            (19, 9),
        ];
        let expected = expected.map(|(members, number)| (members, Generation::new(number)));
        assert_eq!(generations, expected);
        assert_eq!(life.cluster.phase(), RunPhase::Ended);
    }
}
