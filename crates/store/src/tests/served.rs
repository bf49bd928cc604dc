//! A small HTTP server for tests, on a port of its own, which answers as it is told and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate that no authority has signed, for `localhost`, and its key, which protects nothing.
pub(crate) const CERTIFICATE: &str = include_str!("served/certificate.pem");
const CERTIFICATE_KEY: &str = include_str!("served/key.pem");

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An answer: status, headers as lines, body.
pub(crate) type Answered = (u16, String, String);

/// A server that lives as long as the test's process.
pub(crate) struct Served {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Served {
    /// Starts a server that answers with `answer`.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Self {
        Self::over("http", answer, |connection| connection)
    }

    /// Starts a server that speaks TLS with [`CERTIFICATE`].
    pub(crate) fn start_tls(answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        let config = Arc::new(config.unwrap());
        Self::over("https", answer, move |connection| {
            let server = ServerConnection::new(Arc::clone(&config)).unwrap();
            StreamOwned::new(server, connection)
        })
    }

    fn over<S: Read + Write + 'static>(
        scheme: &str,
        answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static,
        stream: impl Fn(TcpStream) -> S + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "{scheme}://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let shared = Arc::new((answer, stream));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (shared, log) = (Arc::clone(&shared), Arc::clone(&log));
                std::thread::spawn(move || serve((shared.1)(connection), &shared.0, &log));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: impl Read + Write, answer: &dyn Fn(&Asked) -> Answered, log: &Mutex<Vec<Asked>>) {
    let mut stream = BufReader::new(stream);
    while let Some(first) = first_line(&mut stream) {
        let Some(asked) = read(&first, &mut stream) else {
            let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.get_mut().write_all(refusal);
            return;
        };
        log.lock().unwrap().push(asked.clone());
        let (status, headers, body) = answer(&asked);
        let length = body.len();
        let is_head = asked.line.starts_with("HEAD");
        let body = if is_head { "" } else { &body };
        let text =
            format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        let written = stream.get_mut().write_all(text.as_bytes());
        if written.and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

fn first_line(reader: &mut impl BufRead) -> Option<String> {
    // A handshake of TLS, which need not have a line break in it.
    if reader.fill_buf().ok()?.first() == Some(&0x16) {
        return Some(String::new());
    }
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line).ok()?;
    (read > 0).then(|| String::from_utf8_lossy(&line).into_owned())
}

/// The rest of what was asked; nothing if this is no HTTP.
fn read(first: &str, reader: &mut impl BufRead) -> Option<Asked> {
    let line = first.trim().rsplit_once(" HTTP/")?.0.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        line,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
