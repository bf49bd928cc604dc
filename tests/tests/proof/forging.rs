//! Changes to a finished run or its data set, each with the name by which an audit finds it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::UInt64Type;
use arrow_array::{Array, ListArray, RecordBatch, UInt64Array};
use fratmae_checkpoint::load_manifest;
use fratmae_store::{Location, seal, unseal};
use fratmae_tests::{copy_folder, fratmae, phantoms};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// The key of the seal of journal records and manifests.
const SEAL: &str = "digest";

/// A copy of a finished run of six steps, with checkpoints of steps 3 and 6, and of its data set.
pub(crate) struct Forged {
    pub(crate) run: PathBuf,
    pub(crate) data: PathBuf,
    /// The data set without its last case.
    pub(crate) fewer: PathBuf,
}

/// What is changed, and what the audit says of it.
/// What it is called, and what it does to a run.
type Forgery = (&'static str, fn(&Forged));

pub(crate) const FORGERIES: [Forgery; 16] = [
    ("checkpoints: ", |it| it.flip("checkpoints", "part-00001")),
    ("manifest.json is damaged", |it| {
        it.flip("checkpoints", "manifest.json")
    }),
    ("was trained with seed 7, and config.json has 8", |it| {
        it.replace("config.json", "\"seed\": 7", "\"seed\": 8");
    }),
    ("was trained by another job", |it| {
        it.replace("config.json", "\"lr\": 0.001", "\"lr\": 0.002")
    }),
    (
        "history: history/steps-000000000001-000000000003.parquet was changed",
        |it| {
            it.flip("history", "steps-000000000001");
        },
    ),
    ("history: steps 4 to 6 have no figures", |it| {
        std::fs::remove_file(it.file("history", "steps-000000000004")).unwrap();
    }),
    (
        "samples: step 2 did not train on 1 of its samples, the first at position 20",
        |it| it.lose_sample(),
    ),
    ("journal: ", |it| it.flip("journal", "0002.json")),
    ("journal: ", |it| {
        std::fs::remove_file(it.file("journal", "0002.json")).unwrap()
    }),
    (
        "is committed and not given up, and its manifest is missing",
        |it| {
            it.change_record("commit", |record| record["step"] = 2.into());
        },
    ),
    ("journal: record ", |it| {
        let path = it.record("commit");
        reseal(&path, |entry| entry["nonce"] = "0123".into());
    }),
    ("result: it names weights 0123", |it| {
        it.change_record("finished", |record| {
            record["summary"]["weights_digest"] = "0123".into()
        });
    }),
    (
        "by its manifest the weights in its parts should have another digest",
        |it| {
            reseal(&it.file("checkpoints", "manifest.json"), |it| {
                it["weights_digest"] = "0123".into()
            });
        },
    ),
    ("its manifest was changed after it was committed", |it| {
        it.change_moment(false)
    }),
    ("data: shards/shard-0000", |it| {
        it.flip_in(&it.data, "shards", ".parquet")
    }),
    ("data: ", |it| {
        std::fs::remove_dir_all(&it.data).unwrap();
        copy_folder(&it.fewer, &it.data);
    }),
];

/// Prepares the phantoms without the last one.
pub(crate) fn prepare_fewer(work: &Path, out: &Path) {
    let source = work.join("fewer-phantoms");
    copy_folder(&phantoms().source, &source);
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(&source).unwrap().flatten() {
        cases.extend(entry.path().is_dir().then(|| entry.path()));
    }
    cases.sort();
    std::fs::remove_dir_all(cases.last().unwrap()).unwrap();
    let prepare = fratmae(["prepare", "--grid", "32x40x48"]).and(&source);
    prepare.and("--out").and(out).run().succeeded();
}

impl Forged {
    /// The first file below a folder of the run whose path has a text.
    fn file(&self, folder: &str, name: &str) -> PathBuf {
        find(&self.run.join(folder), name)
    }

    fn flip(&self, folder: &str, name: &str) {
        self.flip_in(&self.run, folder, name);
    }

    /// Flips a bit in the middle of a file.
    fn flip_in(&self, root: &Path, folder: &str, name: &str) {
        let path = find(&root.join(folder), name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    fn replace(&self, name: &str, from: &str, to: &str) {
        let path = self.run.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// The journal's first record of a kind.
    fn record(&self, kind: &str) -> PathBuf {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(self.run.join("journal"))
            .unwrap()
            .flatten()
        {
            paths.push(entry.path());
        }
        paths.sort();
        let text = format!("\"kind\": \"{kind}\"");
        let has = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains(&text);
        paths.into_iter().find(has).expect("there is one")
    }

    /// Changes a record and seals it again.
    fn change_record(&self, kind: &str, change: impl FnOnce(&mut Value)) {
        reseal(&self.record(kind), |entry| change(&mut entry["record"]));
    }

    /// Takes a sample out of step 2, and lets the journal have the digest of the file without it.
    fn lose_sample(&self) {
        let path = self.file("history", "steps-000000000001");
        without_a_position(&path, 1, 4);
        let digest = digest(&path);
        self.change_record("commit", |record| {
            let history = record["digests"]["history"].as_object_mut().unwrap();
            history
                .values_mut()
                .for_each(|value| *value = digest.clone().into());
        });
    }

    /// Changes a moment in the checkpoint of step 3, and seals its manifest again; and the journal too, if it is to
    /// agree.
    pub(crate) fn change_moment(&self, is_thorough: bool) {
        let manifest = self.file("checkpoints", "manifest.json");
        let folder = manifest.parent().unwrap();
        let text = std::fs::read_to_string(&manifest).unwrap();
        let parts: Value = serde_json::from_str(&text).unwrap();
        let last = parts["parts"].as_array().unwrap().len() - 1;
        let part = folder.join(format!("part-{last:05}.safetensors"));
        let mut bytes = std::fs::read(&part).unwrap();
        // The last numbers, which are second moments.
        let first = bytes.len() - 1024 * size_of::<f32>();
        for number in bytes[first..].chunks_exact_mut(size_of::<f32>()) {
            number.copy_from_slice(&0.5_f32.to_le_bytes());
        }
        std::fs::write(&part, bytes).unwrap();
        reseal(&manifest, |it| {
            it["parts"][last]["digest"] = digest(&part).into()
        });
        if is_thorough {
            let run = Location::open(&self.run.display().to_string()).unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let digest = runtime.block_on(async {
                let first = fratmae_checkpoint::list(&run).await.unwrap()[0];
                load_manifest(&run, first).await.unwrap().digest().unwrap()
            });
            self.change_record("commit", |record| {
                record["digests"]["manifest"] = digest.into()
            });
        }
    }
}

fn find(folder: &Path, name: &str) -> PathBuf {
    let mut paths: Vec<_> = fratmae_tests::snapshot(folder).into_keys().collect();
    paths.sort();
    let found = paths.into_iter().find(|path| path.contains(name));
    folder.join(found.unwrap_or_else(|| panic!("{name} in {}", folder.display())))
}

fn digest(path: &Path) -> String {
    blake3::hash(&std::fs::read(path).unwrap())
        .to_hex()
        .to_string()
}

/// Changes a sealed object and seals it again, as somebody would who knows how.
fn reseal(path: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = std::fs::read(path).unwrap();
    let mut value: Value = serde_json::from_str(&unseal(SEAL, &bytes).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, seal(SEAL, &value).unwrap()).unwrap();
}

/// Writes a file of the history again without one position, and its case, of one row.
fn without_a_position(path: &Path, row: usize, at: usize) {
    let bytes = bytes::Bytes::from(std::fs::read(path).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let index = batch.schema().index_of("positions").unwrap();
    let lists: &ListArray = batch.column(index).as_any().downcast_ref().unwrap();
    let kept = (0..lists.len()).map(|number| {
        let values = lists.value(number);
        let values: &UInt64Array = values.as_any().downcast_ref().unwrap();
        let mut kept: Vec<_> = values.iter().collect();
        if number == row {
            kept.remove(at);
        }
        Some(kept)
    });
    let mut columns = batch.columns().to_vec();
    columns[index] = Arc::new(ListArray::from_iter_primitive::<UInt64Type, _, _>(kept));
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
