//! A native Perfetto trace of steps: a process for each worker and one for the run, a flow for each collective call.

use crate::timeline::{Part, PlacedRank, PlacedStep, Span, Timeline, place};
use fratmae_observe::RankRow;
use prost::Message as _;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[expect(
    clippy::enum_variant_names,
    unreachable_pub,
    reason = "generated; the schema is documented in the .proto file"
)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/perfetto.protos.rs"));
}

use pb::debug_annotation::Value;
use pb::trace_packet::Data;
use pb::track_event::Type;

/// The one sequence of packets, whose number is not zero, and the flag that its first one has.
const SEQUENCE: u32 = 1;
const FIRST_OF_SEQUENCE: u32 = 1;

/// Clocks as Perfetto numbers them: since 1970, and the one that packets have by default. Here they are the same.
const CLOCKS: [u32; 2] = [1, 6];

/// Tracks of the run.
const RUN: u64 = 1;
const GENERATIONS: u64 = 2;
const MOMENTS: u64 = 3;
const LOSS: u64 = 4;
/// The first worker's process; its thread has the next number, and so on.
const WORKERS: u64 = 16;

/// What a trace shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recording<'a> {
    /// Where the run is kept.
    pub run: &'a str,
    pub rows: &'a [RankRow],
    /// The loss of each step that is known.
    pub losses: &'a [(u64, f64)],
    /// What happened meanwhile.
    pub moments: &'a [Moment],
}

/// Something that happened to a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What, in a word or two.
    pub name: String,
    /// In one line.
    pub detail: String,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    pub steps: u64,
    pub workers: u64,
    pub packets: u64,
    /// How far times of two ranks may be from each other's, as measured at every collective call.
    pub clock_error_ns: u64,
}

/// Writes the trace of a recording.
///
/// # Errors
/// The sink's.
pub fn write_trace(recording: Recording<'_>, sink: &mut impl Write) -> io::Result<Drawn> {
    let timeline = place(recording.rows);
    let workers = workers(&timeline);
    let mut trace = Trace { sink, packets: 0 };
    let begin = timeline.steps.iter().map(PlacedStep::begin).min();
    trace.clock(begin.unwrap_or(0))?;
    trace.run_tracks(recording.run)?;
    for ((name, host), (track, rank)) in &workers {
        trace.worker_tracks(name, host, *track, *rank)?;
    }
    trace.precision(&recording, &timeline, begin.unwrap_or(0))?;
    trace.generations(&timeline)?;
    let losses: BTreeMap<u64, f64> = recording.losses.iter().copied().collect();
    for step in &timeline.steps {
        for rank in &step.ranks {
            let key = (rank.row.worker.as_str(), rank.row.host.as_str());
            if let Some((track, _)) = workers.get(&key) {
                trace.step(step, rank, *track)?;
            }
        }
        if let Some(loss) = losses.get(&step.step) {
            trace.counter(step.end(), LOSS, *loss)?;
        }
    }
    Ok(Drawn {
        steps: timeline.steps.len() as u64,
        workers: workers.len() as u64,
        packets: trace.packets,
        clock_error_ns: timeline.clock_error_ns,
    })
}

/// Each worker by its name and host: the track of its thread, and its first rank.
fn workers<'a>(timeline: &Timeline<'a>) -> BTreeMap<(&'a str, &'a str), (u64, u32)> {
    let mut workers = BTreeMap::new();
    for rank in timeline.steps.iter().flat_map(|step| &step.ranks) {
        let row = rank.row;
        let next = WORKERS + 2 * workers.len() as u64 + 1;
        workers
            .entry((row.worker.as_str(), row.host.as_str()))
            .or_insert((next, row.rank));
    }
    workers
}

/// The flow that joins the ranks' parts of one collective call.
fn flow(step: &PlacedStep<'_>, number: usize) -> u64 {
    // Two calls of a trace that are alike in this are none: it has fewer than 2^24 generations, 2^32 steps, 2^8 calls.
    (step.generation << 40) ^ (step.step << 8) ^ (number as u64 + 1)
}

/// A trace that is being written, packet by packet.
struct Trace<'a, W> {
    sink: &'a mut W,
    packets: u64,
}

