//! Seeds that our own writers make: images, data sets, checkpoints, journals; and texts by hand.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fratmae_checkpoint::{
    CommitDigests, CoordinatorMark, Journal, Manifest, Record, State, WorkerKind, commit,
    plan_parts, write_part,
};
use fratmae_imaging::write_nifti;

use super::Seed;
use crate::places::{in_folder, runtime, store};
use crate::prepared::{prepared, volume};
use crate::targets::checkpoint::{BETWEEN_RECORDS, PART, manifest_of, tensors};
use crate::targets::job_file::BETWEEN_SETTINGS;

const TABLE: &str = "case_id,pet,ct,label,tracer,age,sex,diagnosis,stage,fold\n\
    a,pet.nii,ct.nii,label.nii,FDG,060Y,F,LYMPHOMA,IVB,0\n\
    \"b \"\"2\"\"\",pet.nii,ct.nii,,18F-PSMA,7,male,NEGATIVE,,4\n";
const FDG: &str = "Subject ID,Study Date,age,sex,diagnosis,Series Description,Modality,File Location,manufacturer\n\
    PETCT_0b57b247b6,05-02-2002,060Y,F,MELANOMA,SUV,PT,./a/05-02-2002-NA-PET-CT,SIEMENS\n";
const PSMA: &str = "Subject ID,Study Date,manufacturer_model_name,age,pet_radionuclide\n\
    PSMA_95b833d65be26292,2017-11-02,Discovery 690,73,18F\n";
const SPLITS: &str = r#"[{"train": ["fdg_0b57b247b6_05-02-2002-NA-PET-CT"], "val": ["psma_95b833d65be26292_2017-11-02"]}, {"train": [], "val": []}]"#;
const DESCRIPTION: &str =
    r#"{"channel_names": {"0": "CT", "1": "CT"}, "numTraining": 1611, "labels": {"tumor": 1}}"#;

pub(super) fn seeds() -> Vec<Seed> {
    let prepared = prepared();
    let mut seeds = vec![
        Seed::new("parquet", "shard", prepared.shard.to_vec()),
        Seed::new("data_manifest", "manifest", prepared.manifest.to_vec()),
        Seed::new("shard_record", "record", prepared.record.to_vec()),
        Seed::new("tables", "table", TABLE),
        Seed::new("tables", "fdg", FDG),
        Seed::new("tables", "psma", PSMA),
        Seed::new("tables", "splits", SPLITS),
        Seed::new("tables", "description", DESCRIPTION),
    ];
    seeds.extend(images());
    seeds.extend(run());
    seeds.extend(job_files());
    seeds
}

/// One phantom, packed and not.
fn images() -> [Seed; 2] {
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    in_folder(|folder| {
        let path = folder.join("image.nii.gz");
        write_nifti(&path, &volume(0, 1.0)).expect("the folder is ours");
        packed = std::fs::read(&path).expect("it was just written");
    });
    let inside = MultiGzDecoder::new(&packed[..]).read_to_end(&mut plain);
    inside.expect("it was just packed");
    [
        Seed::new("gzip", "phantom", packed),
        Seed::new("nifti", "phantom", plain),
    ]
}

/// The objects of a run.
fn run() -> Vec<Seed> {
    let id = manifest_of(&[]).id();
    let values = |start: f32| (0..7).map(|i| start + i as f32).collect::<Vec<f32>>();
    let state = State {
        step: id.step,
        parameters: values(0.0),
        first_moment: values(10.0),
        second_moment: values(20.0),
    };
    let plan = &plan_parts(&tensors(), u64::MAX)[0];
    runtime().block_on(async {
        let run = store();
        let record = write_part(&run, id, plan, &state).await;
        let manifest = Manifest {
            parts: vec![record.expect("memory takes it")],
            ..manifest_of(&[])
        };
        commit(&run, &manifest).await.expect("memory takes it");
        let get = async |name: &str| {
            let object = run.get(&format!("checkpoints/{id}/{name}")).await;
            object.expect("it was just written").to_vec()
        };
        let manifest = unsealed(&get("manifest.json").await);
        vec![
            Seed::new("checkpoint_part", "part", get(PART).await),
            Seed::new("checkpoint_manifest", "manifest", manifest),
            Seed::new("journal", "journal", journal().await),
        ]
    })
}

/// One record of each kind.
async fn journal() -> String {
    let run = store();
    let mark = CoordinatorMark {
        address: "http://localhost:1".to_owned(),
        version: "1".to_owned(),
        nonce: "nonce".to_owned(),
        host: String::new(),
        step: None,
    };
    let taken = Journal::take_over(&run, mark).await;
    let (mut journal, _) = taken.expect("nobody else is there");
    for record in records() {
        journal.append(record).await.expect("nobody else is there");
    }
    let mut bodies = Vec::new();
    for object in run.list("journal").await.expect("memory lists") {
        let bytes = run.get(&object.relative).await.expect("it is listed");
        bodies.push(unsealed(&bytes));
    }
    bodies.join(&BETWEEN_RECORDS.to_string())
}

fn records() -> [Record; 4] {
    [
        Record::Generation {
            generation: 1,
            members: vec!["a".to_owned(), "b".to_owned()],
            seats: vec!["0".to_owned(), "1".to_owned()],
            kinds: vec![WorkerKind {
                version: "1".to_owned(),
                kernels: "k".to_owned(),
                device: "cpu".to_owned(),
            }],
        },
        Record::Commit {
            step: 12,
            generation: 1,
            digests: CommitDigests {
                weights: "0".to_owned(),
                manifest: "1".to_owned(),
                history: [("history/a".to_owned(), "2".to_owned())].into(),
            },
        },
        Record::Interrupted {
            step: 12,
            reason: "asked to".to_owned(),
        },
        Record::Finished {
            summary: "done".into(),
        },
    ]
}

/// Takes the digest off, which the target puts on again.
fn unsealed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (body, _) = text.rsplit_once(",\n  \"digest\"").expect("it is sealed");
    format!("{body}\n}}\n")
}

fn job_files() -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let seed = |name: &str| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml")));
        let text = text.expect("the job files lie beside the crates");
        let settings = [
            "train.lr=2e-4",
            "data.grid=[32, 40, 48]",
            "run.url=\"runs/a\"",
        ];
        let parts: Vec<&str> = std::iter::once(text.as_str()).chain(settings).collect();
        Seed::new("job_file", name, parts.join(&BETWEEN_SETTINGS.to_string()))
    };
    let json = Seed::new(
        "job_file",
        "json",
        fratmae_config::Config::default().to_json(),
    );
    let names = ["base", "quickstart", "invariance"];
    names.into_iter().map(seed).chain([json]).collect()
}
