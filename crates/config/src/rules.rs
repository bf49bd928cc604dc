//! What each single value may be, in one table. Relations between values are `relations`.

use serde_json::Value;

/// What one value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Allowed {
    /// Any text.
    Text,
    /// A text that is not empty.
    Name,
    /// HOST:PORT.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// true or false.
    Flag,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// Three whole numbers, each from the first to the second.
    Sizes(u64, u64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A number above the first and below the second.
    Between(f64, f64),
    /// A number above the first, at most the second.
    Above(f64, f64),
    /// Two numbers, the second larger.
    Window,
}

// TOML has no whole number above this.
const LARGEST: u64 = i64::MAX as u64;
const MILLION: u64 = 1_000_000;
const DAY_S: u64 = 86_400;

/// Every key of the config with what it may be.
pub(crate) const RULES: &[(&str, Allowed)] = &[
    ("run.url", Allowed::Name),
    ("run.seed", Allowed::Whole(0, LARGEST)),
    ("data.url", Allowed::Text),
    ("data.source", Allowed::Text),
    ("data.phantoms", Allowed::Whole(0, MILLION)),
    ("data.grid", Allowed::Sizes(1, 4096)),
    (
        "data.axis",
        Allowed::Choice(&["coronal", "axial", "sagittal"]),
    ),
    ("data.stride", Allowed::Whole(1, 1024)),
    ("data.suv_window", Allowed::Window),
    ("data.hu_window", Allowed::Window),
    ("data.diagnosis_in_sentence", Allowed::Flag),
    ("data.prefetch_mib", Allowed::Whole(1, MILLION)),
    ("data.cache_dir", Allowed::Text),
    ("data.cache_mib", Allowed::Whole(16, 1_000 * MILLION)),
    ("data.bad_sample", Allowed::Choice(&["fail", "skip"])),
    ("model.stack", Allowed::Sizes(1, 4096)),
    ("model.patch", Allowed::Sizes(1, 256)),
    ("model.encoder.width", Allowed::Whole(6, 16_384)),
    ("model.encoder.depth", Allowed::Whole(1, 256)),
    ("model.encoder.heads", Allowed::Whole(1, 256)),
    ("model.decoder.width", Allowed::Whole(6, 16_384)),
    ("model.decoder.depth", Allowed::Whole(1, 256)),
    ("model.decoder.heads", Allowed::Whole(1, 256)),
    ("model.decoder.self_attention", Allowed::Flag),
    ("model.mlp_ratio", Allowed::Whole(1, 16)),
    ("model.embedding", Allowed::Whole(1, 16_384)),
    ("model.mask_ratio", Allowed::Between(0.0, 1.0)),
    (
        "model.modality",
        Allowed::Choice(&["balanced", "independent"]),
    ),
    (
        "model.masking",
        Allowed::Choice(&["asymmetric", "symmetric"]),
    ),
    ("model.shared_encoders", Allowed::Flag),
    ("model.norm_pix", Allowed::Flag),
    ("model.contrastive", Allowed::Flag),
    ("model.init_from", Allowed::Text),
    ("model.init_digest", Allowed::Text),
    ("model.text.width", Allowed::Whole(1, 16_384)),
    ("model.text.depth", Allowed::Whole(1, 256)),
    ("model.text.heads", Allowed::Whole(1, 256)),
    ("model.text.context", Allowed::Whole(8, 77)),
    ("model.text.trainable", Allowed::Flag),
    ("model.text.weights", Allowed::Text),
    ("model.text.weights_digest", Allowed::Text),
    ("train.steps", Allowed::Whole(1, 1_000 * MILLION)),
    ("train.batch", Allowed::Whole(1, MILLION)),
    ("train.slots", Allowed::Whole(1, 65_536)),
    ("train.lr", Allowed::Above(0.0, 10.0)),
    ("train.warmup", Allowed::Number(0.0, 1.0)),
    ("train.weight_decay", Allowed::Number(0.0, 1.0)),
    ("train.beta1", Allowed::Between(0.0, 1.0)),
    ("train.beta2", Allowed::Between(0.0, 1.0)),
    ("train.epsilon", Allowed::Above(0.0, 1.0)),
    ("train.clip_norm", Allowed::Above(0.0, 1e9)),
    ("train.contrastive_weight", Allowed::Number(0.0, 1e6)),
    ("train.precision", Allowed::Choice(&["f32", "bf16"])),
    ("train.bad_batch", Allowed::Choice(&["fail", "skip"])),
    ("checkpoint.every", Allowed::Whole(1, 1_000 * MILLION)),
    ("checkpoint.every_s", Allowed::Whole(0, 30 * DAY_S)),
    ("checkpoint.part_mib", Allowed::Whole(1, 4096)),
    ("checkpoint.max_stall_ms", Allowed::Whole(1, 600_000)),
    ("checkpoint.max_slowdown_pct", Allowed::Number(0.1, 100.0)),
    ("checkpoint.memory_mib", Allowed::Whole(1, MILLION)),
    ("checkpoint.keep_last", Allowed::Whole(1, MILLION)),
    ("checkpoint.keep_every", Allowed::Whole(0, 1_000 * MILLION)),
    ("checkpoint.delete_after_s", Allowed::Whole(0, DAY_S)),
    ("store.stall_ms", Allowed::Whole(50, 600_000)),
    ("store.patience_s", Allowed::Whole(1, DAY_S)),
    ("workers.count", Allowed::Whole(1, 65_536)),
    ("workers.min", Allowed::Whole(0, 65_536)),
    ("workers.threads", Allowed::Whole(0, 4096)),
    ("workers.device", Allowed::Choice(&["auto", "cpu", "cuda"])),
    (
        "workers.state",
        Allowed::Choice(&["auto", "host", "device"]),
    ),
    ("workers.activation_checkpointing", Allowed::Flag),
    ("workers.restarts_per_hour", Allowed::Whole(0, 1_000)),
    ("workers.coordinator_patience_s", Allowed::Whole(0, DAY_S)),
    ("workers.preemption_file", Allowed::Text),
    ("workers.grace_s", Allowed::Whole(0, DAY_S)),
    ("workers.compare_every", Allowed::Whole(0, 1_000 * MILLION)),
    ("collective.deadline_s", Allowed::Whole(1, DAY_S)),
    (
        "collective.backend",
        Allowed::Choice(&["auto", "tcp", "nccl"]),
    ),
    ("collective.reduction", Allowed::Choice(&["exact", "fast"])),
    ("collective.nccl_library", Allowed::Name),
    ("collective.cuda_library", Allowed::Name),
    ("coordinator.listen", Allowed::Address),
    ("coordinator.advertise", Allowed::Text),
    ("coordinator.heartbeat_ms", Allowed::Whole(10, 60_000)),
    ("coordinator.worker_timeout_s", Allowed::Whole(1, DAY_S)),
    ("coordinator.join_timeout_s", Allowed::Whole(1, DAY_S)),
];

