//! Figures of a run's steps, a column each, and curves of them with no more points than are asked for.

use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Samples in the lineage of the weights, by step: a column that every run has.
pub(crate) const SAMPLES: &str = "samples";
/// How long a step took.
pub(crate) const SECONDS: &str = "seconds";
/// The generation that applied a step.
pub(crate) const GENERATION: &str = "generation";

/// Steps in their order, each once, and a column for each figure; a figure that a step does not have is NaN.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    steps: Vec<u64>,
    columns: BTreeMap<String, Vec<f64>>,
}

/// Curves over the same points.
#[derive(Debug, Serialize)]
pub(crate) struct Curves {
    /// Steps in a point, at most.
    pub(crate) per_point: usize,
    /// The last step of each point.
    pub(crate) step: Vec<u64>,
    pub(crate) samples: Vec<f64>,
    /// Hours that the steps up to there took.
    pub(crate) hours: Vec<f64>,
    pub(crate) series: BTreeMap<String, Curve>,
}

/// One figure at each point; null where no step of it has one.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Curve {
    pub(crate) mean: Values,
    /// The extremes, where a point is of several steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<Values>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<Values>,
}

/// Figures as they are, or what several come to, of which half the digits are enough.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Values {
    Exact(Vec<f64>),
    Rounded(Vec<f32>),
}

/// Figures of some steps, as they are.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Rows {
    pub(crate) step: Vec<u64>,
    pub(crate) samples: Vec<f64>,
    pub(crate) hours: Vec<f64>,
    pub(crate) values: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    /// Takes a step in; one that comes again replaces what was there.
    pub(crate) fn push<'a>(&mut self, step: u64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        let place = match self.steps.last() {
            Some(last) if step <= *last => self.steps.binary_search(&step),
            _ => Err(self.steps.len()),
        };
        let at = match place {
            Ok(at) => {
                self.columns.values_mut().for_each(|it| it[at] = f64::NAN);
                at
            }
            Err(at) => {
                self.steps.insert(at, step);
                self.columns
                    .values_mut()
                    .for_each(|it| it.insert(at, f64::NAN));
                at
            }
        };
        for (name, value) in values {
            if !self.columns.contains_key(name) {
                let blank = vec![f64::NAN; self.steps.len()];
                self.columns.insert(name.to_owned(), blank);
            }
            if let Some(column) = self.columns.get_mut(name) {
                column[at] = value;
            }
        }
    }

    /// Forgets everything after `step`.
    pub(crate) fn rewind(&mut self, step: u64) {
        let kept = self.steps.partition_point(|known| *known <= step);
        self.steps.truncate(kept);
        self.columns.values_mut().for_each(|it| it.truncate(kept));
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.columns.keys().map(String::as_str).collect()
    }

    /// The first and the last step.
    pub(crate) fn steps(&self) -> Option<(u64, u64)> {
        Some((*self.steps.first()?, *self.steps.last()?))
    }

    /// The first step of each generation.
    pub(crate) fn first_steps(&self) -> BTreeMap<u64, u64> {
        let generations = self.columns.get(GENERATION).into_iter().flatten();
        let mut first = BTreeMap::new();
        for (generation, step) in generations.zip(&self.steps) {
            first.entry(*generation as u64).or_insert(*step);
        }
        first
    }

    /// Curves of some figures over some steps, of `points` points at most.
    pub(crate) fn curves(
        &self,
        names: &[&str],
        steps: RangeInclusive<u64>,
        points: usize,
    ) -> Curves {
        let from = self.steps.partition_point(|step| step < steps.start());
        let to = self
            .steps
            .partition_point(|step| step <= steps.end())
            .max(from);
        let per_point = (to - from).div_ceil(points.max(1)).max(1);
        let last = |values: &[f64]| -> Vec<f64> {
            let points = values.chunks(per_point);
            points.filter_map(|point| point.last().copied()).collect()
        };
        let curve = |name: &&str| {
            let column = self.columns.get(*name)?;
            Some(((*name).to_owned(), Curve::of(&column[from..to], per_point)))
        };
        let step = self.steps[from..to].chunks(per_point);
        Curves {
            per_point,
            step: step.filter_map(|point| point.last().copied()).collect(),
            samples: last(&self.column(SAMPLES)[from..to]),
            hours: last(&self.hours()[from..to]),
            series: names.iter().filter_map(curve).collect(),
        }
    }

    /// The figures of those of `steps` that there are.
    pub(crate) fn rows(&self, steps: &[u64]) -> Rows {
        let places = steps
            .iter()
            .filter_map(|step| self.steps.binary_search(step).ok());
        let places: Vec<usize> = places.collect();
        let (samples, hours) = (self.column(SAMPLES), self.hours());
        let at = |column: &[f64]| places.iter().map(|place| column[*place]).collect();
        Rows {
            step: places.iter().map(|place| self.steps[*place]).collect(),
            samples: at(&samples),
            hours: at(&hours),
            values: self
                .columns
                .iter()
                .map(|(name, column)| (name.clone(), at(column)))
                .collect(),
        }
    }

    fn column(&self, name: &str) -> Vec<f64> {
        let column = self.columns.get(name).cloned();
        column.unwrap_or_else(|| vec![f64::NAN; self.steps.len()])
    }

    /// Hours of training up to each step; one whose time is unknown took none.
    fn hours(&self) -> Vec<f64> {
        let add = |sum: &mut f64, seconds: f64| {
            *sum += if seconds.is_finite() {
                seconds / 3600.0
            } else {
                0.0
            };
            Some(*sum)
        };
        self.column(SECONDS).into_iter().scan(0.0, add).collect()
    }
}

