//! The targets of the house style, and whether figures are inside them.

use std::ops::RangeInclusive;

use super::figures::Figures;

/// Holds each target against its figure and writes a line about it, marked `ok`, `under` or `over`.
pub(super) fn verdicts(figures: &Figures, commit_files: f64) -> Vec<String> {
    let (code, function) = (&figures.code, &figures.function);
    let (unwraps, allows) = (figures.unwraps_per_thousand, figures.allows_per_thousand);
    let targets = [
        ("code lines of a file, p90", code.p90 as f64, 0.0..=250.0),
        ("code lines of a file, max", code.max as f64, 0.0..=400.0),
        (
            "lines of a function, median",
            function.median as f64,
            0.0..=10.0,
        ),
        ("lines of a function, p90", function.p90 as f64, 0.0..=28.0),
        ("lines of a function, max", function.max as f64, 0.0..=60.0),
        ("test lines, % of all", figures.test_percent, 40.0..=55.0),
        ("unwrap/expect per 1,000 code lines", unwraps, 0.0..=1.0),
        (
            "files with a module doc, %",
            figures.documented_percent,
            100.0..=100.0,
        ),
        ("bare allow per 1,000 code lines", allows, 0.0..=0.0),
        ("files of a commit, median", commit_files, 0.0..=3.0),
    ];
    let verdicts = targets.map(|(name, figure, target)| verdict(name, figure, target));
    verdicts.to_vec()
}

fn verdict(name: &str, figure: f64, target: RangeInclusive<f64>) -> String {
    let (low, high) = (*target.start(), *target.end());
    let wanted = match (low, high) {
        (low, high) if low == high => format!("{high}"),
        (0.0, high) => format!("<= {high}"),
        (low, high) => format!("{low} to {high}"),
    };
    let mark = match figure {
        figure if figure < low => "under",
        figure if figure > high => "over",
        _ => "ok",
    };
    format!("{mark:5} {name:36} {figure:>7.1}  (target {wanted})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_marked_by_its_side_of_the_target() {
        let mark = |figure| {
            verdict("tests", figure, 40.0..=55.0)
                .split_whitespace()
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            [mark(39.9), mark(40.0), mark(55.0), mark(55.1)],
            ["under", "ok", "ok", "over"]
        );
    }

    #[test]
    fn the_target_is_written_beside_the_figure() {
        assert!(verdict("size", 1.0, 0.0..=60.0).ends_with("1.0  (target <= 60)"));
        assert!(verdict("size", 1.0, 100.0..=100.0).ends_with("(target 100)"));
        assert!(verdict("size", 1.0, 40.0..=55.0).ends_with("(target 40 to 55)"));
    }
}
