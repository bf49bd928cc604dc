//! Messages as they come in, bounded in bytes before anything is made of them.
//!
//! A message has its size in front. One that is too large is refused there; one that is not is handed on when it is whole
//! and when there is room for what it may become in memory. The room is given back when the message has been dealt with.

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

/// In front of every message: whether it is compressed, and its size in four bytes.
const HEADER: usize = 5;
/// Bytes of a message before its sender is admitted: a registration takes some hundred.
const FIRST: usize = 8 << 10;
/// Bytes of any message but those that grow with the job.
const SMALL: usize = 64 << 10;
/// The numbers of those in `FromWorker`, which only those with a seat send: what a step was trained on, the parts of a
/// checkpoint, steps told again, the time of each rank. Of a number above 15 the first byte is enough: no other number
/// that is in use begins with it.
const GROWING: [u8; 4] = [4, 5, 15, 17];
/// Bytes of memory that one byte of a message may take at most: an empty part is two bytes and takes ninety, and a
/// vector that grows is there twice for a moment.
const UNFOLDED: usize = 128;
/// What a message takes that has no bytes.
const LEAST: usize = 1 << 10;
/// Messages of the first size, of senders that are not admitted, that may wait at once.
const FIRSTS: usize = 4;
/// Large messages that may be on their way at once.
const ARRIVING: usize = 8;
/// How long a large message may be on its way.
const PATIENCE: Duration = Duration::from_secs(30);

/// The room that all messages share.
#[derive(Debug)]
struct Room {
    /// Bytes of the largest message.
    largest: usize,
    /// Bytes in memory, of senders that are admitted and of all others.
    admitted: Arc<Semaphore>,
    others: Arc<Semaphore>,
    /// Bytes of large messages that are on their way.
    arriving: Arc<Semaphore>,
    /// How long a large message may be on its way.
    patience: Duration,
}

/// The bytes in memory that a message may become.
const fn unfolded(bytes: usize) -> usize {
    LEAST + UNFOLDED * bytes
}

impl Room {
    fn new(largest: usize, patience: Duration) -> Self {
        let largest = largest.max(SMALL);
        Self {
            largest,
            admitted: Arc::new(Semaphore::new(unfolded(largest))),
            others: Arc::new(Semaphore::new(FIRSTS * unfolded(FIRST))),
            arriving: Arc::new(Semaphore::new(ARRIVING * largest)),
            patience,
        }
    }
}

/// Room that a message has while the value lives.
#[derive(Debug)]
pub struct Charge(
    #[expect(dead_code, reason = "it is given back when it is dropped")] OwnedSemaphorePermit,
);

/// The messages of one request that are handed on; a clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Inflow(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_admitted: AtomicBool,
    has_seat: AtomicBool,
    charges: Mutex<VecDeque<Charge>>,
}

impl Inflow {
    /// Lets the sender of this request have the room of those that are known.
    pub fn admit(&self) {
        self.0.is_admitted.store(true, Ordering::Relaxed);
    }

    /// Lets the sender of this request send what grows with the job.
    pub fn seat(&self) {
        self.0.has_seat.store(true, Ordering::Relaxed);
    }

    fn is_admitted(&self) -> bool {
        self.0.is_admitted.load(Ordering::Relaxed)
    }

    /// The bytes of its largest message, of which this byte says what it is, if that is known.
    fn largest(&self, tag: Option<&u8>, room: &Room) -> usize {
        let has_seat = self.0.has_seat.load(Ordering::Relaxed);
        let may_grow = tag.is_none_or(|tag| GROWING.contains(&(tag >> 3)));
        match self.is_admitted() {
            false => FIRST,
            true if has_seat && may_grow => room.largest,
            true => SMALL,
        }
    }

    /// The room of the oldest message whose room was not taken yet; to be kept until the message is dealt with.
    #[must_use]
    pub fn charge(&self) -> Option<Charge> {
        self.charges().pop_front()
    }

