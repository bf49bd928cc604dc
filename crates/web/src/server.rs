//! A small HTTP/1.1 server whose costs are bounded: in connections, in the size and time of a request, and in how long an
//! answer may lie unread.

use crate::door::{Door, Shown, guard};
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use fratmae_trust::{Action, Keyring, Keys, keys, peer};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 160;
/// How long a request may take to arrive, and a connection be without one.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long an answer may lie unread.
const UNREAD: Duration = Duration::from_secs(30);
/// Bytes of a request.
const REQUEST: usize = 16 << 10;
/// Header fields of a request.
const FIELDS: usize = 64;
/// Why other hosts are not served.
const KEYLESS: &str = "other hosts reach it, and there are no keys to tell who may look: give --keys DIR (`fratmae keys \
                       make` makes them), or --keys none to let everybody look";
/// How long nobody is let in after the system has refused a descriptor.
const PAUSE: Duration = Duration::from_millis(250);
/// How long answers that have begun may take when the server ends.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// An address to serve at, taken.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// The name that it was given by; empty for an address.
    name: Arc<str>,
    /// Whom those know who come from other hosts; none where everybody is answered.
    keys: Option<Keyring>,
}

impl Bound {
    /// Takes `PORT`, on this host alone, or `HOST:PORT`. Port 0 stands for any that is free.
    ///
    /// Where other hosts reach it, it speaks TLS and answers those who show a certificate or a token of the keys of this
    /// process; without keys it is not served there, unless this process was told to do without.
    ///
    /// # Errors
    /// The system's, or that it is no address, or that there are no keys.
    pub async fn to(address: &str) -> io::Result<Self> {
        Self::as_whom(address, keys()).await
    }

    async fn as_whom(address: &str, keys: Option<&Keys>) -> io::Result<Self> {
        if let Ok(port) = address.parse::<u16>() {
            let listener = TcpListener::bind(("127.0.0.1", port)).await?;
            return Ok(Self {
                listener,
                name: "".into(),
                keys: None,
            });
        }
        let listener = TcpListener::bind(address).await?;
        let host = address.rsplit_once(':').map_or("", |(host, _)| host);
        let is_name = host.trim_matches(['[', ']']).parse::<IpAddr>().is_err();
        let name = match is_name {
            true => host.to_ascii_lowercase().into(),
            false => "".into(),
        };
        let keys = match keys {
            _ if listener.local_addr()?.ip().is_loopback() => None,
            Some(Keys::Own(keyring)) => Some(keyring.clone()),
            Some(Keys::Without) => {
                tracing::warn!(
                    "whoever reaches {address} can read: nobody is asked for keys (--keys none)"
                );
                None
            }
            None => return Err(io::Error::other(KEYLESS)),
        };
        Ok(Self {
            listener,
            name,
            keys,
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where a browser on this host finds it.
    ///
    /// # Errors
    /// The system's.
    pub fn url(&self) -> io::Result<String> {
        let mut address = self.address()?;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
                SocketAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            });
        }
        let scheme = match self.keys {
            Some(_) => "https",
            None => "http",
        };
        match self.name.is_empty() {
            true => Ok(format!("{scheme}://{address}")),
            false => Ok(format!("{scheme}://{}:{}", self.name, address.port())),
        }
    }
}

