//! NCCL's functions, those of a communicator that does not block.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::communicator::{
    Communicator, IN_PROGRESS, INTERNAL_ERROR, INVALID_ARGUMENT, INVALID_USAGE, REMOTE_ERROR,
    SUCCESS,
};
use crate::faults::{self, Fate};
use crate::meeting;
use crate::stream::Stream;
use crate::transfer::{self, Floats, Part};

/// How long the library takes to put a collective into the stream, so that its progress can be seen.
const ISSUE: Duration = Duration::from_micros(300);
const FLOAT: c_int = 7;
const SUM: c_int = 0;

/// The head of `ncclConfig_t`.
#[repr(C)]
pub(crate) struct Config {
    size: usize,
    magic: u32,
    version: u32,
    blocking: c_int,
}

/// `ncclUniqueId`: the port of rank 0 in its first bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct UniqueId([u8; 128]);

thread_local! {
    /// The open group of this thread: how deep, and what is in it.
    static GROUP: RefCell<(usize, Vec<Asked>)> = const { RefCell::new((0, Vec::new())) };
}

/// A part of a collective, with where it belongs.
struct Asked {
    communicator: Arc<Communicator>,
    stream: Stream,
    part: Part,
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclGetVersion(version: *mut c_int) -> c_int {
    // SAFETY: the caller gives a place for a number.
    unsafe { *version = faults::version() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclGetLastError(_communicator: *mut c_void) -> *const c_char {
    c"the stand-in was told to".as_ptr()
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclGetUniqueId(id: *mut UniqueId) -> c_int {
    let Ok(port) = meeting::open_root() else {
        return INTERNAL_ERROR;
    };
    let mut bytes = [0; 128];
    bytes[..2].copy_from_slice(&port.to_le_bytes());
    // SAFETY: the caller gives a place for an id.
    unsafe { *id = UniqueId(bytes) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclCommInitRankConfig(
    communicator: *mut *mut c_void,
    world: c_int,
    id: UniqueId,
    rank: c_int,
    config: *const Config,
) -> c_int {
    // SAFETY: the caller gives a config, which is at least as long as this head of it.
    let config = unsafe { &*config };
    let is_sound = config.magic == 0xcafe_beef && config.size >= 40 && config.version >= 21_700;
    let (Ok(world), Ok(rank)) = (usize::try_from(world), usize::try_from(rank)) else {
        return INVALID_ARGUMENT;
    };
    if !is_sound || config.blocking != 0 || rank >= world {
        return INVALID_ARGUMENT;
    }
    let made = Arc::new(Communicator::new(world, rank));
    // SAFETY: the caller gives a place for a pointer.
    unsafe { *communicator = Arc::into_raw(Arc::clone(&made)).cast_mut().cast() };
    let root = u16::from_le_bytes([id.0[0], id.0[1]]);
    thread::spawn(move || make(&made, root));
    IN_PROGRESS
}

fn make(communicator: &Communicator, root: u16) {
    match faults::of_init(communicator.rank) {
        Fate::Well => {}
        Fate::Hangs => return communicator.hang(),
        Fate::Errs => return communicator.fail(INTERNAL_ERROR),
        Fate::Dies => faults::die(),
    }
    match meeting::meet(communicator, root) {
        Ok(peers) => {
            let _ = communicator.peers.set(peers);
            communicator.ready();
        }
        Err(_) if faults::reports_remote_errors() => communicator.fail(REMOTE_ERROR),
        Err(_) => communicator.hang(),
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclCommGetAsyncError(
    communicator: *mut c_void,
    state: *mut c_int,
) -> c_int {
    if communicator.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the communicator is one of ours and not aborted; the caller gives a place for a number.
    unsafe { *state = (*communicator.cast::<Communicator>()).state() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclCommAbort(communicator: *mut c_void) -> c_int {
    if communicator.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the communicator is one of ours, and nobody has it after this.
    let communicator = unsafe { Arc::from_raw(communicator.cast::<Communicator>()) };
    if faults::of_abort(communicator.rank) == Fate::Hangs {
        loop {
            thread::park();
        }
    }
    communicator.abort();
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclGroupStart() -> c_int {
    GROUP.with_borrow_mut(|(depth, _)| *depth += 1);
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclGroupEnd() -> c_int {
    let asked = GROUP.with_borrow_mut(|(depth, asked)| {
        *depth = depth.checked_sub(1)?;
        Some(if *depth == 0 {
            std::mem::take(asked)
        } else {
            Vec::new()
        })
    });
    asked.map_or(INVALID_USAGE, issue)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclSend(
    from: *const c_void,
    count: usize,
    kind: c_int,
    peer: c_int,
    communicator: *mut c_void,
    stream: *mut c_void,
) -> c_int {
    let Ok(to) = usize::try_from(peer) else {
        return INVALID_ARGUMENT;
    };
    let floats = floats(from, count);
    // SAFETY: as the caller's contract.
    unsafe { ask(kind, communicator, stream, Part::Send { to, floats }) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclRecv(
    to: *mut c_void,
    count: usize,
    kind: c_int,
    peer: c_int,
    communicator: *mut c_void,
    stream: *mut c_void,
) -> c_int {
    let Ok(from) = usize::try_from(peer) else {
        return INVALID_ARGUMENT;
    };
    let floats = floats(to, count);
    // SAFETY: as the caller's contract.
    unsafe { ask(kind, communicator, stream, Part::Receive { from, floats }) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ncclAllReduce(
    from: *const c_void,
    to: *mut c_void,
    count: usize,
    kind: c_int,
    operation: c_int,
    communicator: *mut c_void,
    stream: *mut c_void,
) -> c_int {
    if operation != SUM {
        return INVALID_ARGUMENT;
    }
    let (from, to) = (floats(from, count), floats(to, count));
    // SAFETY: as the caller's contract.
    unsafe { ask(kind, communicator, stream, Part::Sum { from, to }) }
}

fn floats(at: *const c_void, count: usize) -> Floats {
    let address = at.addr();
    Floats { address, count }
}

/// Notes a part in the open group, or issues it alone.
unsafe fn ask(kind: c_int, communicator: *mut c_void, stream: *mut c_void, part: Part) -> c_int {
    if communicator.is_null() || stream.is_null() || kind != FLOAT {
        return INVALID_ARGUMENT;
    }
    // SAFETY: both were made here and are not destroyed; the count of the communicator's owners goes up by this one.
    let asked = unsafe {
        let communicator = communicator.cast::<Communicator>();
        Arc::increment_strong_count(communicator);
        Asked {
            communicator: Arc::from_raw(communicator),
            stream: (*stream.cast::<Stream>()).clone(),
            part,
        }
    };
    let alone = GROUP.with_borrow_mut(|(depth, group)| {
        if *depth == 0 {
            return Some(asked);
        }
        group.push(asked);
        None
    });
    alone.map_or(SUCCESS, |asked| issue(vec![asked]))
}

/// Puts a collective into its stream from a thread, the communicator being in progress until it is there.
fn issue(asked: Vec<Asked>) -> c_int {
    let Some(first) = asked.first() else {
        return SUCCESS;
    };
    let (communicator, stream) = (Arc::clone(&first.communicator), first.stream.clone());
    if let Err(error) = communicator.take_up() {
        return error;
    }
    let parts: Vec<_> = asked.iter().map(|asked| asked.part).collect();
    thread::spawn(move || {
        communicator.pause(ISSUE);
        let fate = faults::of_collective(communicator.rank);
        let working = Arc::clone(&communicator);
        stream.put(move || work(&working, &parts, fate));
        communicator.ready();
    });
    IN_PROGRESS
}

fn work(communicator: &Communicator, parts: &[Part], fate: Fate) {
    communicator.pause(faults::delay());
    match fate {
        Fate::Well => {}
        Fate::Hangs => return communicator.hang(),
        Fate::Errs => {
            communicator.fail(INTERNAL_ERROR);
            return communicator.hang();
        }
        Fate::Dies => faults::die(),
    }
    if transfer::run(communicator, parts).is_err() {
        if faults::reports_remote_errors() {
            communicator.fail(REMOTE_ERROR);
        }
        communicator.hang();
    }
}
