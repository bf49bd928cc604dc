//! A receiver of OTLP gets a run's traces, metrics and logs; and a run that nobody receives goes on as if it had not tried.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use fratmae_tests::{
    Job, Running, fratmae, logged, otlp_receiver, phantoms, program_call, scratch, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "s3cr3t-t0ken";

/// A receiver that writes what it gets to its standard output.
struct Receiver {
    process: Running,
    grpc: String,
    http: String,
}

impl Receiver {
    fn start(program: &Path, folder: &Path) -> Self {
        let [grpc, http] = [0, 1].map(|_| free_address());
        let path = |name: &str| folder.join(name).display().to_string();
        let mut call = program_call(program, ["start", "--exporter", "blackhole"]);
        for signal in ["traces", "metrics", "logs"] {
            call = call.and("--debug-log").and(signal);
        }
        let call = call
            .and("--debug-log-verbosity=detailed")
            .and(format!("--otlp-grpc-endpoint={grpc}"))
            .and(format!("--otlp-http-endpoint={http}"))
            .and(format!("--pid-file={}", path("receiver.pid")))
            .and(format!("--log-file={}", path("receiver.log")));
        let receiver = Self {
            process: call.start(),
            grpc,
            http,
        };
        wait_for("a receiver", PATIENCE, || {
            std::net::TcpStream::connect(&receiver.http).ok()
        });
        receiver
    }

    /// Ends it; what it was sent.
    fn received(self) -> Received {
        self.process.kill_all();
        Received::read(&self.process.wait().stdout)
    }
}

fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

/// What was sent: for each trace the names of its spans with their process, and all text.
struct Received {
    traces: BTreeMap<String, BTreeSet<(String, String)>>,
    text: String,
}

impl Received {
    fn read(text: &str) -> Self {
        let mut traces: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
        let (mut process, mut trace) = (String::new(), String::new());
        for line in text.lines() {
            let field = |name: &str| {
                let (key, value) = line.trim().split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            };
            let attribute = line.trim().strip_prefix("-> service.instance.id: Str(");
            if let Some(id) = attribute.and_then(|rest| rest.strip_suffix(')')) {
                id.clone_into(&mut process);
            } else if let Some(id) = field("Trace ID") {
                trace = id;
            } else if let Some(name) = field("Name").filter(|_| !trace.is_empty()) {
                let spans = traces.entry(std::mem::take(&mut trace)).or_default();
                spans.insert((name, process.clone()));
            }
        }
        let text = text.to_owned();
        Self { traces, text }
    }

    /// The trace of the group that stored a checkpoint, with its spans' names and how many processes have them.
    fn checkpointed(&self) -> BTreeMap<&str, usize> {
        let has =
            |spans: &&BTreeSet<(String, String)>| spans.iter().any(|(name, _)| name == "commit");
        let spans = self
            .traces
            .values()
            .find(has)
            .expect("a trace with a commit");
        let mut counted = BTreeMap::new();
        for (name, _) in spans {
            *counted.entry(name.as_str()).or_default() += 1;
        }
        counted
    }
}

fn job(run: &Path, endpoint: &str, protocol: &str) -> Job {
    Job::long(run)
        .set("workers.threads=1")
        .told_as_json()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .with("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
        .with(
            "OTEL_EXPORTER_OTLP_HEADERS",
            &format!("authorization={SECRET}"),
        )
        .with("OTEL_BSP_SCHEDULE_DELAY", "200")
        .with("OTEL_BLRP_SCHEDULE_DELAY", "200")
        .with("OTEL_METRIC_EXPORT_INTERVAL", "300")
}

#[test]
fn a_receiver_gets_one_trace_of_a_group_and_its_metrics_and_events() {
    let Some(program) = otlp_receiver("what a receiver of OTLP gets") else {
        return;
    };
    for protocol in ["grpc", "http/protobuf"] {
        let folder = scratch();
        let receiver = Receiver::start(&program, folder.path());
        let address = match protocol {
            "grpc" => &receiver.grpc,
            _ => &receiver.http,
        };
        let job = job(
            &folder.path().join("run"),
            &format!("http://{address}"),
            protocol,
        );
        let finished = job.finish().finished;
        assert!(
            logged(
                &finished.stderr,
                "telemetry is not taken and is dropped; the run goes on"
            )
            .is_empty(),
            "{}",
            finished.stderr
        );
        let received = receiver.received();
        let spans = received.checkpointed();
        for (name, processes) in [
            ("generation", 1),
            ("join", 2),
            ("step", 2),
            ("forward", 2),
            ("checkpoint", 2),
            ("commit", 1),
        ] {
            assert_eq!(
                spans.get(name),
                Some(&processes),
                "{name} by {protocol}: {spans:?}"
            );
        }
        assert!(spans["create"] >= 3, "the store by all three: {spans:?}");
        for text in [
            "fratmae.run.step",
            "fratmae.run.metric",
            "fratmae.step.duration",
            "checkpoint committed",
            "service.name: Str(fratmae-worker)",
            "service.name: Str(fratmae-coordinator)",
        ] {
            assert!(received.text.contains(text), "{text} by {protocol}");
        }
        assert!(received.text.contains(job.run_url()));
        for text in secrets() {
            assert!(!received.text.contains(&text), "{text} was sent");
        }
    }
}

/// What must not be sent: what stands in a header, and the names of cases.
fn secrets() -> Vec<String> {
    let inspected = fratmae(["dataset", "inspect", "--json"]);
    let inspected = inspected.and(&phantoms().data).run().json();
    let cases = inspected["cases"].as_array().unwrap().iter();
    let cases = cases.map(|case| case["case_id"].as_str().unwrap().to_owned());
    cases.chain([SECRET.to_owned()]).collect()
}

/// Listens, and gives those who connect to `attend`.
fn listening(attend: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        // Whoever was accepted stays connected for as long as the test lives.
        for stream in listener.incoming().flatten() {
            attend(stream);
        }
    });
    address
}

/// Answers 503 to every request of a connection.
fn unavailable(mut stream: std::net::TcpStream) {
    std::thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        while stream.read(&mut bytes).is_ok_and(|n| n > 0) {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            if stream.write_all(answer).is_err() {
                break;
            }
        }
    });
}

#[test]
fn a_receiver_that_is_not_there_never_reads_or_refuses_costs_one_warning_and_no_bit() {
    let folder = scratch();
    let plain = Job::long(folder.path().join("plain"))
        .set("workers.threads=1")
        .finish();
    let held = std::sync::Mutex::new(Vec::new());
    let silent = listening(move |stream| held.lock().unwrap().push(stream));
    let refusing = listening(unavailable);
    for (name, address) in [
        ("nobody", free_address()),
        ("silent", silent),
        ("refusing", refusing),
    ] {
        let endpoint = format!("http://{address}");
        let job = job(&folder.path().join(name), &endpoint, "http/protobuf");
        let outcome = job.finish();
        assert_eq!(outcome.digest(), plain.digest(), "{name}");
        let said = &outcome.finished.stderr;
        let warned = logged(
            said,
            "telemetry is not taken and is dropped; the run goes on",
        );
        // The coordinator and its two workers, each once.
        let from: BTreeSet<_> = warned
            .iter()
            .map(|line| line["worker"].to_string())
            .collect();
        assert_eq!((warned.len(), from.len()), (3, 3), "{name}: {said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}
