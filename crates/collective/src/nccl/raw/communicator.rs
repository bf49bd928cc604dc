//! One rank's end of an NCCL communicator, with its stream and the memory that its calls read and write.
//!
//! No call runs while host memory is used: an [`InFlight`] borrows the communicator, and one that is dropped before
//! its end gives its memory to nobody until the communicator is aborted and the stream has come to rest.

use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::Fault;
use super::device::{NcclDevice, Shareable};
use super::functions::{
    Config, FLOAT, IN_PROGRESS, NO_TIMING, NOT_READY, OWN_STREAM, SUCCESS, SUM, UniqueId,
};
use super::memory::{Buffer, DeviceFloats};

/// How long the abort of a communicator that is dropped may take.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// The communicator, or the stream behind it, did not come to an end within the time given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hung;

/// One rank's end of a communicator.
pub(crate) struct Communicator {
    device: Arc<NcclDevice>,
    handle: Shareable<c_void>,
    stream: Shareable<c_void>,
    event: Shareable<c_void>,
    outgoing: ManuallyDrop<Buffer>,
    incoming: ManuallyDrop<Buffer>,
    /// Whether something in the stream may still read or write the memory.
    is_busy: bool,
}

/// What one launch does.
pub(crate) enum Plan<'a> {
    /// Sums the first so many outgoing floats of all ranks into the incoming ones.
    Sum(usize),
    /// Sums somebody's own floats on the device, where they are.
    SumInPlace(DeviceFloats),
    /// Sends and receives, all at once.
    Exchange(&'a [Piece]),
}

/// What goes to one peer and comes from it: ranges of the outgoing and of the incoming floats.
pub(crate) struct Piece {
    pub(crate) peer: usize,
    pub(crate) outgoing: Range<usize>,
    pub(crate) incoming: Range<usize>,
}

impl Plan<'_> {
    /// How many floats of both sides it touches, counted from the first.
    fn extent(&self) -> (usize, usize) {
        match self {
            Self::Sum(floats) => (*floats, *floats),
            Self::SumInPlace(_) => (0, 0),
            Self::Exchange(pieces) => {
                let out = pieces.iter().map(|piece| piece.outgoing.end).max();
                let back = pieces.iter().map(|piece| piece.incoming.end).max();
                (out.unwrap_or(0), back.unwrap_or(0))
            }
        }
    }
}

impl Communicator {
    /// Begins to make this rank's communicator; [`is_ready`](Self::is_ready) tells when it is there.
    pub(crate) fn open(
        device: &Arc<NcclDevice>,
        id: UniqueId,
        world: usize,
        rank: usize,
    ) -> Result<Self, Fault> {
        device.enter()?;
        let buffer = || Buffer::new(device, 0).map(ManuallyDrop::new);
        let mut communicator = Self {
            outgoing: buffer()?,
            incoming: buffer()?,
            device: Arc::clone(device),
            handle: Shareable(std::ptr::null_mut()),
            stream: Shareable(std::ptr::null_mut()),
            event: Shareable(std::ptr::null_mut()),
            is_busy: false,
        };
        let (world, rank) = (narrow(world), narrow(rank));
        let mut config = Config::non_blocking();
        // SAFETY: every pointer is to a field or a variable of the type that the function fills or reads.
        unsafe {
            let answer = (device.cuda.stream)(&raw mut communicator.stream.0, OWN_STREAM);
            device.cuda_answer("cuStreamCreate", answer)?;
            let answer = (device.cuda.event)(&raw mut communicator.event.0, NO_TIMING);
            device.cuda_answer("cuEventCreate", answer)?;
            let communicator = &raw mut communicator.handle.0;
            let answer = (device.nccl.init)(communicator, world, id, rank, &raw mut config);
            device.nccl_answer("ncclCommInitRankConfig", answer)?;
        }
        Ok(communicator)
    }

    /// Whether the communicator has done what it was asked last; the error is its own.
    pub(crate) fn is_ready(&self) -> Result<bool, Fault> {
        let mut state = SUCCESS;
        // SAFETY: the communicator is there until `abort`, after which nobody has this; the pointer is to a number.
        let answer = unsafe { (self.device.nccl.state)(self.handle.0, &raw mut state) };
        self.device.nccl_answer("ncclCommGetAsyncError", answer)?;
        self.device.nccl_answer("NCCL's communicator", state)?;
        Ok(state != IN_PROGRESS)
    }

