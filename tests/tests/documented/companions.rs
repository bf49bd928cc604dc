//! Some commands wait for others, as people start them on several machines: those are started beside them here.

/// Commands that a command needs beside it, begun at the same time.
pub(crate) fn companions(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1).copied()
    };
    match (
        words.get(1).copied(),
        value("--coordinator"),
        value("--listen"),
        value("--peer"),
    ) {
        (Some("coordinator"), _, Some(address), _) => {
            let count = value("--workers")
                .unwrap_or("2")
                .rsplit(':')
                .next()
                .and_then(|count| count.parse().ok());
            let address = value("--advertise").unwrap_or(address);
            vec![worker(address); count.unwrap_or(2)]
        }
        (Some("worker"), Some(address), ..) => {
            let address = address.trim_start_matches("http://");
            vec![
                format!(
                    "fratmae coordinator --config job.toml --listen {address} --workers 2 --run runs/beside-{}",
                    place(line)
                ),
                worker(address),
            ]
        }
        (Some("doctor"), Some(address), ..) => {
            let address = address.trim_start_matches("http://");
            vec![format!(
                "timeout 20 fratmae coordinator --config job.toml --listen {address} --workers 2 --run runs/asked-{}; true",
                place(line)
            )]
        }
        (Some("doctor"), _, Some(address), _) => {
            vec![format!("sleep 1; fratmae doctor --peer {address}")]
        }
        (Some("doctor"), .., Some(address)) => vec![format!("fratmae doctor --listen {address}")],
        _ => Vec::new(),
    }
}

/// A worker that bears with a coordinator that takes its time to start.
fn worker(address: &str) -> String {
    format!(
        "for i in 1 2 3 4 5; do fratmae worker --coordinator http://{address} && exit 0; done; exit 1"
    )
}

/// A folder's name of a command's own.
fn place(line: &str) -> String {
    line.chars().filter(char::is_ascii_alphanumeric).collect()
}
