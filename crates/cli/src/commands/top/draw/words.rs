//! Figures of a run in words that fit.

use fratmae_observe::{Seat, Snapshot};
use fratmae_pretrain::METRICS;
use fratmae_telemetry::{LOSS, MetricKind, Metrics};

use crate::{
    commands::run_progress::about,
    progress::{clock, shortened},
};

/// How fast the run goes and where it is, the most important first; what has no room is left out.
pub(super) fn figures(snapshot: &Snapshot, room: usize) -> String {
    let ago = |then: u64| about(snapshot.unix_ms.saturating_sub(then) as f64 / 1e3);
    let members = snapshot
        .workers
        .iter()
        .filter(|worker| worker.seat != Seat::Standby);
    let members = members.count();
    let [least, most] = snapshot.wanted;
    let checkpoint = snapshot.committed_step.map(|step| {
        let age = snapshot
            .committed_unix_ms
            .map(|then| format!(" {} ago", ago(then)));
        format!("checkpoint {step}{}", age.unwrap_or_default())
    });
    let parts = [
        snapshot
            .eta_seconds
            .map(|seconds| format!("ETA {}", clock(seconds))),
        snapshot
            .step_seconds
            .map(|seconds| format!("{} s/step", short(seconds))),
        snapshot
            .samples_per_second
            .map(|speed| format!("{} samples/s", short(speed))),
        Some(match (least, most) {
            (_, 0) => format!("{members} workers"),
            (least, most) if least == most => format!("{members} of {most} workers"),
            (least, most) => format!("{members} of {least} to {most} workers"),
        }),
        Some(checkpoint.unwrap_or_else(|| "no checkpoint yet".to_owned())),
        Some(format!("generation {}", snapshot.generation)),
        (snapshot.counts.steps_repeated > 0)
            .then(|| format!("{} steps repeated", snapshot.counts.steps_repeated)),
        snapshot.reason.clone(),
    ];
    let mut text = String::new();
    for part in parts.into_iter().flatten() {
        let gap = if text.is_empty() { "" } else { " · " };
        if text.chars().count() + gap.chars().count() + part.chars().count() > room {
            break;
        }
        text.push_str(gap);
        text.push_str(&super::plain(&part));
    }
    text
}

/// The losses of the newest step by their names.
pub(super) fn losses(metrics: &Metrics, room: usize) -> String {
    let named = METRICS
        .iter()
        .filter(|metric| metric.kind == MetricKind::Loss);
    let known = named.map(|metric| (metric.name, metrics.get(metric.name)));
    let known = known.filter(|(name, value)| *name == LOSS || !value.is_nan());
    let texts = known.map(|(name, value)| match value.is_nan() {
        true => format!("{name} - "),
        false => format!("{name} {value:.4} "),
    });
    shortened(&texts.collect::<Vec<_>>().join(" "), room)
}

/// A number in about four characters.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.01 || size == 0.0 => format!("{number:.3}"),
        _ => format!("{number:.1e}"),
    }
}

/// A short while.
pub(super) fn brief(milliseconds: u64) -> String {
    match milliseconds {
        short if short < 10_000 => format!("{:.1} s", short as f64 / 1e3),
        long => clock(long as f64 / 1e3),
    }
}

/// A long time.
pub(super) fn long(seconds: f64) -> String {
    match seconds >= 7_200.0 {
        true => format!("{:.1} h", seconds / 3_600.0),
        false => about(seconds),
    }
}

/// A time of day as the user's clock shows it; nothing where none is known.
pub(super) fn time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().filter(|time| *time > 0);
    let time = time.and_then(chrono::DateTime::from_timestamp_millis);
    time.map_or_else(String::new, |time| {
        time.with_timezone(&chrono::Local)
            .format("%H:%M:%S")
            .to_string()
    })
}
