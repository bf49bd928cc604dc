//! Prometheus's two text formats: 0.0.4, and OpenMetrics 1.0.0.

use std::fmt::Write as _;

use crate::families::{Buckets, Families, Family, Point, Value};
use crate::histograms::BOUNDS;
use crate::metric::Kind;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0.0.4, which everything reads.
    Text,
    /// OpenMetrics 1.0.0, which tells units too.
    OpenMetrics,
}

impl Format {
    /// The format for whoever accepts `accept`: OpenMetrics where it is named.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let named = accept.split(',').map(str::trim).find_map(|range| {
            let mut parameters = range.split(';').map(str::trim);
            let is_named = parameters.next()? == "application/openmetrics-text";
            is_named.then(|| parameters.all(|it| !matches!(it, "q=0" | "q=0.0")))
        });
        match named {
            Some(true) => Self::OpenMetrics,
            Some(false) | None => Self::Text,
        }
    }

    /// The type of the text.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes all values.
    #[must_use]
    pub fn write(self, families: &Families) -> String {
        let mut text = String::new();
        for family in families.iter() {
            self.head(&mut text, family);
            let name = family.metric.sample();
            for Point { labels, value } in &family.points {
                let labels = family.metric.labels.iter().copied().zip(labels.iter());
                let labels: Vec<_> = labels.map(|(name, value)| pair(name, value)).collect();
                match value {
                    Value::Number(number) => line(&mut text, &name, &labels, *number),
                    Value::Buckets(buckets) => histogram(&mut text, &name, &labels, buckets),
                }
            }
        }
        if self == Self::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn head(self, text: &mut String, family: &Family) {
        let metric = family.metric;
        let name = match (self, metric.kind) {
            (Self::OpenMetrics, Kind::Counter) => metric.family(),
            _ => metric.sample(),
        };
        let kind = metric.kind.word();
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {}", self.help(metric.help));
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if let (Self::OpenMetrics, Some(unit)) = (self, metric.unit()) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
    }

    fn help(self, help: &str) -> String {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        match self {
            Self::Text => help,
            Self::OpenMetrics => help.replace('"', "\\\""),
        }
    }
}

fn pair(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{}\"", value.replace('\n', "\\n"))
}

fn line(text: &mut String, name: &str, labels: &[String], value: f64) {
    text.push_str(name);
    if !labels.is_empty() {
        let _ = write!(text, "{{{}}}", labels.join(","));
    }
    let _ = writeln!(text, " {}", number(value));
}

fn histogram(text: &mut String, name: &str, labels: &[String], buckets: &Buckets) {
    let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
    let mut count = 0;
    for (bound, more) in bounds.zip(&buckets.counts) {
        count += more;
        let mut labels = labels.to_vec();
        labels.push(pair("le", &bound_text(bound)));
        line(text, &format!("{name}_bucket"), &labels, count as f64);
    }
    line(text, &format!("{name}_count"), labels, count as f64);
    line(text, &format!("{name}_sum"), labels, buckets.sum);
}

/// A bound as OpenMetrics writes it, in both formats: a series is not another one because a reader asks otherwise.
fn bound_text(bound: f64) -> String {
    match bound.is_infinite() {
        true => "+Inf".to_owned(),
        false => format!("{bound:?}"),
    }
}

fn number(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histograms::Histograms;
    use crate::table::{CPU_TIME, METRIC, STEP_DURATION, VERDICTS, WORKER_SCORE};

    fn some() -> Families {
        let mut families = Families::default();
        families.add(&METRIC, ["runs/\"a\"\\\n", "loss"], 0.25);
        families.add(&METRIC, ["r", "missing"], f64::NAN);
        families.add(&METRIC, ["r", "norm"], f64::INFINITY);
        families.add(&VERDICTS, ["r"], 2.0);
        families.add(&WORKER_SCORE, ["r", "local-0", "relative"], 0.5);
        families.add(&CPU_TIME, [], 1.5);
        let histograms = Histograms::default();
        histograms.add(&STEP_DURATION, &[], 0.3);
        families.and(histograms.read())
    }

    #[test]
    fn values_that_are_missing_are_absent_and_labels_are_escaped() {
        let text = Format::Text.write(&some());
        assert!(
            text.contains("fratmae_run_metric{run=\"runs/\\\"a\\\"\\\\\\n\",name=\"loss\"} 0.25\n")
        );
        assert!(text.contains("fratmae_run_metric{run=\"r\",name=\"norm\"} +Inf\n"));
        assert!(!text.contains("missing") && !text.contains("NaN") && !text.contains("# UNIT"));
        assert!(text.contains("# TYPE fratmae_run_verdicts_total counter\n"));
        assert!(text.contains("\nfratmae_process_cpu_time_seconds_total 1.5\n"));
        assert!(!text.contains("# EOF"));
    }

    #[test]
    fn openmetrics_tells_units_names_counters_without_total_and_has_an_end() {
        let text = Format::OpenMetrics.write(&some());
        assert!(text.contains(
            "# TYPE fratmae_run_verdicts counter\nfratmae_run_verdicts_total{run=\"r\"} 2\n"
        ));
        assert!(text.contains("# UNIT fratmae_worker_score_ratio ratio\n"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_all() {
        for format in [Format::Text, Format::OpenMetrics] {
            let text = format.write(&some());
            let of = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
            assert_eq!(of("fratmae_step_duration_seconds_bucket"), 17);
            for line in [
                "fratmae_step_duration_seconds_bucket{le=\"0.2\"} 0",
                "fratmae_step_duration_seconds_bucket{le=\"0.5\"} 1",
                "fratmae_step_duration_seconds_bucket{le=\"1.0\"} 1",
                "fratmae_step_duration_seconds_bucket{le=\"+Inf\"} 1",
                "fratmae_step_duration_seconds_count 1",
                "fratmae_step_duration_seconds_sum 0.3",
            ] {
                assert!(
                    text.lines().any(|written| written == line),
                    "{line} in {text}"
                );
            }
        }
    }

    #[test]
    fn openmetrics_is_given_to_whoever_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for other in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0, text/plain",
        ] {
            assert_eq!(Format::accepted(other), Format::Text, "{other}");
        }
    }
}
