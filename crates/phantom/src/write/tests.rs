//! Owns the proofs that phantoms are always the same, look like bodies, and are written without harm to what is there.

use std::collections::BTreeMap;
use std::fs;

use fratmae_imaging::{ImageSource, OpenImage, Units, canonical, read_nifti};
use fratmae_prepare::{find_cases, prepare_case};

use super::*;
use crate::{anatomy, person};

const SMALL: PhantomSize = PhantomSize {
    shape: [32, 32, 40],
    spacing: [14.0, 14.0, 24.0],
    varies: false,
};

/// Every file below a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            files.extend(
                contents(&entry.path())
                    .into_iter()
                    .map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

fn written(cases: usize, seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_phantoms(folder.path(), cases, seed, SMALL, &|_| {}).unwrap();
    folder
}

#[test]
fn same_seed_same_bytes_other_seed_other_patients() {
    let first = contents(written(4, 7).path());
    assert_eq!(first.len(), 4 * 3 + 3);
    assert!(first == contents(written(4, 7).path()));
    assert!(first.keys().ne(contents(written(4, 8).path()).keys()));
}

#[test]
fn a_call_that_was_cut_short_goes_on_and_keeps_what_is_there() {
    let folder = written(3, 7);
    let whole = contents(folder.path());
    let images: Vec<&String> = whole
        .keys()
        .filter(|name| name.starts_with("imagesTr"))
        .collect();
    fs::write(folder.path().join(images[0]), b"kept").unwrap();
    fs::remove_file(folder.path().join(images[2])).unwrap();
    write_phantoms(folder.path(), 3, 7, SMALL, &|_| {}).unwrap();
    let again = contents(folder.path());
    assert_eq!(again[images[0]], b"kept");
    assert!(again[images[2]] == whole[images[2]] && again.len() == whole.len());
    write_phantoms(folder.path(), 4, 7, SMALL, &|_| {}).unwrap();
    assert_eq!(find_cases(folder.path()).unwrap().len(), 4);
}

#[test]
fn other_data_is_never_mixed_with_phantoms() {
    let refused = |folder: &Path, cases, seed, size| {
        let before = contents(folder);
        let error = write_phantoms(folder, cases, seed, size, &|_| {}).unwrap_err();
        assert!(before == contents(folder));
        error.to_string()
    };
    let folder = written(2, 7);
    assert!(refused(folder.path(), 2, 8, SMALL).contains("\"seed\":7"));
    assert!(refused(folder.path(), 2, 7, PhantomSize::default()).contains("choose another folder"));
    assert!(refused(folder.path(), 1, 7, SMALL).contains("holds 2 cases"));
    let real = tempfile::tempdir().unwrap();
    fs::create_dir(real.path().join("imagesTr")).unwrap();
    assert!(refused(real.path(), 2, 7, SMALL).contains("another data set"));
    let flat = PhantomSize {
        shape: [32, 0, 40],
        ..SMALL
    };
    assert!(
        refused(tempfile::tempdir().unwrap().path(), 2, 7, flat)
            .contains("cannot have [32, 0, 40] voxels")
    );
}

#[test]
fn folder_reads_as_autopet_with_metadata_for_all() {
    let cases = find_cases(written(16, 1).path()).unwrap();
    let psma = cases
        .iter()
        .filter(|case| case.case_id.starts_with("psma_"))
        .count();
    assert!((2..=10).contains(&psma), "{psma} of 16");
    for case in cases {
        let metadata = case.metadata;
        assert!(
            metadata.age.is_some()
                && metadata.sex.is_some()
                && metadata.diagnosis.is_some()
                && case.label.is_some()
        );
        let nuclide = if case.case_id.starts_with("fdg_") {
            "FDG"
        } else {
            "PSMA"
        };
        assert!(metadata.tracer.unwrap().contains(nuclide));
    }
}

#[test]
fn the_table_of_patients_tells_the_stage_of_lymphomas_alone() {
    let folder = written(24, 1);
    let table = fs::read_to_string(folder.path().join("fdg_metadata.csv")).unwrap();
    let mut stages = 0;
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let is_staged = ["I", "II", "III", "IV"].contains(&cells[8]);
        assert_eq!(is_staged, cells[5] == "LYMPHOMA", "{row}");
        assert!(is_staged || cells[8].is_empty());
        stages += usize::from(is_staged);
    }
    assert!(stages > 6 && table.starts_with("Subject ID,"), "{table}");
}

#[test]
fn half_are_stored_las_and_half_lps_and_both_show_the_same_world() {
    let folder = written(6, 3);
    let mut codes = BTreeMap::new();
    for case in find_cases(folder.path()).unwrap() {
        let opened = |image: &ImageSource| OpenImage::open(image, Units::AsStored).unwrap();
        let pet = opened(&case.pet);
        *codes.entry(pet.axes_code()).or_insert(0) += 1;
        assert_eq!(pet.geometry(), opened(&case.ct).geometry());
        let prepared = prepare_case(&case, [16, 16, 20]).unwrap();
        assert!(
            prepared.body[0] > 0 && prepared.body[1] < 15,
            "{:?}",
            prepared.body
        );
    }
    assert_eq!(
        codes,
        BTreeMap::from([("LAS".to_owned(), 3), ("LPS".to_owned(), 3)])
    );
}

