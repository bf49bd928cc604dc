//! Who is blamed for what, and on what grounds.

use super::*;
use crate::{Accusation, Call, Lap, Phase, Progress, Verdict};

const THREE: WorkerId = WorkerId::new(3);

/// Three workers that train in generation 1 and all hold step 0.
fn three() -> Run {
    let mut run = Run::gathering(3);
    for worker in [ONE, TWO, THREE] {
        run.register(worker);
    }
    run.see(Event::GenerationRecorded { generation: FIRST });
    prepare(&mut run, FIRST);
    run
}

fn prepare(run: &mut Run, generation: Generation) -> Vec<Command> {
    let mut commands = Vec::new();
    for worker in [ONE, TWO, THREE] {
        let held = Some(Step::new(0));
        commands = run.see(Event::Prepared {
            worker,
            generation,
            held,
        });
    }
    commands
}

fn beat(worker: WorkerId, phase: Phase, lasts: u64, n_laps: u32) -> Event {
    let longest = Millis::new(10);
    let lap = |phase| Lap {
        phase,
        count: n_laps,
        longest,
    };
    let progress = Progress {
        generation: FIRST,
        step: Step::new(7),
        phase,
        lasts: Millis::new(lasts),
        still: Millis::new(lasts),
        pace: None,
        call: Some(Call {
            operation: "all_reduce".to_owned(),
            sequence: 12,
        }),
        laps: vec![lap(Phase::Forward)],
    };
    Event::Beat { worker, progress }
}

fn blamed(commands: &[Command]) -> Vec<&Verdict> {
    let mut found = Vec::new();
    for command in commands {
        if let Command::Report { verdict } = command {
            found.push(&**verdict);
        }
    }
    found
}

fn broken(worker: WorkerId, generation: Generation, accusation: Option<Accusation>) -> Event {
    Event::GroupBroken {
        worker,
        generation,
        reason: "timed out".to_owned(),
        accusation,
    }
}

fn unreachable(rank: u32) -> Option<Accusation> {
    Some(Accusation::Unreachable(Rank::new(rank)))
}

