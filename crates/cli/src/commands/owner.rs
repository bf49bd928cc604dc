//! Whose a place is: a run, a data set and exported weights each need a folder of their own, and none writes over files
//! of another kind or another program.
//!
//! It looks at names and at the few objects whose contents tell; it writes nothing.

use std::path::Path;

use anyhow::{Result, bail};
use fratmae_model::ModelConfig;
use fratmae_store::Location;

use crate::commands::weights_dir::{CARD, CARD_TITLE, CONFIG, WEIGHTS};

/// What a place is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    DataSet,
    Weights,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "a run",
            Self::DataSet => "a data set",
            Self::Weights => "exported weights",
        }
    }

    /// How the user names another place.
    fn remedy(self) -> &'static str {
        match self {
            Self::Run => "give the run a folder of its own (--run, run.url)",
            Self::DataSet => {
                "give the data set a folder of its own (--out, or --data and data.url)"
            }
            Self::Weights => "name another folder with --out",
        }
    }
}

/// What is at a place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    /// The kind that the place has, and the object that shows it.
    owner: Option<(Kind, &'static str)>,
    /// Objects under names that exports use, and that no export wrote.
    foreign: Vec<&'static str>,
}

/// Makes sure that a place may be used for a kind: that it is of no other kind, and that no file of another origin has
/// a name that would be written.
///
/// # Errors
/// What is there instead, or the store's.
pub(crate) async fn ensure_free(place: &Location, wanted: Kind) -> Result<()> {
    refuse_file(place, wanted)?;
    let contents = Contents::of(place).await?;
    let url = place.url();
    if let Some((owner, object)) = contents.owner
        && owner != wanted
    {
        bail!(
            "{url} is {} (it has {object}), and {} would mix with it; {}",
            owner.name(),
            wanted.name(),
            wanted.remedy()
        );
    }
    let foreign = match (wanted, &contents.foreign[..]) {
        (Kind::Weights, [first, ..]) => Some(first),
        // A run's first object has the name that an export's config has.
        (Kind::Run, names) if contents.owner.is_none() => {
            names.iter().find(|name| **name == CONFIG)
        }
        _ => None,
    };
    if let Some(object) = foreign {
        bail!(
            "{url} has a file {object} of another origin, which {} would replace; {}",
            wanted.name(),
            wanted.remedy()
        );
    }
    Ok(())
}

/// Refuses a path that is a file's.
///
/// # Errors
/// What to name instead.
pub(crate) fn refuse_file(place: &Location, wanted: Kind) -> Result<()> {
    let is_file = place.is_local() && Path::new(place.url()).is_file();
    match is_file {
        true => bail!("{} is a file; {}", place.url(), wanted.remedy()),
        false => Ok(()),
    }
}

impl Contents {
    async fn of(place: &Location) -> Result<Self> {
        // Read once: between two looks another start may have created it.
        let config = place.get_if_present(CONFIG).await?;
        if let Some(object) = run_object(place, config.as_deref()).await? {
            let owner = Some((Kind::Run, object));
            return Ok(Self {
                owner,
                ..Self::default()
            });
        }
        let folders = place.list_folders("").await?;
        let has_shards = folders.iter().any(|folder| folder == "shards");
        let mut contents = Self::default();
        if has_shards {
            contents.owner = Some((Kind::DataSet, "shards/"));
        }
        let is_ours = config.as_ref().is_some_and(|text| is_model_config(text));
        if is_ours {
            contents.owner = contents.owner.or(Some((Kind::Weights, CONFIG)));
        } else if config.is_some() {
            contents.foreign.push(CONFIG);
        }
        let files = place.list_files("").await?;
        if !is_ours && files.iter().any(|file| file == WEIGHTS) {
            contents.foreign.push(WEIGHTS);
        }
        if let Some(card) = place.get_if_present(CARD).await?
            && !card.starts_with(CARD_TITLE.as_bytes())
        {
            contents.foreign.push(CARD);
        }
        Ok(contents)
    }
}

