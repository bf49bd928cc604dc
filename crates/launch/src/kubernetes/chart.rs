//! A Helm chart: the objects with expressions in the places that can be set, their values, and what values may be.

use super::file;
use super::objects::objects;
use super::slots::Slots;
use super::yaml::{self, Strings};
use crate::{RenderedFile, Spec};
use serde_json::{Map, Value, json};

/// A value of the chart.
struct Setting {
    name: &'static str,
    about: &'static str,
    value: Value,
    /// What it may be, as JSON schema.
    schema: Value,
}

pub(super) fn files(spec: &Spec) -> Vec<RenderedFile> {
    let settings = settings(spec);
    let objects = objects(spec, &Slots::expressions(spec));
    vec![
        file("Chart.yaml", description()),
        file("values.yaml", values(&settings)),
        file("values.schema.json", schema(&settings)),
        file(
            "templates/run.yaml",
            yaml::documents(&objects, Strings::Expressions),
        ),
    ]
}

fn description() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let chart = json!({
        "apiVersion": "v2",
        "name": "fratmae",
        "description": "A run of FratMAE; the name of the release is the name of the run",
        "type": "application",
        "version": version,
        "appVersion": version,
        "kubeVersion": ">=1.31.0-0",
    });
    yaml::document(&chart, Strings::Literal)
}

/// The values. The least workers, the time to leave and whether there are GPUs are the job's: they are written into the
/// chart, so that the job file and the objects agree.
fn settings(spec: &Spec) -> Vec<Setting> {
    let slots = Slots::of(spec);
    let number =
        |least: usize, most: usize| json!({"type": "integer", "minimum": least, "maximum": most});
    let mut settings = vec![
        Setting {
            name: "image",
            about: "Container image, best by digest.",
            value: json!(slots.image),
            schema: text("^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"),
        },
        Setting {
            name: "run",
            about: "Where the run is stored.",
            value: json!(slots.run),
            schema: text("^[a-z0-9]+://[^\\s\"'#{}]+$"),
        },
        Setting {
            name: "workers",
            about: "How many workers there are, from workers.min to workers.count of the job.",
            value: json!(spec.workers.wanted),
            schema: number(spec.workers.least, spec.workers.most),
        },
        Setting {
            name: "cpus",
            about: "CPU cores of a worker, which are its threads too.",
            value: json!(spec.worker.cpus),
            schema: number(1, 4096),
        },
        Setting {
            name: "memoryMib",
            about: "Memory of a worker in MiB.",
            value: json!(spec.worker.memory_mib),
            schema: number(1, 1 << 30),
        },
    ];
    settings.extend(names(&slots));
    settings.push(Setting {
        name: "job",
        about: "The job file.",
        value: json!(slots.job),
        schema: json!({"type": "string", "minLength": 1}),
    });
    settings
}

/// The names of other objects, where the run has them.
fn names(slots: &Slots) -> impl Iterator<Item = Setting> {
    let name = || text("^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$");
    let queue = slots.queue.as_ref().map(|queue| Setting {
        name: "queue",
        about: "Queue of Kueue.",
        value: json!(queue),
        schema: name(),
    });
    let store_secret = slots.store_secret.as_ref().map(|secret| Setting {
        name: "storeSecret",
        about: "Secret with the object store's credentials as environment variables.",
        value: json!(secret),
        schema: name(),
    });
    let keys = slots.keys.as_ref().map(|keys| Setting {
        name: "keys",
        about: "Two secrets with the run's keys, by how their names begin.",
        value: json!(keys),
        schema: name(),
    });
    [queue, store_secret, keys].into_iter().flatten()
}

/// What could end a line or a value of the manifest is no image, address or name.
fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn values(settings: &[Setting]) -> String {
    let texts = settings.iter().map(|setting| {
        let value = yaml::document(&json!({setting.name: setting.value}), Strings::Literal);
        format!("# {}\n{value}", setting.about)
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn schema(settings: &[Setting]) -> String {
    let properties = settings
        .iter()
        .map(|setting| (setting.name.to_owned(), setting.schema.clone()));
    let names: Vec<&str> = settings.iter().map(|setting| setting.name).collect();
    // Helm adds `global` to the values of each chart.
    let mut properties: Map<String, Value> = properties.collect();
    properties.insert("global".to_owned(), json!({"type": "object"}));
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    });
    format!("{schema:#}\n")
}
