//! A worker's message as the event it means to `control`.

use crate::bounds::{LINE, within_bounds};
use crate::error::ProtocolError;
use crate::pb;
use crate::pb::from_worker::Message;
use crate::pb::group_broken::Accused;
use crate::progress::progress;
use crate::shown::shown;
use fratmae_control::{Accusation, Departure, Event, Generation, Past, Rank, Step, WorkerId};

/// The event that a message of `worker` stands for; payloads that `control` does not need are left out.
///
/// # Errors
/// [`ProtocolError::Missing`] for an empty message, as a newer worker's unknown variant arrives;
/// [`ProtocolError::TooMuch`] for more in a message than any worker has to say.
#[expect(clippy::too_many_lines, reason = "a table of messages")]
pub fn event_of(worker: WorkerId, message: &pb::FromWorker) -> Result<Event, ProtocolError> {
    let message = message.message.as_ref().ok_or(ProtocolError::Missing {
        field: "a known variant",
    })?;
    within_bounds(message)?;
    Ok(match message {
        Message::Register(register) => registered(worker, register),
        Message::Skipped(skipped) => Event::SampleSkipped {
            worker,
            generation: Generation::new(skipped.generation),
            step: Step::new(skipped.step),
        },
        Message::BadBatch(batch) => Event::BatchSkipped {
            worker,
            generation: Generation::new(batch.generation),
            step: Step::new(batch.step),
        },
        Message::Heartbeat(heartbeat) => Event::Beat {
            worker,
            progress: progress(heartbeat),
        },
        Message::Prepared(prepared) => Event::Prepared {
            worker,
            generation: Generation::new(prepared.generation),
            held: prepared.held.map(Step::new),
        },
        Message::Applied(applied) => Event::Applied {
            worker,
            generation: Generation::new(applied.generation),
            step: Step::new(applied.step),
            is_recalled: false,
        },
        Message::Recalled(recalled) => newest_of(worker, recalled),
        Message::PartsWritten(written) => Event::PartsWritten {
            worker,
            generation: Generation::new(written.generation),
            step: Step::new(written.step),
            parts: written.parts.iter().map(|part| part.index).collect(),
        },
        Message::Finished(finished) => Event::Finished {
            worker,
            generation: Generation::new(finished.generation),
            weights_digest: finished.weights_digest.clone(),
        },
        Message::Drained(drained) => Event::Drained {
            worker,
            generation: Generation::new(drained.generation),
            step: Step::new(drained.step),
        },
        Message::GroupBroken(broken) => Event::GroupBroken {
            worker,
            generation: Generation::new(broken.generation),
            reason: line(&broken.reason),
            accusation: broken.accused.map(accusation),
        },
        Message::Unfit(pb::Unfit { reason, .. }) | Message::Failed(pb::Failed { reason }) => {
            let reason = line(reason);
            Event::Unfit { worker, reason }
        }
        Message::Panicked(panicked) => departed(worker, panicked),
        Message::Damaged(damaged) => damage(worker, damaged)?,
        Message::Leaving(_) => Event::LeaveRequested { worker },
        // Figures for people alone.
        Message::StepTimes(_) => Event::Heard { worker },
    })
}

fn departed(worker: WorkerId, panicked: &pb::Panicked) -> Event {
    let reason = line(&panicked.reason);
    Event::Departed {
        worker,
        departure: Departure::Panicked { reason },
    }
}

/// Steps that are told again count as the newest of them.
fn newest_of(worker: WorkerId, recalled: &pb::Recalled) -> Event {
    let newest = recalled.steps.iter().map(|it| it.step).max();
    Event::Applied {
        worker,
        generation: Generation::new(recalled.generation),
        step: Step::new(newest.unwrap_or_default()),
        is_recalled: true,
    }
}

fn damage(worker: WorkerId, damaged: &pb::Damaged) -> Result<Event, ProtocolError> {
    let checkpoint = damaged.checkpoint.as_ref().ok_or(ProtocolError::Missing {
        field: "the checkpoint",
    })?;
    Ok(Event::Damaged {
        worker,
        generation: Generation::new(damaged.generation),
        checkpoint: (
            Generation::new(checkpoint.generation),
            Step::new(checkpoint.step),
        ),
        reason: line(&damaged.reason),
    })
}

