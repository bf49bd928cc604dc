//! TensorBoard's event files: scalars by step, in records with checksums.

use prost::Message as _;
use std::io::{self, Write};

#[expect(
    unreachable_pub,
    reason = "generated; the schema is documented in the .proto file"
)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/tensorflow.rs"));
}

use pb::event::What;
use pb::session_log::SessionStatus;
use pb::summary::{Value, value};

/// The version that every reader of today takes.
const VERSION: &str = "brain.Event:2";

/// Writes the events of one file.
///
/// Each value is the only one of its step: a step that is not above the one before makes all that was written from it on
/// void, and so does the first step of a file for the files before it.
#[derive(Debug)]
pub struct EventWriter<W> {
    sink: W,
    newest: Option<u64>,
}

impl<W: Write> EventWriter<W> {
    /// Begins a file at a time in seconds since 1970.
    ///
    /// # Errors
    /// The sink's.
    pub fn begin(sink: W, wall_time: f64) -> io::Result<Self> {
        let mut writer = Self { sink, newest: None };
        writer.put(0, wall_time, What::FileVersion(VERSION.to_owned()))?;
        Ok(writer)
    }

    /// Writes the values of a step by their tags; those that are no number are left out.
    ///
    /// # Errors
    /// The sink's.
    pub fn step<'a>(
        &mut self,
        step: u64,
        wall_time: f64,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> io::Result<()> {
        if self.newest.is_none_or(|newest| step <= newest) {
            let start = pb::SessionLog {
                status: SessionStatus::Start.into(),
            };
            self.put(step, wall_time, What::SessionLog(start))?;
        }
        self.newest = Some(step);
        let known = values.into_iter().filter(|(_, value)| !value.is_nan());
        let value = known
            .map(|(tag, value)| Value {
                tag: tag.to_owned(),
                value: Some(value::Value::SimpleValue(value as f32)),
            })
            .collect();
        self.put(step, wall_time, What::Summary(pb::Summary { value }))
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// The sink's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Flushes, and gives the sink back.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn put(&mut self, step: u64, wall_time: f64, what: What) -> io::Result<()> {
        let event = pb::Event {
            wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        self.sink.write_all(&record(&event.encode_to_vec()))
    }
}

/// A record: its length and its payload, each with a checksum.
fn record(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c::crc32c(bytes)).to_le_bytes();
    let parts: [&[u8]; 4] = [&length, &checksum(&length), payload, &checksum(payload)];
    parts.concat()
}

/// A checksum as records have it, so that a record within a record does not check itself.
const fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, after a check of every checksum.
    fn read(mut bytes: &[u8]) -> Vec<pb::Event> {
        let mut take = |count: usize| {
            let (taken, left) = bytes.split_at(count);
            bytes = left;
            (taken.to_vec(), left.is_empty())
        };
        let mut events = Vec::new();
        loop {
            let (length, _) = take(8);
            let (checksum, _) = take(4);
            assert_eq!(checksum, masked(crc32c::crc32c(&length)).to_le_bytes());
            let count = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let (payload, _) = take(count);
            let (checksum, is_last) = take(4);
            assert_eq!(checksum, masked(crc32c::crc32c(&payload)).to_le_bytes());
            events.push(pb::Event::decode(payload.as_slice()).unwrap());
            if is_last {
                return events;
            }
        }
    }

    fn starts(events: &[pb::Event]) -> Vec<i64> {
        let starts = events
            .iter()
            .filter(|event| matches!(event.what, Some(What::SessionLog(_))));
        starts.map(|event| event.step).collect()
    }

    #[test]
    fn a_known_record_has_the_known_bytes() {
        // As TensorFlow writes the first event of a file at second 0.
        let event = pb::Event {
            wall_time: 0.0,
            step: 0,
            what: Some(What::FileVersion(VERSION.to_owned())),
        };
        let payload = event.encode_to_vec();
        assert_eq!(payload, b"\x1a\x0dbrain.Event:2");
        assert_eq!(masked(crc32c::crc32c(b"123456789")), {
            0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)
        });
    }

    #[test]
    fn a_step_that_comes_again_makes_what_followed_it_void() {
        let mut writer = EventWriter::begin(Vec::new(), 1.5).unwrap();
        for step in [5, 6, 7, 8, 7, 8, 9] {
            let values = [("loss/total", 0.5), ("loss/ct", f64::NAN)];
            writer.step(step, 2.0, values).unwrap();
        }
        let events = read(&writer.finish().unwrap());
        assert_eq!(events[0].what, Some(What::FileVersion(VERSION.to_owned())));
        assert_eq!(starts(&events), [5, 7]);
        assert_eq!(events.len(), 1 + 2 + 7);
        let Some(What::Summary(summary)) = &events[2].what else {
            panic!("{:?}", events[2]);
        };
        assert_eq!(summary.value.len(), 1, "a value that is none is left out");
        assert_eq!(summary.value[0].tag, "loss/total");
    }

    #[test]
    fn zero_is_a_value() {
        let mut writer = EventWriter::begin(Vec::new(), 0.0).unwrap();
        writer.step(0, 0.0, [("loss/total", 0.0)]).unwrap();
        let events = read(&writer.finish().unwrap());
        let Some(What::Summary(summary)) = &events[2].what else {
            panic!("{:?}", events[2]);
        };
        assert_eq!(summary.value[0].value, Some(value::Value::SimpleValue(0.0)));
    }
}
