//! Values of metrics at one moment: each metric's points, with the values of its labels.

use crate::metric::Metric;
use crate::table::TABLE;

/// The values of some metrics, in the table's order.
#[derive(Clone, Debug, Default)]
pub struct Families(Vec<Family>);

/// One metric's points.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) metric: &'static Metric,
    pub(crate) points: Vec<Point>,
}

/// One value with the values of its labels.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    Number(f64),
    Buckets(Buckets),
}

/// How often values were within each bound, and in all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// For each of the bounds, and for what is above them; not cumulative.
    pub counts: Vec<u64>,
    pub sum: f64,
}

impl Families {
    /// Adds a value; one that is not a number is left out, as a value that is missing is not zero.
    pub fn add<const N: usize>(
        &mut self,
        metric: &'static Metric,
        labels: [&str; N],
        value: impl Into<Option<f64>>,
    ) {
        if let Some(number) = value.into().filter(|number| !number.is_nan()) {
            let labels = labels.map(str::to_owned).into();
            self.push(metric, labels, Value::Number(number));
        }
    }

    pub(crate) fn push(&mut self, metric: &'static Metric, labels: Vec<String>, value: Value) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let point = Point { labels, value };
        let found = self.0.iter_mut().find(|it| std::ptr::eq(it.metric, metric));
        match found {
            Some(family) => family.points.push(point),
            None => {
                let points = vec![point];
                self.0.push(Family { metric, points });
            }
        }
    }

    /// Takes in what another process's part has found.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for Family { metric, points } in other.0 {
            for Point { labels, value } in points {
                self.push(metric, labels, value);
            }
        }
        self
    }

    /// The families, in the table's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Family> {
        let found = |metric: &&'static Metric| {
            let of = |family: &&Family| std::ptr::eq(family.metric, *metric);
            self.0.iter().find(of)
        };
        TABLE.iter().filter_map(found)
    }
}
