//! The line between two hosts: whether each reaches the other, round trip and TCP's speed in both directions, between
//! `--listen` and `--peer`.
//!
//! Both say hello and their version. The one that was called connects back, since workers connect to each other in both
//! directions. Then the one that called asks back and forth, sends for a while, receives for a while, and tells what it
//! saw, so that both report the same. Every part has its time, and no chunk is longer than is known.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::clock::VERSION;
use super::finding::{Finding, State};
use super::requirements::Requirements;

/// What each says first.
const HELLO: &[u8; 16] = b"fratmae-doctor 2";
/// Bytes of the version that follows, with zeros behind it.
const VERSION_BYTES: usize = 32;
/// How long the connection back may take: a first packet that is lost is sent again after 1 s and 3 s.
const BACK: Duration = Duration::from_secs(5);
/// Bytes of a reason that is told to the other side.
const REASON_BYTES: usize = 200;
/// How often the round trip is measured; the quickest counts.
const TURNS: usize = 50;
/// How long each direction is measured.
const SPAN: Duration = Duration::from_secs(1);
/// Bytes of a chunk.
const CHUNK: usize = 1 << 18;
/// How long one part may take on a line that still lives.
const PATIENCE: Duration = Duration::from_secs(10);
/// Speed below which the line holds training up, in bytes a second: a tenth of 10 Gbit/s.
const SLOW: f64 = 125e6;

/// A line, as the host that called it sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) round_trip: Duration,
    /// Bytes a second from the caller to the listener, and back.
    pub(crate) there: f64,
    pub(crate) back: f64,
}

/// Why there is no line.
#[derive(Debug)]
pub(crate) enum Broken {
    /// What the network says, or that somebody else is there.
    Network(io::Error),
    /// The other side is of this version.
    OtherVersion(String),
    /// It reaches this host, which does not reach it at the address.
    CannotReach(SocketAddr, String),
    /// This host reaches it, and is not reached by it at the address.
    NotReached(SocketAddr, String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Network(error)
    }
}

/// Calls a listener and measures the line to it.
///
/// # Errors
/// See [`Broken`].
pub(crate) async fn call(address: &str) -> Result<Line, Broken> {
    let mut stream = within(TcpStream::connect(address)).await?;
    greet(&mut stream).await?;
    within_reach(&mut stream).await?;
    let round_trip = within(turns(&mut stream)).await?;
    let sent = within(send(&mut stream)).await?;
    within(stream.write_u64(round_trip.as_micros() as u64)).await?;
    let back = within(receive(&mut stream)).await?;
    within(stream.write_f64(back)).await?;
    Ok(Line {
        round_trip,
        there: sent,
        back,
    })
}

/// Answers a caller, and gives what it measured.
///
/// # Errors
/// See [`Broken`].
pub(crate) async fn answer(mut stream: TcpStream) -> Result<Line, Broken> {
    greet(&mut stream).await?;
    reach_back(&mut stream).await?;
    let returned = async {
        let mut word = [0; 8];
        for _ in 0..TURNS {
            stream.read_exact(&mut word).await?;
            stream.write_all(&word).await?;
        }
        Ok(())
    };
    within(returned).await?;
    let there = within(receive(&mut stream)).await?;
    within(stream.write_f64(there)).await?;
    let round_trip = Duration::from_micros(within(stream.read_u64()).await?);
    within(push(&mut stream)).await?;
    let back = within(stream.read_f64()).await?;
    Ok(Line {
        round_trip,
        there,
        back,
    })
}

async fn within<T>(part: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, part).await.map_err(io::Error::from)?
}

