//! What the next coordinator is told.

use super::*;

const GENERATION: u64 = 3;

fn in_a_group(rank: u32) -> Outbox {
    let outbox = Outbox::default();
    outbox.enter(GENERATION, rank, 4);
    outbox
}

fn apply(outbox: &Outbox, step: u64) {
    let figures = Some(pb::Figures::default());
    let generation = GENERATION;
    outbox.applied(
        pb::Applied {
            generation,
            step,
            figures,
        },
        false,
    );
}

fn written(generation: u64, step: u64) -> From {
    From::PartsWritten(pb::PartsWritten {
        generation,
        step,
        ..Default::default()
    })
}

/// What a new coordinator receives, after it has sent what it has.
fn resent(outbox: &Outbox, committed: u64, figures_until: u64) -> Vec<From> {
    let (sender, mut receiver) = mpsc::channel(64);
    outbox.connect(sender);
    outbox.resend_all(&pb::Welcome {
        committed,
        figures_until,
        ..Default::default()
    });
    let sent = std::iter::from_fn(|| receiver.try_recv().ok());
    sent.filter_map(|message| message.message).collect()
}

fn steps(messages: &[From]) -> Vec<u64> {
    let steps = |message: &From| match message {
        From::Recalled(recalled) => recalled.steps.iter().map(|one| one.step).collect(),
        From::PartsWritten(written) => vec![written.step],
        _ => Vec::new(),
    };
    messages.iter().flat_map(steps).collect()
}

#[test]
fn what_was_sent_to_nobody_reaches_the_next_coordinator() {
    let outbox = in_a_group(1);
    outbox.send_durable(written(GENERATION, 8));
    outbox.send_durable(written(GENERATION, 12));
    assert_eq!(steps(&resent(&outbox, 8, 8)), [12]);
    assert_eq!(steps(&resent(&outbox, 0, 0)), [12], "8 is committed");
}

#[test]
fn the_first_rank_resends_the_figures_that_are_missing() {
    let outbox = in_a_group(0);
    (5..9).for_each(|step| apply(&outbox, step));
    assert_eq!(steps(&resent(&outbox, 4, 6)), [7, 8]);
    let other = in_a_group(1);
    (5..9).for_each(|step| apply(&other, step));
    assert!(resent(&other, 4, 6).is_empty());
}

#[test]
fn a_rank_that_copied_its_state_resends_the_figures_that_came_with_it() {
    let outbox = in_a_group(0);
    let figures = |step| pb::StepFigures {
        step,
        figures: Some(pb::Figures::default()),
    };
    outbox.fill_figures((1..=4).map(figures).collect());
    apply(&outbox, 5);
    assert_eq!(steps(&resent(&outbox, 0, 0)), [1, 2, 3, 4, 5]);
    outbox.forget(3);
    assert_eq!(steps(&resent(&outbox, 3, 3)), [4, 5]);
}

#[test]
fn thousands_of_unsent_steps_do_not_end_the_stream() {
    let outbox = in_a_group(0);
    (5..9005).for_each(|step| apply(&outbox, step));
    assert_eq!(steps(&resent(&outbox, 0, 0)).len(), 9000);
}

#[test]
fn figures_after_the_step_that_a_group_begins_with_are_not_sent() {
    let outbox = in_a_group(0);
    (5..9).for_each(|step| apply(&outbox, step));
    let generation = GENERATION + 1;
    outbox.enter(generation, 0, 6);
    assert_eq!(steps(&resent(&outbox, 4, 4)), [5, 6]);
}

#[test]
fn a_new_group_clears_what_the_old_one_had_to_send() {
    let outbox = in_a_group(0);
    outbox.send_durable(written(GENERATION, 8));
    let generation = GENERATION + 1;
    outbox.enter(generation, 0, 8);
    outbox.send_durable(written(GENERATION, 12));
    assert!(resent(&outbox, 0, 8).is_empty());
}

#[test]
fn a_registration_names_the_place_and_the_newest_step() {
    let outbox = Outbox::default();
    let secret = vec![7];
    outbox.keep_secret(GENERATION, secret.clone());
    outbox.enter(GENERATION, 1, 4);
    // Of the next group it has no part yet.
    outbox.keep_secret(GENERATION + 1, vec![8]);
    apply(&outbox, 5);
    let register = outbox.register(&pb::Register::default());
    let place = pb::Place {
        generation: GENERATION,
        rank: 1,
        secret,
    };
    assert_eq!((register.place, register.held), (Some(place), Some(5)));
    let fresh = Outbox::default().register(&pb::Register::default());
    assert_eq!((fresh.place, fresh.held), (None, None));
}

#[test]
fn a_reader_that_is_far_behind_is_dropped_and_nobody_waits() {
    let outbox = in_a_group(0);
    let (sender, mut receiver) = mpsc::channel(1);
    outbox.connect(sender);
    for step in 1..4 {
        outbox.send_durable(written(GENERATION, step));
    }
    assert!(receiver.try_recv().is_ok());
    assert_eq!(
        receiver.try_recv(),
        Err(mpsc::error::TryRecvError::Disconnected)
    );
    assert_eq!(steps(&resent(&outbox, 0, 0)), [1, 2, 3]);
}

#[test]
fn times_of_steps_wait_for_a_coordinator_and_the_oldest_go_first() {
    let outbox = in_a_group(0);
    let n_steps = KEPT_TIMES as u64 / 2 + 9;
    for step in 1..=n_steps {
        outbox.tell_times(pb::StepTimes {
            generation: GENERATION,
            step,
            ranks: vec![pb::RankTime::default(); 2],
        });
    }
    let (sender, mut receiver) = mpsc::channel(KEPT_TIMES);
    outbox.connect(sender);
    outbox.resend_all(&pb::Welcome::default());
    let steps = std::iter::from_fn(|| receiver.try_recv().ok());
    let steps = steps.filter_map(|message| match message.message? {
        From::StepTimes(times) => Some(times.step),
        _ => None,
    });
    let steps: Vec<_> = steps.collect();
    assert_eq!(steps, (9..=n_steps).collect::<Vec<_>>());
    outbox.close_with(From::Heartbeat(pb::Heartbeat::default()));
    assert!(receiver.try_recv().is_ok());
    let end = mpsc::error::TryRecvError::Disconnected;
    assert_eq!(receiver.try_recv(), Err(end));
}
