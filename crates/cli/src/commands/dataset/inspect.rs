//! `fratmae dataset inspect`: what a data set holds, as a summary, tables, histograms, JSON, one picture or a contact
//! sheet.

mod sheet;
mod summary;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_dataset::{
    CaseInspection, CaseStats, DataSet, Histogram, Inspection, Summary, ValueRange, inspect,
    inspect_voxels, preview,
};
use fratmae_prepare::stored_report;
use fratmae_store::Location;
use serde::Serialize;

use crate::{
    commands::{target::Target, weights_dir::write},
    output::Output,
    progress::{Progress, Report},
    table::{Table, counted},
};
use sheet::{About, Sheet};

/// Shows what a data set holds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae dataset inspect runs/quickstart/data
  fratmae dataset inspect runs/quickstart/data --cases
  fratmae dataset inspect s3://bucket/autopet --json
  fratmae dataset inspect runs/quickstart/data --histograms
  fratmae dataset inspect runs/quickstart/data --html sheet.html
  fratmae dataset inspect runs/quickstart/data --preview case.png

Summary and tables come from the manifest alone; --histograms and --html read every case, a few at a time. A picture shows the PET's coronal maximum projection beside the coronal slice of CT and PET through the largest lesion, or the highest SUV where there is none: head up, the patient's right on the left, labels outlined in red. The contact sheet is one file with all pictures and needs no network.")]
pub(crate) struct Arguments {
    /// The prepared data set
    #[arg(value_name = "URL")]
    data: String,
    /// Show only this case
    #[arg(long, value_name = "ID")]
    case: Option<String>,
    /// List every case
    #[arg(long)]
    cases: bool,
    /// Draw the case (default: the first one) to this PNG file
    #[arg(long, value_name = "FILE.png")]
    preview: Option<PathBuf>,
    /// Draw every case, with its metadata, to this HTML file
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Histograms of SUV and Hounsfield units, and lesion volumes
    #[arg(long)]
    histograms: bool,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    inspection: Inspection,
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    voxels: Option<Voxels>,
    preview: Option<PathBuf>,
}

/// What was counted over the voxels of all cases shown.
#[derive(Debug, Serialize)]
struct Voxels {
    suv: Histogram,
    hu: Histogram,
    labelled_cases: usize,
    lesions: usize,
    lesion_millilitres: f64,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let target = |file: &Option<PathBuf>| file.as_deref().map(Target::file).transpose();
    let (picture, sheet) = (target(&arguments.preview)?, target(&arguments.html)?);
    let location = Location::open(&arguments.data)?;
    let data = DataSet::open(&location).await?;
    let case = arguments.case.as_deref();
    let number = case.map(|case| number_of(&data, case)).transpose()?;
    if let Some(target) = picture {
        write(target.path(), &preview(&data, number.unwrap_or(0)).await?)?;
        target.finish().await?;
    }
    let inspection = inspect(&data);
    let voxels = match sheet.is_some() || arguments.histograms {
        true => Some(look_through(&data, &inspection, number, sheet, quiet).await?),
        false => None,
    };
    show(only(inspection, case), voxels, arguments, output)
}

fn only(mut inspection: Inspection, case: Option<&str>) -> Inspection {
    inspection
        .cases
        .retain(|inspected| case.is_none_or(|case| inspected.case_id == case));
    inspection
}

/// Reads every case that is shown, and writes the contact sheet where one is asked for.
async fn look_through(
    data: &DataSet,
    inspection: &Inspection,
    only: Option<u32>,
    target: Option<Target>,
    quiet: bool,
) -> Result<Voxels> {
    let numbers: Vec<u32> = match only {
        Some(number) => vec![number],
        None => (0..inspection.cases.len() as u32).collect(),
    };
    let report = stored_report(data).await?;
    let start = |target: &Target| {
        let about = About {
            url: &inspection.url,
            summary: summary::rows(&Summary::of(&inspection.cases)),
            report: &report,
        };
        Sheet::start(target.path(), &about)
    };
    let mut sheet = target.as_ref().map(start).transpose()?;
    let mut voxels = Voxels::none();
    let with_pictures = sheet.is_some();
    let mut progress = Progress::start("inspect", quiet);
    let mut done = 0;
    inspect_voxels(data, &numbers, with_pictures, &mut |seen| -> Result<()> {
        voxels.add(&seen);
        done += 1;
        progress.show(&Report::Items {
            done,
            total: numbers.len() as u64,
            name: seen.case_id.clone(),
        });
        match (&mut sheet, inspection.cases.get(seen.case as usize)) {
            (Some(sheet), Some(case)) => sheet.case(case, &seen),
            _ => Ok(()),
        }
    })
    .await?;
    if let Some(sheet) = sheet {
        sheet.finish(&voxels)?;
    }
    if let Some(target) = target {
        target.finish().await?;
    }
    Ok(voxels)
}

