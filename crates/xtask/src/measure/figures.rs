//! Turns counts into the figures that trees are compared by.

use super::survey::Survey;

/// The names of the columns of [`Figures::row`], with the tree's name first.
pub(super) const HEADER: &str = "tree\tcrates\tfiles\tlines\tmed\tp90\tmax\tcode_med\tcode_p90\tcode_max\tcode>500\t\
     test%\t#tests\tfn_med\tfn_p90\tfn_max\tunwrap/k\ttodo/k\tallow/k\tmoddoc%\tcomment%";

/// The middle, the ninetieth percentile and the largest of some sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: usize,
    pub(super) p90: usize,
    pub(super) max: usize,
}

/// The figures of one tree.
#[derive(Debug)]
pub(super) struct Figures {
    crates: usize,
    files: usize,
    lines: usize,
    file: Spread,
    pub(super) code: Spread,
    largest_file: String,
    over_500_percent: f64,
    pub(super) test_percent: f64,
    tests: usize,
    pub(super) function: Spread,
    longest_function: String,
    pub(super) unwraps_per_thousand: f64,
    unfinished_per_thousand: f64,
    pub(super) allows_per_thousand: f64,
    pub(super) documented_percent: f64,
    comment_percent: f64,
}

impl Figures {
    /// Computes the figures, or nothing for a tree without code.
    pub(super) fn of(survey: &Survey) -> Option<Self> {
        let functions: Vec<usize> = survey
            .function_lines
            .iter()
            .map(|(lines, _)| *lines)
            .collect();
        let code: Vec<usize> = survey.code_lines.iter().map(|(lines, _)| *lines).collect();
        let code_lines = code.iter().sum();
        let lines = survey.file_lines.iter().sum();
        let over_500 = code.iter().filter(|lines| **lines > 500).count();
        let by_code = |count, scale| ratio(count, code_lines, scale);
        Some(Self {
            crates: survey.crates,
            files: survey.file_lines.len(),
            lines,
            file: spread(&survey.file_lines)?,
            code: spread(&code)?,
            largest_file: survey.code_lines.iter().max()?.1.clone(),
            over_500_percent: ratio(over_500, code.len(), 100),
            test_percent: ratio(survey.test_lines, lines, 100),
            tests: survey.tests,
            // A median of functions is one of them, not the middle between two.
            function: Spread {
                median: quantile(&functions, 0.5)?,
                ..spread(&functions)?
            },
            longest_function: survey.function_lines.iter().max()?.1.clone(),
            unwraps_per_thousand: by_code(survey.unwraps, 1000),
            unfinished_per_thousand: by_code(survey.unfinished, 1000),
            allows_per_thousand: by_code(survey.allows, 1000),
            documented_percent: ratio(survey.documented, code.len(), 100),
            comment_percent: by_code(survey.comments, 100),
        })
    }

    /// Writes the figures in the order of [`HEADER`], without the tree's name.
    pub(super) fn row(&self) -> String {
        let Self {
            file,
            code,
            function,
            ..
        } = self;
        let columns = [
            format!("{}\t{}\t{}", self.crates, self.files, self.lines),
            format!("{}\t{}\t{}", file.median, file.p90, file.max),
            format!(
                "{}\t{}\t({}, '{}')",
                code.median, code.p90, code.max, self.largest_file
            ),
            format!(
                "{:.0}%\t{:.0}%\t{}",
                self.over_500_percent, self.test_percent, self.tests
            ),
            format!(
                "{}\t{}\t({}, '{}')",
                function.median, function.p90, function.max, self.longest_function
            ),
            format!(
                "{:.1}\t{:.1}",
                self.unwraps_per_thousand, self.unfinished_per_thousand
            ),
            format!(
                "{:.1}\t{:.0}%\t{:.0}%",
                self.allows_per_thousand, self.documented_percent, self.comment_percent
            ),
        ];
        columns.join("\t")
    }
}

/// Answers with the middle of some numbers, between two of them if their count is even.
pub(super) fn median(numbers: &[usize]) -> Option<f64> {
    let sorted = sorted(numbers);
    let (low, high) = (
        sorted.get((sorted.len().max(1) - 1) / 2)?,
        sorted.get(sorted.len() / 2)?,
    );
    Some(f64::midpoint(*low as f64, *high as f64))
}

fn spread(numbers: &[usize]) -> Option<Spread> {
    let max = *numbers.iter().max()?;
    Some(Spread {
        median: median(numbers)? as usize,
        p90: quantile(numbers, 0.9)?,
        max,
    })
}

fn quantile(numbers: &[usize], part: f64) -> Option<usize> {
    let sorted = sorted(numbers);
    let at = (part * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().max(1) - 1)).copied()
}

fn sorted(numbers: &[usize]) -> Vec<usize> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
}

fn ratio(count: usize, of: usize, scale: usize) -> f64 {
    (scale * count) as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&[3, 1, 2]), Some(2.0));
        assert_eq!(median(&[4, 1, 2, 3]), Some(2.5));
        assert_eq!(median(&[]), None);
        let ten: Vec<usize> = (1..=10).collect();
        assert_eq!(
            (quantile(&ten, 0.5), quantile(&ten, 0.9)),
            (Some(6), Some(10))
        );
        assert_eq!(quantile(&[7], 0.9), Some(7));
        assert_eq!(
            spread(&ten),
            Some(Spread {
                median: 5,
                p90: 10,
                max: 10
            })
        );
    }

    #[test]
    fn row_has_a_column_for_every_name() {
        let survey = Survey {
            file_lines: vec![100, 50],
            code_lines: vec![(80, "a.rs".to_owned()), (20, "b.rs".to_owned())],
            function_lines: vec![(10, "f".to_owned())],
            test_lines: 50,
            unwraps: 1,
            documented: 1,
            ..Survey::default()
        };
        let row = Figures::of(&survey).unwrap().row();
        assert_eq!(row.split('\t').count() + 1, HEADER.split('\t').count());
        assert!(
            row.contains("(80, 'a.rs')\t0%\t33%\t0\t10\t10\t(10, 'f')\t10.0\t0.0\t0.0\t50%"),
            "{row}"
        );
    }

    #[test]
    fn a_tree_without_code_has_no_figures() {
        assert!(Figures::of(&Survey::default()).is_none());
    }
}