    /// Makes room for so many floats; what was there before is lost.
    pub(crate) fn make_room(&mut self, outgoing: usize, incoming: usize) -> Result<(), Fault> {
        self.require_rest()?;
        self.device.enter()?;
        for (buffer, floats) in [
            (&mut self.outgoing, outgoing),
            (&mut self.incoming, incoming),
        ] {
            if buffer.floats() < floats {
                // The old one goes first: both may not fit.
                **buffer = Buffer::new(&self.device, 0)?;
                **buffer = Buffer::new(&self.device, floats)?;
            }
        }
        Ok(())
    }

    /// The floats that the next launch sends.
    pub(crate) fn outgoing(&mut self) -> Result<&mut [f32], Fault> {
        self.require_rest()?;
        Ok(self.outgoing.host_mut())
    }

    /// The floats that the last launch received.
    pub(crate) fn incoming(&self) -> Result<&[f32], Fault> {
        self.require_rest()?;
        Ok(self.incoming.host())
    }

    fn require_rest(&self) -> Result<(), Fault> {
        if self.is_busy {
            return Err(Fault {
                call: "the communicator",
                answer: "that a call before has not ended".to_owned(),
                is_local: true,
            });
        }
        Ok(())
    }

    /// Hands a plan to the communicator; the result tells when it is done.
    pub(crate) fn launch(&mut self, plan: &Plan<'_>) -> Result<InFlight<'_>, Fault> {
        self.require_rest()?;
        self.device.enter()?;
        let (outgoing, incoming) = plan.extent();
        if outgoing > self.outgoing.floats() || incoming > self.incoming.floats() {
            return Err(Fault {
                call: "the communicator",
                answer: format!("that {outgoing} and {incoming} floats are more than it has"),
                is_local: true,
            });
        }
        self.is_busy = true;
        self.outgoing.copy_in(outgoing, self.stream.0)?;
        match plan {
            Plan::Sum(floats) => {
                let (from, to) = (self.outgoing.on_device(0), self.incoming.on_device(0));
                self.sum(from, to, *floats)?;
            }
            Plan::SumInPlace(vector) => {
                self.sum(vector.pointer(), vector.pointer(), vector.floats())?;
            }
            Plan::Exchange(pieces) => self.exchange(pieces)?,
        }
        Ok(InFlight {
            communicator: self,
            incoming,
            is_issued: false,
        })
    }

    fn sum(&self, from: *mut c_void, to: *mut c_void, floats: usize) -> Result<(), Fault> {
        let (communicator, stream) = (self.handle.0, self.stream.0);
        // SAFETY: `launch` has seen that the buffers are large enough, and they outlive what is in the stream; for
        // other memory whoever named it promised so.
        let answer = unsafe {
            (self.device.nccl.all_reduce)(from, to, floats, FLOAT, SUM, communicator, stream)
        };
        self.device.nccl_answer("ncclAllReduce", answer)
    }

    fn exchange(&self, pieces: &[Piece]) -> Result<(), Fault> {
        // SAFETY: neither takes an argument; each start has its end.
        let answer = unsafe { (self.device.nccl.group_start)() };
        self.device.nccl_answer("ncclGroupStart", answer)?;
        let asked = pieces.iter().try_for_each(|piece| self.ask(piece));
        // SAFETY: as above.
        let answer = unsafe { (self.device.nccl.group_end)() };
        asked?;
        self.device.nccl_answer("ncclGroupEnd", answer)
    }

    fn ask(&self, piece: &Piece) -> Result<(), Fault> {
        let (communicator, stream) = (self.handle.0, self.stream.0);
        let peer = narrow(piece.peer);
        if !piece.outgoing.is_empty() {
            let from = self.outgoing.on_device(piece.outgoing.start);
            let floats = piece.outgoing.len();
            // SAFETY: as in `sum`.
            let answer =
                unsafe { (self.device.nccl.send)(from, floats, FLOAT, peer, communicator, stream) };
            self.device.nccl_answer("ncclSend", answer)?;
        }
        if !piece.incoming.is_empty() {
            let to = self.incoming.on_device(piece.incoming.start);
            let floats = piece.incoming.len();
            // SAFETY: as in `sum`.
            let answer = unsafe {
                (self.device.nccl.receive)(to, floats, FLOAT, peer, communicator, stream)
            };
            self.device.nccl_answer("ncclRecv", answer)?;
        }
        Ok(())
    }

    /// Ends the communicator and waits for the stream to come to rest, on a thread of its own, since either can hang.
    ///
    /// Idempotent. What hung is left to the process's end, with the memory that it may still write.
    pub(crate) fn abort(&mut self, within: Duration) -> Result<(), Hung> {
        let communicator = std::mem::replace(&mut self.handle.0, std::ptr::null_mut());
        if communicator.is_null() {
            return if self.is_busy { Err(Hung) } else { Ok(()) };
        }
        self.is_busy = true;
        let (sender, ended) = sync_channel(1);
        let ending = Ending {
            device: Arc::clone(&self.device),
            handle: Shareable(communicator),
            stream: Shareable(self.stream.0),
        };
        let thread = thread::Builder::new().name("abort of NCCL".to_owned());
        let started = thread.spawn(move || {
            // The one who waits may have gone.
            let _ = sender.send(ending.run());
        });
        match started.map(|_| ended.recv_timeout(within)) {
            Ok(Ok(true)) => {
                self.is_busy = false;
                Ok(())
            }
            _ => Err(Hung),
        }
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        if self.abort(DROP_TIMEOUT).is_err() {
            self.device.give_up();
            return tracing::error!(
                "a communicator of NCCL does not end: this process must be replaced"
            );
        }
        if self.device.enter().is_ok() {
            // SAFETY: both were created by this driver, are freed once, and nothing is in the stream.
            unsafe {
                (self.device.cuda.free_event)(self.event.0);
                (self.device.cuda.free_stream)(self.stream.0);
            }
        }
        // SAFETY: nothing is used after this, and the stream is at rest.
        unsafe {
            ManuallyDrop::drop(&mut self.outgoing);
            ManuallyDrop::drop(&mut self.incoming);
        }
    }
}

/// What ends a communicator, on its way to another thread.
struct Ending {
    device: Arc<NcclDevice>,
    handle: Shareable<c_void>,
    stream: Shareable<c_void>,
}

impl Ending {
    /// Tells whether the stream came to rest.
    fn run(self) -> bool {
        if self.device.enter().is_err() {
            return false;
        }
        // SAFETY: the handle was given up, and its stream lives until this has ended.
        let (ended, rested) = unsafe {
            (
                (self.device.nccl.abort)(self.handle.0),
                (self.device.cuda.finish_stream)(self.stream.0),
            )
        };
        (ended == SUCCESS || ended == IN_PROGRESS) && rested == SUCCESS
    }
}

/// A plan that was launched. While it lives nobody touches the memory; dropped before its end, the communicator stays busy.
pub(crate) struct InFlight<'a> {
    communicator: &'a mut Communicator,
    incoming: usize,
    /// Whether all of it is in the stream.
    is_issued: bool,
}

impl InFlight<'_> {
    /// Moves it on, and tells whether it is done; then the incoming floats are there.
    pub(crate) fn is_done(&mut self) -> Result<bool, Fault> {
        if !self.communicator.is_ready()? {
            return Ok(false);
        }
        let Communicator {
            device,
            stream,
            event,
            incoming,
            is_busy,
            ..
        } = &mut *self.communicator;
        if !self.is_issued {
            // Only now is the communicator's part in the stream, and what follows comes after it.
            incoming.copy_out(self.incoming, stream.0)?;
            // SAFETY: event and stream are the communicator's and live.
            let answer = unsafe { (device.cuda.record)(event.0, stream.0) };
            device.cuda_answer("cuEventRecord", answer)?;
            self.is_issued = true;
        }
        // SAFETY: the event is the communicator's and lives.
        match unsafe { (device.cuda.query)(event.0) } {
            NOT_READY => Ok(false),
            answer => {
                device.cuda_answer("cuEventQuery", answer)?;
                *is_busy = false;
                Ok(true)
            }
        }
    }
}

/// NCCL counts ranks in 32 bits.
fn narrow(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}