impl<W: Write> Trace<'_, W> {
    fn put(&mut self, timestamp: Option<u64>, data: Data) -> io::Result<()> {
        let packet = pb::TracePacket {
            timestamp,
            trusted_packet_sequence_id: Some(SEQUENCE),
            sequence_flags: (self.packets == 0).then_some(FIRST_OF_SEQUENCE),
            data: Some(data),
        };
        self.packets += 1;
        // A trace is a message of packets: each can be written by itself, one after the other.
        let packet = vec![packet];
        self.sink.write_all(&pb::Trace { packet }.encode_to_vec())
    }

    /// Says that the clock of all packets is the time since 1970.
    fn clock(&mut self, timestamp: u64) -> io::Result<()> {
        let clock = |clock_id| pb::clock_snapshot::Clock {
            clock_id: Some(clock_id),
            timestamp: Some(timestamp),
        };
        let clocks = CLOCKS.map(clock).to_vec();
        let snapshot = pb::ClockSnapshot { clocks };
        self.put(Some(timestamp), Data::ClockSnapshot(snapshot))
    }

    fn run_tracks(&mut self, run: &str) -> io::Result<()> {
        let process = pb::ProcessDescriptor {
            pid: Some(1),
            process_name: Some(format!("run {run}")),
        };
        self.track(pb::TrackDescriptor {
            uuid: Some(RUN),
            process: Some(process),
            child_ordering: Some(pb::track_descriptor::ChildTracksOrdering::Explicit.into()),
            ..pb::TrackDescriptor::default()
        })?;
        let child = |(uuid, name): (u64, &str)| pb::TrackDescriptor {
            uuid: Some(uuid),
            name: Some(name.to_owned()),
            parent_uuid: Some(RUN),
            sibling_order_rank: i32::try_from(uuid).ok(),
            counter: (uuid == LOSS).then(pb::CounterDescriptor::default),
            ..pb::TrackDescriptor::default()
        };
        let children = [
            (GENERATIONS, "generations"),
            (MOMENTS, "events"),
            (LOSS, "loss"),
        ];
        children
            .into_iter()
            .try_for_each(|it| self.track(child(it)))
    }

    /// A process for a worker and a thread for its steps.
    fn worker_tracks(&mut self, name: &str, host: &str, track: u64, rank: u32) -> io::Result<()> {
        let number = i32::try_from(track).unwrap_or(i32::MAX);
        let process = pb::ProcessDescriptor {
            pid: Some(number),
            process_name: Some(match host {
                "" => format!("rank {rank}: {name}"),
                host => format!("rank {rank}: {name} ({host})"),
            }),
        };
        self.track(pb::TrackDescriptor {
            uuid: Some(track - 1),
            process: Some(process),
            sibling_order_rank: i32::try_from(rank).ok(),
            ..pb::TrackDescriptor::default()
        })?;
        let thread = pb::ThreadDescriptor {
            pid: Some(number),
            tid: Some(number),
            thread_name: Some("step".to_owned()),
        };
        self.track(pb::TrackDescriptor {
            uuid: Some(track),
            parent_uuid: Some(track - 1),
            thread: Some(thread),
            ..pb::TrackDescriptor::default()
        })
    }

    fn track(&mut self, track: pb::TrackDescriptor) -> io::Result<()> {
        self.put(None, Data::TrackDescriptor(track))
    }

    /// Says how exact the times are, and what else happened within them.
    fn precision(
        &mut self,
        recording: &Recording<'_>,
        timeline: &Timeline<'_>,
        begin: u64,
    ) -> io::Result<()> {
        let error = timeline.clock_error_ns as f64 / 1e3;
        let notes = vec![
            note("clock_error_us", Value::DoubleValue(error)),
            note("run", Value::StringValue(recording.run.to_owned())),
        ];
        self.instant(begin, "clock", notes)?;
        let end = timeline.steps.iter().map(PlacedStep::end).max();
        let mut moments: Vec<_> = recording.moments.iter().collect();
        moments.sort_by_key(|moment| moment.unix_ms);
        for moment in moments {
            let at = moment.unix_ms.saturating_mul(1_000_000);
            if (begin..=end.unwrap_or(begin)).contains(&at) {
                let detail = Value::StringValue(moment.detail.clone());
                self.instant(at, &moment.name, vec![note("detail", detail)])?;
            }
        }
        Ok(())
    }

    fn generations(&mut self, timeline: &Timeline<'_>) -> io::Result<()> {
        let steps = timeline.steps.as_slice();
        for steps in steps.chunk_by(|one, next| one.generation == next.generation) {
            let begin = steps.iter().map(PlacedStep::begin).min().unwrap_or(0);
            let end = steps.iter().map(PlacedStep::end).max().unwrap_or(begin);
            let generation = steps[0].generation;
            let notes = vec![note("generation", Value::UintValue(generation))];
            let name = format!("generation {generation}");
            self.slice(GENERATIONS, (begin, end), named(&name, "run", notes))?;
        }
        Ok(())
    }

    /// A rank's part of a step, with what it did meanwhile inside of it.
    fn step(&mut self, step: &PlacedStep<'_>, rank: &PlacedRank<'_>, track: u64) -> io::Result<()> {
        let notes = vec![
            note("step", Value::UintValue(step.step)),
            note("generation", Value::UintValue(step.generation)),
            note("rank", Value::UintValue(rank.row.rank.into())),
            note("slots", Value::UintValue(rank.row.slots.into())),
        ];
        let name = format!("step {}", step.step);
        self.begin_slice(track, rank.begin, named(&name, "step", notes))?;
        for span in &rank.spans {
            self.span(step, span, track)?;
        }
        self.end_slice(track, rank.end)
    }

    fn span(&mut self, step: &PlacedStep<'_>, span: &Span, track: u64) -> io::Result<()> {
        let (call, number, wait) = match span.what {
            Part::Account(account) => {
                let event = named(account.name(), "account", Vec::new());
                return self.slice(track, (span.begin, span.end), event);
            }
            Part::Call { call, number, wait } => (call, number, wait),
        };
        let notes = vec![note("wait_us", Value::DoubleValue(wait as f64 / 1e3))];
        let mut event = named(call.name(), "collective", notes);
        event.flow_ids = vec![flow(step, number)];
        self.begin_slice(track, span.begin, event)?;
        if wait > 0 {
            let event = named("wait", "account", Vec::new());
            self.slice(track, (span.begin, span.begin.saturating_add(wait)), event)?;
        }
        self.end_slice(track, span.end)
    }

    fn slice(
        &mut self,
        track: u64,
        (begin, end): (u64, u64),
        event: pb::TrackEvent,
    ) -> io::Result<()> {
        self.begin_slice(track, begin, event)?;
        self.end_slice(track, end)
    }

    fn begin_slice(&mut self, track: u64, at: u64, event: pb::TrackEvent) -> io::Result<()> {
        let event = pb::TrackEvent {
            r#type: Some(Type::SliceBegin.into()),
            track_uuid: Some(track),
            ..event
        };
        self.put(Some(at), Data::TrackEvent(event))
    }

    fn end_slice(&mut self, track: u64, at: u64) -> io::Result<()> {
        let event = pb::TrackEvent {
            r#type: Some(Type::SliceEnd.into()),
            track_uuid: Some(track),
            ..pb::TrackEvent::default()
        };
        self.put(Some(at), Data::TrackEvent(event))
    }

    fn instant(&mut self, at: u64, name: &str, notes: Vec<pb::DebugAnnotation>) -> io::Result<()> {
        let event = pb::TrackEvent {
            r#type: Some(Type::Instant.into()),
            track_uuid: Some(MOMENTS),
            ..named(name, "run", notes)
        };
        self.put(Some(at), Data::TrackEvent(event))
    }

    fn counter(&mut self, at: u64, track: u64, value: f64) -> io::Result<()> {
        let event = pb::TrackEvent {
            r#type: Some(Type::Counter.into()),
            track_uuid: Some(track),
            double_counter_value: Some(value),
            ..pb::TrackEvent::default()
        };
        self.put(Some(at), Data::TrackEvent(event))
    }
}

