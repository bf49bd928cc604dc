//! Owns the account of a prepare on the terminal: sums first, then only what was skipped, noted or not taken.

use std::collections::BTreeMap;
use std::io::Result;

use fratmae_prepare::{CaseReport, CaseVerdict, PrepareReport, Remark};

use super::folders::Folders;
use crate::{
    output::Output,
    table::{Table, counted},
};

/// More rows of a kind than these would not be read; `report.json` has all.
const ROWS: usize = 40;
/// More names than these in a line would not be read.
const NAMES: usize = 4;

/// Shows what became of the cases, then what of headers and tables is kept.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn show(report: &PrepareReport, folders: &Folders, output: &mut Output) -> Result<()> {
    output.line(&sums(report))?;
    let skipped = report.cases.iter().filter_map(|case| match &case.verdict {
        CaseVerdict::Skipped { reason } => {
            Some((folders.beside(&case.case_id, reason), reason.clone()))
        }
        CaseVerdict::Taken { .. } => None,
    });
    let noted = report.cases.iter().flat_map(|case| notes(case, folders));
    listed(["skipped", "reason"], &skipped.collect::<Vec<_>>(), output)?;
    listed(["used, but", "note"], &noted.collect::<Vec<_>>(), output)?;
    for remark in &report.remarks {
        output.line(&format!("not used: {}", remark_line(remark)))?;
    }
    output.line(&fields(report))
}

/// Gives each note of a case beside its name.
fn notes<'a>(
    case: &'a CaseReport,
    folders: &'a Folders,
) -> impl Iterator<Item = (String, String)> + 'a {
    let notes = case.verdict.notes().iter();
    notes.map(|note| {
        let name = folders.beside(&case.case_id, &note.text);
        (name, note.text.clone())
    })
}

fn sums(report: &PrepareReport) -> String {
    let cases = &report.cases;
    let noted = cases
        .iter()
        .filter(|case| !case.verdict.notes().is_empty())
        .count();
    let skipped = report.skipped.len();
    format!(
        "layout {}: {}, {} used ({noted} with notes), {skipped} skipped",
        report.layout,
        counted(cases.len(), "case"),
        cases.len() - skipped
    )
}

/// Lists cases with a text each, after the counts of what is alike in the texts where there are many.
fn listed([title, why]: [&str; 2], rows: &[(String, String)], output: &mut Output) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, text) in rows {
        *counts.entry(without_numbers(text)).or_default() += 1;
    }
    if counts.values().any(|count| *count > 1) {
        let mut table = Table::new(&[&format!("{title}#"), why]);
        let mut sorted: Vec<_> = counts.into_iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (text, count) in sorted {
            table.row(vec![count.to_string(), text]);
        }
        output.table(&table)?;
    }
    let mut table = Table::new(&[title, why]);
    for (case, text) in rows.iter().take(ROWS) {
        table.row(vec![case.clone(), text.clone()]);
    }
    output.table(&table)?;
    match rows.len().saturating_sub(ROWS) {
        0 => Ok(()),
        more => output.line(&format!("and {more} more, listed in report.json")),
    }
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

/// Tells a remark with its first names.
fn remark_line(remark: &Remark) -> String {
    let names = &remark.names[..remark.names.len().min(NAMES)];
    let more = if remark.names.len() > NAMES {
        ", …"
    } else {
        ""
    };
    match names {
        [] => remark.text.clone(),
        _ => format!("{} ({}{more})", remark.text, names.join(", ")),
    }
}

/// Says what of the patients is in the data set.
fn fields(report: &PrepareReport) -> String {
    let used = report.cases.len() - report.skipped.len();
    let kept = report.metadata.kept.iter().filter(|(_, count)| **count > 0);
    let kept: Vec<String> = kept
        .map(|(name, count)| format!("{name} ({count} of {used} cases)"))
        .collect();
    let kept = match kept[..] {
        [] => "no metadata found".to_owned(),
        _ => format!("metadata kept: {}", kept.join(", ")),
    };
    let dropped = &report.metadata.dropped_columns;
    match dropped[..] {
        [] => kept,
        _ => format!("{kept}; ignored columns: {}", dropped.join(", ")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use fratmae_dataset::{Note, NoteKind};
    use fratmae_prepare::{KeptFields, Layout, SkippedCase};

    use super::*;
    use crate::output::captured::Captured;

    /// Three cases taken, one of them with a note, two skipped for one kind of reason and one for another.
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
        let taken = |notes| CaseVerdict::Taken { shard: 12, notes };
        let note = Note {
            kind: NoteKind::NotWholeBody,
            text: "the field of view is 14 cm long".to_owned(),
        };
        let mut cases = vec![case("a", taken(vec![])), case("b", taken(vec![note]))];
        cases.extend(skipped.iter().map(verdict));
        let counts = [("age", 1), ("stage", 0)];
        let kept = counts.map(|(name, count)| (name.to_owned(), count));
        let names = ["one", "two", "three", "four", "five"];
        PrepareReport {
            prepared: 5,
            kept: 2,
            skipped,
            cases,
            layout: Layout::AutoPet,
            remarks: vec![Remark {
                text: "5 files ending in .mha of no case".to_owned(),
                names: names.map(str::to_owned).to_vec(),
            }],
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
    fn sums_come_first_and_only_what_was_skipped_noted_or_not_used_is_listed() {
        let captured = Captured::default();
        show(&report(), &Folders::default(), &mut captured.output()).unwrap();
        assert_eq!(
            captured.text(),
            "layout autopet: 5 cases, 2 used (1 with notes), 3 skipped\n\
             skipped  reason\n\
             \u{20}     2  the PET: file … of … is cut\n\
             \u{20}     1  it has no CT\n\
             skipped  reason\n\
             bad-1    the PET: file 12 of 30 is cut\n\
             bad-2    the PET: file 7 of 9 is cut\n\
             bad-3    it has no CT\n\
             used, but  note\n\
             b          the field of view is 14 cm long\n\
             not used: 5 files ending in .mha of no case (one, two, three, four, …)\n\
             metadata kept: age (1 of 2 cases); ignored columns: name\n"
        );
    }

    #[test]
    fn a_long_list_is_cut_and_says_where_the_rest_is() {
        let mut report = report();
        let bad = report.cases.pop().unwrap();
        report.cases.extend(vec![bad; 50]);
        let captured = Captured::default();
        show(&report, &Folders::default(), &mut captured.output()).unwrap();
        assert!(
            captured
                .text()
                .contains("and 12 more, listed in report.json\n")
        );
    }
}
