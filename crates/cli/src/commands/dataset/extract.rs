//! `fratmae dataset extract`: one image of a prepared case as NIfTI, to see what is stored.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use fratmae_dataset::{CaseImage, DataSet, extract};
use fratmae_imaging::{Volume, write_nifti};
use fratmae_store::Location;
use serde::Serialize;

use super::inspect::number_of;
use crate::{commands::target::Target, output::Output};

/// Writes one image of a prepared case to a NIfTI file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae dataset extract data/mine case_1 --out pet.nii.gz
  fratmae dataset extract s3://bucket/mine case_1 --image ct --out ct.nii.gz

The file holds the whole volume in SUV or Hounsfield units on the grid of the data set, with its affine.")]
pub(crate) struct Arguments {
    /// The prepared data set
    #[arg(value_name = "URL")]
    data: String,
    /// The case, by its id: `fratmae dataset inspect URL --cases` lists them
    #[arg(value_name = "ID")]
    case: String,
    /// Which image
    #[arg(long, value_enum, default_value = "pet")]
    image: Image,
    /// File to write, .nii.gz or .nii; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One JSON object instead of a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Image {
    Pet,
    Ct,
    Label,
}

#[derive(Serialize)]
struct Extracted<'a> {
    out: &'a PathBuf,
    shape: [usize; 3],
    affine: [[f64; 4]; 3],
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Arguments { case, out, .. } = arguments;
    let target = Target::file(out)?;
    let data = DataSet::open(&Location::open(&arguments.data)?).await?;
    let image = match arguments.image {
        Image::Pet => CaseImage::Pet,
        Image::Ct => CaseImage::Ct,
        Image::Label => CaseImage::Label,
    };
    let number = number_of(&data, case)?;
    let voxels = extract(&data, number, image).await?;
    let voxels = voxels.with_context(|| format!("case {case} has no label"))?;
    let (shape, affine) = (
        data.manifest.grid,
        data.manifest.cases[number as usize].affine,
    );
    let volume = Volume {
        shape,
        voxels,
        affine,
    };
    write_nifti(target.path(), &volume)?;
    target.finish().await?;
    if arguments.json {
        let extracted = Extracted { out, shape, affine };
        return Ok(output.json(&extracted)?);
    }
    let [r, a, s] = shape;
    Ok(output.line(&format!("{}: {r}x{a}x{s} voxels (R A S)", out.display()))?)
}