impl Curve {
    fn of(column: &[f64], per_point: usize) -> Self {
        if per_point == 1 {
            return Self {
                mean: Values::Exact(column.to_vec()),
                min: None,
                max: None,
            };
        }
        let points: Vec<[f32; 3]> = column.chunks(per_point).map(point).collect();
        let [mean, min, max] =
            [0, 1, 2].map(|which| points.iter().map(|point| point[which]).collect());
        Self {
            mean: Values::Rounded(mean),
            min: Some(Values::Rounded(min)),
            max: Some(Values::Rounded(max)),
        }
    }
}

/// Mean, least and most of the values that are numbers.
fn point(values: &[f64]) -> [f32; 3] {
    let known = values.iter().copied().filter(|value| value.is_finite());
    let start = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
    let (count, sum, min, max) = known.fold(start, |(count, sum, min, max), value| {
        (
            count + 1.0,
            sum + value,
            f64::min(min, value),
            f64::max(max, value),
        )
    });
    // Without any they are not finite, which JSON has as null.
    [sum / count, min, max].map(|value| value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(steps: impl IntoIterator<Item = u64>) -> Figures {
        let mut figures = Figures::default();
        for step in steps {
            let value = step as f64;
            figures.push(
                step,
                [("loss", value), (SAMPLES, 8.0 * value), (SECONDS, 36.0)],
            );
        }
        figures
    }

    fn all() -> RangeInclusive<u64> {
        0..=u64::MAX
    }

    fn exact(curves: &Curves, name: &str) -> Vec<f64> {
        match &curves.series[name].mean {
            Values::Exact(values) => values.clone(),
            Values::Rounded(_) => panic!("rounded"),
        }
    }

    #[test]
    fn a_step_has_one_value_however_often_it_was_applied() {
        let mut figures = figures(1..=5);
        figures.rewind(2);
        figures.push(3, [("loss", 0.5)]);
        figures.push(3, [("loss", 0.25), ("later", 1.0)]);
        let curves = figures.curves(&["loss", "later", "none"], all(), 100);
        assert_eq!(curves.step, [1, 2, 3]);
        assert_eq!(exact(&curves, "loss"), [1.0, 2.0, 0.25]);
        assert!(
            exact(&curves, "later")[..2]
                .iter()
                .all(|value| value.is_nan())
        );
        assert!(!curves.series.contains_key("none"));
        assert!(curves.samples[2].is_nan(), "the second coming had none");
    }

    #[test]
    fn a_late_step_finds_its_place() {
        let curves = figures([1, 2, 5, 4, 3]).curves(&["loss"], all(), 100);
        assert_eq!(curves.step, [1, 2, 3, 4, 5]);
        assert_eq!(exact(&curves, "loss"), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((curves.hours[4] - 0.05).abs() < 1e-9);
    }

    #[test]
    fn many_steps_become_as_many_points_as_asked_for_with_their_extremes() {
        let figures = figures(1..=100_000);
        let curves = figures.curves(&["loss"], all(), 1000);
        assert_eq!((curves.per_point, curves.step.len()), (100, 1000));
        assert_eq!((curves.step[0], curves.step[999]), (100, 100_000));
        let curve = &curves.series["loss"];
        let first = |values: &Values| match values {
            Values::Rounded(values) => values[0],
            Values::Exact(_) => panic!("exact"),
        };
        assert_eq!(first(&curve.mean), 50.5);
        assert_eq!(curve.min.as_ref().map(first), Some(1.0));
        assert_eq!(curve.max.as_ref().map(first), Some(100.0));
        let part = figures.curves(&["loss"], 10..=19, 1000);
        assert_eq!((part.per_point, part.step.len()), (1, 10));
        for (steps, points) in [
            (all(), 0),
            (RangeInclusive::new(5, 4), 10),
            (200_000..=300_000, 10),
        ] {
            let curves = figures.curves(&["loss"], steps, points);
            assert!(curves.step.len() <= 1);
        }
    }

    #[test]
    fn what_is_no_number_is_null_and_does_not_spoil_a_mean() {
        let mut figures = Figures::default();
        for (step, value) in [(1, 1.0), (2, f64::NAN), (3, f64::INFINITY), (4, f64::NAN)] {
            figures.push(step, [("loss", value)]);
        }
        let json = serde_json::to_value(figures.curves(&["loss"], all(), 2)).unwrap();
        let loss = &json["series"]["loss"];
        assert_eq!(loss["mean"], serde_json::json!([1.0, null]));
        assert_eq!(loss["max"], serde_json::json!([1.0, null]));
    }

    #[test]
    fn rows_are_those_that_are_there() {
        let mut figures = figures(1..=3);
        figures.push(4, [(GENERATION, 2.0)]);
        let rows = figures.rows(&[2, 9]);
        assert_eq!((rows.step, rows.samples), (vec![2], vec![16.0]));
        assert_eq!(rows.values["loss"], [2.0]);
        assert_eq!(figures.first_steps()[&2], 4);
        assert_eq!(figures.steps(), Some((1, 4)));
    }
}
