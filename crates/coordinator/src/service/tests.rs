//! The service behind a real port, asked by a real client.

use super::*;
use fratmae_protocol::{Bounds, Client, connect, serve};
use tokio::net::TcpListener;

const BOUNDS: Bounds = Bounds {
    connections: 8,
    message: 512 << 10,
};
const SOON: Duration = Duration::from_secs(20);

/// A client of a service, and the inbox behind it.
async fn served() -> (Client, mpsc::Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, inbox) = mpsc::channel(64);
    let (_, status) = watch::channel(pb::StatusReply::default());
    let service = Service::new(
        ("run".to_owned(), "v".to_owned()),
        sender,
        status,
        watch::Sender::default(),
    );
    tokio::spawn(serve(
        listener,
        service,
        (BOUNDS, None),
        std::future::pending(),
    ));
    (connect(&address).await.unwrap(), inbox)
}

/// A worker's stream: what it says, and what it hears.
async fn attended(client: &mut Client) -> (mpsc::Sender<pb::FromWorker>, Streaming<pb::ToWorker>) {
    let (say, said) = mpsc::channel(64);
    let heard = client.attend(ReceiverStream::new(said)).await.unwrap();
    (say, heard.into_inner())
}

async fn next(inbox: &mut mpsc::Receiver<Delivery>) -> Arrival {
    let delivery = timeout(SOON, inbox.recv()).await.unwrap().unwrap();
    delivery.arrival
}

fn heartbeat(laps: usize) -> pb::FromWorker {
    let heartbeat = pb::Heartbeat {
        laps: vec![pb::Lap::default(); laps],
        ..Default::default()
    };
    pb::FromWorker {
        message: Some(pb::from_worker::Message::Heartbeat(heartbeat)),
    }
}

fn order(message: To) -> Result<pb::ToWorker, Status> {
    Ok(pb::ToWorker {
        message: Some(message),
    })
}

#[tokio::test]
async fn a_large_message_is_heard_after_the_welcome_and_not_before() {
    let (mut client, mut inbox) = served().await;
    let (say, mut heard) = attended(&mut client).await;
    let Arrival::Opened(_, outbox, inflow) = next(&mut inbox).await else {
        panic!("a stream")
    };
    say.send(heartbeat(1)).await.unwrap();
    assert!(matches!(next(&mut inbox).await, Arrival::Message(..)));
    inflow.admit();
    outbox
        .send(order(To::Welcome(pb::Welcome::default())))
        .await
        .unwrap();
    heard.message().await.unwrap();
    say.send(heartbeat(20_000)).await.unwrap();
    assert!(matches!(next(&mut inbox).await, Arrival::Message(..)));

    let (say, mut heard) = attended(&mut client).await;
    let Arrival::Opened(_, _outbox, _) = next(&mut inbox).await else {
        panic!("a stream")
    };
    say.send(heartbeat(20_000)).await.unwrap();
    assert!(matches!(next(&mut inbox).await, Arrival::Closed(_)));
    let refused = timeout(SOON, heard.message()).await.unwrap().unwrap_err();
    assert!(refused.message().contains("8192 are the most"), "{refused}");
}

#[tokio::test]
async fn the_stream_of_one_that_was_told_to_stop_is_closed_whether_it_leaves_or_not() {
    let (mut client, mut inbox) = served().await;
    let (_say, mut heard) = attended(&mut client).await;
    let Arrival::Opened(worker, outbox, _) = next(&mut inbox).await else {
        panic!("a stream")
    };
    outbox
        .send(order(To::Stop(pb::Stop::default())))
        .await
        .unwrap();
    assert!(heard.message().await.unwrap().is_some());
    let Arrival::Closed(closed) = next(&mut inbox).await else {
        panic!("its end")
    };
    assert_eq!(closed, worker);
}

#[tokio::test]
async fn one_that_was_told_to_stop_knows_when_its_last_words_are_heard_though_nobody_has_read_them()
{
    let (mut client, mut inbox) = served().await;
    let (say, mut heard) = attended(&mut client).await;
    let Arrival::Opened(_, outbox, _) = next(&mut inbox).await else {
        panic!("a stream")
    };
    outbox
        .send(order(To::Stop(pb::Stop::default())))
        .await
        .unwrap();
    assert!(heard.message().await.unwrap().is_some());
    say.send(heartbeat(1)).await.unwrap();
    drop(say);
    assert!(
        timeout(SOON, heard.message())
            .await
            .unwrap()
            .unwrap()
            .is_none()
    );
    assert!(matches!(next(&mut inbox).await, Arrival::Message(..)));
    assert!(matches!(next(&mut inbox).await, Arrival::Closed(_)));
}