/// A worker's own words.
fn line(reason: &str) -> String {
    shown(reason, LINE)
}

fn accusation(accused: Accused) -> Accusation {
    match accused {
        Accused::Unreachable(rank) => Accusation::Unreachable(Rank::new(rank)),
        Accused::Diverged(rank) => Accusation::Diverged(Rank::new(rank)),
    }
}

/// A registration without a device asks for the job alone; the worker joins with its next one.
fn registered(worker: WorkerId, register: &pb::Register) -> Event {
    if register.device.is_none() {
        return Event::Heard { worker };
    }
    Event::Registered {
        worker,
        name: register.name.clone(),
        address: register.group_address.clone(),
        past: past(register),
    }
}

fn past(register: &pb::Register) -> Past {
    let place = |place: &pb::Place| (Generation::new(place.generation), Rank::new(place.rank));
    Past {
        seat: register.place.as_ref().map(place),
        held: register.held.map(Step::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_becomes_its_event() {
        let worker = WorkerId::new(7);
        let event = |message| {
            event_of(
                worker,
                &pb::FromWorker {
                    message: Some(message),
                },
            )
        };
        let generation = Generation::new(2);
        let step = Step::new(5);
        let drained = Message::Drained(pb::Drained {
            generation: 2,
            step: 5,
        });
        assert_eq!(
            event(drained),
            Ok(Event::Drained {
                worker,
                generation,
                step
            })
        );
        let written = Message::PartsWritten(pb::PartsWritten {
            generation: 2,
            step: 5,
            ..Default::default()
        });
        assert_eq!(
            event(written),
            Ok(Event::PartsWritten {
                worker,
                generation,
                step,
                parts: Vec::new(),
            })
        );
        let heartbeat = Message::Heartbeat(pb::Heartbeat::default());
        let progress = fratmae_control::Progress::default();
        assert_eq!(event(heartbeat), Ok(Event::Beat { worker, progress }));
        let broken = Message::GroupBroken(pb::GroupBroken {
            generation: 2,
            reason: "reset".to_owned(),
            accused: Some(Accused::Unreachable(1)),
        });
        let reason = "reset".to_owned();
        assert_eq!(
            event(broken),
            Ok(Event::GroupBroken {
                worker,
                generation,
                reason,
                accusation: Some(Accusation::Unreachable(Rank::new(1))),
            })
        );
    }

    #[test]
    fn a_worker_joins_once_it_names_its_device() {
        let worker = WorkerId::new(7);
        let event = |device: Option<&str>| {
            let register = pb::Register {
                name: "w".to_owned(),
                device: device.map(str::to_owned),
                ..Default::default()
            };
            let message = Some(Message::Register(register));
            event_of(worker, &pb::FromWorker { message })
        };
        assert_eq!(event(None), Ok(Event::Heard { worker }));
        for device in ["", "cpu", "cuda"] {
            let joined = event(Some(device));
            assert!(matches!(joined, Ok(Event::Registered { name, .. }) if name == "w"));
        }
    }

    #[test]
    fn a_damaged_checkpoint_is_named_or_the_message_is_an_error() {
        let event = |checkpoint| {
            let message = Some(Message::Damaged(pb::Damaged {
                generation: 3,
                checkpoint,
                reason: "part".to_owned(),
            }));
            event_of(WorkerId::new(7), &pb::FromWorker { message })
        };
        let id = pb::Checkpoint {
            step: 20,
            generation: 2,
        };
        let damaged = Event::Damaged {
            worker: WorkerId::new(7),
            generation: Generation::new(3),
            checkpoint: (Generation::new(2), Step::new(20)),
            reason: "part".to_owned(),
        };
        assert_eq!(event(Some(id)), Ok(damaged));
        assert!(event(None).is_err());
    }

    #[test]
    fn an_empty_message_is_an_error() {
        let empty = pb::FromWorker { message: None };
        let expected = Err(ProtocolError::Missing {
            field: "a known variant",
        });
        assert_eq!(event_of(WorkerId::new(1), &empty), expected);
    }
}
