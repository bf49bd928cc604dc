//! Which job a run's checkpoints must be of: what its first object says, and this build's reading of it.

use crate::error::CoordinatorError;
use crate::job::{RunFile, read_run_file};
use fratmae_checkpoint::{Entry, Journal, Lineage, Record};
use fratmae_config::Config;
use fratmae_store::Location;

/// Which job the checkpoints of a run must be of, for those who look at them without being told the job.
///
/// # Errors
/// `NoRun`, `Damaged`, or the journal's.
pub async fn lineage(run: &Location, version: &str) -> Result<Lineage, CoordinatorError> {
    let run_file = read_run_file(run).await?;
    let Ok(config) = Config::from_json(&run_file.config.to_string()) else {
        // Another version's job: what its digest would be is not known here.
        return Ok(Lineage {
            data_digest: Some(run_file.data_digest),
            ..Lineage::default()
        });
    };
    let entries = Journal::replay(run).await?;
    Ok(lineage_of(&config, &run_file, &entries, version))
}

/// The same for a coordinator that has read both.
///
/// A digest over the keys of a job depends on which keys its version knows, so it is compared only where no other
/// version had a part in the run.
pub(crate) fn lineage_of(
    config: &Config,
    run_file: &RunFile,
    entries: &[Entry],
    version: &str,
) -> Lineage {
    let is_ours = |entry: &Entry| match &entry.record {
        Record::Fence { mark, .. } => mark.version == version,
        _ => true,
    };
    Lineage {
        config_digest: entries.iter().all(is_ours).then(|| config.digest()),
        data_digest: Some(run_file.data_digest.clone()),
        seed: Some(config.run.seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::CoordinatorMark;

    fn begun_by(version: &str) -> Entry {
        let mark = CoordinatorMark {
            address: "http://host:1".to_owned(),
            version: version.to_owned(),
            nonce: "n".to_owned(),
            host: String::new(),
            step: None,
        };
        Entry {
            number: 0,
            fence: 1,
            nonce: "n".to_owned(),
            record: Record::Fence { fence: 1, mark },
        }
    }

    #[test]
    fn another_versions_digest_is_not_compared_and_its_data_are() {
        let run_file = RunFile {
            run_id: "r".to_owned(),
            config: serde_json::Value::Null,
            data_digest: "d".to_owned(),
            manifest_digest: None,
            cases: 1,
            schedule: 2,
            origin: None,
        };
        let of = |entries: &[Entry]| lineage_of(&Config::default(), &run_file, entries, "2");
        for entries in [vec![], vec![begun_by("2")]] {
            assert!(of(&entries).config_digest.is_some());
        }
        let mixed = of(&[begun_by("1"), begun_by("2")]);
        assert_eq!(mixed.config_digest, None);
        assert_eq!(mixed.data_digest.as_deref(), Some("d"));
    }
}
