//! Owns the account of a prepare on the terminal: every case, skips by their reasons, and what is told of patients.

use std::collections::BTreeMap;
use std::io::Result;

use fratmae_dataset::{CaseReport, CaseVerdict, PrepareReport};

use crate::{output::Output, table::Table};

/// Shows what became of the cases, then what of headers and tables is kept.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn show(report: &PrepareReport, output: &mut Output) -> Result<()> {
    output.table(&cases(&report.cases))?;
    let reasons = reasons(&report.cases);
    if !reasons.is_empty() {
        output.table(&by_reason(&reasons))?;
    }
    output.line(&fields(report))
}

fn cases(cases: &[CaseReport]) -> Table {
    let mut table = Table::new(&["case", "verdict", "shard#", "why"]);
    for case in cases {
        let [verdict, shard, why] = match &case.verdict {
            CaseVerdict::Taken { shard, notes } => {
                let notes: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
                ["taken", &shard.to_string(), &notes.join("; ")].map(str::to_owned)
            }
            CaseVerdict::Skipped { reason } => ["skipped", "", reason].map(str::to_owned),
        };
        table.row(vec![case.case_id.clone(), verdict, shard, why]);
    }
    table
}

/// Counts cases by what is alike in their reasons: numbers are not.
fn reasons(cases: &[CaseReport]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for case in cases {
        if let CaseVerdict::Skipped { reason } = &case.verdict {
            *counts.entry(without_numbers(reason)).or_default() += 1;
        }
    }
    counts
}

fn by_reason(counts: &BTreeMap<String, usize>) -> Table {
    let mut table = Table::new(&["skipped#", "because"]);
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in sorted {
        table.row(vec![count.to_string(), reason.clone()]);
    }
    table
}

/// Puts an ellipsis for each number, so that reasons of one kind are one.
fn without_numbers(reason: &str) -> String {
    let is_number = |word: &str| {
        let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        bare.starts_with(|letter: char| letter.is_ascii_digit())
    };
    let words = reason
        .split(' ')
        .map(|word| if is_number(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Says what of the patients is in the data set.
fn fields(report: &PrepareReport) -> String {
    let kept = report.metadata.kept.iter().filter(|(_, count)| **count > 0);
    let kept: Vec<String> = kept
        .map(|(name, count)| format!("{name} of {count}"))
        .collect();
    let kept = if kept.is_empty() {
        "nothing".to_owned()
    } else {
        kept.join(", ")
    };
    let dropped = &report.metadata.dropped_columns;
    let columns = match dropped[..] {
        [] => String::new(),
        _ => format!("; of the tables not kept: {}", dropped.join(", ")),
    };
    format!(
        "known of the cases: {kept}; no other field of a header or table enters the data set{columns}"
    )
}

#[cfg(test)]
pub(super) mod tests {
    use fratmae_dataset::{KeptFields, SkippedCase};

    use super::*;
    use crate::output::captured::Captured;

    /// Two cases taken, two skipped for one kind of reason and one for another.
    pub(in super::super) fn report() -> PrepareReport {
        let case = |case_id: &str, verdict| CaseReport {
            case_id: case_id.to_owned(),
            verdict,
        };
        let reasons = [
            "the PET: file 12 of 30 is cut",
            "the PET: file 7 of 9 is cut",
            "it has no CT",
        ];
        let skipped = reasons.iter().zip(1..).map(|(reason, number)| SkippedCase {
            case_id: format!("bad-{number}"),
            reason: (*reason).to_owned(),
        });
        let skipped: Vec<SkippedCase> = skipped.collect();
        let verdict = |skipped: &SkippedCase| {
            let reason = skipped.reason.clone();
            case(&skipped.case_id, CaseVerdict::Skipped { reason })
        };
        let mut cases = vec![case(
            "a",
            CaseVerdict::Taken {
                shard: 12,
                notes: vec![],
            },
        )];
        cases.extend(skipped.iter().map(verdict));
        let counts = [("age", 3), ("stage", 0)];
        let kept = counts.map(|(name, count)| (name.to_owned(), count));
        PrepareReport {
            prepared: 5,
            kept: 2,
            skipped,
            cases,
            metadata: KeptFields {
                kept: kept.into_iter().collect(),
                dropped_columns: vec!["name".to_owned()],
            },
            shards: 1,
            missing: vec![],
            digest: Some("abc".to_owned()),
            unchanged: false,
        }
    }

    #[test]
    fn every_case_is_named_and_skips_are_summed_up_by_reason() {
        let captured = Captured::default();
        show(&report(), &mut captured.output()).unwrap();
        assert_eq!(
            captured.text(),
            "case   verdict  shard  why\n\
             a      taken       12\n\
             bad-1  skipped         the PET: file 12 of 30 is cut\n\
             bad-2  skipped         the PET: file 7 of 9 is cut\n\
             bad-3  skipped         it has no CT\n\
             skipped  because\n\
             \u{20}     2  the PET: file … of … is cut\n\
             \u{20}     1  it has no CT\n\
             known of the cases: age of 3; no other field of a header or table enters the data set; \
             of the tables not kept: name\n"
        );
    }
}