impl Voxels {
    fn none() -> Self {
        Self {
            suv: Histogram::of_suv(),
            hu: Histogram::of_hu(),
            labelled_cases: 0,
            lesions: 0,
            lesion_millilitres: 0.0,
        }
    }

    fn add(&mut self, seen: &CaseStats) {
        self.suv.add(&seen.suv);
        self.hu.add(&seen.hu);
        if let Some(lesions) = seen.lesions {
            self.labelled_cases += 1;
            self.lesions += lesions.count;
            self.lesion_millilitres += lesions.millilitres;
        }
    }

    fn tell(&self) -> String {
        format!(
            "{}{}{}\n",
            summary::histogram("SUV", &self.suv),
            summary::histogram("HU ", &self.hu),
            self.told_lesions()
        )
    }

    fn told_lesions(&self) -> String {
        format!(
            "{}, {:.0} ml in total, in {}",
            counted(self.lesions, "lesion"),
            self.lesion_millilitres,
            counted(self.labelled_cases, "labelled case")
        )
    }
}

pub(super) fn number_of(data: &DataSet, case: &str) -> Result<u32> {
    let cases = &data.manifest.cases;
    let number = cases.iter().position(|known| known.case_id == case);
    let number = number.with_context(|| {
        let url = data.location.url();
        format!("{url} has no case {case}; `fratmae dataset inspect {url} --cases` lists them")
    })?;
    Ok(u32::try_from(number)?)
}

fn show(
    inspection: Inspection,
    voxels: Option<Voxels>,
    arguments: &Arguments,
    output: &mut Output,
) -> Result<()> {
    let summary = Summary::of(&inspection.cases);
    if arguments.json {
        let preview = arguments.preview.clone();
        return Ok(output.json(&Shown {
            inspection,
            summary,
            voxels,
            preview,
        })?);
    }
    output.line(&headline(&inspection))?;
    output.table(&summary::summary(&summary))?;
    if summary.noted > 0 {
        output.line("")?;
        output.table(&noted(&inspection.cases))?;
    }
    if arguments.cases || arguments.case.is_some() {
        output.line("")?;
        output.table(&table(&inspection.cases))?;
    } else {
        output.line("every case: --cases, --json, or with pictures --html FILE.html")?;
    }
    if let Some(voxels) = voxels {
        output.line("")?;
        output.bytes(voxels.tell().as_bytes())?;
    }
    if let Some(file) = &arguments.html {
        output.line(&format!("contact sheet written to {}", file.display()))?;
    }
    if let Some(file) = &arguments.preview {
        output.line(&format!("picture written to {}", file.display()))?;
    }
    Ok(())
}

fn headline(inspection: &Inspection) -> String {
    let Inspection {
        url,
        layout_version,
        digest,
        shards,
        cases,
        ..
    } = inspection;
    format!(
        "{url}: {}, grid {} (R A S), {}, layout {layout_version}, digest {digest}",
        counted(cases.len(), "case"),
        sizes(inspection.grid),
        counted(*shards, "shard")
    )
}

/// Lists the first cases with notes.
fn noted(cases: &[CaseInspection]) -> Table {
    /// More would not be read.
    const ROWS: usize = 40;
    let mut table = Table::new(&["case", "note"]);
    let mut notes = cases
        .iter()
        .flat_map(|case| case.notes.iter().map(move |note| (case, note)));
    for (case, note) in notes.by_ref().take(ROWS) {
        table.row(vec![case.case_id.clone(), note.text.clone()]);
    }
    let more = notes.count();
    if more > 0 {
        let rest = format!("and {more} more notes; --json lists all");
        table.row(vec!["…".to_owned(), rest]);
    }
    table
}

