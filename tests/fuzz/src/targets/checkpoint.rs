//! The objects of a run: a checkpoint's manifest and parts, and the records of the journal.
//!
//! Manifests and records are sealed by a digest, which no change by chance keeps: an input is tried as it is and sealed.

use fratmae_checkpoint::{
    CheckpointId, CoordinatorMark, FORMAT_VERSION, Journal, Manifest, PartRecord, TensorSpec,
    commit, list, load_manifest, newest_good, restore, verify,
};
use fratmae_control::{Generation, Step};
use fratmae_store::Location;

use crate::places::{put, runtime, store};

/// Parts the records of a journal in an input.
pub(crate) const BETWEEN_RECORDS: char = '\u{1e}';
/// Most records that an input is cut into.
const MOST_RECORDS: usize = 8;

/// Where the checkpoint lies.
const FOLDER: &str = "checkpoints/step-000000000012.generation-000003";
/// What its one part is called.
pub(crate) const PART: &str = "part-00000.safetensors";

fn id() -> CheckpointId {
    CheckpointId {
        step: Step::new(12),
        generation: Generation::new(3),
    }
}

/// The tensors of a small model.
pub(crate) fn tensors() -> Vec<TensorSpec> {
    let tensor = |name: &str, shape: &[usize], offset| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
        offset,
    };
    vec![tensor("a", &[2, 3], 0), tensor("b", &[], 6)]
}

/// A manifest of one part.
pub(crate) fn manifest_of(part: &[u8]) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        step: 12,
        generation: 3,
        fence: 1,
        parts: vec![PartRecord {
            index: 0,
            name: PART.to_owned(),
            bytes: part.len() as u64,
            digest: blake3::hash(part).to_hex().to_string(),
        }],
        weights_digest: "w".to_owned(),
        samples_seen: 96,
        loss: 0.5,
        config_digest: "c".to_owned(),
        data_digest: "d".to_owned(),
        seed: 7,
    }
}

/// Reads an input as the manifest of the newest checkpoint.
pub(crate) fn manifest(bytes: &[u8]) {
    runtime().block_on(async {
        for bytes in [bytes.to_vec(), sealed(bytes)] {
            let run = store();
            put(&run, &format!("{FOLDER}/manifest.json"), &bytes).await;
            put(&run, &format!("{FOLDER}/{PART}"), b"no part").await;
            read(&run).await;
        }
    });
}

/// Reads an input as the part of a checkpoint, whose digest is right.
pub(crate) fn part(bytes: &[u8]) {
    runtime().block_on(async {
        let run = store();
        put(&run, &format!("{FOLDER}/{PART}"), bytes).await;
        let committed = commit(&run, &manifest_of(bytes)).await;
        committed.expect("the manifest is sound");
        read(&run).await;
    });
}

/// Replays an input as a journal, and takes it over.
pub(crate) fn journal(bytes: &[u8]) {
    runtime().block_on(async {
        let run = store();
        let between = BETWEEN_RECORDS as u8;
        let records = bytes.split(|&byte| byte == between).take(MOST_RECORDS);
        for (number, record) in records.enumerate() {
            let name = format!("journal/{number:020}.json");
            put(&run, &name, &sealed(record)).await;
        }
        let mark = CoordinatorMark {
            address: "http://localhost:1".to_owned(),
            version: "1".to_owned(),
            nonce: "n".to_owned(),
            host: String::new(),
            step: None,
        };
        let replayed = Journal::replay(&run).await;
        let taken = Journal::take_over(&run, mark).await;
        assert_eq!(
            replayed.is_ok(),
            taken.is_ok(),
            "a journal is sound or it is not"
        );
    });
}

async fn read(run: &Location) {
    let _refused = list(run).await;
    let _refused = newest_good(run).await;
    let _refused = verify(run, id()).await;
    if let Ok(manifest) = load_manifest(run, id()).await {
        let _size = manifest.bytes();
        let _refused = restore(run, &manifest, &tensors()).await;
    }
}

/// Adds the digest that a text object carries as its last line.
fn sealed(body: &[u8]) -> Vec<u8> {
    let body = body.trim_ascii_end();
    let open = body.strip_suffix(b"}").unwrap_or(body).trim_ascii_end();
    let whole = [open, b"\n}"].concat();
    let digest = blake3::hash(&whole).to_hex();
    let tail = format!(",\n  \"digest\": \"{digest}\"\n}}\n");
    [open, tail.as_bytes()].concat()
}
