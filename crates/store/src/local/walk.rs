//! Listing what lies in folders, page by page, each of which may have its own time.

use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use object_store::path::Path;
use object_store::{ListResult, ObjectMeta};

/// Files looked at before the list so far is handed over.
const PAGE: usize = 1000;

/// A way through folders; those that are links are passed by.
pub(super) struct Walk {
    root: PathBuf,
    /// Where it begins, until it has begun.
    first: Option<PathBuf>,
    open: Vec<fs::ReadDir>,
}

/// What a name in a folder stands for.
enum Found {
    File(ObjectMeta),
    Folder(PathBuf),
    /// Gone meanwhile, no file, or nobody's.
    Nothing,
}

impl Walk {
    pub(super) fn new(root: PathBuf, folder: PathBuf) -> Self {
        Self {
            root,
            first: Some(folder),
            open: Vec::new(),
        }
    }

    /// The next files; none at the end.
    pub(super) fn next_page(&mut self) -> io::Result<Option<Vec<ObjectMeta>>> {
        if let Some(first) = self.first.take() {
            self.enter(&first)?;
        }
        let mut page = Vec::new();
        while page.len() < PAGE
            && let Some(folder) = self.open.last_mut()
        {
            match folder.next().transpose()? {
                None => drop(self.open.pop()),
                Some(entry) => match look_at(&entry)? {
                    Found::File(file) => page.push(file),
                    Found::Folder(folder) => self.read(&folder)?,
                    Found::Nothing => {}
                },
            }
        }
        Ok((!page.is_empty() || !self.open.is_empty()).then_some(page))
    }

    /// What lies directly in the first folder.
    pub(super) fn only_folder(mut self) -> io::Result<ListResult> {
        let mut found = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
            extensions: Default::default(),
        };
        if let Some(first) = self.first.take() {
            self.enter(&first)?;
        }
        for entry in self.open.into_iter().flatten() {
            match look_at(&entry?)? {
                Found::File(file) => found.objects.push(file),
                Found::Folder(folder) => found.common_prefixes.extend(location(&folder)),
                Found::Nothing => {}
            }
        }
        Ok(found)
    }

    /// Begins with a folder that is named by its path: no part of that below the root may be a link.
    fn enter(&mut self, folder: &FilePath) -> io::Result<()> {
        match super::open_folder(&self.root, folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => drop(opened?),
        }
        self.read(folder)
    }

    fn read(&mut self, folder: &FilePath) -> io::Result<()> {
        match fs::read_dir(folder) {
            // Folders are removed while this looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => self.open.push(entries?),
        }
        Ok(())
    }
}

fn look_at(entry: &fs::DirEntry) -> io::Result<Found> {
    let path = entry.path();
    let kind = match entry.file_type() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        kind => kind?,
    };
    if kind.is_dir() {
        return Ok(Found::Folder(path));
    }
    // A link may lead to a file, or nowhere.
    let about = match fs::metadata(&path) {
        Ok(about) if about.is_file() && !is_unfinished(&path) => about,
        Err(error) if error.kind() != io::ErrorKind::NotFound && kind.is_file() => {
            return Err(error);
        }
        _ => return Ok(Found::Nothing),
    };
    let Some(location) = location(&path) else {
        return Ok(Found::Nothing);
    };
    Ok(Found::File(ObjectMeta {
        location,
        last_modified: about.modified()?.into(),
        size: about.len(),
        e_tag: None,
        version: None,
    }))
}

/// A name that no object can have is nobody's.
fn location(path: &FilePath) -> Option<Path> {
    Path::parse(path.to_str()?.trim_start_matches('/')).ok()
}

/// `NAME#NUMBER` is what the client beneath calls a file until it is whole.
pub(crate) fn is_unfinished(path: &FilePath) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.as_deref()
        .and_then(|name| name.rsplit_once('#'))
        .is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}
