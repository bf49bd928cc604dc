//! Bodies in pieces, and what comes out of them.

use super::*;
use crate::pb;
use crate::pb::from_worker::Message;
use http_body::Body as _;
use prost::Message as _;
use std::future::poll_fn;

const LARGEST: usize = 256 << 10;

/// A body that has come so far, and has no more for now.
struct Come(VecDeque<Bytes>);

impl http_body::Body for Come {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.0.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Pending,
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let size = u32::try_from(message.len()).unwrap();
    [&[0][..], &size.to_be_bytes(), message].concat()
}

/// A body that has these bytes, in pieces of a network's size.
fn whole(bytes: &[u8], inflow: &Inflow, room: &Arc<Room>) -> Whole {
    let pieces = bytes.chunks(1000).map(Bytes::copy_from_slice).collect();
    Whole::new(Body::new(Come(pieces)), inflow.clone(), Arc::clone(room))
}

async fn next(whole: &mut Whole) -> Poll<Result<Bytes, Status>> {
    poll_fn(|cx| {
        let frame = Pin::new(&mut *whole).poll_frame(cx);
        Poll::Ready(frame.map(|frame| frame.unwrap().map(|frame| frame.into_data().unwrap())))
    })
    .await
}

fn admitted() -> Inflow {
    let inflow = Inflow::default();
    inflow.admit();
    inflow
}

fn seated() -> Inflow {
    let inflow = admitted();
    inflow.seat();
    inflow
}

/// A heartbeat of about so many bytes, most of them empty laps.
fn heartbeat(bytes: usize) -> Vec<u8> {
    let heartbeat = pb::Heartbeat {
        laps: vec![pb::Lap::default(); bytes / 2],
        ..Default::default()
    };
    message(Message::Heartbeat(heartbeat))
}

fn written(bytes: usize) -> Vec<u8> {
    let written = pb::PartsWritten {
        parts: vec![pb::Part::default(); bytes / 2],
        ..Default::default()
    };
    message(Message::PartsWritten(written))
}

fn message(message: Message) -> Vec<u8> {
    let message = Some(message);
    framed(&pb::FromWorker { message }.encode_to_vec())
}

#[tokio::test]
async fn pieces_become_whole_messages_each_with_its_room() {
    let (inflow, room) = (admitted(), Arc::new(Room::new(LARGEST, PATIENCE)));
    let (first, second) = (heartbeat(3000), heartbeat(10));
    let mut whole = whole(&[first.clone(), second.clone()].concat(), &inflow, &room);
    for message in [first, second] {
        let Poll::Ready(Ok(bytes)) = next(&mut whole).await else {
            panic!("a message")
        };
        assert_eq!(bytes, message);
    }
    assert!(next(&mut whole).await.is_pending());
    let taken = unfolded(LARGEST) - room.admitted.available_permits();
    assert!(taken > UNFOLDED * 3000, "{taken}");
    assert!(inflow.charge().is_some() && inflow.charge().is_some());
    assert!(inflow.charge().is_none());
    assert_eq!(room.admitted.available_permits(), unfolded(LARGEST));
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_size_alone() {
    let room = Arc::new(Room::new(LARGEST, PATIENCE));
    for (inflow, bytes, is_refused) in [
        (Inflow::default(), heartbeat(FIRST - 100), false),
        (Inflow::default(), heartbeat(FIRST + 100), true),
        (Inflow::default(), written(FIRST + 100), true),
        (admitted(), heartbeat(SMALL - 100), false),
        (admitted(), heartbeat(SMALL + 100), true),
        (admitted(), written(SMALL + 100), true),
        (seated(), heartbeat(SMALL + 100), true),
        (seated(), written(SMALL + 100), false),
        (seated(), written(LARGEST + 100), true),
    ] {
        // A few bytes of it have come.
        let mut whole = whole(&bytes[..100], &inflow, &room);
        let refused = match next(&mut whole).await {
            Poll::Ready(refused) => refused.unwrap_err().to_string(),
            Poll::Pending => String::new(),
        };
        assert_eq!(refused.contains("are the most"), is_refused, "{refused}");
        assert!(whole.part.len() <= 100);
    }
}

#[tokio::test]
async fn a_message_waits_until_there_is_room() {
    let room = Arc::new(Room::new(LARGEST, PATIENCE));
    let (first, second) = (seated(), seated());
    let bytes = written(LARGEST - 100);
    let mut one = whole(&bytes, &first, &room);
    let mut other = whole(&bytes, &second, &room);
    assert!(matches!(next(&mut one).await, Poll::Ready(Ok(_))));
    assert!(next(&mut other).await.is_pending());
    drop(first.charge());
    assert!(matches!(next(&mut other).await, Poll::Ready(Ok(_))));
    // Whoever is not admitted has room of his own.
    let mut unknown = whole(&heartbeat(100), &Inflow::default(), &room);
    assert!(matches!(next(&mut unknown).await, Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn only_so_many_large_messages_are_on_their_way_and_none_for_ever() {
    let patience = Duration::from_millis(50);
    let room = Arc::new(Room::new(LARGEST, patience));
    let begun = &written(LARGEST - 100)[..100];
    let mut coming = Vec::new();
    for _ in 0..ARRIVING {
        let mut whole = whole(begun, &seated(), &room);
        assert!(next(&mut whole).await.is_pending());
        assert!(whole.claim.is_some());
        coming.push(whole);
    }
    let mut late = whole(begun, &seated(), &room);
    assert!(next(&mut late).await.is_pending());
    assert!(late.claim.is_none());
    let refused = poll_fn(|cx| Pin::new(&mut coming[0]).poll_frame(cx)).await;
    let refused = refused.unwrap().unwrap_err();
    assert!(refused.message().contains("was not there after 0.05 s"));
    drop(coming);
    assert!(next(&mut late).await.is_pending());
    assert!(late.claim.is_some());
}

#[test]
fn the_kinds_that_grow_have_their_numbers() {
    let kinds = [
        Message::Applied(pb::Applied::default()),
        Message::PartsWritten(pb::PartsWritten::default()),
        Message::Recalled(pb::Recalled::default()),
    ];
    let numbers = kinds.map(|kind| message(kind)[HEADER] >> 3);
    assert_eq!(numbers, GROWING);
}
