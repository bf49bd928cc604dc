//! What is sent to a cluster, in which order. The one here knows nothing of Kubernetes but names: what a real one makes of
//! the objects is checked by their schemas (`tests/tests/kubernetes.rs`).

use super::super::doctor::doctor_in;
use super::super::tests::spec;
use super::*;
use kube::Config;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Objects by their paths, and the requests that came.
#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, Value>,
    requests: Vec<String>,
}

impl Kept {
    fn answer(&mut self, method: &str, target: &str, kind: &str, body: &str) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let short = path.rsplit("/namespaces/default/").next().unwrap_or(path);
        let asked = [method, short, query, kind];
        let asked: Vec<&str> = asked.into_iter().filter(|it| !it.is_empty()).collect();
        self.requests.push(asked.join(" "));
        let absent = || {
            let status = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404});
            (404, status)
        };
        match method {
            "PATCH" => {
                let object: Value = serde_json::from_str(body).unwrap();
                if !query.contains("dryRun") {
                    self.objects.insert(short.to_owned(), object.clone());
                }
                (200, object)
            }
            "DELETE" => match self.objects.remove(short) {
                Some(object) => (200, object),
                None => absent(),
            },
            _ if !short.contains('/') => {
                let start = format!("{short}/");
                let of_kind = self.objects.iter().filter(|(path, _)| {
                    path.strip_prefix(&start)
                        .is_some_and(|it| !it.contains('/'))
                });
                let items: Vec<&Value> = of_kind.map(|(_, object)| object).collect();
                (
                    200,
                    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}),
                )
            }
            _ => self
                .objects
                .get(short)
                .map_or_else(absent, |it| (200, it.clone())),
        }
    }
}

/// A server that keeps what it is given.
struct Server {
    cluster: Cluster,
    kept: Arc<Mutex<Kept>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::<Mutex<Kept>>::default();
        let shared = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(attend(stream, Arc::clone(&shared)));
            }
        });
        let config = Config::new(url.parse().unwrap());
        let cluster = Cluster::of(config, Some("default")).unwrap();
        Self { cluster, kept }
    }

    /// The requests since the last look.
    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.kept.lock().unwrap().requests)
    }

    fn object(&self, path: &str) -> Option<Value> {
        self.kept.lock().unwrap().objects.get(path).cloned()
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.kept.lock().unwrap().objects.get_mut(path).unwrap());
    }
}

async fn attend(stream: TcpStream, kept: Arc<Mutex<Kept>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await {
                Ok(1..) if !line.trim().is_empty() => head.push(line.trim().to_owned()),
                Ok(1..) => break,
                _ => return,
            }
        }
        let field = |name: &str| {
            let lines = head.iter().filter_map(|line| line.split_once(": "));
            let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map_or("", |(_, value)| value)
        };
        let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await.unwrap();
        let words: Vec<&str> = head[0].split(' ').collect();
        let body = String::from_utf8(body).unwrap();
        let (code, answer) =
            kept.lock()
                .unwrap()
                .answer(words[0], words[1], field("content-type"), &body);
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        if stream.write_all((head + &answer).as_bytes()).await.is_err() {
            return;
        }
    }
}

const WORKERS: &str = "jobs/pilot-workers";

#[tokio::test]
async fn all_objects_are_tried_before_one_is_made() {
    let server = Server::start().await;
    let ids = submit_to(&server.cluster, &spec(&[])).await.unwrap();
    assert_eq!(ids.len(), 7);
    let patches = server.requests();
    let patches: Vec<&String> = patches
        .iter()
        .filter(|it| it.starts_with("PATCH") && !it.starts_with("PATCH secrets/"))
        .collect();
    assert_eq!(patches.len(), 14);
    for (index, request) in patches.into_iter().enumerate() {
        assert_eq!(request.contains("dryRun=All"), index < 7, "{request}");
        assert!(
            request.contains("fieldManager=fratmae") && request.contains("force=true"),
            "{request}"
        );
        assert!(
            request.ends_with("application/apply-patch+yaml"),
            "{request}"
        );
        assert!(request.contains(&ids[index % 7]), "{request}");
    }
}

#[tokio::test]
async fn a_resize_changes_two_fields_of_a_job_that_is_there() {
    let server = Server::start().await;
    let spec = spec(&[]);
    let absent = resize_in(&server.cluster, &spec, 3).await.unwrap_err();
    assert!(absent.to_string().contains("there is none"), "{absent}");
    let beyond = resize_in(&server.cluster, &spec, 5).await.unwrap_err();
    assert!(beyond.to_string().contains("here 2 to 4"), "{beyond}");
    submit_to(&server.cluster, &spec).await.unwrap();
    server.requests();
    resize_in(&server.cluster, &spec, 3).await.unwrap();
    let requests = server.requests();
    assert!(
        requests[1].contains("fieldManager=fratmae-scale"),
        "{requests:?}"
    );
    let sized = server.object(WORKERS).unwrap();
    assert_eq!(sized["spec"], json!({"completions": 3, "parallelism": 3}));
}