/// An event of a track that is still to be said, of a kind as well.
fn named(name: &str, category: &str, notes: Vec<pb::DebugAnnotation>) -> pb::TrackEvent {
    pb::TrackEvent {
        name: Some(name.to_owned()),
        categories: vec![category.to_owned()],
        debug_annotations: notes,
        ..pb::TrackEvent::default()
    }
}

fn note(name: &str, value: Value) -> pb::DebugAnnotation {
    pb::DebugAnnotation {
        name: Some(name.to_owned()),
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_telemetry::{Account, Accounts};

    fn rows() -> Vec<RankRow> {
        let row = |step: u64, rank: u32| {
            let slow = u64::from(rank) * 50;
            let accounts: Accounts = [
                (Account::Load, 5),
                (Account::Forward, 100 + slow),
                (Account::Backward, 200),
                (Account::Optimizer, 10),
                (Account::Transfer, 40),
                (Account::Wait, 50 - slow),
            ]
            .into_iter()
            .collect();
            RankRow {
                step,
                generation: step.div_ceil(2),
                rank,
                worker: format!("w{rank}"),
                host: "host".to_owned(),
                slots: 4,
                unix_ms: 1_700_000_000_000 + step,
                accounts,
                calls: match step % 2 {
                    0 => vec![10, 60 - slow, 20],
                    _ => vec![70 - slow, 20],
                },
            }
        };
        (1..=4)
            .flat_map(|step| (0..2).map(move |rank| row(step, rank)))
            .collect()
    }

    /// What a reader that knows nothing of us finds wrong with a trace: slices that are not closed or not nested, times
    /// that go back, tracks that nobody declared.
    fn faults(trace: &pb::Trace) -> Vec<String> {
        let mut faults = Vec::new();
        let mut tracks: BTreeMap<u64, (u64, i64)> = BTreeMap::new();
        for packet in &trace.packet {
            match packet.data.as_ref().unwrap() {
                Data::TrackDescriptor(track) => drop(tracks.insert(track.uuid(), (0, 0))),
                Data::TrackEvent(event) => {
                    let Some((newest, depth)) = tracks.get_mut(&event.track_uuid()) else {
                        faults.push(format!("no track {}", event.track_uuid()));
                        continue;
                    };
                    if packet.timestamp() < *newest {
                        faults.push(format!("back to {}", packet.timestamp()));
                    }
                    *newest = packet.timestamp();
                    *depth += match event.r#type() {
                        Type::SliceBegin => 1,
                        Type::SliceEnd => -1,
                        _ => 0,
                    };
                    if *depth < 0 {
                        faults.push("an end without a beginning".to_owned());
                    }
                }
                Data::ClockSnapshot(_) => {}
            }
        }
        let open = tracks.iter().filter(|(_, (_, depth))| *depth != 0);
        faults.extend(open.map(|(track, _)| format!("open slices on {track}")));
        faults
    }

    fn written(recording: Recording<'_>) -> (pb::Trace, Drawn) {
        let mut bytes = Vec::new();
        let drawn = write_trace(recording, &mut bytes).unwrap();
        (pb::Trace::decode(bytes.as_slice()).unwrap(), drawn)
    }

    #[test]
    fn a_trace_is_balanced_monotone_and_joins_the_ranks_of_every_call() {
        let (rows, losses) = (rows(), [(1, 0.5), (4, 0.25)]);
        let moments = [Moment {
            unix_ms: 1_700_000_000_002,
            name: "verdict".to_owned(),
            detail: "w1 is gone".to_owned(),
        }];
        let (trace, drawn) = written(Recording {
            run: "/r",
            rows: &rows,
            losses: &losses,
            moments: &moments,
        });
        assert_eq!(faults(&trace), Vec::<String>::new());
        assert_eq!((drawn.steps, drawn.workers), (4, 2));
        assert_eq!(drawn.packets, trace.packet.len() as u64);
        assert_eq!(drawn.clock_error_ns, 0);
        let mut flows: BTreeMap<u64, usize> = BTreeMap::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for packet in &trace.packet {
            if let Some(Data::TrackEvent(event)) = &packet.data {
                event
                    .flow_ids
                    .iter()
                    .for_each(|flow| *flows.entry(*flow).or_default() += 1);
                *names.entry(event.name().to_owned()).or_default() += 1;
            }
        }
        assert_eq!(flows.len(), 2 * 2 + 2 * 3);
        assert!(flows.values().all(|ranks| *ranks == 2));
        for (name, times) in [
            ("clock", 1),
            ("verdict", 1),
            ("generation 1", 1),
            ("generation 2", 1),
            ("step 3", 2),
            ("backward", 8),
            ("agree", 4),
            ("gather", 8),
            ("reduce", 8),
            ("wait", 4),
        ] {
            assert_eq!(names.get(name), Some(&times), "{name}");
        }
    }

    #[test]
    fn a_recording_of_nothing_is_a_trace_without_steps() {
        let (trace, drawn) = written(Recording {
            run: "/r",
            ..Recording::default()
        });
        assert_eq!(faults(&trace), Vec::<String>::new());
        assert_eq!((drawn.steps, drawn.workers), (0, 0));
    }
}
