//! The weights that a run begins with: drawn from the seed, then taken from the files that the job names.
//! It owns reading those files and their digests; what fits where is the `model` crate's.

use crate::error::PretrainError;
use bytes::Bytes;
use fratmae_config::Config;
use fratmae_model::{FratMae, Parameter, TensorFile, init_from, text_weights};

/// The keys that name files of weights.
const TEXT: &str = "model.text.weights";
const INIT: &str = "model.init_from";

/// The most bytes of a file of weights: ten times those of the largest encoders of text that anybody trains beside images.
const LARGEST: u64 = 64 << 30;

/// The flat parameters of step 0, and what became of the files that the job names, a line each.
///
/// # Errors
/// A file that cannot be read, is another than the job's digest says, or does not fit.
pub fn first_weights(
    config: &Config,
    parameters: &[Parameter],
) -> Result<(Vec<f32>, Vec<String>), PretrainError> {
    let model = &config.model;
    let mut flat = FratMae::first_values(parameters, model, config.run.seed);
    let mut notes = Vec::new();
    if let (Some(file), true) = (text_file(config)?, model.contrastive) {
        text_weights(&file, parameters, model, &mut flat)?;
        let how = if model.text.trainable {
            "learns on"
        } else {
            "stays as it is"
        };
        notes.push(format!("{} is {}: the text encoder {how}", TEXT, file.name));
    }
    if let Some(file) = init_file(config)? {
        let report = init_from(&file, parameters, model, &mut flat)?;
        let line = |line| format!("{} is {}: {line}", INIT, file.name);
        notes.extend(report.lines().into_iter().map(line));
    }
    Ok((flat, notes))
}

