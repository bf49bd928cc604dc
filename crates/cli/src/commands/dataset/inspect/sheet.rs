//! The contact sheet: one HTML file that needs nothing else, written case by case so that memory stays small.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fratmae_dataset::{CaseInspection, CaseStats, Histogram};
use fratmae_prepare::{CaseVerdict, StoredReport};

use crate::table::counted;

use super::{Voxels, lengths, sizes, summary};

const CSS: &str = include_str!("sheet/page.css");
const SCRIPT: &str = include_str!("sheet/page.js");
const NAV: &str = "<nav><input id=\"search\" type=\"search\" placeholder=\"Search names, diagnoses, notes\" \
aria-label=\"Search\"><select id=\"only\" aria-label=\"Filter\"><option value=\"all\">all cases</option>\
<option value=\"notes\">with notes</option><option value=\"labelled\">with labels</option>\
<option value=\"unlabelled\">without labels</option></select>\
<select id=\"order\" aria-label=\"Sort\"><option value=\"place\">by name</option>\
<option value=\"notes\">most notes first</option><option value=\"suv\">highest SUV first</option>\
<option value=\"lesions\">most lesions first</option><option value=\"ml\">largest lesion volume first</option>\
<option value=\"age\">oldest first</option></select><span id=\"count\"></span>\
<a href=\"#skipped\">skipped</a><a href=\"#voxels\">histograms</a></nav>\n";

/// What stands above the pictures.
pub(super) struct About<'a> {
    pub(super) url: &'a str,
    pub(super) summary: Vec<[String; 2]>,
    pub(super) report: &'a StoredReport,
}

/// A sheet being written beside its place.
pub(super) struct Sheet {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    /// What comes behind the pictures.
    skipped: String,
}

