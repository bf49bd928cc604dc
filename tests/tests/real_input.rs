//! Real PET/CT studies are prepared with the geometry and the values that another reader found, and can be trained on.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fratmae_tests::{Job, RealCase, fratmae, lacks_files, real_cases, scratch};
use serde_json::Value;

fn cases(test: &str) -> Option<Vec<RealCase>> {
    real_cases()
        .map_err(|reason| lacks_files(test, &reason))
        .ok()
}

fn table(cases: &[RealCase], folder: &Path) -> PathBuf {
    let mut text = "case_id,pet,ct,label,tracer,age,sex,diagnosis\n".to_owned();
    for case in cases {
        let RealCase {
            case_id,
            pet,
            ct,
            mask,
        } = case;
        let (pet, ct, mask) = (pet.path.display(), ct.path.display(), mask.display());
        writeln!(text, "{case_id},{pet},{ct},{mask},FDG,,,sarcoma").unwrap();
    }
    let path = folder.join("cases.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn prepare(source: &Path, out: &Path, grid: &str) {
    fratmae(["prepare", "--grid", grid])
        .and(source)
        .and("--out")
        .and(out)
        .run()
        .succeeded();
}

fn inspect(data: &Path) -> Vec<Value> {
    let shown = fratmae(["dataset", "inspect", "--json"])
        .and(data)
        .run()
        .succeeded()
        .json();
    shown["cases"].as_array().unwrap().clone()
}

fn three(value: &Value) -> [f64; 3] {
    let numbers = value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap());
    numbers.collect::<Vec<_>>().try_into().unwrap()
}

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: {found}, expected {expected} within {tolerance}"
    );
}

fn check_case(shown: &Value, case: &RealCase) {
    let name = &case.case_id;
    assert_eq!(shown["case_id"], name.as_str());
    assert_eq!(three(&shown["source_shape"]), case.pet.shape, "{name}");
    assert_eq!(shown["source_axes"], case.pet.axes.as_str(), "{name}");
    let (source, spacing) = (three(&shown["source_spacing"]), three(&shown["spacing"]));
    for axis in 0..3 {
        near(source[axis], case.pet.spacing[axis], 1e-4, name);
        let extent = case.pet.shape[axis] * case.pet.spacing[axis];
        near(
            spacing[axis] * [160.0, 160.0, 192.0][axis],
            extent,
            0.1,
            name,
        );
    }
    let figures =
        |image: &str| ["min", "max", "mean"].map(|key| shown[image][key].as_f64().unwrap());
    let (pet, ct) = (figures("pet"), figures("ct"));
    // Between voxels values are mixed, so that they stay inside the source's range and near its mean.
    let [low, high, mean] = case.pet.range;
    assert!(
        pet[0] >= low && pet[1] <= high * 1.001 && pet[1] > high * 0.9,
        "{name}: {pet:?}"
    );
    near(pet[2], mean, mean * 0.03, name);
    let [low, high, mean] = case.ct.range;
    assert!(
        ct[0] >= low.min(-1024.0) && ct[1] <= high + 1.0 && ct[1] > high * 0.8,
        "{name}: {ct:?}"
    );
    near(ct[2], mean, 40.0, name);
    assert_eq!(shown["label"], true, "{name}");
    let sentence = shown["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("FDG") && !sentence.contains("sarcoma"),
        "{sentence}"
    );
}

#[test]
fn a_table_of_real_studies_keeps_their_geometry_and_values() {
    let Some(cases) = cases("a table of real studies") else {
        return;
    };
    let folder = scratch();
    let data = folder.path().join("data");
    prepare(&table(&cases, folder.path()), &data, "160x160x192");
    let shown = inspect(&data);
    assert_eq!(shown.len(), cases.len());
    for (shown, case) in shown.iter().zip(&cases) {
        check_case(shown, case);
    }
    fratmae(["dataset", "verify"]).and(&data).run().succeeded();
    for case in &cases {
        let picture = folder.path().join(format!("{}.png", case.case_id));
        let call = fratmae(["dataset", "inspect", "--case", &case.case_id, "--preview"]);
        call.and(&picture).and(&data).run().succeeded();
        check_picture(&picture, case);
    }
}

/// Three images of the patient's proportions beside each other, with tissue in each.
fn check_picture(file: &Path, case: &RealCase) {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Rgb, png::BitDepth::Eight)
    );
    let (width, height) = (info.width as usize, info.height as usize);
    let extent = |axis: usize| case.pet.shape[axis] * case.pet.spacing[axis];
    // Captions, bars of shades and the margins between the images.
    let (wide, high) = ((width - 242) / 3, height - 123);
    near(
        wide as f64 / high as f64,
        extent(0) / extent(2),
        0.03,
        "proportions",
    );
    // Red marks labels: where there is none the three colours are one shade.
    let shades: Vec<u8> = pixels.chunks(3).map(|colours| colours[2]).collect();
    for side in (0..3).map(|number| number * width / 3) {
        let half: Vec<u8> = shades
            .chunks(width)
            .flat_map(|row| row[side..side + width / 3].to_vec())
            .collect();
        let (dark, light) = (half.iter().min().unwrap(), half.iter().max().unwrap());
        assert!(
            light - dark > 100,
            "{}: shades {dark} to {light} at {side}",
            file.display()
        );
    }
}

/// The same files under the names of AutoPET III, CT `_0000` and PET `_0001`.
fn autopet(cases: &[RealCase], root: &Path) {
    let link = |from: &Path, folder: &str, name: String| {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        std::os::unix::fs::symlink(from.canonicalize().unwrap(), root.join(folder).join(name))
            .unwrap();
    };
    for case in cases {
        let name = format!("fdg_{}_01-01-2003", case.case_id);
        link(&case.ct.path, "imagesTr", format!("{name}_0000.nii.gz"));
        link(&case.pet.path, "imagesTr", format!("{name}_0001.nii.gz"));
        link(&case.mask, "labelsTr", format!("{name}.nii.gz"));
    }
}

#[test]
fn the_autopet_layout_gives_the_voxels_of_the_table_and_a_few_cases_can_be_trained_on() {
    let Some(cases) = cases("real studies in the AutoPET layout") else {
        return;
    };
    let folder = scratch();
    let [root, from_layout, from_table] =
        ["autopet", "layout", "table"].map(|name| folder.path().join(name));
    autopet(&cases, &root);
    prepare(&root, &from_layout, "32x40x48");
    prepare(&table(&cases, folder.path()), &from_table, "32x40x48");
    for (layout, table) in inspect(&from_layout).iter().zip(inspect(&from_table)) {
        for key in [
            "pet",
            "ct",
            "body",
            "source_shape",
            "source_axes",
            "spacing",
            "label",
        ] {
            assert_eq!(layout[key], table[key], "{key}");
        }
        assert!(layout["case_id"].as_str().unwrap().starts_with("fdg_STS_"));
    }
    let run = folder.path().join("run");
    let job = Job::on(
        &from_layout.display().to_string(),
        &run.display().to_string(),
    );
    let outcome = job.set("train.steps=3").finish();
    let said = &outcome.finished.stderr;
    let warning = said
        .lines()
        .find(|line| line.contains("more than the 2 cases"));
    assert!(
        warning.is_some(),
        "a batch of 16 from 2 cases is worth a warning:\n{said}"
    );
    assert!(outcome.figures["loss"].as_f64().unwrap().is_finite());
}