#[tokio::test]
async fn a_job_that_has_ended_makes_room_for_the_next() {
    let server = Server::start().await;
    let spec = spec(&[]);
    submit_to(&server.cluster, &spec).await.unwrap();
    server.change(WORKERS, |job| {
        job["status"] = json!({"conditions": [{"type": "Failed", "status": "True"}]});
    });
    server.requests();
    submit_to(&server.cluster, &spec).await.unwrap();
    let requests = server.requests();
    let removed: Vec<_> = requests
        .iter()
        .filter(|it| it.starts_with("DELETE"))
        .collect();
    assert_eq!(removed.len(), 1);
    assert!(
        removed[0].starts_with("DELETE jobs/pilot-workers"),
        "{removed:?}"
    );
    assert!(server.object(WORKERS).unwrap()["status"].is_null());
}

#[tokio::test]
async fn a_stop_ends_the_coordinator_first_and_reap_leaves_nothing() {
    let server = Server::start().await;
    let spec = spec(&[]);
    submit_to(&server.cluster, &spec).await.unwrap();
    server.requests();
    stop_in(&server.cluster, &spec).await.unwrap();
    let removed: Vec<String> = server.requests();
    let position = |name: &str| {
        removed
            .iter()
            .position(|it| it.starts_with(&format!("DELETE jobs/pilot-{name}")))
    };
    assert!(
        position("coordinator").unwrap() < position("workers").unwrap(),
        "{removed:?}"
    );
    assert!(server.object("configmaps/pilot-job").is_some());
    // What is gone is no failure.
    reap_in(&server.cluster, &spec).await.unwrap();
    assert!(server.kept.lock().unwrap().objects.is_empty());
}

#[tokio::test]
async fn keys_are_made_once_and_workers_never_get_the_authoritys() {
    let server = Server::start().await;
    let run = spec(&[]);
    let key = |secret: &str, file: &str| {
        let secret = server.object(&format!("secrets/pilot-{secret}"))?;
        secret["stringData"][file].as_str().map(ToOwned::to_owned)
    };
    submit_to(&server.cluster, &run).await.unwrap();
    let first = key("coordinator", "ca.key").unwrap();
    assert!(first.contains("PRIVATE KEY"));
    assert_eq!(key("coordinator", "ca.life").unwrap(), "2592000");
    assert_eq!(key("coordinator", "ca.crt"), key("worker", "ca.crt"));
    assert!(key("worker", "tls.crt").is_some() && key("worker", "tls.key").is_some());
    assert_eq!(key("worker", "ca.key"), None);
    submit_to(&server.cluster, &run).await.unwrap();
    assert_eq!(key("coordinator", "ca.key").unwrap(), first);
    // Nothing of them is in what is written down.
    let texts = super::super::render(&run);
    assert!(texts.iter().all(|file| !file.text.contains("PRIVATE KEY")));
    reap_in(&server.cluster, &run).await.unwrap();
    for keys in ["none", "mine"] {
        let run = spec(&[&format!("launch.kubernetes.keys={keys}")]);
        submit_to(&server.cluster, &run).await.unwrap();
        assert_eq!(key("coordinator", "ca.key"), None);
    }
}

#[tokio::test]
async fn members_are_the_pods_and_the_jobs_without_one() {
    let server = Server::start().await;
    let spec = spec(&[]);
    submit_to(&server.cluster, &spec).await.unwrap();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pilot-coordinator-0-x", "labels": {
            "app.kubernetes.io/instance": "pilot",
            "app.kubernetes.io/component": "coordinator",
        }},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]},
    });
    let path = "pods/pilot-coordinator-0-x".to_owned();
    server.kept.lock().unwrap().objects.insert(path, pod);
    let members = members_in(&server.cluster, "").await.unwrap();
    let shown: Vec<String> = members
        .iter()
        .map(|member| format!("{} {} {}", member.name, member.state, member.host))
        .collect();
    assert_eq!(
        shown,
        ["pilot-workers waiting ", "pilot-coordinator-0-x running n1"]
    );
}

#[tokio::test]
async fn a_doctor_tries_the_objects_and_leaves_nothing() {
    let server = Server::start().await;
    let spec = spec(&["launch.kubernetes.keys=pilot"]);
    let pod = "pods/pilot-doctor-check-x";
    for (phase, is_sound) in [("Failed", false), ("Succeeded", true)] {
        let ended = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pilot-doctor-check-x"},
            "status": {"phase": phase},
        });
        let mut kept = std::mem::take(&mut *server.kept.lock().unwrap());
        kept.objects.insert(pod.to_owned(), ended);
        kept.objects
            .insert(format!("{pod}/log"), json!("memory 1 GiB"));
        *server.kept.lock().unwrap() = kept;
        let found = doctor_in(&server.cluster, &spec).await.unwrap();
        assert_eq!(found.is_sound, is_sound);
        assert!(found.report.contains("memory 1 GiB"), "{found:?}");
        let requests = server.requests();
        let tried = |it: &&String| it.contains("dryRun=All");
        assert_eq!(requests.iter().filter(tried).count(), 7);
        for object in [
            "jobs/pilot-doctor-check",
            "configmaps/pilot-doctor-job",
            "serviceaccounts/pilot-doctor",
        ] {
            let done = |what: &str| {
                let word = format!("{what} {object}");
                requests.iter().any(|it| it.starts_with(&word))
            };
            assert!(done("PATCH") && done("DELETE"), "{requests:?}");
            assert!(server.object(object).is_none());
        }
    }
}
