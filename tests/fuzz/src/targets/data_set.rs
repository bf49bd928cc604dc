//! The objects of a data set: a shard, the manifest and the record of a shard, each hostile beside sound others.

use std::sync::Arc;

use fratmae_dataset::{
    BadSample, CaseImage, DataSet, DataSetError, Loader, LoaderOptions, MANIFEST_NAME, SampleOrder,
    StackAxis, StackOptions, Summary, extract, inspect, inspect_voxels, preview, shard_name,
    verify,
};
use fratmae_prepare::prepare;
use fratmae_store::Location;

use crate::places::{in_folder, put, runtime, store};
use crate::prepared::{RECORD, options, prepared, write_cases};

/// Cases looked at, of a manifest that may list a great many.
const CASES: u32 = 2;

/// Reads an input as the shard of a data set.
pub(crate) fn shard(bytes: &[u8]) {
    let sound = prepared();
    runtime().block_on(async {
        let place = store();
        put(&place, MANIFEST_NAME, &sound.manifest).await;
        put(&place, &shard_name(0), bytes).await;
        read(&place).await;
    });
}

/// Reads an input as the manifest of a data set.
pub(crate) fn manifest(bytes: &[u8]) {
    let sound = prepared();
    runtime().block_on(async {
        let place = store();
        put(&place, MANIFEST_NAME, bytes).await;
        put(&place, &shard_name(0), &sound.shard).await;
        read(&place).await;
    });
}

/// Goes on with a preparation that left an input as the record of its shard.
pub(crate) fn record(bytes: &[u8]) {
    in_folder(|folder| {
        let (cases, sound) = (write_cases(folder), prepared());
        runtime().block_on(async {
            let place = store();
            put(&place, RECORD, bytes).await;
            put(&place, &shard_name(0), &sound.shard).await;
            let _refused = prepare(cases, &place, &options(), &mut |_| {}).await;
        });
    });
}

/// Does with a data set all that a user can.
async fn read(place: &Location) {
    let Ok(data) = DataSet::open(place).await else {
        return;
    };
    let data = Arc::new(data);
    let _sums = Summary::of(&inspect(&data).cases);
    for case in 0..CASES {
        let _refused = data.read_slices(case, &[0, 2]).await;
    }
    let _refused = preview(&data, 0).await;
    let _refused = inspect_voxels(&data, &[0], true, &mut |_| Ok::<(), DataSetError>(())).await;
    for image in [CaseImage::Ct, CaseImage::Label] {
        let _refused = extract(&data, 0, image).await;
    }
    if data.manifest.cases.len() <= CASES as usize {
        let _refused = verify(&data, &mut |_, _| {}).await;
    }
    for axis in [StackAxis::Coronal, StackAxis::Axial] {
        load(&data, axis).await;
    }
}

/// Loads the first stacks.
async fn load(data: &Arc<DataSet>, axis: StackAxis) {
    let options = StackOptions {
        axis,
        depth: 2,
        stride: 2,
        suv_window: [0.0, 20.0],
        hu_window: [-1000.0, 1000.0],
        seed: 7,
        with_diagnosis: true,
        with_label: true,
    };
    if options.check(&data.manifest).is_err() {
        return;
    }
    let order = SampleOrder {
        seed: 7,
        cases: u32::try_from(data.manifest.cases.len()).expect("an input is small"),
    };
    let samples = Box::new(order.samples(0).take(CASES as usize));
    let ahead = LoaderOptions {
        bytes: 1 << 20,
        bad_sample: BadSample::Fail,
    };
    let mut loader = Loader::start(
        Arc::clone(data),
        options,
        samples,
        ahead,
        runtime().handle(),
    );
    let drained = tokio::task::spawn_blocking(move || while loader.next().is_some() {});
    drained.await.expect("the loader does not panic");
}
