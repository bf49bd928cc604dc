//! One HTTP request to a service on loopback, to see whether it works; bodies of answers are not read.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a request and answers with its status code.
///
/// # Errors
/// Nobody listens, nobody answers in five seconds, or the answer is no HTTP.
pub(super) fn status(port: u16, method: &str, path: &str, body: &str) -> Result<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    );
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let status = answer
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|code| std::str::from_utf8(code).ok());
    status
        .and_then(|code| code.parse().ok())
        .context("the answer is no HTTP")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request on a port of its own with `answer`.
    fn answered_with(answer: &'static str) -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            request
        });
        let status = status(port, "PUT", "/probe", "hello");
        assert_eq!(&server.join().unwrap(), b"PUT ");
        status
    }

    #[test]
    fn the_status_code_is_read() {
        assert_eq!(answered_with("HTTP/1.1 201 Created\r\n\r\n").unwrap(), 201);
    }

    #[test]
    fn other_protocols_and_silence_are_failures() {
        assert!(answered_with("SSH-2.0-server\r\n").is_err());
        assert!(answered_with("HTTP").is_err());
    }

    #[test]
    fn a_port_without_a_listener_is_a_failure() {
        let port = super::super::ports::free_ports(1).unwrap()[0];
        assert!(status(port, "GET", "/", "").is_err());
    }
}
