//! What a metric is: its name, unit, kind and labels, and the name that Prometheus knows it by.

/// A metric. It is declared once, in `table`.
#[derive(Debug)]
pub struct Metric {
    /// Its name as OpenTelemetry writes it: parts joined by dots, without a unit.
    pub name: &'static str,
    pub unit: Unit,
    pub kind: Kind,
    /// The names of its labels, in the order in which a point has their values.
    pub labels: &'static [&'static str],
    /// What it is, for people.
    pub help: &'static str,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of its own, such as a step's.
    Plain,
    /// A share of one.
    Ratio,
    Seconds,
    Bytes,
    /// Things of this name.
    Items(&'static str),
}

impl Unit {
    /// The unit in UCUM, as OpenTelemetry writes it; things stand in braces.
    #[must_use]
    pub fn ucum(self) -> String {
        match self {
            Self::Plain | Self::Ratio => "1".to_owned(),
            Self::Seconds => "s".to_owned(),
            Self::Bytes => "By".to_owned(),
            Self::Items(name) => format!("{{{name}}}"),
        }
    }

    /// How Prometheus writes it, at the end of a name; nothing where a name has no unit.
    const fn word(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Items(_) => None,
            Self::Ratio => Some("ratio"),
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
        }
    }
}

/// How a value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins anew with its process.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How often values were at most so large.
    Histogram,
}

impl Kind {
    /// Its name in both of Prometheus's formats.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// The name of its family in OpenMetrics: that of its samples, without what stands for a counter.
    #[must_use]
    pub fn family(&self) -> String {
        let name = self.name.replace('.', "_");
        match self.unit() {
            Some(unit) => format!("{name}_{unit}"),
            None => name,
        }
    }

    /// The name of its samples; those of a histogram have further endings.
    #[must_use]
    pub fn sample(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.family()),
            Kind::Gauge | Kind::Histogram => self.family(),
        }
    }

    /// The unit that its name ends in.
    pub(crate) const fn unit(&self) -> Option<&'static str> {
        self.unit.word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_its_unit_and_a_counter_in_total() {
        let metric = |unit, kind| Metric {
            name: "fratmae.run.lost.time",
            unit,
            kind,
            labels: &[],
            help: "",
        };
        let seconds = metric(Unit::Seconds, Kind::Counter);
        assert_eq!(seconds.family(), "fratmae_run_lost_time_seconds");
        assert_eq!(seconds.sample(), "fratmae_run_lost_time_seconds_total");
        let ratio = metric(Unit::Ratio, Kind::Gauge);
        assert_eq!(ratio.sample(), "fratmae_run_lost_time_ratio");
        let steps = metric(Unit::Items("step"), Kind::Counter);
        assert_eq!(steps.sample(), "fratmae_run_lost_time_total");
        assert_eq!(steps.unit.ucum(), "{step}");
    }
}
