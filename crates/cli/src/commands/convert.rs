//! `fratmae convert`: one series to NIfTI, and how its values came about. The work is the `imaging` crate's.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_imaging::{Image, SuvScale, Units, read_image, write_nifti};
use serde::Serialize;

use crate::{
    commands::target::{Target, here},
    output::Output,
};

/// Converts one DICOM series, or one NIfTI image, to NIfTI.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae convert study/4.0-PET --out suv.nii.gz
  fratmae convert study/3.0-CT --out ct.nii.gz
  fratmae convert study/4.0-PET --out suv.nii.gz --json

PET becomes SUV by body weight, CT Hounsfield units, a segmentation 0 and 1, as 32-bit floats on the series' own grid. A folder must hold one series. The values of NIfTI images are kept.")]
pub(crate) struct Arguments {
    /// A folder with one DICOM series, one DICOM file, or a NIfTI image
    #[arg(value_parser = here())]
    series: PathBuf,
    /// File to write, .nii.gz or .nii; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One JSON object with the SUV factor, its rule and the header values used
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Converted<'a> {
    out: &'a PathBuf,
    units: Units,
    shape: [usize; 3],
    spacing: [f64; 3],
    affine: [[f64; 4]; 3],
    lowest: f32,
    highest: f32,
    mean: f64,
    suv: Option<&'a SuvScale>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let target = Target::file(&arguments.out)?;
    let image = read_image(&arguments.series)?;
    write_nifti(target.path(), &image.volume)?;
    target.finish().await?;
    show(arguments, &image, output)
}

fn show(arguments: &Arguments, image: &Image, output: &mut Output) -> Result<()> {
    let Image { volume, units, suv } = image;
    let (lowest, highest) = volume.range();
    let converted = Converted {
        out: &arguments.out,
        units: *units,
        shape: volume.shape,
        spacing: volume.spacing(),
        affine: volume.affine,
        lowest,
        highest,
        mean: mean(&volume.voxels),
        suv: suv.as_ref(),
    };
    if arguments.json {
        return Ok(output.json(&converted)?);
    }
    let [x, y, z] = converted.shape;
    let [width, depth, height] = converted.spacing;
    let units = match units {
        Units::Suv => "SUV",
        Units::Hounsfield => "HU",
        Units::Mask => "mask",
        Units::AsStored => "values as stored",
    };
    output.line(&format!(
        "{}: {x}x{y}x{z} voxels of {width:.2} x {depth:.2} x {height:.2} mm, {units} from {lowest} to {highest}",
        arguments.out.display()
    ))?;
    if let Some(suv) = suv {
        output.line(&format!("factor {}: {}", suv.factor, suv.rule))?;
    }
    Ok(())
}

fn mean(voxels: &[f32]) -> f64 {
    let sum: f64 = voxels.iter().map(|&voxel| f64::from(voxel)).sum();
    sum / voxels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use fratmae_imaging::{TagUsed, Volume};

    use super::*;
    use crate::output::captured::Captured;

    fn shown(json: bool) -> String {
        let arguments = Arguments {
            series: "study".into(),
            out: "suv.nii.gz".into(),
            json,
        };
        let volume = Volume {
            shape: [1, 1, 2],
            voxels: vec![0.5, 4.0],
            affine: [
                [-2.0, 0.0, 0.0, 0.0],
                [0.0, -2.0, 0.0, 0.0],
                [0.0, 0.0, 3.0, 0.0],
            ],
        };
        let weight = TagUsed {
            tag: "(0010,1030)".to_owned(),
            name: "PatientWeight",
            value: "71".to_owned(),
        };
        let suv = SuvScale {
            factor: 0.25,
            rule: "by weight and dose",
            tags: vec![weight],
        };
        let image = Image {
            volume,
            units: Units::Suv,
            suv: Some(suv),
        };
        let captured = Captured::default();
        show(&arguments, &image, &mut captured.output()).unwrap();
        captured.text()
    }

    #[test]
    fn text_says_what_the_voxels_are() {
        assert_eq!(
            shown(false),
            "suv.nii.gz: 1x1x2 voxels of 2.00 x 2.00 x 3.00 mm, SUV from 0.5 to 4\n\
             factor 0.25: by weight and dose\n"
        );
    }

    #[test]
    fn json_holds_factor_rule_units_and_tags() {
        let value: serde_json::Value = serde_json::from_str(&shown(true)).unwrap();
        assert_eq!(value["units"], "SUV");
        assert_eq!(value["suv"]["factor"], 0.25);
        assert_eq!(value["suv"]["rule"], "by weight and dose");
        assert_eq!(value["suv"]["tags"][0]["name"], "PatientWeight");
        assert_eq!(value["suv"]["tags"][0]["value"], "71");
    }

    #[tokio::test]
    async fn an_image_is_written_where_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let volume = Volume {
            shape: [2, 1, 1],
            voxels: vec![-5.0, 7.0],
            affine: [
                [0.0, 2.0, 0.0, 1.0],
                [-2.0, 0.0, 0.0, 2.0],
                [0.0, 0.0, 3.0, 3.0],
            ],
        };
        write_nifti(&path("in.nii"), &volume).unwrap();
        let arguments = |series: &str| Arguments {
            series: path(series),
            out: path("out.nii.gz"),
            json: false,
        };
        let captured = Captured::default();
        run(&arguments("in.nii"), &mut captured.output())
            .await
            .unwrap();
        let text = captured.text();
        assert!(text.contains("values as stored from -5 to 7"), "{text}");
        assert_eq!(read_image(&path("out.nii.gz")).unwrap().volume, volume);
        let refused = run(&arguments("absent"), &mut captured.output()).await;
        assert!(refused.is_err());
    }
}