/// What `key` may be, when it is a key.
pub(crate) fn allowed(key: &str) -> Option<Allowed> {
    RULES
        .iter()
        .find(|(known, _)| *known == key)
        .map(|(_, allowed)| *allowed)
}

/// Whether `path` is a section: some key lies under it.
pub(crate) fn is_section(path: &str) -> bool {
    RULES.iter().any(|(key, _)| {
        key.strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

impl Allowed {
    /// Whether `value` is of the right type and in range.
    pub(crate) fn admits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Name => value.as_str().is_some_and(|text| !text.trim().is_empty()),
            Self::Address => value.as_str().is_some_and(is_address),
            Self::Choice(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Flag => value.is_boolean(),
            Self::Whole(low, high) => is_whole(value, low, high),
            Self::Sizes(low, high) => value.as_array().is_some_and(|sizes| {
                sizes.len() == 3 && sizes.iter().all(|size| is_whole(size, low, high))
            }),
            Self::Number(low, high) => number(value).is_some_and(|n| (low..=high).contains(&n)),
            Self::Between(low, high) => number(value).is_some_and(|n| n > low && n < high),
            Self::Above(low, high) => number(value).is_some_and(|n| n > low && n <= high),
            Self::Window => window(value).is_some_and(|[low, high]| low < high),
        }
    }

    /// Whether text from the command line is meant as it stands, even when it looks like a number.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Name | Self::Address | Self::Choice(_)
        )
    }

    /// Says what is allowed, to stand after "must be".
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Name => "a text that is not empty".to_owned(),
            Self::Address => "an address HOST:PORT, such as 127.0.0.1:0".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Sizes(low, high) => {
                format!("three whole numbers, each from {low} to {high}")
            }
            Self::Number(low, high) => format!("a number from {low} to {high}"),
            Self::Between(low, high) => format!("a number above {low} and below {high}"),
            Self::Above(low, high) => format!("a number above {low}, at most {high}"),
            Self::Window => "two numbers, the second larger than the first".to_owned(),
        }
    }
}

fn is_whole(value: &Value, low: u64, high: u64) -> bool {
    value.as_u64().is_some_and(|n| (low..=high).contains(&n))
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|n| n.is_finite())
}

fn window(value: &Value) -> Option<[f64; 2]> {
    match value.as_array()?.as_slice() {
        [low, high] => Some([number(low)?, number(high)?]),
        _ => None,
    }
}

// Only the form is judged here: a name is looked up by whoever listens, not by whoever reads a file.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_is_plain = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
    host_is_plain && port.parse::<u16>().is_ok() && !host.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests;
