//! The frame: a header that says which call a message belongs to, then the message.
//!
//! Owns the layout of header and floats on the wire. TCP carries the checksum; every field is verified.

use std::io::IoSlice;
use std::ops::Deref;

use bytemuck::{cast_slice, cast_slice_mut};

use super::wire::{Fault, Wire};
use crate::Operation;

/// The bytes of a header: magic, operation, generation, sequence number, length; little-endian.
pub(super) const HEADER: usize = 32;

/// How much room is made for bytes at once.
const CHUNK: usize = 1 << 20;
const _: () = assert!(
    cfg!(target_endian = "little"),
    "floats travel as they lie in memory"
);

const MAGIC: u32 = u32::from_le_bytes(*b"FMc1");

/// What a frame must carry to belong to a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) operation: Operation,
    pub(super) generation: u64,
    pub(super) sequence: u64,
}

/// A message to a peer.
pub(super) enum Outgoing<'a> {
    Bytes(&'a [u8]),
    Floats(Vec<&'a [f32]>),
}

/// Room for a peer's message: bytes up to a limit, or exactly so many floats.
pub(super) enum Incoming<'a> {
    Bytes { limit: u64, into: &'a mut Vec<u8> },
    Floats(Vec<&'a mut [f32]>),
}

impl Outgoing<'_> {
    /// Counts the bytes of the message.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Floats(slices) => float_bytes(slices),
        }
    }
}

impl Stamp {
    /// Lays a header out.
    pub(super) fn header(&self, length: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&code(self.operation).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Verifies a peer's header and gives the length of what follows.
    pub(super) fn verify(&self, header: &[u8; HEADER]) -> Result<u64, Fault> {
        expect(
            "magic number",
            u64::from(MAGIC),
            u64::from(u32_at(header, 0)),
        )?;
        expect("generation", self.generation, u64_at(header, 8))?;
        expect("sequence number", self.sequence, u64_at(header, 16))?;
        expect(
            "operation",
            u64::from(code(self.operation)),
            u64::from(u32_at(header, 4)),
        )?;
        Ok(u64_at(header, 24))
    }
}

/// The operation on the wire; never renumbered.
fn code(operation: Operation) -> u32 {
    match operation {
        Operation::AllGather => 1,
        Operation::ReduceOffer => 2,
        Operation::ReduceScatter => 3,
        Operation::ReduceShare => 4,
        Operation::Replicate => 5,
        Operation::Form => 6,
        Operation::ReduceSum => 7,
    }
}

/// Compares a peer's number with ours.
pub(super) fn expect(what: &'static str, expected: u64, found: u64) -> Result<(), Fault> {
    if expected == found {
        Ok(())
    } else {
        Err(Fault::Mismatch {
            what,
            expected,
            found,
        })
    }
}

/// Reads a number out of a fixed layout.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// Reads a number out of a fixed layout.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// Sends one frame.
pub(super) fn send(
    wire: &mut Wire<'_>,
    stamp: &Stamp,
    message: &Outgoing<'_>,
) -> Result<(), Fault> {
    let header = stamp.header(message.bytes());
    let mut pieces = vec![IoSlice::new(&header)];
    match message {
        Outgoing::Bytes(bytes) => pieces.push(IoSlice::new(bytes)),
        Outgoing::Floats(slices) => {
            pieces.extend(slices.iter().map(|slice| IoSlice::new(cast_slice(slice))));
        }
    }
    wire.write_pieces(&mut pieces)
}

/// Receives one frame of the call that the stamp names.
pub(super) fn receive(wire: &mut Wire<'_>, stamp: &Stamp, room: Incoming<'_>) -> Result<(), Fault> {
    let mut header = [0; HEADER];
    wire.read(&mut header)?;
    let length = stamp.verify(&header)?;
    match room {
        Incoming::Bytes { limit, .. } if length > limit => Err(Fault::TooLong {
            bytes: length,
            limit,
        }),
        Incoming::Bytes { into, .. } => receive_bytes(wire, length, into),
        Incoming::Floats(slices) => receive_floats(wire, length, slices),
    }
}

/// Grows only as bytes come: a false length costs no memory.
fn receive_bytes(wire: &mut Wire<'_>, length: u64, into: &mut Vec<u8>) -> Result<(), Fault> {
    into.clear();
    let mut rest = length;
    while rest > 0 {
        let (start, now) = (into.len(), rest.min(CHUNK as u64));
        into.resize(start + now as usize, 0);
        wire.read(&mut into[start..])?;
        rest -= now;
    }
    Ok(())
}

/// Straight to where the values belong.
fn receive_floats(wire: &mut Wire<'_>, length: u64, slices: Vec<&mut [f32]>) -> Result<(), Fault> {
    expect("length", float_bytes(&slices), length)?;
    let mut slices = slices.into_iter();
    slices.try_for_each(|slice| wire.read(cast_slice_mut(slice)))
}

fn float_bytes(slices: &[impl Deref<Target = [f32]>]) -> u64 {
    slices.iter().map(|slice| slice.len() as u64 * 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        operation: Operation::ReduceScatter,
        generation: 5,
        sequence: 17,
    };

    fn complaint(change: Stamp) -> (&'static str, u64, u64) {
        match STAMP.verify(&change.header(9)) {
            Err(Fault::Mismatch {
                what,
                expected,
                found,
            }) => (what, expected, found),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_layout_is_frozen() {
        let bytes = STAMP.header(0x0102_0304);
        assert_eq!(bytes[..8], *b"FMc1\x03\0\0\0");
        assert_eq!(
            bytes[8..],
            [
                5, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0
            ]
        );
        assert_eq!(STAMP.verify(&bytes).unwrap(), 0x0102_0304);
    }

    #[test]
    fn every_field_is_verified() {
        assert_eq!(
            complaint(Stamp {
                generation: 4,
                ..STAMP
            }),
            ("generation", 5, 4)
        );
        assert_eq!(
            complaint(Stamp {
                sequence: 18,
                ..STAMP
            }),
            ("sequence number", 17, 18)
        );
        assert_eq!(
            complaint(Stamp {
                operation: Operation::AllGather,
                ..STAMP
            }),
            ("operation", 3, 1)
        );
        let mut foreign = STAMP.header(0);
        foreign[0] = b'G';
        assert!(matches!(
            STAMP.verify(&foreign),
            Err(Fault::Mismatch {
                what: "magic number",
                ..
            })
        ));
    }
}
