//! Programs that read what a run tells, where there are any, and a reader of HTTP of our own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::events::events;
use crate::running::Running;
use crate::skipping::{skip, variable};
use fratmae_coordinator::RunEvent;

const PATIENCE: Duration = Duration::from_secs(30);

/// How the note begins that says where metrics are.
const NOTE: &str = "metrics are at ";

/// The folder with `prometheus` and `promtool`; where there is none, `test` says so.
pub fn prometheus(test: &str) -> Option<PathBuf> {
    tool(test, "FRATMAE_TEST_PROMETHEUS", "Prometheus")
}

/// The program that receives OTLP; where there is none, `test` says so.
pub fn otlp_receiver(test: &str) -> Option<PathBuf> {
    tool(test, "FRATMAE_TEST_OTLP", "a receiver of OTLP")
}

fn tool(test: &str, name: &str, what: &str) -> Option<PathBuf> {
    let found = variable(name);
    if found.is_none() {
        let reason = format!("{name} is not set; `cargo xtask test` fetches {what} and sets it");
        skip(test, &reason);
    }
    found.map(PathBuf::from)
}

/// Waits until a run that is told as JSON says where its metrics are; gives the address without the path.
///
/// # Panics
/// When it ends before, or takes too long.
pub fn metrics_of(running: &mut Running) -> String {
    let mut address = String::new();
    running.runs_until("an address of metrics", 3 * PATIENCE, |running| {
        let events = events(&running.said());
        let noted = events.into_iter().find_map(|event| match event {
            RunEvent::Noted { note } => note.strip_prefix(NOTE).map(ToOwned::to_owned),
            _ => None,
        });
        let url = noted.unwrap_or_default();
        let bare = url
            .strip_prefix("http://")
            .and_then(|it| it.strip_suffix("/metrics"));
        address = bare.unwrap_or_default().to_owned();
        !address.is_empty()
    });
    address
}

/// Asks for a path with this `Accept`; gives the head and the body of the answer.
///
/// # Errors
/// Nobody answers.
pub fn http_get(address: &str, path: &str, accept: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = match is_chunked {
        true => unchunked(body),
        false => body.to_owned(),
    };
    Ok((head.to_owned(), body))
}

/// The body of an answer that came in pieces, each after its length.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(piece) = after.get(..length).filter(|piece| !piece.is_empty()) else {
            break;
        };
        body.push_str(piece);
        rest = after.get(length + 2..).unwrap_or_default();
    }
    body
}
