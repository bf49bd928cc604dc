//! How much a worker's message may hold: what the coordinator keeps of it is never more than a worker has to say.

use crate::error::ProtocolError;
use crate::pb;
use crate::pb::from_worker::Message;

/// Characters of a name: of a worker, a phase, a metric, a device.
const NAME: usize = 128;
/// Bytes of a digest in text, an address, a token, a secret.
const TOKEN: usize = 300;
/// Bytes of a line for people, and of a case's identity.
pub(crate) const LINE: usize = 4_096;
/// Phases that end between two heartbeats, or that a step has; metrics that a step has; accounts, and collective calls of
/// a step.
const KINDS: usize = 64;
/// Samples of a step, and so its slots: the largest `train.batch` there is.
const SAMPLES: usize = 1_000_000;
/// Parts of one rank's share, and digests of parameters in one of them.
const PARTS: usize = 1 << 14;

type Checked = Result<(), ProtocolError>;

/// Refuses a message that holds more than a worker has to say.
pub(crate) fn within_bounds(message: &Message) -> Checked {
    match message {
        Message::Register(register) => of_register(register),
        Message::Heartbeat(heartbeat) => {
            count("laps", heartbeat.laps.len(), KINDS)?;
            let times = heartbeat.times.iter().map(|times| &times.accounts);
            times
                .into_iter()
                .try_for_each(|it| count("accounts", it.len(), KINDS))?;
            text("phase", &heartbeat.phase, NAME)?;
            let call = heartbeat.call.iter().map(|call| &call.operation);
            texts("operation", call, NAME)?;
            texts("phase", heartbeat.laps.iter().map(|lap| &lap.phase), NAME)
        }
        Message::Applied(applied) => applied.figures.iter().try_for_each(of_figures),
        Message::Recalled(recalled) => {
            let steps = recalled.steps.iter();
            steps.flat_map(|it| &it.figures).try_for_each(of_figures)
        }
        Message::StepTimes(times) => {
            count("ranks", times.ranks.len(), SAMPLES)?;
            times.ranks.iter().try_for_each(|rank| {
                count("accounts", rank.accounts.len(), KINDS)?;
                count("calls", rank.calls.len(), KINDS)
            })
        }
        Message::PartsWritten(written) => {
            count("parts", written.parts.len(), PARTS)?;
            texts("name", written.parts.iter().map(|part| &part.name), NAME)?;
            let digests = written.parts.iter().map(|part| &part.digest);
            texts("digest", digests, TOKEN)
        }
        Message::Finished(finished) => text("digest", &finished.weights_digest, TOKEN),
        Message::Skipped(skipped) => {
            let words = [&skipped.case_id, &skipped.shard, &skipped.replacement];
            texts("case", words, LINE)
        }
        Message::BadBatch(batch) => {
            text("what", &batch.what, NAME)?;
            count("slots", batch.slots.len(), SAMPLES)?;
            let cases = batch.slots.iter().flat_map(|slot| &slot.cases);
            count("cases", cases.clone().count(), SAMPLES)?;
            texts("case", cases, LINE)
        }
        Message::GroupBroken(pb::GroupBroken { reason, .. })
        | Message::Failed(pb::Failed { reason })
        | Message::Unfit(pb::Unfit { reason, .. })
        | Message::Damaged(pb::Damaged { reason, .. })
        | Message::Panicked(pb::Panicked { reason }) => text("reason", reason, 4 * LINE),
        Message::Prepared(_) | Message::Drained(_) | Message::Leaving(_) => Ok(()),
    }
}

fn of_register(register: &pb::Register) -> Checked {
    let names = [&register.name, &register.version, &register.kernels];
    // One that is too long for a name is told so.
    texts("name", names.into_iter().chain(&register.device), LINE)?;
    let process = register.process.iter();
    texts(
        "process",
        process.flat_map(|it| [&it.label, &it.host]),
        NAME,
    )?;
    let tokens = [
        &register.group_address,
        &register.config_digest,
        &register.data_digest,
        &register.host,
    ];
    let launch = register.launch.iter().map(|launch| &launch.token);
    texts("address", tokens.into_iter().chain(launch), TOKEN)?;
    let secret = register.place.iter().map(|place| place.secret.len());
    secret
        .into_iter()
        .try_for_each(|it| count("secret", it, TOKEN))
}

fn of_figures(figures: &pb::Figures) -> Checked {
    count("phases", figures.phases.len(), KINDS)?;
    texts("phase", figures.phases.iter().map(|it| &it.phase), NAME)?;
    count("metrics", figures.metrics.len(), KINDS)?;
    texts("metric", figures.metrics.iter().map(|it| &it.name), NAME)?;
    figures.trained.iter().try_for_each(|trained| {
        count("samples", trained.positions.len(), SAMPLES)?;
        count("samples", trained.cases.len(), SAMPLES)
    })
}

fn texts<'a>(
    what: &'static str,
    all: impl IntoIterator<Item = &'a String>,
    most: usize,
) -> Checked {
    all.into_iter().try_for_each(|it| text(what, it, most))
}

fn text(what: &'static str, text: &str, most: usize) -> Checked {
    count(what, text.len(), most)
}

fn count(what: &'static str, found: usize, most: usize) -> Checked {
    match found <= most {
        true => Ok(()),
        false => Err(ProtocolError::TooMuch { what, most }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: Message) -> bool {
        within_bounds(&message).is_err()
    }

    #[test]
    fn more_than_a_worker_has_to_say_is_refused_whatever_the_message() {
        let long = "x".repeat(LINE * 4 + 1);
        let reason = || long.clone();
        let figures = |count| pb::Figures {
            phases: vec![pb::PhaseSeconds::default(); count],
            ..Default::default()
        };
        let applied = |count| pb::Applied {
            figures: Some(figures(count)),
            ..Default::default()
        };
        let heartbeat = |count| pb::Heartbeat {
            laps: vec![pb::Lap::default(); count],
            ..Default::default()
        };
        assert!(!refused(Message::Applied(applied(KINDS))));
        assert!(!refused(Message::Heartbeat(heartbeat(KINDS))));
        for message in [
            Message::Applied(applied(KINDS + 1)),
            Message::Heartbeat(heartbeat(KINDS + 1)),
            Message::Recalled(pb::Recalled {
                generation: 1,
                steps: vec![pb::StepFigures {
                    step: 1,
                    figures: Some(figures(KINDS + 1)),
                }],
            }),
            Message::Heartbeat(pb::Heartbeat {
                times: Some(pb::Times {
                    accounts: vec![0; KINDS + 1],
                    ..Default::default()
                }),
                ..Default::default()
            }),
            Message::StepTimes(pb::StepTimes {
                ranks: vec![pb::RankTime {
                    calls: vec![0; KINDS + 1],
                    ..Default::default()
                }],
                ..Default::default()
            }),
            Message::PartsWritten(pb::PartsWritten {
                parts: vec![pb::Part::default(); PARTS + 1],
                ..Default::default()
            }),
            Message::Skipped(pb::Skipped {
                case_id: reason(),
                ..Default::default()
            }),
            Message::Register(pb::Register {
                name: reason(),
                ..Default::default()
            }),
            Message::Failed(pb::Failed { reason: reason() }),
            Message::Finished(pb::Finished {
                generation: 1,
                weights_digest: reason(),
            }),
        ] {
            assert!(refused(message.clone()), "{message:?}");
        }
    }
}
