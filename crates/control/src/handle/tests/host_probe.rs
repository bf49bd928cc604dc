//! Whose host is asked for a sign of life, and what follows if none comes.

use super::*;
use crate::HostProbe;

/// Two workers that train and beat every quarter of a second until 15 s, the first of them until 16 s.
fn silent_second() -> Run {
    let mut run = Run::training();
    run.cluster.settings.worker_timeout = Millis::new(30_000);
    for now in (250..=16_000).step_by(250) {
        hear(&mut run, now);
        if now <= 15_000 {
            run.at(now, Event::Heard { worker: TWO });
        }
    }
    run
}

fn probe(asked: u64) -> Command {
    Command::ProbeHost(HostProbe {
        worker: TWO,
        address: "host:2".to_owned(),
        asked: Millis::new(asked),
    })
}

fn probe_failed(asked: u64) -> Event {
    Event::ProbeFailed {
        worker: TWO,
        asked: Millis::new(asked),
    }
}

fn hear(run: &mut Run, now: u64) {
    run.at(now, Event::Heard { worker: ONE });
}

#[test]
fn a_silent_workers_host_is_asked_once_in_each_silence() {
    let mut run = silent_second();
    assert_eq!(run.at(16_000, Event::Tick), []);
    assert_eq!(run.at(16_001, Event::Tick), [probe(16_001)]);
    assert_eq!(run.at(16_251, Event::Tick), [], "it is asked already");
    run.at(16_300, Event::Heard { worker: TWO });
    (16_250..19_300)
        .step_by(250)
        .for_each(|now| hear(&mut run, now));
    assert_eq!(run.at(19_300, Event::Tick), [probe(19_300)]);
}

#[test]
fn a_host_that_does_not_answer_while_others_are_heard_is_gone() {
    let mut run = silent_second();
    run.at(16_001, Event::Tick);
    hear(&mut run, 16_500);
    let commands = run.at(17_201, probe_failed(16_001));
    let [
        Command::Stop { worker: TWO, .. },
        Command::Report { verdict },
        Command::RecordGeneration { members, .. },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!(members[..], ["w1"]);
    assert_eq!(
        verdict.reason,
        "its host is gone: it answers nobody, and nothing was heard of it for 2.2 s"
    );
}

#[test]
fn a_host_that_answers_gives_its_worker_the_time_of_a_process_that_is_held_up() {
    let mut run = silent_second();
    for now in [16_001, 17_000, 18_000, 19_000, 20_000] {
        hear(&mut run, now);
        let commands = run.at(now, Event::Tick);
        assert!(
            matches!(commands[..], [] | [Command::ProbeHost(_)]),
            "{commands:?}"
        );
    }
    assert_ne!(run.at(20_001, Event::Tick), []);
}

#[test]
fn an_answer_that_is_late_or_that_nobody_else_was_heard_after_proves_nothing() {
    let mut run = silent_second();
    run.at(16_001, Event::Tick);
    assert_eq!(run.at(17_201, probe_failed(16_001)), [], "nobody is heard");
    hear(&mut run, 17_202);
    run.at(17_202, Event::Heard { worker: TWO });
    assert_eq!(
        run.at(17_203, probe_failed(16_001)),
        [],
        "it was heard since"
    );
}

#[test]
fn nobody_is_asked_before_it_is_known_how_often_workers_are_heard() {
    let mut run = Run::training();
    run.cluster.settings.worker_timeout = Millis::new(30_000);
    hear(&mut run, 20_000);
    assert_eq!(run.at(20_000, Event::Tick), []);
}
