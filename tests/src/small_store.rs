//! A small store with S3's requests over HTTP, whose objects are in memory; it creates an object only if it is absent, or
//! ignores that condition.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::call::Call;

/// The most bytes of an object.
const MOST: usize = 64 << 20;

/// A store that serves for as long as the process lives.
#[derive(Debug)]
pub struct SmallStore {
    address: SocketAddr,
}

type Objects = Mutex<BTreeMap<String, Vec<u8>>>;

struct Request {
    method: String,
    path: String,
    query: String,
    is_create: bool,
    body: Vec<u8>,
}

impl SmallStore {
    /// Starts one on loopback; `honours` is whether it creates an object only if it is absent, where it is asked to.
    ///
    /// # Panics
    /// When the system gives no port.
    pub fn start(honours: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system gives a port");
        let address = listener.local_addr().expect("the socket is bound");
        let objects: Arc<Objects> = Arc::default();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let objects = Arc::clone(&objects);
                // A client that goes away in the middle is none of the store's business.
                std::thread::spawn(move || serve(&stream, &objects, honours));
            }
        });
        Self { address }
    }

    /// A call that finds it at every `s3://`.
    #[must_use]
    pub fn seen_by(&self, call: Call) -> Call {
        call.with("AWS_ENDPOINT_URL", &format!("http://{}", self.address))
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "somebody")
            .with("AWS_SECRET_ACCESS_KEY", "secret")
    }
}

fn serve(stream: &TcpStream, objects: &Objects, honours: bool) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    while let Some(request) = read(&mut reader)? {
        let (status, body) = answer(request, objects, honours);
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"e\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n",
            body.len()
        )?;
        writer.write_all(&body)?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next(), words.next());
    let (path, query) = target.map_or(("", ""), |target| {
        target.split_once('?').unwrap_or((target, ""))
    });
    let mut request = Request {
        method: method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        is_create: false,
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "if-none-match" => request.is_create = true,
            _ => {}
        }
    }
    request.body = vec![0; MOST.min(length)];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn answer(request: Request, objects: &Objects, honours: bool) -> (&'static str, Vec<u8>) {
    const FOUND: &str = "200 OK";
    let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
    match request.method.as_str() {
        "GET" if request.query.contains("list-type") => {
            let list = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
            (FOUND, list.into())
        }
        "GET" => match objects.get(&request.path) {
            Some(body) => (FOUND, body.clone()),
            None => ("404 Not Found", Vec::new()),
        },
        "PUT" if honours && request.is_create && objects.contains_key(&request.path) => {
            ("412 Precondition Failed", Vec::new())
        }
        "PUT" => {
            objects.insert(request.path, request.body);
            (FOUND, Vec::new())
        }
        // Several at once: nobody looks which.
        "POST" => {
            objects.clear();
            let asked = String::from_utf8_lossy(&request.body).into_owned();
            let keys = asked.split("<Key>").skip(1);
            let keys = keys.filter_map(|rest| rest.split_once("</Key>"));
            let gone = keys.map(|(key, _)| format!("<Deleted><Key>{key}</Key></Deleted>"));
            let gone: String = gone.collect();
            let answer = format!("<DeleteResult>{gone}</DeleteResult>");
            (FOUND, answer.into_bytes())
        }
        "DELETE" => {
            objects.remove(&request.path);
            ("204 No Content", Vec::new())
        }
        _ => ("501 Not Implemented", Vec::new()),
    }
}