impl Sheet {
    /// Starts a sheet with what is known of all cases above its pictures.
    pub(super) fn start(path: &Path, about: &About<'_>) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        let file = File::create(&unfinished)
            .with_context(|| format!("cannot write {}", unfinished.display()))?;
        let mut sheet = Self {
            path: path.to_path_buf(),
            unfinished,
            file: BufWriter::new(file),
            skipped: skipped(about.report),
        };
        let url = escaped(about.url);
        let rows = about.summary.iter().map(|[name, value]| row(name, value));
        let rows: String = rows.collect();
        sheet.put(&format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>Data set {url}</title>\n\
             <style>{CSS}</style></head><body>\n<h1>Data set {url}</h1>\n<table>{rows}</table>\n\
             <p>Left: coronal maximum projection of the PET, SUV 0 to 10. Right: coronal CT slice, HU -500 to 500, through \
             the largest lesion, or the highest SUV where there is none. Head up, the patient's right on the left, labels \
             outlined in red. Click a picture to enlarge it.</p>\n{NAV}<main>\n"
        ))?;
        Ok(sheet)
    }

    /// Adds a case.
    pub(super) fn case(&mut self, case: &CaseInspection, seen: &CaseStats) -> Result<()> {
        let picture = STANDARD.encode(seen.picture.as_deref().unwrap_or_default());
        let (name, caption) = (escaped(&case.case_id), caption(case, seen));
        let lesions = seen.lesions.unwrap_or_default();
        let (number, notes) = (seen.case, case.notes.len());
        let label = if case.label { "yes" } else { "no" };
        let age = case.metadata.age.unwrap_or(-1.0);
        self.put(&format!(
            "<figure id=\"case-{number}\" data-notes=\"{notes}\" data-label=\"{label}\" data-suv=\"{:.2}\" \
             data-lesions=\"{}\" data-ml=\"{:.2}\" data-age=\"{age}\"><button aria-label=\"Enlarge {name}\">\
             <img loading=\"lazy\" alt=\"PET and CT of {name}\" src=\"data:image/png;base64,{picture}\"></button>\
             <div class=\"panels\"><span>PET projection</span><span>CT slice</span></div>\
             <figcaption><a href=\"#case-{number}\"><b>{name}</b></a>{caption}</figcaption></figure>\n",
            case.pet.max, lesions.count, lesions.millilitres
        ))
    }

    /// Adds what is known at the end only, and gives the sheet its name.
    pub(super) fn finish(mut self, voxels: &Voxels) -> Result<()> {
        let (suv, hu) = (histogram(&voxels.suv), histogram(&voxels.hu));
        let lesions = escaped(&voxels.told_lesions());
        let skipped = std::mem::take(&mut self.skipped);
        self.put(&format!(
            "</main>\n{skipped}<h2 id=\"voxels\">Voxels of all cases</h2>\n<p>{lesions}</p>\n\
             <h2>SUV</h2>\n{suv}\n<h2>Hounsfield units</h2>\n{hu}\n\
             <dialog><img alt=\"\"><p></p></dialog>\n<script>{SCRIPT}</script>\n</body></html>\n"
        ))?;
        let wrong = || format!("cannot write {}", self.path.display());
        self.file.flush().with_context(wrong)?;
        std::fs::rename(&self.unfinished, &self.path).with_context(wrong)
    }

    fn put(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn row(name: &str, value: &str) -> String {
    format!(
        "<tr><th>{}</th><td>{}</td></tr>\n",
        escaped(name),
        escaped(value)
    )
}

/// Lists the cases that were left out, and what else was not used.
fn skipped(report: &StoredReport) -> String {
    let rows = report.cases.iter().filter_map(|case| match &case.verdict {
        CaseVerdict::Skipped { reason } => Some(row(&case.case_id, reason)),
        CaseVerdict::Taken { .. } => None,
    });
    let rows: String = rows.collect();
    let table = match rows.is_empty() {
        true => "<p>No case was skipped.</p>\n".to_owned(),
        false => format!("<table>{rows}</table>\n"),
    };
    let remarks = report.remarks.iter().map(|remark| {
        let names = match &remark.names[..] {
            [] => String::new(),
            names => format!(": {}", names.join(", ")),
        };
        format!("<li>{}</li>\n", escaped(&format!("{}{names}", remark.text)))
    });
    let remarks: String = remarks.collect();
    format!("<h2 id=\"skipped\">Skipped and not used</h2>\n{table}<ul>{remarks}</ul>\n")
}

/// Says what is known of a case, line by line.
fn caption(case: &CaseInspection, seen: &CaseStats) -> String {
    let metadata = &case.metadata;
    let age = metadata.age.map(|age| format!("{age:.0} years"));
    let stage = metadata
        .stage
        .as_ref()
        .map(|stage| format!("stage {stage}"));
    let words = [
        metadata.tracer.clone(),
        metadata.sex.clone(),
        age,
        metadata.diagnosis.clone(),
        stage,
    ];
    let known: Vec<String> = words.into_iter().flatten().collect();
    let lesions = match seen.lesions {
        Some(lesions) if lesions.count == 0 => "no lesions".to_owned(),
        Some(lesions) => format!(
            "{}, {:.0} ml, SUV to {:.1}",
            counted(lesions.count, "lesion"),
            lesions.millilitres,
            lesions.highest_suv
        ),
        None => "no label".to_owned(),
    };
    let image = format!(
        "PET {} voxels of {} mm, {}; SUV to {:.1}",
        sizes(case.source_shape),
        lengths(case.source_spacing),
        case.source_axes,
        case.pet.max
    );
    let mut caption = String::new();
    for line in [known.join(", "), lesions, image] {
        if !line.is_empty() {
            // Writing to a string cannot fail.
            write!(caption, "<div>{}</div>", escaped(&line)).ok();
        }
    }
    for note in &case.notes {
        write!(caption, "<div class=\"note\">{}</div>", escaped(&note.text)).ok();
    }
    caption
}

fn histogram(histogram: &Histogram) -> String {
    let bins = summary::bins(histogram);
    let most = bins.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let rows = bins.iter().map(|(range, share)| {
        let width = 100.0 * share / most.max(f64::MIN_POSITIVE);
        format!(
            "<tr><th>{range}</th><td class=\"share\">{share:.2} %</td>\
             <td class=\"bar\"><div style=\"width:{width:.1}%\"></div></td></tr>\n"
        )
    });
    format!("<table>{}</table>", rows.collect::<String>())
}

/// Makes text safe between tags and in quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in fratmae_dataset::printable(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::tests::inspection;
    use super::*;
    use fratmae_dataset::Lesions;
    use fratmae_prepare::{CaseReport, Remark};

    #[test]
    fn a_sheet_holds_pictures_captions_notes_and_skips_and_asks_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.html");
        let mut case = inspection().cases.remove(0);
        case.case_id = "<a&\"b\">".to_owned();
        let seen = CaseStats {
            case: 0,
            case_id: case.case_id.clone(),
            suv: Histogram::of_suv(),
            hu: Histogram::of_hu(),
            lesions: Some(Lesions {
                count: 3,
                millilitres: 41.6,
                highest_suv: 12.5,
            }),
            picture: Some(vec![0, 1, 2]),
        };
        let report = StoredReport {
            cases: vec![CaseReport {
                case_id: "left <out>".to_owned(),
                verdict: CaseVerdict::Skipped {
                    reason: "it has no CT".to_owned(),
                },
            }],
            remarks: vec![Remark {
                text: "1 file ending in .mha of no case".to_owned(),
                names: vec!["x.mha".to_owned()],
            }],
        };
        let about = About {
            url: "/d",
            summary: vec![["cases".to_owned(), "1".to_owned()]],
            report: &report,
        };
        let mut sheet = Sheet::start(&path, &about).unwrap();
        sheet.case(&case, &seen).unwrap();
        assert!(!path.exists());
        sheet.finish(&Voxels::none()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for part in [
            "data:image/png;base64,AAEC",
            "&lt;a&amp;&quot;b&quot;&gt;",
            "<div>3 lesions, 42 ml, SUV to 12.5</div>",
            "PET 400x400x326 voxels of 2.04x2.04x3.00 mm, LAS",
            "<th>cases</th><td>1</td>",
            "<div class=\"note\">the field of view is 14 cm long</div>",
            "<th>left &lt;out&gt;</th><td>it has no CT</td>",
            "1 file ending in .mha of no case: x.mha",
            "id=\"case-0\" data-notes=\"1\" data-label=\"yes\"",
            "prefers-color-scheme:dark",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.ends_with("</html>\n") && !text.contains("http") && !text.contains("<a&"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