fn table(cases: &[CaseInspection]) -> Table {
    let mut table = Table::new(&[
        "case",
        "PET voxels#",
        "PET mm#?",
        "axes?",
        "grid mm#?",
        "SUV min#?",
        "SUV max#",
        "SUV mean#?",
        "HU min#?",
        "HU max#?",
        "HU mean#?",
        "body#?",
        "label",
        "notes#",
        "sentence",
    ]);
    for case in cases {
        let mut cells = vec![
            case.case_id.clone(),
            sizes(case.source_shape),
            lengths(case.source_spacing),
            case.source_axes.clone(),
            lengths(case.spacing),
        ];
        cells.extend(range(case.pet, 2));
        cells.extend(range(case.ct, 0));
        cells.extend([
            format!("{}-{}", case.body[0], case.body[1]),
            if case.label { "yes" } else { "no" }.to_owned(),
            case.notes.len().to_string(),
            case.sentence.clone(),
        ]);
        table.row(cells);
    }
    table
}

fn range(values: ValueRange, digits: usize) -> [String; 3] {
    [values.min, values.max, values.mean].map(|value| format!("{value:.digits$}"))
}

fn sizes([r, a, s]: [usize; 3]) -> String {
    format!("{r}x{a}x{s}")
}

fn lengths([r, a, s]: [f32; 3]) -> String {
    format!("{r:.2}x{a:.2}x{s:.2}")
}

#[cfg(test)]
mod tests {
    use fratmae_dataset::{Metadata, Note, NoteKind};

    use super::*;
    use crate::output::captured::Captured;

    pub(super) fn inspection() -> Inspection {
        let case = CaseInspection {
            case_id: "a".to_owned(),
            source_shape: [400, 400, 326],
            source_spacing: [2.036, 2.036, 3.0],
            source_axes: "LAS".to_owned(),
            spacing: [5.09, 5.09, 5.094],
            pet: ValueRange {
                min: 0.0,
                max: 18.25,
                mean: 0.4567,
            },
            ct: ValueRange {
                min: -1024.0,
                max: 1500.4,
                mean: -700.0,
            },
            body: [12, 140],
            label: true,
            metadata: Metadata::default(),
            sentence: "A whole-body PET scan.".to_owned(),
            notes: vec![Note {
                kind: NoteKind::NotWholeBody,
                text: "the field of view is 14 cm long".to_owned(),
            }],
            digest: "d".to_owned(),
        };
        Inspection {
            url: "/d".to_owned(),
            layout_version: 1,
            digest: "abc".to_owned(),
            grid: [160, 160, 192],
            shards: 1,
            cases: vec![case],
        }
    }

    fn shown(json: bool, cases: bool) -> String {
        let captured = Captured::default();
        let arguments = Arguments {
            data: "/d".to_owned(),
            case: None,
            cases,
            preview: Some("p.png".into()),
            html: None,
            histograms: false,
            json,
        };
        show(inspection(), None, &arguments, &mut captured.output()).unwrap();
        captured.text()
    }

    #[test]
    fn the_table_shows_geometry_ranges_and_the_sentence() {
        let text = shown(false, true);
        for part in [
            "400x400x326",
            "2.04x2.04x3.00",
            "LAS",
            "18.25",
            "-1024",
            "12-140",
            "yes",
            "A whole-body PET scan.",
            "400x400x326 to 400x400x326",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            text.starts_with("/d: 1 case, grid 160x160x192 (R A S)"),
            "{text}"
        );
        assert!(text.ends_with("picture written to p.png\n"), "{text}");
    }

    #[test]
    fn the_summary_and_the_notes_come_first_and_rows_only_where_they_are_asked_for() {
        let text = shown(false, false);
        assert!(
            text.contains("a     the field of view is 14 cm long"),
            "{text}"
        );
        assert!(
            text.contains("with notes") && text.contains("--cases"),
            "{text}"
        );
        assert!(!text.contains("A whole-body PET scan."), "{text}");
    }

    #[test]
    fn json_holds_the_inspection_and_the_picture() {
        let value: serde_json::Value = serde_json::from_str(&shown(true, false)).unwrap();
        assert_eq!(value["cases"][0]["source_axes"], "LAS");
        assert_eq!(value["preview"], "p.png");
        assert_eq!(value["summary"]["labelled"], 1);
    }
}