#[test]
fn a_silent_member_is_named_with_the_place_where_it_was_last_heard() {
    let mut run = Run::training();
    run.see(beat(TWO, Phase::Backward, 3, 1));
    run.at(1_200, Event::Heard { worker: ONE });
    let commands = run.at(1_500, Event::Tick);
    let [verdict] = blamed(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(
        (verdict.worker.as_str(), verdict.host.as_str()),
        ("w2", "host")
    );
    assert_eq!(
        verdict.to_string(),
        "worker w2 (rank 1 of generation 1): nothing was heard of it for 1.0 s \
         (limit coordinator.worker_timeout_s = 1); \
         last heard in backward of step 7 on host, its last collective all_reduce 12"
    );
}

#[test]
fn a_member_whose_training_hangs_while_its_heart_beats_is_named_and_the_others_go_on() {
    let mut run = Run::training();
    run.cluster.settings.leave_timeout = Millis::new(120_000);
    run.cluster.settings.worker_timeout = Millis::new(120_000);
    for worker in [ONE, TWO] {
        run.see(beat(worker, Phase::Gather, 0, 50));
    }
    run.see(beat(TWO, Phase::Forward, 5_000, 0));
    run.see(beat(ONE, Phase::Gather, 5_000, 0));
    assert_eq!(run.at(1_000, Event::Tick), [], "5 s are always allowed");
    run.at(4_000, Event::Heard { worker: ONE });
    assert_eq!(run.at(9_000, Event::Tick), [], "it said no more since");
    run.see(beat(TWO, Phase::Forward, 5_001, 0));
    let commands = run.at(9_001, Event::Tick);
    let [verdict] = blamed(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(
        verdict.reason,
        "no progress in forward for 5 s although the process is alive \
         (limit 5.0 s, as 99.9 % of such work took 0.01 s at most; never more than collective.deadline_s)"
    );
    let is_named = matches!(
        commands[..],
        [
            Command::Stop {
                worker: TWO,
                parting: Parting::Replaced,
                ..
            },
            _,
            Command::RecordGeneration { .. }
        ]
    );
    assert!(is_named, "{commands:?}");
}

#[test]
fn the_first_time_and_what_holds_everybody_up_have_the_longest_time() {
    let mut run = Run::training();
    run.cluster.settings.leave_timeout = Millis::new(120_000);
    run.cluster.settings.worker_timeout = Millis::new(120_000);
    run.see(beat(ONE, Phase::Gather, 0, 50));
    run.see(beat(TWO, Phase::Forward, 6_000, 0));
    assert_eq!(run.see(Event::Tick), [], "its first forward pass");
    run.see(beat(TWO, Phase::Gather, 0, 1));
    for worker in [ONE, TWO] {
        run.see(beat(worker, Phase::Forward, 6_000, 0));
    }
    assert_eq!(run.see(Event::Tick), [], "both at once");
    run.see(beat(ONE, Phase::Reduce, 100_000, 0));
    assert_eq!(blamed(&run.see(Event::Tick)).len(), 1, "one alone");
}

#[test]
fn a_coordinator_that_was_away_itself_blames_nobody_for_its_absence() {
    let mut run = Run::training();
    // Whom it hears nobody of it waits for as for workers to come.
    run.cluster.settings.join_timeout = Millis::new(3_000);
    run.at(100, Event::Tick);
    assert_eq!(run.after_absence(9_000, Event::Tick), []);
    assert_eq!(run.at(11_000, Event::Tick), []);
    assert_eq!(blamed(&run.at(12_001, Event::Tick)).len(), 2);
}

#[test]
fn a_link_that_breaks_once_costs_nobody_the_seat() {
    let mut run = three();
    let commands = run.see(broken(ONE, FIRST, unreachable(1)));
    assert_eq!(
        commands.len(),
        1,
        "the others are heard first: {commands:?}"
    );
    assert_eq!(run.at(999, Event::Tick), []);
    let commands = run.at(1_000, Event::Tick);
    let members = ["w1", "w2", "w3"].map(ToOwned::to_owned).to_vec();
    let generation = SECOND;
    assert_eq!(
        commands,
        [Command::RecordGeneration {
            generation,
            members
        }]
    );
}

#[test]
fn who_did_not_answer_the_group_before_and_is_back_is_not_blamed_for_this_one() {
    let mut run = three();
    for worker in [ONE, TWO] {
        run.see(broken(worker, FIRST, unreachable(2)));
    }
    run.at(1_000, Event::Tick);
    let generation = SECOND;
    run.see(Event::GenerationRecorded { generation });
    prepare(&mut run, SECOND);
    for worker in [TWO, THREE] {
        run.see(broken(worker, SECOND, unreachable(0)));
    }
    let commands = run.at(2_000, Event::Tick);
    let [verdict] = blamed(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(verdict.worker, "w1");
}

#[test]
fn a_link_that_broke_before_costs_nobody_the_seat_when_a_group_breaks_for_another_reason() {
    let mut run = three();
    run.cluster.settings.max_without_step = 5;
    run.see(broken(ONE, FIRST, unreachable(2)));
    run.at(1_000, Event::Tick);
    run.see(Event::GenerationRecorded { generation: SECOND });
    prepare(&mut run, SECOND);
    assert_eq!(run.see(broken(TWO, SECOND, None)).len(), 1);
    let commands = run.at(2_000, Event::Tick);
    assert!(
        matches!(
            &commands[..],
            [Command::RecordGeneration { members, .. }] if members.len() == 3
        ),
        "{commands:?}"
    );
}

#[test]
fn a_link_costs_nobody_the_seat_that_is_the_first_to_break_after_a_group_that_broke_otherwise() {
    let mut run = three();
    run.cluster.settings.max_without_step = 5;
    run.see(broken(TWO, FIRST, None));
    run.see(Event::GenerationRecorded { generation: SECOND });
    prepare(&mut run, SECOND);
    run.see(broken(ONE, SECOND, unreachable(2)));
    let commands = run.at(1_000, Event::Tick);
    assert!(
        matches!(&commands[..], [Command::RecordGeneration { members, .. }] if members.len() == 3),
        "{commands:?}"
    );
}

#[test]
fn who_is_accused_again_goes_although_another_was_heard_first() {
    let mut run = three();
    run.cluster.settings.max_without_step = 5;
    run.see(broken(ONE, FIRST, unreachable(2)));
    run.at(1_000, Event::Tick);
    run.see(Event::GenerationRecorded { generation: SECOND });
    prepare(&mut run, SECOND);
    run.see(broken(TWO, SECOND, None));
    run.see(broken(ONE, SECOND, unreachable(2)));
    let commands = run.at(2_000, Event::Tick);
    let [verdict] = blamed(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(verdict.worker, "w3");
}

#[test]
fn of_members_that_accuse_each_other_the_one_that_nobody_reaches_goes() {
    let mut run = three();
    run.cluster.settings.max_without_step = 5;
    run.see(broken(ONE, FIRST, unreachable(1)));
    run.see(broken(TWO, FIRST, unreachable(0)));
    let commands = run.see(broken(THREE, FIRST, unreachable(1)));
    assert_eq!(commands.len(), 2, "all were heard: {commands:?}");
    run.see(Event::GenerationRecorded { generation: SECOND });
    prepare(&mut run, SECOND);
    run.see(broken(ONE, SECOND, unreachable(1)));
    for worker in [ONE, TWO, THREE] {
        run.see(Event::Heard { worker });
    }
    let commands = run.at(1_000, Event::Tick);
    let [verdict] = blamed(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(
        (verdict.worker.as_str(), verdict.rank),
        ("w2", Some(Rank::new(1)))
    );
    assert_eq!(
        verdict.evidence,
        [
            "w1 does not reach w2",
            "w2 does not reach w1",
            "w3 does not reach w2"
        ]
    );
    let members = ["w1", "w3"].map(ToOwned::to_owned).to_vec();
    let generation = Generation::new(3);
    let record = Command::RecordGeneration {
        generation,
        members,
    };
    assert_eq!(commands.last(), Some(&record));
}

#[test]
fn a_step_forgets_who_could_not_reach_whom() {
    let mut run = three();
    run.see(broken(ONE, FIRST, unreachable(1)));
    run.at(1_000, Event::Tick);
    run.see(Event::GenerationRecorded { generation: SECOND });
    prepare(&mut run, SECOND);
    run.applied(SECOND, 1);
    assert!(run.cluster.trouble.broken_links.is_empty());
}

#[test]
fn of_a_group_that_hangs_in_one_call_the_member_that_does_not_leave_it_is_named() {
    let mut run = three();
    run.cluster.settings.leave_timeout = Millis::new(120_000);
    run.cluster.settings.worker_timeout = Millis::new(120_000);
    for worker in [ONE, TWO, THREE] {
        run.see(beat(worker, Phase::Gather, 0, 50));
        run.see(beat(worker, Phase::Reduce, 4_000, 0));
    }
    assert_eq!(
        run.at(100_000, Event::Tick),
        [],
        "how long is usual is not known"
    );
    let lap = Lap {
        phase: Phase::Reduce,
        count: 50,
        longest: Millis::new(20),
    };
    run.cluster.deadlines.record_lap(&lap);
    let generation = SECOND;
    let members = ["w1", "w2", "w3"].map(ToOwned::to_owned).to_vec();
    let record = Command::RecordGeneration {
        generation,
        members,
    };
    assert_eq!(run.at(100_200, Event::Tick), [record]);
    run.see(Event::GenerationRecorded { generation });
    for worker in [ONE, THREE] {
        let held = Some(Step::new(0));
        run.see(Event::Prepared {
            worker,
            generation,
            held,
        });
    }
    assert_eq!(run.at(102_200, Event::Tick), []);
    let commands = run.at(102_201, Event::Tick);
    let [verdict] = blamed(&commands)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(verdict.worker, "w2");
    assert_eq!(
        verdict.to_string(),
        "worker w2 (rank 1 of generation 2): it was asked to leave its group and did not within 2 s \
         although the process is alive, in reduce (limit 2.0 s where the whole group is stuck); \
         last heard in reduce of step 7 on host in generation 1, its last collective all_reduce 12"
    );
}