/// Means of CT and PET over a small box around a place in body units, of a canonical study.
fn means_at(person: &Person, study: &render::Study, place: [f64; 3]) -> [f64; 2] {
    let body = anatomy::Body::build(person);
    let crown = study.affine[2][3] + (study.shape[2] as f64 - 0.5) * 7.5 - 30.0;
    let world = [
        place[0] * body.width,
        place[1] * body.depth,
        crown - place[2] * person.height,
    ];
    // The axes of phantoms are the world's.
    let [i, j, k] = [0, 1, 2].map(|axis| {
        let row = study.affine[axis];
        ((world[axis] - row[3]) / row[axis]).round() as usize
    });
    let around = [0, 1, 2].map(|step: usize| step.wrapping_sub(1));
    let mut sums = [0.0; 2];
    for (di, dj) in around.iter().flat_map(|di| around.map(|dj| (di, dj))) {
        let voxel =
            (k * study.shape[1] + j.wrapping_add(dj)) * study.shape[0] + i.wrapping_add(*di);
        sums[0] += f64::from(study.ct[voxel]);
        sums[1] += f64::from(study.pet[voxel]);
    }
    sums.map(|sum| sum / 9.0)
}

#[test]
fn organs_lie_where_they_belong_with_the_values_of_their_tissue() {
    for person in (0..8)
        .map(|index| Person::draw(5, index))
        .filter(|person| person.diagnosis != person::Diagnosis::LungCancer)
    {
        let study = render::render(&person, PhantomSize::default());
        let at = |place| means_at(&person, &study, place);
        let fdg = person.tracer == person::Tracer::Fdg;
        let [brain, liver, lung] = [
            at([0.0, 0.0, 0.06]),
            at([0.75, 0.1, 0.338]),
            at([-0.45, -0.5, 0.25]),
        ];
        assert!(
            (0.0..70.0).contains(&brain[0]) && (brain[1] > 3.0) == fdg,
            "{brain:?}"
        );
        assert!(
            (30.0..130.0).contains(&liver[0]) && (1.0..9.0).contains(&liver[1]),
            "{liver:?}"
        );
        assert!(lung[0] < -600.0 && lung[1] < 1.5, "{lung:?}");
        let air = at([0.0, 1.6, 0.062]);
        assert!((air[0] + 1000.0).abs() < 15.0 && air[1] < 0.1, "{air:?}");
    }
}

#[test]
fn lesions_are_labelled_avid_and_only_in_the_ill() {
    for person in (0..12).map(|index| Person::draw(11, index)) {
        let study = render::render(&person, PhantomSize::default());
        let lesion = study
            .label
            .iter()
            .zip(&study.pet)
            .filter(|(label, _)| **label == 1);
        let (count, sum) = lesion.fold((0, 0.0), |(count, sum), (_, suv)| (count + 1, sum + suv));
        match person.diagnosis {
            person::Diagnosis::Negative => assert_eq!(count, 0),
            person::Diagnosis::Prostate if count == 0 => {}
            _ => assert!(
                count > 5 && sum / count as f32 > 2.5,
                "{count} voxels, {sum}"
            ),
        }
    }
}

#[test]
fn scanners_differ_in_their_voxels_and_not_in_what_they_see() {
    let size = PhantomSize::default();
    let sizes: Vec<PhantomSize> = (0..30)
        .map(|index| size.on_scanner_of(&Person::draw(1, index)))
        .collect();
    let shapes: std::collections::BTreeSet<_> = sizes.iter().map(|size| size.shape).collect();
    assert_eq!(
        shapes.into_iter().collect::<Vec<_>>(),
        [[112, 90, 128], [112, 90, 192], [140, 113, 128]]
    );
    for taken in sizes {
        for axis in 0..3 {
            let [seen, asked] = [taken, size].map(|s| s.shape[axis] as f32 * s.spacing[axis]);
            assert!((seen - asked).abs() < 1e-3, "{taken:?}");
        }
    }
    let exact = PhantomSize {
        varies: false,
        ..size
    };
    assert_eq!(exact.on_scanner_of(&Person::draw(1, 2)), exact);
}

#[test]
fn written_images_are_those_that_were_made() {
    let folder = written(1, 9);
    let case = find_cases(folder.path()).unwrap().remove(0);
    let study = render::render(&Person::draw(9, 0), SMALL);
    let ct = canonical(read_nifti(case.ct.path()).unwrap());
    let [x, y, z] = SMALL.shape;
    for (index, value) in study.ct.iter().enumerate() {
        let (i, j, k) = (index % x, index / x % y, index / (x * y));
        assert_eq!(ct.voxels[((x - 1 - i) * y + j) * z + k], f32::from(*value));
    }
}
