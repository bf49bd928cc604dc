//! Somebody who has no seat and says what only members may say, or says far too much. Nothing of it may change the run.

use std::time::Duration;

use clap::ValueEnum;
use fratmae_dataset::KeyedRng;
use fratmae_protocol::{
    ProtocolError, connect,
    pb::{self, FromWorker, from_worker::Message},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Messages that may wait to be sent.
const WAITING: usize = 64;
/// The time between two lies.
const BREATH: Duration = Duration::from_millis(20);
/// Bytes of a message of a flood.
const FLOOD_BYTES: usize = 48 << 10;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Talk {
    /// What members say, of generations and steps that there may be.
    Lies,
    /// As much as goes through.
    Flood,
}

impl Talk {
    /// Its name, as it is typed.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Talks to the coordinator at `address` until this process is killed.
///
/// # Errors
/// That nobody answers there.
pub(crate) async fn talk_to(address: &str, seed: u64, talk: Talk) -> Result<(), ProtocolError> {
    let mut rng = KeyedRng::new("chaos liar", seed, &[]);
    let mut breath = tokio::time::interval(BREATH);
    loop {
        let mut client = connect(address).await?;
        let (sender, messages) = mpsc::channel(WAITING);
        let listen = async {
            if let Ok(answers) = client.attend(ReceiverStream::new(messages)).await {
                let mut answers = answers.into_inner();
                while let Ok(Some(_)) = answers.message().await {}
            }
        };
        let tell = async {
            loop {
                let message = match talk {
                    Talk::Lies => {
                        breath.tick().await;
                        lie(&mut rng)
                    }
                    Talk::Flood => flood(),
                };
                let message = Some(message);
                if sender.send(FromWorker { message }).await.is_err() {
                    return;
                }
            }
        };
        // Whoever is sent away comes again.
        tokio::select! {
            () = listen => {}
            () = tell => {}
        }
        breath.tick().await;
    }
}

fn flood() -> Message {
    Message::Heartbeat(pb::Heartbeat {
        phase: "f".repeat(FLOOD_BYTES),
        ..pb::Heartbeat::default()
    })
}

/// What would do harm if it were heard.
fn lie(rng: &mut KeyedRng) -> Message {
    let generation = 1 + rng.below(12);
    let step = rng.below(400);
    let reason = "a lie".to_owned();
    match rng.below(9) {
        0 => Message::GroupBroken(pb::GroupBroken {
            generation,
            reason,
            accused: None,
        }),
        1 => {
            let checkpoint = Some(pb::Checkpoint {
                step: 20 * (1 + rng.below(20)),
                generation,
            });
            Message::Damaged(pb::Damaged {
                generation,
                checkpoint,
                reason,
            })
        }
        2 => Message::PartsWritten(pb::PartsWritten {
            generation,
            step: 20 * (1 + rng.below(20)),
            parts: vec![pb::Part {
                index: 9,
                ..pb::Part::default()
            }],
        }),
        3 => Message::Applied(pb::Applied {
            generation,
            step: u64::MAX,
            figures: None,
        }),
        4 => Message::Finished(pb::Finished {
            generation,
            weights_digest: reason,
        }),
        5 => Message::Drained(pb::Drained { generation, step }),
        6 => Message::Prepared(pb::Prepared {
            generation,
            held: Some(step),
        }),
        7 => Message::Unfit(pb::Unfit {
            reason,
            ..pb::Unfit::default()
        }),
        _ => Message::Skipped(pb::Skipped {
            generation,
            step,
            ..pb::Skipped::default()
        }),
    }
}