/// Serves whoever connects until `stop` is there; answers that have begun then get a moment more.
pub async fn serve(bound: Bound, router: Router, stop: impl Future<Output = ()>) {
    let door = Door {
        name: bound.name,
        keys: bound.keys.clone(),
    };
    let router = router.layer(from_fn_with_state(door, guard));
    let (end, ended) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            stream = accept(&bound.listener), if connections.len() < CONNECTIONS => {
                let keys = bound.keys.clone();
                connections.spawn(attend((stream, keys), router.clone(), ended.clone()));
            }
        }
    }
    drop(bound.listener);
    drop(end);
    let last = async { while connections.join_next().await.is_some() {} };
    // Who is still being answered then is cut off.
    let _ = timeout(LAST_MOMENT, last).await;
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Mostly that there are no more descriptors; the listener would say so again at once.
                tracing::debug!(%error, "no connection accepted");
                let _ = timeout(PAUSE, std::future::pending::<()>()).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn attend(
    (stream, keys): (TcpStream, Option<Keyring>),
    router: Router,
    ended: watch::Receiver<()>,
) {
    // A peer that reads nothing is cut off by the system: what is sent must be taken within this time.
    let is_bounded = SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD));
    if is_bounded.is_err() {
        return;
    }
    let Some(keys) = keys else {
        return converse(stream, router, ended).await;
    };
    // Who does not come to an end with the greeting is no browser.
    if let Ok(Ok(stream)) = timeout(ARRIVAL, keys.receive(stream)).await {
        let shown = peer(stream.get_ref().1);
        let shown = Shown(shown.is_some_and(|it| it.role().may(Action::Observe)));
        converse(stream, router.layer(Extension(shown)), ended).await;
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    mut ended: watch::Receiver<()>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ARRIVAL)
        .max_buf_size(REQUEST)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let is_over = tokio::select! {
        _ = connection.as_mut() => true,
        _ = ended.changed() => false,
    };
    if !is_over {
        connection.as_mut().graceful_shutdown();
        // That a peer has gone is its own affair.
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use fratmae_trust::Role;
    use std::path::Path;
    use std::time::Instant;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    struct Served {
        address: SocketAddr,
        stop: Option<oneshot::Sender<()>>,
        server: tokio::task::JoinHandle<()>,
    }

    async fn served() -> Served {
        let bound = Bound::to("0").await.unwrap();
        let address = bound.address().unwrap();
        let router = Router::new()
            .route("/", get(|| async { "fine" }))
            .route("/never", get(std::future::pending::<&'static str>));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(bound, router, async move {
            let _ = stopped.await;
        }));
        Served {
            address,
            stop: Some(stop),
            server,
        }
    }

    /// Sends bytes and gives what comes back until the server closes.
    async fn exchange(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may refuse before it has read all of it.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn request(line: &str, host: &str) -> Vec<u8> {
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
    }

    #[tokio::test]
    async fn every_answer_shows_only_what_comes_from_here() {
        let served = served().await;
        for path in ["/", "/nowhere"] {
            let line = format!("GET {path}");
            let answer = exchange(served.address, &request(&line, "localhost")).await;
            let answer = answer.to_ascii_lowercase();
            assert!(
                answer.contains("content-security-policy: default-src 'self'"),
                "{answer}"
            );
            assert!(
                answer.contains("x-content-type-options: nosniff"),
                "{answer}"
            );
            assert!(answer.contains("cache-control: no-store"), "{answer}");
        }
    }

    #[tokio::test]
    async fn what_does_not_only_look_or_comes_under_anybodys_name_is_refused() {
        let served = served().await;
        for (line, host, status) in [
            ("GET /", "localhost", "200"),
            ("HEAD /", "localhost", "200"),
            ("GET /", "evil.example", "421"),
            ("POST /", "localhost", "405"),
            ("DELETE /", "localhost", "405"),
            ("GET /nowhere", "localhost", "404"),
        ] {
            let answer = exchange(served.address, &request(line, host)).await;
            let expected = format!("HTTP/1.1 {status}");
            assert!(answer.starts_with(&expected), "{line} {host}: {answer}");
        }
        let bare = exchange(served.address, b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(bare.starts_with("HTTP/1.1 421"), "{bare}");
    }

    #[tokio::test]
    async fn a_request_that_is_large_or_slow_ends_its_connection() {
        let served = served().await;
        let long = format!("GET /{}", "x".repeat(2 * REQUEST));
        let answer = exchange(served.address, &request(&long, "localhost")).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        let began = Instant::now();
        let answer = exchange(served.address, b"GET / HTTP/1.1\r\nHost: local").await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(began.elapsed() < 3 * ARRIVAL, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn nonsense_is_answered_and_the_next_one_is_served() {
        let served = served().await;
        for nonsense in [&b"\x16\x03\x01\x02\x00\x01"[..], b"GET\r\n\r\n", &[0; 4096]] {
            let answer = exchange(served.address, nonsense).await;
            assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let answer = exchange(served.address, &request("GET /", "localhost")).await;
        assert!(answer.ends_with("fine"), "{answer}");
    }

    #[tokio::test]
    async fn idle_connections_beyond_the_bound_wait_and_are_let_in_when_there_is_room() {
        let served = served().await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS + 8 {
            idle.push(TcpStream::connect(served.address).await.unwrap());
        }
        let request = request("GET /", "localhost");
        let waiting = exchange(served.address, &request);
        let answer = timeout(3 * ARRIVAL, waiting).await.unwrap();
        assert!(answer.ends_with("fine"), "{answer}");
    }

    #[tokio::test]
    async fn the_end_does_not_wait_for_an_answer_that_never_comes() {
        let mut served = served().await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream
            .write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        tokio::task::yield_now().await;
        drop(served.stop.take());
        let began = Instant::now();
        served.server.await.unwrap();
        assert!(began.elapsed() < 10 * LAST_MOMENT, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_port_alone_is_of_this_host_and_a_name_is_shown() {
        let bound = Bound::to("0").await.unwrap();
        assert!(bound.address().unwrap().ip().is_loopback());
        let named = Bound::to("localhost:0").await.unwrap();
        assert!(named.url().unwrap().starts_with("http://localhost:"));
        let all = Bound::as_whom("0.0.0.0:0", Some(&Keys::Without)).await;
        assert!(all.unwrap().url().unwrap().starts_with("http://127.0.0.1:"));
        assert!(Bound::to("nonsense").await.is_err());
    }

    #[tokio::test]
    async fn without_keys_other_hosts_are_not_served() {
        let line = Bound::as_whom("0.0.0.0:0", None).await.unwrap_err();
        assert!(line.to_string().contains("--keys none"), "{line}");
    }

    /// Asks for a path over TLS, with the certificate in a folder or none; gives the answer's status, if there is an answer.
    async fn asked(url: &str, certificate: Option<&Path>, given: &str) -> Option<u16> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Whom it reaches is not what is tried here.
        let mut client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true);
        if let Some(folder) = certificate {
            let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
            let pem = format!("{}{}", text("tls.crt"), text("tls.key"));
            client = client.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
        }
        let mut request = client.build().unwrap().get(url).timeout(3 * ARRIVAL);
        if !given.is_empty() {
            request = request.header("authorization", given);
        }
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// Serves for other hosts with these keys.
    async fn led(ours: &TempDir) -> (SocketAddr, String) {
        let leading = Keyring::open(ours.path(), Role::Coordinator).unwrap();
        let bound = Bound::as_whom("0.0.0.0:0", Some(&Keys::Own(leading))).await;
        let bound = bound.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], bound.address().unwrap().port()));
        let url = bound.url().unwrap();
        assert_eq!(url, format!("https://{address}"));
        let router = Router::new()
            .route("/", get(|| async { "fine" }))
            .route("/healthz", get(|| async { "fine" }));
        tokio::spawn(serve(bound, router, std::future::pending()));
        (address, url)
    }

    #[tokio::test]
    async fn from_other_hosts_those_look_who_show_a_certificate_or_a_token() {
        let folder = |name: &str| {
            let folder = tempfile::tempdir().unwrap();
            fratmae_trust::make(folder.path(), name, fratmae_trust::DAY).unwrap();
            folder
        };
        let (ours, theirs) = (folder("pilot"), folder("pilot"));
        let (address, url) = led(&ours).await;
        let draw = |folder: &TempDir| {
            fratmae_trust::draw_token(folder.path(), fratmae_trust::DAY).unwrap()
        };
        let (token, foreign) = (draw(&ours), draw(&theirs));
        let bearer = |token: &str| format!("Bearer {token}");
        let basic = |token: &str| {
            let pair = BASE64_STANDARD.encode(format!("anybody:{token}"));
            format!("Basic {pair}")
        };
        let none = String::new;
        let (refused, fine) = (Some(401), Some(200));
        let observer = |folder: &TempDir| Some(folder.path().join("observer"));
        let [operator, worker] = ["operator", "worker"].map(|role| Some(ours.path().join(role)));
        let table = [
            ("nobody", "/", None, none(), refused),
            ("a token", "/", None, bearer(&token), fine),
            ("a password", "/", None, basic(&token), fine),
            ("another run's token", "/", None, bearer(&foreign), refused),
            ("an empty token", "/", None, bearer(""), refused),
            ("a probe", "/healthz", None, none(), fine),
            ("an observer", "/", observer(&ours), none(), fine),
            ("an operator", "/", operator, none(), fine),
            ("a worker", "/", worker, none(), refused),
            ("another's observer", "/", observer(&theirs), none(), None),
        ];
        for (who, path, certificate, given, expected) in table {
            let url = format!("{url}{path}");
            let found = asked(&url, certificate.as_deref(), &given).await;
            assert_eq!(found, expected, "{who}");
        }
        let in_address = asked(&format!("{url}/?token={token}"), None, "").await;
        assert_eq!(in_address, refused);
        let plain = exchange(address, &request("GET /", "localhost")).await;
        assert!(!plain.contains("HTTP/1.1"), "{plain}");
    }
}
