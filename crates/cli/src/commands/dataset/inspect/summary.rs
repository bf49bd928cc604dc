//! The words of a summary and of histograms. What is counted is the `dataset` crate's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fratmae_dataset::{Histogram, Summary};

use super::{lengths, sizes};
use crate::table::Table;

/// Longest bar of a histogram.
const BAR: f64 = 40.0;

/// Tells a summary, one line a property.
pub(super) fn summary(summary: &Summary) -> Table {
    let mut table = Table::new(&["summary", ""]);
    for row in rows(summary) {
        table.row(row.to_vec());
    }
    table
}

/// Gives the properties of a summary and their values.
pub(super) fn rows(summary: &Summary) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("cases", summary.cases.to_string());
    row("with labels", summary.labelled.to_string());
    row("with notes", summary.noted.to_string());
    row("tracers", counts(&summary.tracers));
    row("sexes", counts(&summary.sexes));
    row("diagnoses", counts(&summary.diagnoses));
    row("stages", counts(&summary.stages));
    if let Some([low, high]) = summary.age {
        row("age", format!("{low:.0} to {high:.0} years"));
    }
    if let Some([least, most]) = summary.shape {
        row("PET voxels", format!("{} to {}", sizes(least), sizes(most)));
    }
    if let Some([finest, coarsest]) = summary.spacing {
        row(
            "PET mm",
            format!("{} to {}", lengths(finest), lengths(coarsest)),
        );
    }
    rows
}

fn counts(counts: &BTreeMap<String, usize>) -> String {
    let words: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    words.join(", ")
}

/// Tells a histogram: a line a bin with its share of all voxels and a bar.
pub(super) fn histogram(name: &str, histogram: &Histogram) -> String {
    let most = histogram.counts.iter().max().copied().unwrap_or(0).max(1) as f64;
    let mut text = String::new();
    for (bin, (range, share)) in bins(histogram).into_iter().enumerate() {
        let bar = "#".repeat((BAR * histogram.counts[bin] as f64 / most).ceil() as usize);
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{}",
            format!("{name} {range:>14} {share:6.2} % {bar}").trim_end()
        )
        .ok();
    }
    text
}

/// Gives the range of each bin of a histogram in words, and its share of all voxels in percent.
pub(super) fn bins(histogram: &Histogram) -> Vec<(String, f64)> {
    let all = histogram.counts.iter().sum::<u64>().max(1) as f64;
    let ends = &histogram.ends;
    let bin = |(bin, &count): (usize, &u64)| {
        let range = match (
            bin.checked_sub(1).and_then(|low| ends.get(low)),
            ends.get(bin),
        ) {
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (None, Some(high)) => format!("below {high}"),
            (Some(low), None) => format!("from {low}"),
            (None, None) => "all".to_owned(),
        };
        (range, 100.0 * count as f64 / all)
    };
    histogram.counts.iter().enumerate().map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_shows_shares_and_bars() {
        let mut counted = Histogram::of_suv();
        counted.counts[0] = 75;
        counted.counts[10] = 25;
        let text = histogram("SUV", &counted);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 11);
        assert_eq!(
            lines[0],
            format!("SUV      below 0.1  75.00 % {}", "#".repeat(40))
        );
        assert_eq!(lines[1], "SUV     0.1 to 0.5   0.00 %");
        assert_eq!(
            lines[10],
            format!("SUV        from 20  25.00 % {}", "#".repeat(14))
        );
    }
}