async fn greet(stream: &mut TcpStream) -> Result<(), Broken> {
    stream.set_nodelay(true)?;
    let mut ours = [0; HELLO.len() + VERSION_BYTES];
    let (hello, version) = ours.split_at_mut(HELLO.len());
    hello.copy_from_slice(HELLO);
    let pairs = version.iter_mut().zip(VERSION.bytes());
    pairs.for_each(|(place, byte)| *place = byte);
    within(stream.write_all(&ours)).await?;
    let (mut theirs, mut version) = ([0; HELLO.len()], [0; VERSION_BYTES]);
    within(stream.read_exact(&mut theirs)).await?;
    if theirs != *HELLO {
        let line = "it is not a `fratmae doctor` of this version";
        return Err(io::Error::other(line).into());
    }
    within(stream.read_exact(&mut version)).await?;
    let version = String::from_utf8_lossy(&version);
    match version.trim_end_matches('\0') {
        VERSION => Ok(()),
        other => Err(Broken::OtherVersion(other.to_owned())),
    }
}

/// Has the other side connect to this host, at an address of which it is told the port.
async fn within_reach(stream: &mut TcpStream) -> Result<(), Broken> {
    let listener = TcpListener::bind((stream.local_addr()?.ip(), 0)).await?;
    let own = listener.local_addr()?;
    within(stream.write_u16(own.port())).await?;
    let length = within(stream.read_u8()).await?;
    let mut reason = vec![0; usize::from(length)];
    within(stream.read_exact(&mut reason)).await?;
    match length {
        0 => Ok(()),
        _ => {
            let reason = String::from_utf8_lossy(&reason).into_owned();
            Err(Broken::NotReached(own, reason))
        }
    }
}