/// Fills in the digests of the files that the job names, so that they are part of what decides the result.
///
/// Gives the failures to read a file: a run that has a checkpoint does not need it, and its digest stays as it was given.
///
/// # Errors
/// A file that is another than the digest says that is given with it.
pub fn fill_digests(config: &mut Config) -> Result<Vec<PretrainError>, PretrainError> {
    let model = &mut config.model;
    let mut unread = Vec::new();
    for (key, path, digest) in [
        (TEXT, &model.text.weights, &mut model.text.weights_digest),
        (INIT, &model.init_from, &mut model.init_digest),
    ] {
        if path.is_empty() {
            continue;
        }
        match read(key, path, digest) {
            Ok((_, found)) => *digest = found,
            Err(error @ PretrainError::WeightsUnread { .. }) => unread.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(unread)
}

fn text_file(config: &Config) -> Result<Option<TensorFile>, PretrainError> {
    let text = &config.model.text;
    open(TEXT, &text.weights, &text.weights_digest)
}

fn init_file(config: &Config) -> Result<Option<TensorFile>, PretrainError> {
    open(INIT, &config.model.init_from, &config.model.init_digest)
}

fn open(key: &'static str, path: &str, digest: &str) -> Result<Option<TensorFile>, PretrainError> {
    if path.is_empty() && !digest.is_empty() {
        // Weights from the seed would be silently others.
        let digest = digest.to_owned();
        return Err(PretrainError::WeightsUnnamed { key, digest });
    }
    if path.is_empty() {
        return Ok(None);
    }
    let (bytes, _) = read(key, path, digest)?;
    let file = TensorFile::read(path, &bytes)?;
    Ok(Some(file))
}

/// The bytes of a file and their digest, which is what the job says if it says anything.
fn read(key: &'static str, path: &str, expected: &str) -> Result<(Bytes, String), PretrainError> {
    let path = path.to_owned();
    let bytes = match fratmae_store::read_whole(&path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) => {
            let reason = error.to_string();
            return Err(PretrainError::WeightsUnread { key, path, reason });
        }
    };
    let found = blake3::hash(&bytes).to_hex().to_string();
    if !expected.is_empty() && found != expected {
        return Err(PretrainError::OtherWeights {
            key,
            path,
            found,
            expected: expected.to_owned(),
        });
    }
    Ok((bytes, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_model::{FileTensor, export};

    fn config() -> Config {
        let sets = [
            "model.preset=tiny",
            "model.encoder.depth=1",
            "model.decoder.depth=1",
            "model.stack=[4,8,12]",
            "model.patch=[4,4,4]",
            "data.grid=[8,8,12]",
            "model.text.width=12",
            "model.text.heads=2",
            "data.stride=1",
        ];
        Config::load(None, &sets.map(ToOwned::to_owned)).unwrap()
    }

    fn parameters(config: &Config) -> Vec<Parameter> {
        FratMae::layout(&config.model)
    }

    /// Writes an export of another seed, with the text encoder's names shortened to CLIP's if asked.
    fn written(config: &Config, is_clip: bool) -> (tempfile::NamedTempFile, Vec<f32>) {
        let parameters = parameters(config);
        let flat = FratMae::first_values(&parameters, &config.model, 99);
        let mut file = export(&parameters, &flat, &config.model);
        if is_clip {
            let short = |(name, tensor): (String, FileTensor)| {
                Some((name.strip_prefix("text.")?.to_owned(), tensor))
            };
            file.tensors = file.tensors.into_iter().filter_map(short).collect();
        }
        let place = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(place.path(), file.to_bytes().unwrap()).unwrap();
        (place, flat)
    }

    #[test]
    fn without_files_the_weights_are_the_seeds() {
        let config = config();
        let (flat, notes) = first_weights(&config, &parameters(&config)).unwrap();
        assert_eq!(
            flat,
            FratMae::first_values(&parameters(&config), &config.model, 0)
        );
        assert!(notes.is_empty());
    }

    #[test]
    fn an_export_is_begun_from_and_clip_goes_over_the_text_encoder() {
        let mut config = config();
        let (file, theirs) = written(&config, false);
        config.model.init_from = file.path().display().to_string();
        let (flat, notes) = first_weights(&config, &parameters(&config)).unwrap();
        assert_eq!(flat, theirs);
        assert!(notes[0].contains("parameters loaded: "), "{notes:?}");
        config.model.init_from = String::new();
        let (file, _) = written(&config, true);
        config.model.text.weights = file.path().display().to_string();
        let (flat, notes) = first_weights(&config, &parameters(&config)).unwrap();
        assert_eq!(notes.len(), 1);
        for parameter in parameters(&config) {
            let place = parameter.offset..parameter.offset + parameter.len();
            if parameter.name.starts_with("text.") {
                assert_eq!(flat[place.clone()], theirs[place], "{}", parameter.name);
            }
        }
    }

    #[test]
    fn digests_are_filled_in_and_another_file_is_refused() {
        let mut config = config();
        let (file, _) = written(&config, false);
        config.model.init_from = file.path().display().to_string();
        assert!(fill_digests(&mut config).unwrap().is_empty());
        assert_eq!(config.model.init_digest.len(), 64);
        assert_eq!(config.model.text.weights_digest, "");
        std::fs::write(file.path(), "other").unwrap();
        for refused in [
            fill_digests(&mut config.clone()).map(drop),
            first_weights(&config, &parameters(&config)).map(drop),
        ] {
            let line = refused.unwrap_err().to_string();
            assert!(line.contains("is not the job's file"), "{line}");
            assert!(line.contains(&config.model.init_digest), "{line}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_its_digest_as_it_was_given() {
        let mut config = config();
        config.model.init_from = "/no/such/file".to_owned();
        config.model.init_digest = "abc".to_owned();
        // A folder is no file either.
        config.model.text.weights = "/".to_owned();
        let unread = fill_digests(&mut config).unwrap();
        let lines: Vec<_> = unread.iter().map(ToString::to_string).collect();
        assert!(
            lines[0].contains("cannot read model.text.weights = /:"),
            "{lines:?}"
        );
        assert!(
            lines[1].contains("cannot read model.init_from = /no/such/file:"),
            "{lines:?}"
        );
        assert_eq!(config.model.init_digest, "abc");
        assert_eq!(config.model.text.weights_digest, "");
    }

    #[test]
    fn a_digest_without_its_file_is_never_taken_for_the_seed() {
        for text in [true, false] {
            let mut config = config();
            let model = &mut config.model;
            let digest = if text {
                &mut model.text.weights_digest
            } else {
                &mut model.init_digest
            };
            "abc".clone_into(digest);
            assert!(fill_digests(&mut config).unwrap().is_empty());
            let refused = first_weights(&config, &parameters(&config)).unwrap_err();
            let key = if text {
                "model.text.weights"
            } else {
                "model.init_from"
            };
            let line = refused.to_string();
            assert!(line.contains(key) && line.contains("abc"), "{line}");
        }
    }
}
