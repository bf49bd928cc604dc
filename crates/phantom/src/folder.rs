//! Owns the files of a phantom data set: their names, tables, and that each appears whole or not at all.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use fratmae_imaging::{NiftiVoxels, encode_nifti};
use serde_json::{Value, json};

use crate::person::{Person, Tracer};
use crate::render::Study;
use crate::staging::Stage;
use crate::write::LONGEST;
use crate::{PhantomError, PhantomSize, lesions};

/// Counts changes of the phantoms' looks, so that one folder never holds two kinds.
const VERSION: u32 = 3;

/// The folder that phantoms go to.
pub(crate) struct Folder {
    root: PathBuf,
    description: Value,
}

impl Folder {
    /// Prepares a folder, and refuses one that holds anything else.
    pub(crate) fn open(
        root: &Path,
        cases: usize,
        seed: u64,
        size: PhantomSize,
    ) -> Result<Self, PhantomError> {
        let description = json!({
            "channel_names": { "0": "CT", "1": "CT" },
            "labels": { "background": 0, "tumor": 1 },
            "numTraining": cases,
            "file_ending": ".nii.gz",
            "phantom": { "version": VERSION, "seed": seed, "shape": size.shape, "spacing": size.spacing, "varies": size.varies },
        });
        let folder = Self {
            root: root.to_path_buf(),
            description,
        };
        folder.check_size(size)?;
        folder.check_what_is_there(cases)?;
        for name in ["imagesTr", "labelsTr"] {
            let path = root.join(name);
            std::fs::create_dir_all(&path).map_err(|source| PhantomError::Io {
                action: "create",
                path,
                source,
            })?;
        }
        Ok(folder)
    }

    fn check_size(
        &self,
        PhantomSize { shape, spacing, .. }: PhantomSize,
    ) -> Result<(), PhantomError> {
        let sound = shape.iter().all(|count| (1..=LONGEST).contains(count))
            && spacing.iter().all(|size| (0.1..=1000.0).contains(size));
        if sound {
            return Ok(());
        }
        Err(self.refuse(format!(
            "a phantom cannot have {shape:?} voxels of {spacing:?} mm: up to {LONGEST} of 0.1 to 1000 mm"
        )))
    }

    fn refuse(&self, reason: String) -> PhantomError {
        PhantomError::Refused {
            path: self.root.clone(),
            reason,
        }
    }

    fn check_what_is_there(&self, cases: usize) -> Result<(), PhantomError> {
        let path = self.root.join("dataset.json");
        let found: Value = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error)
                if error.kind() == ErrorKind::NotFound && !self.root.join("imagesTr").exists() =>
            {
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Value::Null,
            Err(source) => {
                return Err(PhantomError::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        if found["phantom"].is_null() {
            return Err(self.refuse("it holds another data set: choose another folder".to_owned()));
        }
        if found["phantom"] != self.description["phantom"] {
            let (there, asked) = (&found["phantom"], &self.description["phantom"]);
            return Err(self.refuse(format!(
                "it holds phantoms of {there}, asked are {asked}: choose another folder"
            )));
        }
        match found["numTraining"].as_u64() {
            Some(there) if there > cases as u64 => Err(self.refuse(format!(
                "it holds {there} cases, more than the {cases} asked: choose another folder"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether all three images of a study are there.
    pub(crate) fn is_complete(&self, person: &Person) -> bool {
        self.images(person).iter().all(|path| path.is_file())
    }

    /// Gives the paths of CT, PET and label.
    fn images(&self, person: &Person) -> [PathBuf; 3] {
        let case_id = person.case_id();
        [
            format!("imagesTr/{case_id}_0000.nii.gz"),
            format!("imagesTr/{case_id}_0001.nii.gz"),
            format!("labelsTr/{case_id}.nii.gz"),
        ]
        .map(|name| self.root.join(name))
    }

    /// Writes the description and the two tables of metadata.
    pub(crate) fn write_tables(&self, people: &[Person]) -> Result<(), PhantomError> {
        write_whole(
            &self.root.join("dataset.json"),
            format!("{:#}\n", self.description).as_bytes(),
        )?;
        let (fdg, psma): (Vec<_>, Vec<_>) = people
            .iter()
            .partition(|person| person.tracer == Tracer::Fdg);
        let fdg_columns =
            "Subject ID,Study UID,Study Date,Modality,File Location,diagnosis,age,sex,stage\n";
        let fdg_rows: String = fdg.into_iter().map(fdg_rows).collect();
        write_whole(
            &self.root.join("fdg_metadata.csv"),
            format!("{fdg_columns}{fdg_rows}").as_bytes(),
        )?;
        let psma_columns = "Subject ID,Study Date,age,manufacturer_model_name,pet_radionuclide,ct_contrast_agent\n";
        let psma_rows: String = psma.into_iter().map(psma_row).collect();
        write_whole(
            &self.root.join("psma_metadata.csv"),
            format!("{psma_columns}{psma_rows}").as_bytes(),
        )
    }

    /// Writes label, CT and PET of a study.
    pub(crate) fn write_study(&self, person: &Person, study: &Study) -> Result<(), PhantomError> {
        let [ct, pet, label] = self.images(person);
        let write = |path: &Path, voxels: NiftiVoxels<'_>| {
            let bytes = encode_nifti(study.shape, &study.affine, &voxels);
            let packed = pack(&bytes).map_err(|source| PhantomError::Io {
                action: "pack",
                path: path.to_path_buf(),
                source,
            })?;
            write_whole(path, &packed)
        };
        write(&label, NiftiVoxels::U8(&study.label))?;
        write(&pet, NiftiVoxels::F32(&study.pet))?;
        write(&ct, NiftiVoxels::I16(&study.ct))
    }
}

/// One row a series, as in the table of TCIA, and beside it the stage.
fn fdg_rows(person: &Person) -> String {
    let [year, month, day] = person.date;
    let (subject, study) = (&person.subject, person.study());
    let sex = if person.male { "M" } else { "F" };
    let stage = lesions::stage(person).map_or("", Stage::word);
    ["CT", "PT", "SEG"]
        .map(|modality| {
            format!(
                "PETCT_{subject},phantom.{},{month}/{day}/{year},{modality},./FDG-PET-CT-Lesions/PETCT_{subject}/{study}/{modality},{},{:03}Y,{sex},{stage}\n",
                person.index,
                person.diagnosis.word(),
                person.age
            )
        })
        .concat()
}

/// One row a study.
fn psma_row(person: &Person) -> String {
    let [year, month, day] = person.date;
    let nuclide = match person.tracer {
        Tracer::Psma { nuclide } => nuclide,
        Tracer::Fdg => "18F",
    };
    let contrast = if person.contrast { "yes" } else { "no" };
    format!(
        "PSMA_{},{year}-{month:02}-{day:02},{},phantom,{nuclide},{contrast}\n",
        person.subject, person.age
    )
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Writes a file under another name and moves it to its own.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PhantomError> {
    let io = |source| PhantomError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    };
    let mut file = tempfile::Builder::new()
        .prefix(".phantom-")
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))
        .map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    make_readable(file.as_file()).map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Gives a file the rights of an ordinary one; temporary files are their owner's alone.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// Elsewhere than on Unix there are no such rights.
#[cfg(not(unix))]
fn make_readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