    fn charges(&self) -> std::sync::MutexGuard<'_, VecDeque<Charge>> {
        let charges = self.0.charges.lock();
        charges.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service whose requests are bounded.
#[derive(Clone, Debug)]
pub(super) struct Metered<S> {
    inner: S,
    room: Arc<Room>,
}

impl<S> Metered<S> {
    pub(super) fn new(inner: S, largest: usize) -> Self {
        let room = Arc::new(Room::new(largest, PATIENCE));
        Self { inner, room }
    }
}

impl<S: NamedService> NamedService for Metered<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Metered<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> S::Future {
        let inflow = Inflow::default();
        request.extensions_mut().insert(inflow.clone());
        let room = Arc::clone(&self.room);
        self.inner
            .call(request.map(|body| Body::new(Whole::new(body, inflow, room))))
    }
}

type Granting = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

fn grant(room: &Arc<Semaphore>, bytes: usize) -> Granting {
    let room = Arc::clone(room);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Box::pin(async move { room.acquire_many_owned(bytes).await.ok() })
}

/// A body of which whole messages come out.
struct Whole {
    body: Body,
    inflow: Inflow,
    room: Arc<Room>,
    /// What has come of the next message.
    part: BytesMut,
    /// A whole message that waits for its room.
    waiting: Option<(Bytes, Granting)>,
    /// A large message that waits to be let come.
    claiming: Option<Granting>,
    /// What a large message on its way has been granted, and until when.
    claim: Option<(OwnedSemaphorePermit, Pin<Box<Sleep>>)>,
}

impl Whole {
    fn new(body: Body, inflow: Inflow, room: Arc<Room>) -> Self {
        Self {
            body,
            inflow,
            room,
            part: BytesMut::new(),
            waiting: None,
            claiming: None,
            claim: None,
        }
    }

    /// The size of the message that is coming, as far as it is known; an error if it is too large.
    fn size(&self) -> Result<Option<usize>, Status> {
        let Some(&[_, a, b, c, d]) = self.part.first_chunk() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let largest = self.inflow.largest(self.part.get(HEADER), &self.room);
        match size > largest {
            true => Err(Status::out_of_range(format!(
                "a message of {size} bytes, where {largest} are the most"
            ))),
            false => Ok(Some(size)),
        }
    }

    /// Lets a large message come: as many as there is room for, and each for a while only.
    fn poll_claim(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<Result<(), Status>> {
        if self.claim.is_none() {
            let arriving = &self.room.arriving;
            let claiming = self.claiming.get_or_insert_with(|| grant(arriving, size));
            let granted = ready!(claiming.as_mut().poll(cx));
            self.claiming = None;
            let Some(permit) = granted else {
                return Poll::Ready(Err(Status::unavailable("the run has ended")));
            };
            self.claim = Some((permit, Box::pin(wait(self.room.patience))));
        }
        let is_late = self
            .claim
            .as_mut()
            .is_some_and(|(_, until)| until.as_mut().poll(cx).is_ready());
        Poll::Ready(match is_late {
            true => Err(Status::deadline_exceeded(format!(
                "a message of {size} bytes was not there after {} s",
                self.room.patience.as_secs_f64()
            ))),
            false => Ok(()),
        })
    }

    /// Hands the waiting message on once there is room for it.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some((message, granting)) = &mut self.waiting else {
            return Poll::Ready(None);
        };
        let granted = ready!(granting.as_mut().poll(cx));
        let message = std::mem::take(message);
        (self.waiting, self.claim) = (None, None);
        self.inflow.charges().extend(granted.map(Charge));
        Poll::Ready(Some(message))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is polled beside the bytes that it limits, and no future holds it"
)]
fn wait(patience: Duration) -> Sleep {
    tokio::time::sleep(patience)
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if let Some(message) = ready!(this.poll_waiting(cx)) {
                return Poll::Ready(Some(Ok(Frame::data(message))));
            }
            match this.size() {
                Err(status) => return Poll::Ready(Some(Err(status))),
                Ok(Some(size)) if this.part.len() >= HEADER + size => {
                    let message = this.part.split_to(HEADER + size).freeze();
                    let room = match this.inflow.is_admitted() {
                        true => &this.room.admitted,
                        false => &this.room.others,
                    };
                    this.waiting = Some((message, grant(room, unfolded(size))));
                    continue;
                }
                Ok(Some(size)) if size > FIRST => {
                    if let Err(status) = ready!(this.poll_claim(cx, size)) {
                        return Poll::Ready(Some(Err(status)));
                    }
                }
                Ok(_) => {}
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.part.extend_from_slice(&data),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                // Half a message is for the reader to complain about.
                None if !this.part.is_empty() => {
                    let rest = this.part.split().freeze();
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests;
