//! Some commands wait for others, as people start them on several machines: those are started beside them here.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A command beside another.
pub(crate) struct Companion {
    pub(crate) line: String,
    /// Whether it ends by itself, and well.
    pub(crate) ends: bool,
}

/// Commands that a command needs beside it, begun at the same time.
pub(crate) fn companions(line: &str) -> Vec<Companion> {
    let words = line
        .split_whitespace()
        .skip_while(|word| *word != "fratmae");
    let words: Vec<&str> = words.collect();
    let value = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1).copied()
    };
    let ending = |line| Companion { line, ends: true };
    // All processes of a run have the same ones.
    let keys = value("--keys").map_or(String::new(), |keys| format!(" --keys {keys}"));
    let served = |address: &str, run: &str| {
        let address = address.trim_start_matches("http://");
        let run = format!("runs/{run}-{}", place(line));
        format!(
            "fratmae coordinator --config job.toml --listen {address} --workers 2 --run {run}{keys}"
        )
    };
    let worker = |address: &str| worker(address, &keys);
    match words.get(1).copied() {
        Some("coordinator") => {
            let listened = value("--listen").unwrap_or_default();
            let port = listened.rsplit(':').next().unwrap_or_default();
            let address = match value("--advertise") {
                Some(host) => &format!("{host}:{port}"),
                None => listened,
            };
            let count = value("--workers").and_then(|count| count.rsplit(':').next()?.parse().ok());
            let workers = (0..count.unwrap_or(2)).map(|_| ending(worker(address)));
            workers.collect()
        }
        // The run is finished.
        Some("worker") if value("--run").is_some() => Vec::new(),
        Some("worker") => {
            let address = value("--coordinator").unwrap_or_default();
            vec![ending(served(address, "beside")), ending(worker(address))]
        }
        Some("doctor") => match (value("--coordinator"), value("--listen"), value("--peer")) {
            (Some(address), ..) => {
                let line = served(address, "asked");
                vec![Companion { line, ends: false }]
            }
            (_, Some(address), _) => vec![ending(format!("fratmae doctor --peer {address}"))],
            (.., Some(address)) => vec![ending(format!("fratmae doctor --listen {address}"))],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A worker that bears with a coordinator that takes its time to start.
fn worker(address: &str, keys: &str) -> String {
    let address = format!("http://{}", address.trim_start_matches("http://"));
    format!(
        "for i in 1 2 3 4 5; do fratmae worker --coordinator {address}{keys} && exit 0; done; exit 1"
    )
}

/// A folder's name of a command's own, also where the same command stands in two places.
fn place(line: &str) -> String {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let words: String = line.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{words}-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}
