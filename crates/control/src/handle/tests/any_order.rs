//! Laws that hold whatever happens in whatever order: thousands of runs of random events, each from its seed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each law looks at the commands it is about"
)]

use super::*;
use crate::{Accusation, Phase, Progress};

/// A small generator, so that a failing run is told by its seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// An event that may or may not fit the state: any worker, a generation around the current one.
fn any_event(random: &mut Random, current: Generation) -> Event {
    let worker = WorkerId::new(1 + random.below(3));
    let generation = Generation::new((current.get() + random.below(3)).saturating_sub(1));
    let step = Step::new(1 + random.below(3));
    let reason = "any".to_owned();
    match random.below(20) {
        0..=3 => Event::Registered {
            worker,
            name: format!("w{worker}"),
            address: format!("host:{worker}"),
            past: Past::default(),
        },
        4..=5 => Event::GenerationRecorded { generation },
        6..=9 => Event::Prepared {
            worker,
            generation,
            held: [None, Some(step)][random.below(2) as usize],
        },
        10 => Event::Applied {
            worker,
            generation,
            step,
            is_recalled: random.below(2) == 0,
        },
        11..=12 => Event::PartsWritten {
            worker,
            generation,
            step,
            parts: Vec::new(),
        },
        13 => Event::CheckpointCommitted { generation, step },
        14 => Event::Finished {
            worker,
            generation,
            weights_digest: "d".to_owned(),
        },
        15 => Event::Drained {
            worker,
            generation,
            step,
        },
        16 => Event::GroupBroken {
            worker,
            generation,
            reason,
            accusation: [None, Some(Accusation::Unreachable(Rank::new(1)))]
                [random.below(2) as usize],
        },
        17 => Event::Departed {
            worker,
            departure: Departure::StreamClosed,
        },
        18 => Event::Heard { worker },
        _ => rare_event(random, worker, generation),
    }
}

/// What would end most runs early if it came as often as the rest.
fn rare_event(random: &mut Random, worker: WorkerId, generation: Generation) -> Event {
    let reason = "any".to_owned();
    match random.below(40) {
        0 => Event::LeaveRequested { worker },
        1 => Event::Unfit { worker, reason },
        2 => Event::Damaged {
            worker,
            generation,
            checkpoint: (generation, Step::new(1)),
            reason,
        },
        3 => Event::PassedOver {
            checkpoint: (generation, Step::new(1)),
            newest: Source::Initial,
        },
        4..=9 => Event::Beat {
            worker,
            progress: Progress {
                generation,
                lasts: Millis::new(random.below(2_000)),
                phase: Phase::ALL[random.below(Phase::ALL.len() as u64) as usize],
                ..Progress::default()
            },
        },
        10 => Event::ProbeFailed {
            worker,
            asked: Millis::new(random.below(2_000)),
        },
        _ => Event::Tick,
    }
}

/// One run of random events; gives every command in order.
fn commands_of(seed: u64) -> Vec<Command> {
    let mut random = Random(seed);
    let mut run = Run::gathering(2);
    let mut commands = Vec::new();
    for _ in 0..200 {
        let event = any_event(&mut random, run.cluster.generation());
        let now = run.now.get() + random.below(40);
        commands.extend(run.at(now, event));
    }
    commands
}

#[test]
fn generations_rise_one_by_one_and_nobody_begins_in_one_that_is_not_recorded() {
    for seed in 0..2_000 {
        let mut recorded = Generation::new(0);
        for command in commands_of(seed) {
            match command {
                Command::RecordGeneration {
                    generation,
                    members,
                } => {
                    assert_eq!(generation, recorded.next(), "seed {seed}");
                    assert!(!members.is_empty(), "seed {seed}");
                    recorded = generation;
                }
                Command::Prepare { generation, .. } => {
                    assert_eq!(generation, recorded, "seed {seed}")
                }
                Command::Begin { assignment, .. } => {
                    assert_eq!(assignment.generation, recorded, "seed {seed}");
                    let last = assignment.seats.last().map(|seat| seat.slots.end.get());
                    assert_eq!(last, Some(8), "seed {seed}: every slot has a seat");
                    assert!(
                        (assignment.rank.get() as usize) < assignment.seats.len(),
                        "seed {seed}"
                    );
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_run_ends_at_most_once_and_nothing_but_stops_follows() {
    for seed in 0..2_000 {
        let commands = commands_of(seed);
        let end = commands
            .iter()
            .position(|command| matches!(command, Command::End { .. }));
        let after = end.map_or(&[][..], |end| &commands[end + 1..]);
        let is_stop = |command: &Command| {
            matches!(
                command,
                Command::Stop {
                    parting: Parting::Finished | Parting::Left | Parting::Stopped,
                    ..
                }
            )
        };
        assert!(after.iter().all(is_stop), "seed {seed}: {after:?}");
    }
}

#[test]
fn a_checkpoint_is_asked_for_once_and_the_newest_never_falls_back() {
    let mut checkpoints = 0;
    for seed in 0..2_000 {
        let mut asked = std::collections::BTreeSet::new();
        let mut newest = Step::new(0);
        for command in commands_of(seed) {
            match command {
                Command::CommitCheckpoint { generation, step } => {
                    assert!(
                        asked.insert((generation, step)),
                        "seed {seed}: {generation} {step}"
                    );
                    checkpoints += 1;
                }
                Command::Begin { assignment, .. } => {
                    assert!(assignment.committed >= newest, "seed {seed}");
                    newest = assignment.committed;
                    assert!(assignment.source.step() >= newest, "seed {seed}");
                }
                _ => {}
            }
        }
    }
    assert!(
        checkpoints > 100,
        "only {checkpoints} checkpoints were asked for"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(commands_of(7), commands_of(7));
    assert_ne!(commands_of(7), commands_of(8));
}
