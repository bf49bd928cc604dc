//! Owns the size of phantoms and the writing of many, as many at once as there are threads.

use std::path::Path;

use fratmae_dataset::KeyedRng;
use rayon::prelude::*;

use crate::folder::Folder;
use crate::person::Person;
use crate::{PhantomError, render};

/// Most voxels along an axis.
pub(crate) const LONGEST: usize = 1024;

/// Voxels of a phantom and how large they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhantomSize {
    /// Voxels along x, y, z.
    pub shape: [usize; 3],
    /// Size of a voxel along x, y, z, in millimetres.
    pub spacing: [f32; 3],
    /// Whether the scanners differ: a third each has these voxels, finer ones across the body, finer ones along it.
    pub varies: bool,
}

impl PhantomSize {
    /// Gives the voxels of the scanner that took a person; the field of view stays.
    fn on_scanner_of(self, person: &Person) -> Self {
        if !self.varies {
            return self;
        }
        let finer = match KeyedRng::new("phantom scanner", person.seed, &[person.index]).below(3) {
            0 => [1.0, 1.0, 1.0],
            1 => [1.25, 1.25, 1.0],
            _ => [1.0, 1.0, 1.5],
        };
        let cut = |axis: usize| {
            let millimetres = self.shape[axis] as f32 * self.spacing[axis];
            let count = ((self.shape[axis] as f32 * finer[axis]).round() as usize).min(LONGEST);
            (count, millimetres / count as f32)
        };
        Self {
            shape: [0, 1, 2].map(|axis| cut(axis).0),
            spacing: [0, 1, 2].map(|axis| cut(axis).1),
            ..self
        }
    }
}

impl Default for PhantomSize {
    /// 560 x 450 x 960 mm: most phantoms with their arms and the table, from the crown to the thighs.
    fn default() -> Self {
        Self {
            shape: [112, 90, 128],
            spacing: [5.0, 5.0, 7.5],
            varies: true,
        }
    }
}

/// Writes `cases` phantom studies to `out`: `imagesTr`, `labelsTr`, `dataset.json` and both tables of metadata.
///
/// Files appear whole or not at all. Studies that are already there are kept, so that a call that was cut short, or
/// one for more cases of the same seed and size, goes on where it stopped. Half the studies are stored LAS, half LPS.
/// `tell` is called with the name of each study that is there, from whichever thread it is.
///
/// # Errors
/// `Io` where a file cannot be written; `Refused` where `out` holds something else than phantoms of this seed and size.
pub fn write_phantoms(
    out: &Path,
    cases: usize,
    seed: u64,
    size: PhantomSize,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<(), PhantomError> {
    let folder = Folder::open(out, cases, seed, size)?;
    let people: Vec<Person> = (0..cases as u64)
        .map(|index| Person::draw(seed, index))
        .collect();
    folder.write_tables(&people)?;
    people.par_iter().try_for_each(|person| {
        if !folder.is_complete(person) {
            let study = render::render(person, size.on_scanner_of(person));
            folder.write_study(person, &study)?;
        }
        tell(&person.case_id());
        Ok(())
    })
}

#[cfg(test)]
mod tests;
