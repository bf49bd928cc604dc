//! The contact sheet: one HTML file that needs nothing else, written case by case so that memory stays small.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fratmae_dataset::{CaseInspection, CaseLook, Lesions};

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<title>FratMAE data set</title>
<style>
body{font:14px/1.4 system-ui,sans-serif;margin:1rem;background:#f4f4f4;color:#111}
pre{background:#fff;padding:.7rem;overflow-x:auto;border:1px solid #ccc}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:.8rem}
figure{margin:0;background:#fff;border:1px solid #ccc;padding:.5rem}
img{width:100%;background:#808080}
figcaption b{overflow-wrap:anywhere}
</style></head><body>
";

/// A sheet being written beside its place.
pub(super) struct Sheet {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
}

impl Sheet {
    /// Starts a sheet with lines of text above its pictures.
    pub(super) fn start(path: &Path, heading: &str, summary: &str) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        let file = File::create(&unfinished)
            .with_context(|| format!("cannot write {}", unfinished.display()))?;
        let mut sheet = Self {
            path: path.to_path_buf(),
            unfinished,
            file: BufWriter::new(file),
        };
        let (heading, summary) = (escaped(heading), escaped(summary));
        sheet.put(&format!(
            "{HEAD}<h1>{heading}</h1>\n<pre>{summary}</pre>\n<p>Left the PET's coronal maximum projection (SUV 0 to 10), \
             right the coronal CT slice in the middle of the body (HU -500 to 500). Head up, the patient's right at the \
             left; labels are red.</p>\n<main>\n"
        ))?;
        Ok(sheet)
    }

    /// Adds a case.
    pub(super) fn case(&mut self, case: &CaseInspection, seen: &CaseLook) -> Result<()> {
        let picture = STANDARD.encode(seen.picture.as_deref().unwrap_or_default());
        let (name, caption) = (
            escaped(&case.case_id),
            escaped(&caption(case, seen.lesions)),
        );
        self.put(&format!(
            "<figure><img loading=\"lazy\" alt=\"{name}\" src=\"data:image/png;base64,{picture}\">\
             <figcaption><b>{name}</b><br>{caption}</figcaption></figure>\n"
        ))
    }

    /// Adds the lines that are known at the end only, and gives the sheet its name.
    pub(super) fn finish(mut self, text: &str) -> Result<()> {
        let text = escaped(text);
        self.put(&format!("</main>\n<pre>{text}</pre>\n</body></html>\n"))?;
        let wrong = || format!("cannot write {}", self.path.display());
        self.file.flush().with_context(wrong)?;
        std::fs::rename(&self.unfinished, &self.path).with_context(wrong)
    }

    fn put(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Says what is known of a case in a few words.
fn caption(case: &CaseInspection, lesions: Option<Lesions>) -> String {
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
    let mut caption = known.join(", ");
    let [r, a, s] = case.source_shape;
    let [x, y, z] = case.source_spacing;
    let axes = &case.source_axes;
    // Writing to a string cannot fail.
    write!(
        caption,
        "; {r}x{a}x{s} of {x:.2}x{y:.2}x{z:.2} mm, {axes}; SUV to {:.1}",
        case.pet.max
    )
    .ok();
    match lesions {
        Some(Lesions { count: 0, .. }) => caption.push_str("; no lesions"),
        Some(lesions) => {
            let Lesions {
                count,
                millilitres,
                highest_suv,
            } = lesions;
            write!(
                caption,
                "; lesions {count}, {millilitres:.0} ml, SUV to {highest_suv:.1}"
            )
            .ok();
        }
        None => {}
    }
    caption
}

/// Makes text safe between tags and in quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
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
    use fratmae_dataset::Histogram;

    #[test]
    fn a_sheet_holds_pictures_and_captions_and_asks_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.html");
        let mut case = inspection().cases.remove(0);
        case.case_id = "<a&\"b\">".to_owned();
        let seen = CaseLook {
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
        let mut sheet = Sheet::start(&path, "/d", "cases 1").unwrap();
        sheet.case(&case, &seen).unwrap();
        assert!(!path.exists());
        sheet.finish("histogram").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for part in [
            "data:image/png;base64,AAEC",
            "&lt;a&amp;&quot;b&quot;&gt;",
            "lesions 3, 42 ml, SUV to 12.5",
            "400x400x326 of 2.04x2.04x3.00 mm, LAS",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.ends_with("</html>\n") && !text.contains("http") && !text.contains("<a&"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
