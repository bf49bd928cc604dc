//! Owns the small sound things that hostile ones are put beside: two studies, and the data set prepared from them.

use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use fratmae_dataset::{MANIFEST_NAME, Metadata, shard_name};
use fratmae_imaging::{ImageSource, Volume, write_nifti};
use fratmae_prepare::{CaseSource, Layout, PrepareOptions, Survey, prepare};

use crate::places::{runtime, store};

/// Voxels along R, A and S of every case.
pub(crate) const GRID: [usize; 3] = [4, 5, 6];

/// The objects of a data set of two cases in one shard.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) manifest: Bytes,
    pub(crate) shard: Bytes,
    pub(crate) record: Bytes,
}

/// Prepares the data set when it is first asked for; the same bytes every time.
pub(crate) fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let folder = tempfile::tempdir().expect("the system gives a folder");
        let cases = write_cases(folder.path());
        runtime().block_on(async {
            let out = store();
            let made = prepare(cases, &out, &options(), &mut |_| {}).await;
            made.expect("sound cases are taken");
            let get = async |name: &str| out.get(name).await.expect("it was just written");
            Prepared {
                manifest: get(MANIFEST_NAME).await,
                shard: get(&shard_name(0)).await,
                record: get(RECORD).await,
            }
        })
    })
}

/// Name of the record of the first shard.
pub(crate) const RECORD: &str = "shards/shard-00000.json";

/// How the data set is prepared.
pub(crate) fn options() -> PrepareOptions {
    PrepareOptions {
        grid: GRID,
        threads: 1,
        ..PrepareOptions::default()
    }
}

/// Writes two studies into a folder.
pub(crate) fn write_cases(folder: &Path) -> Survey {
    let case = |number: usize| {
        let image = |name: &str, volume: &Volume| {
            let path = folder.join(format!("{number}-{name}.nii.gz"));
            write_nifti(&path, volume).expect("the folder is ours");
            ImageSource::Path(path)
        };
        CaseSource {
            label: Some(image("label", &volume(number, 0.0))),
            metadata: Metadata {
                tracer: Some("18F-FDG".to_owned()),
                age: Some(60.0),
                sex: Some("female".to_owned()),
                diagnosis: Some("lymphoma".to_owned()),
                stage: Some("II".to_owned()),
            },
            ..CaseSource::new(
                format!("case-{number}"),
                image("pet", &volume(number, 0.25)),
                image("ct", &ct(number)),
            )
        }
    };
    Survey {
        layout: Layout::Table,
        cases: vec![case(0), case(1)],
        dropped_columns: Vec::new(),
        remarks: Vec::new(),
    }
}

/// The body in Hounsfield units.
pub(crate) fn ct(number: usize) -> Volume {
    let mut ct = volume(number, 100.0);
    ct.voxels.iter_mut().for_each(|voxel| *voxel -= 1000.0);
    ct
}

/// Draws a body: a block in the middle of air.
pub(crate) fn volume(number: usize, scale: f32) -> Volume {
    let shape = [6, 7, 8];
    let mut voxels = Vec::new();
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            for k in 0..shape[2] {
                let inside = (1..5).contains(&i) && (1..6).contains(&j);
                let value = (i * 5 + j * 3 + k + number) % 17;
                voxels.push(if inside { value as f32 * scale } else { 0.0 });
            }
        }
    }
    Volume {
        shape,
        voxels,
        affine: [
            [-4.0, 0.0, 0.0, 10.0],
            [0.0, 4.0, 0.0, -12.0],
            [0.0, 0.0, 5.0, 3.0],
        ],
    }
}
