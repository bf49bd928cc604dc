//! Who sends: the resource of everything that goes out. Which run it is turns out after the program has begun.

use std::time::Duration;

use fratmae_telemetry::described;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// How often it is looked whether the run is known.
const LOOKS: Duration = Duration::from_millis(250);

/// Which part of a run a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Coordinator,
    Worker,
}

/// Who this process is.
#[derive(Clone, Debug)]
pub struct Identity {
    pub part: Part,
    pub version: &'static str,
}

impl Identity {
    /// The resource, as far as it is known; what `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say comes first.
    pub(super) fn resource(&self) -> Resource {
        let service = match self.part {
            Part::Coordinator => "fratmae-coordinator",
            Part::Worker => "fratmae-worker",
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let (host, process) = (host.trim().to_owned(), std::process::id());
        let mut attributes = vec![
            KeyValue::new("service.name", service),
            KeyValue::new("service.version", self.version),
            KeyValue::new("service.instance.id", format!("{host}-{process}")),
            KeyValue::new("process.pid", i64::from(process)),
            KeyValue::new("host.name", host),
        ];
        if let Some(run) = described("run") {
            attributes.push(KeyValue::new("service.namespace", run.clone()));
            attributes.push(KeyValue::new("fratmae.run", run));
        }
        if let Some(worker) = described("worker") {
            attributes.push(KeyValue::new("fratmae.worker", worker));
        }
        // Later ones win: what the user says of the resource stands above what is known here.
        let users = Resource::builder().build();
        let users = users
            .iter()
            .filter(|(key, value)| !is_placeholder(key.as_str(), value.as_str().as_ref()));
        let users: Vec<_> = users
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
            .collect();
        Resource::builder_empty()
            .with_attributes(attributes)
            .with_attributes(users)
            .build()
    }

    /// Ends when it is known which run this is.
    pub(super) async fn is_complete(&self) {
        let mut looks = tokio::time::interval(LOOKS);
        while described("run").is_none() {
            looks.tick().await;
        }
    }
}

/// The SDK calls a service without a name by that of the program, or unknown.
fn is_placeholder(key: &str, value: &str) -> bool {
    key == "service.name" && value.starts_with("unknown_service")
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Key;

    #[test]
    fn a_process_is_known_by_its_part_and_its_run() {
        fratmae_telemetry::describe("run", "runs/a");
        let part = Part::Worker;
        let resource = Identity { part, version: "1" }.resource();
        let value = |key| {
            resource
                .get(&Key::from_static_str(key))
                .map(|it| it.to_string())
        };
        assert_eq!(value("service.name").as_deref(), Some("fratmae-worker"));
        assert_eq!(value("service.namespace").as_deref(), Some("runs/a"));
        assert_eq!(value("process.pid"), Some(std::process::id().to_string()));
    }
}
