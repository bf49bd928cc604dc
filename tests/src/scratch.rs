//! Folders that vanish, and the phantom cases that every test of one binary shares.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::call::{fratmae, program};

/// Makes an empty folder that is removed with the value.
///
/// # Panics
/// When the system gives none.
pub fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("fratmae-test-")
        .tempdir()
        .expect("the system gives a temporary folder")
}

/// Tiny phantom cases and the data set made of them; both are only to be read.
#[derive(Debug)]
pub struct Phantoms {
    /// A folder in the AutoPET layout.
    pub source: PathBuf,
    /// The prepared data set, with the grid of `configs/invariance.toml`.
    pub data: PathBuf,
}

impl Phantoms {
    /// How many cases there are.
    pub const CASES: usize = 12;
}

/// Makes the phantoms when they are first asked for.
///
/// # Panics
/// When the program cannot make them.
pub fn phantoms() -> &'static Phantoms {
    static PHANTOMS: OnceLock<Phantoms> = OnceLock::new();
    PHANTOMS.get_or_init(|| make(&own_folder()))
}

fn make(folder: &Path) -> Phantoms {
    let (source, data) = (folder.join("phantoms"), folder.join("data"));
    let cases = Phantoms::CASES.to_string();
    fratmae(["phantom", "--cases", &cases, "--seed", "7"])
        .and("--shape=32x40x48")
        .and("--spacing=20x16x20")
        .and("--out")
        .and(&source)
        .run()
        .succeeded();
    fratmae(["prepare", "--grid", "32x40x48"])
        .and(&source)
        .and("--out")
        .and(&data)
        .run()
        .succeeded();
    Phantoms { source, data }
}

/// A folder in the build folder named by this process: nothing runs when a process ends, so the next one tidies up.
fn own_folder() -> PathBuf {
    const PREFIX: &str = "fratmae-tests-";
    let program = program();
    let build = program.parent().and_then(Path::parent);
    let all = build.expect("programs lie in DIR/release").join("tmp");
    std::fs::create_dir_all(&all).expect("the build folder can be written");
    for entry in std::fs::read_dir(&all)
        .expect("a folder just made")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|id| id.parse().ok());
        if owner.is_some_and(|owner| !crate::is_alive(owner)) {
            // Another test process may be removing it too.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let own = all.join(format!("{PREFIX}{}", std::process::id()));
    std::fs::create_dir_all(&own).expect("the build folder can be written");
    own
}