/// What shows that a place is a run, if it is one, also one that has lost a part.
async fn run_object(place: &Location, config: Option<&[u8]>) -> Result<Option<&'static str>> {
    let config = config.and_then(|text| serde_json::from_slice::<serde_json::Value>(text).ok());
    if config.is_some_and(|config| config.get("run_id").is_some()) {
        return Ok(Some("a run's config.json"));
    }
    if !fratmae_checkpoint::list(place).await?.is_empty() {
        return Ok(Some("checkpoints/"));
    }
    let journal = place.list("journal").await?;
    let is_record = |name: &str| {
        let number = name
            .strip_prefix("journal/")
            .and_then(|name| name.strip_suffix(".json"));
        number
            .is_some_and(|number| number.len() == 20 && number.bytes().all(|b| b.is_ascii_digit()))
    };
    Ok(journal
        .iter()
        .any(|entry| is_record(&entry.relative))
        .then_some("journal/"))
}

fn is_model_config(text: &[u8]) -> bool {
    serde_json::from_slice::<ModelConfig>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::wait_for;

    fn place(files: &[(&str, &str)]) -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let place = Location::open(folder.path().to_str().unwrap()).unwrap();
        (folder, place)
    }

    fn asked(files: &[(&str, &str)], wanted: Kind) -> Result<(), String> {
        let (_folder, place) = place(files);
        wait_for(ensure_free(&place, wanted)).map_err(|error| error.to_string())
    }

    fn model_config() -> String {
        let config = fratmae_config::Config::default().model;
        serde_json::to_string(&config).unwrap()
    }

    const MANIFEST: &str = "checkpoints/step-000000000006.generation-000001/manifest.json";
    const RECORD: &str = "journal/00000000000000000000.json";

    #[test]
    fn an_empty_place_and_one_with_other_things_is_free_for_all() {
        for wanted in [Kind::Run, Kind::DataSet, Kind::Weights] {
            assert_eq!(asked(&[], wanted), Ok(()));
            assert_eq!(
                asked(&[("notes.txt", ""), ("data/x.csv", "")], wanted),
                Ok(())
            );
        }
    }

    #[test]
    fn a_run_is_known_by_any_part_that_is_left_of_it_and_takes_nothing_else() {
        let parts = [
            ("config.json", r#"{"run_id": "r"}"#),
            (MANIFEST, "{}"),
            (RECORD, ""),
        ];
        for part in parts {
            for wanted in [Kind::DataSet, Kind::Weights] {
                let line = asked(&[part], wanted).unwrap_err();
                assert!(line.contains("is a run (it has"), "{line}");
            }
            assert_eq!(asked(&[part], Kind::Run), Ok(()));
        }
    }

    #[test]
    fn a_data_set_takes_neither_a_run_nor_weights() {
        let files = [("manifest.json", "{}"), ("shards/shard-00000.parquet", "")];
        for wanted in [Kind::Run, Kind::Weights] {
            let line = asked(&files, wanted).unwrap_err();
            assert!(line.contains("is a data set (it has shards/)"), "{line}");
        }
        assert_eq!(asked(&files, Kind::DataSet), Ok(()));
        assert_eq!(
            asked(&files[1..], Kind::DataSet),
            Ok(()),
            "one that was not finished"
        );
    }

    #[test]
    fn weights_are_exported_again_over_an_export_and_over_nothing_else() {
        let config = model_config();
        let card = format!("{CARD_TITLE}\n…");
        let export = [
            ("config.json", config.as_str()),
            ("model.safetensors", "x"),
            ("README.md", &card),
        ];
        assert_eq!(asked(&export, Kind::Weights), Ok(()));
        for wanted in [Kind::Run, Kind::DataSet] {
            let line = asked(&export, wanted).unwrap_err();
            assert!(
                line.contains("is exported weights (it has config.json)"),
                "{line}"
            );
        }
        for (name, text) in [
            ("config.json", r#"{"model_type": "vit"}"#),
            ("config.json", "no JSON"),
            ("model.safetensors", "x"),
            ("README.md", "# My thesis"),
        ] {
            let line = asked(&[(name, text)], Kind::Weights).unwrap_err();
            assert!(
                line.contains(&format!("a file {name} of another origin")),
                "{line}"
            );
        }
    }

    #[test]
    fn a_run_replaces_no_config_of_another_program() {
        let line = asked(&[("config.json", r#"{"model_type": "vit"}"#)], Kind::Run).unwrap_err();
        assert!(
            line.contains("a file config.json of another origin"),
            "{line}"
        );
        assert_eq!(asked(&[("README.md", "# My thesis")], Kind::Run), Ok(()));
    }
}