/// Connects to the host that called, at the port that it names, and tells it what came of that.
async fn reach_back(stream: &mut TcpStream) -> Result<(), Broken> {
    let mut caller = stream.peer_addr()?;
    caller.set_port(within(stream.read_u16()).await?);
    let reached = timeout(BACK, TcpStream::connect(caller)).await;
    let reason = match reached.map_err(io::Error::from).flatten() {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let report: Vec<u8> = reason.bytes().take(REASON_BYTES).collect();
    within(stream.write_u8(report.len() as u8)).await?;
    within(stream.write_all(&report)).await?;
    match reason.is_empty() {
        true => Ok(()),
        false => Err(Broken::CannotReach(caller, reason)),
    }
}

async fn turns(stream: &mut TcpStream) -> io::Result<Duration> {
    let mut quickest = Duration::MAX;
    let mut word = [0; 8];
    for _ in 0..TURNS {
        let started = Instant::now();
        stream.write_all(&word).await?;
        stream.read_exact(&mut word).await?;
        quickest = quickest.min(started.elapsed());
    }
    Ok(quickest)
}

/// Sends, and gives the speed that the receiver saw.
async fn send(stream: &mut TcpStream) -> io::Result<f64> {
    push(stream).await?;
    stream.read_f64().await
}

/// Sends chunks for a while, each after its length; a length of nothing ends them.
async fn push(stream: &mut TcpStream) -> io::Result<()> {
    let (chunk, started) = (vec![0x5a; CHUNK], Instant::now());
    while started.elapsed() < SPAN {
        stream.write_u32(CHUNK as u32).await?;
        stream.write_all(&chunk).await?;
    }
    stream.write_u32(0).await
}

/// Receives chunks to their end, and gives their bytes a second.
async fn receive(stream: &mut TcpStream) -> io::Result<f64> {
    let (mut chunk, mut bytes) = (vec![0; CHUNK], 0_u64);
    let mut length = stream.read_u32().await? as usize;
    let started = Instant::now();
    while length > 0 {
        let room = chunk.get_mut(..length);
        let room = room.ok_or_else(|| io::Error::other("it sends what nobody asked for"))?;
        stream.read_exact(room).await?;
        bytes += length as u64;
        length = stream.read_u32().await? as usize;
    }
    Ok(bytes as f64 / started.elapsed().as_secs_f64().max(1e-6))
}

/// Judges a line, or why there is none.
pub(crate) fn judge(address: &str, line: &Result<Line, Broken>, need: &Requirements) -> Finding {
    let line = match line {
        Ok(line) => line,
        Err(broken) => return broken.judge(address),
    };
    let mut found = format!(
        "{address}: send {:.0} MB/s, receive {:.0} MB/s, latency {:.2} ms",
        line.there / 1e6,
        line.back / 1e6,
        line.round_trip.as_secs_f64() * 1e3
    );
    let slowest = line.there.min(line.back);
    if let Some(job) = &need.job {
        let seconds = job.gradient_bytes as f64 / slowest.max(1.0);
        found.push_str(&format!("; a gradient takes {seconds:.2} s"));
    }
    if slowest >= SLOW {
        return Finding::ok("peer", found);
    }
    let advice = "training waits for this line: look at its link speed (ethtool), and at which network the address is in";
    Finding::new("peer", State::Warning, found, advice)
}

impl Broken {
    fn judge(&self, address: &str) -> Finding {
        const BOTH_WAYS: &str = "workers connect to each other in both directions: let TCP through to that address too, all ports or those of worker --listen, without address translation";
        let (found, advice) = match self {
            Self::Network(error) => (
                format!("{address}: {error}"),
                "start `fratmae doctor --listen` there first, and open its port in the firewall",
            ),
            Self::OtherVersion(version) => (
                format!("{address} is of version {version}, this host of {VERSION}"),
                "install the same version on all hosts",
            ),
            Self::CannotReach(to, reason) => (
                format!("{address} reaches this host, but this host does not reach {to}: {reason}"),
                BOTH_WAYS,
            ),
            Self::NotReached(own, reason) => (
                format!(
                    "this host reaches {address}, but is not reached from there at {own}: {reason}"
                ),
                BOTH_WAYS,
            ),
        };
        Finding::new("peer", State::Missing, found, advice)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::commands::doctor::requirements::tests::job;

    #[tokio::test]
    async fn both_ends_report_the_same_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let listening = async { answer(listener.accept().await.unwrap().0).await };
        let (called, answered) = tokio::join!(call(&address), listening);
        let (called, answered) = (called.unwrap(), answered.unwrap());
        assert!(called.there > 1e6 && called.back > 1e6, "{called:?}");
        assert_eq!((called.there, called.back), (answered.there, answered.back));
        assert!(called.round_trip < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn somebody_else_is_refused_on_both_sides() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let other = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await
        };
        let listening = async { answer(listener.accept().await.unwrap().0).await };
        let (_, answered) = tokio::join!(other, listening);
        let line = judge("h:1", &answered, &Requirements::nothing()).found;
        assert!(line.contains("not a `fratmae doctor`"), "{line}");
    }

    #[tokio::test]
    async fn one_who_cannot_be_called_back_learns_it_as_the_other_does() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let called = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            greet(&mut stream).await.unwrap();
            // Nobody listens there.
            stream.write_u16(1).await.unwrap();
            let length = stream.read_u8().await.unwrap();
            let mut reason = vec![0; usize::from(length)];
            stream.read_exact(&mut reason).await.unwrap();
            String::from_utf8(reason).unwrap()
        };
        let listening = async { answer(listener.accept().await.unwrap().0).await };
        let (reason, answered) = tokio::join!(called, listening);
        assert!(reason.contains("refused"), "{reason}");
        let finding = judge("h:1", &answered, &Requirements::nothing());
        assert_eq!(finding.state, State::Missing);
        let line = "h:1 reaches this host, but this host does not reach 127.0.0.1:1: ";
        assert!(finding.found.starts_with(line), "{}", finding.found);
    }

    #[test]
    fn a_slow_line_is_a_warning_and_a_job_says_what_it_costs() {
        let line = |rate| {
            Ok(Line {
                round_trip: Duration::from_micros(250),
                there: rate,
                back: 2e9,
            })
        };
        let result = judge("h:1", &line(1e9), &Requirements::nothing());
        assert_eq!(
            result.found,
            "h:1: send 1000 MB/s, receive 2000 MB/s, latency 0.25 ms"
        );
        assert_eq!(result.state, State::Ok);
        let result = judge("h:1", &line(1e6), &job(&[]));
        assert!(
            result.found.contains("; a gradient takes "),
            "{}",
            result.found
        );
        assert_eq!(result.state, State::Warning);
        let refused = Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        assert_eq!(
            judge("h:1", &refused, &Requirements::nothing()).state,
            State::Missing
        );
    }
}
