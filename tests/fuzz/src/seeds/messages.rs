//! Seeds of the wire: a short run as two workers tell it, and an order to begin.

use fratmae_protocol::pb::{
    self, Applied, Begin, Finished, FromWorker, PartsWritten, Prepared, Recalled, Register, Seat,
    StepFigures, ToWorker, from_worker::Message,
};
use prost::Message as _;

use super::Seed;

/// Kinds from here on are messages; the worker is the rest of a division by four.
const MESSAGE: u8 = 96;

pub(super) fn seeds() -> [Seed; 2] {
    [
        Seed::new("wire", "talk", talk()),
        Seed::new("wire", "begin", begin()),
    ]
}

fn talk() -> Vec<u8> {
    let (generation, step) = (1, 1);
    let each = [
        Message::Register(Register {
            name: "a".to_owned(),
            version: "1".to_owned(),
            group_address: "127.0.0.1:1".to_owned(),
            ..Register::default()
        }),
        Message::Prepared(Prepared {
            generation,
            held: Some(0),
        }),
        Message::Applied(Applied {
            generation,
            step,
            figures: None,
        }),
        Message::Recalled(Recalled {
            generation,
            steps: vec![StepFigures {
                step,
                figures: None,
            }],
        }),
        Message::PartsWritten(PartsWritten {
            generation,
            step,
            ..PartsWritten::default()
        }),
        Message::Finished(Finished {
            generation,
            weights_digest: "w".to_owned(),
        }),
    ];
    let mut row = Vec::new();
    for message in each {
        let message = Some(message);
        let bytes = FromWorker { message }.encode_to_vec();
        for worker in [0, 1] {
            row.extend([MESSAGE + worker, bytes.len() as u8]);
            row.extend(&bytes);
        }
    }
    row
}

fn begin() -> Vec<u8> {
    let seat = |first_slot, end_slot| Seat {
        address: "a:1".to_owned(),
        first_slot,
        end_slot,
        is_holder: first_slot == 0,
    };
    let begin = Begin {
        generation: 1,
        rank: 1,
        seats: vec![seat(0, 2), seat(2, 4)],
        source: Some(pb::begin::Source::Peers(pb::Peers { step: 7 })),
        committed: 5,
        figures_until: 6,
        secret: vec![1; 32],
        mesh_key: "k".to_owned(),
        trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    };
    let message = Some(pb::to_worker::Message::Begin(begin));
    ToWorker { message }.encode_to_vec()
}
