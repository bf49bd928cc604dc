//! A folder such as a reader has when an example is typed: cases, a job, the shipped configs, and the program in the path.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use fratmae_tests::{Signal, fratmae, program, scratch, send};
use tempfile::TempDir;

use crate::companions::companions;
use crate::examples::Example;
use crate::rules::{code, here};
use crate::safetensors::write_inputs;
use crate::study::write_study;

/// Sizes and lengths that a test has time for; everything else of a job is as it is shipped.
const SMALL: &str = "--set model.embedding=16 \
    --set model.encoder.width=24 --set model.encoder.depth=1 --set model.encoder.heads=2 \
    --set model.decoder.width=24 --set model.decoder.depth=1 --set model.decoder.heads=2 \
    --set model.text.width=24 --set model.text.depth=1 --set model.text.heads=2 \
    --set train.batch=8 --set train.slots=8 --set workers.threads=1";

const JOB: &str = "\
[run]
url = \"runs/job\"
[data]
url = \"data/mine\"
[train]
batch = 8
slots = 8
steps = 2
[checkpoint]
every = 1
";

/// Where the real program's arguments are made small; a peer that is not there yet is called again.
const WRAPPER: &str = "\
#!/bin/sh
case \"$1 $*\" in
  *--help*) ;;
  pretrain*--fork*) set -- \"$@\" SMALL --set train.steps=60 --set checkpoint.every=20 ;;
  pretrain*quickstart*) set -- \"$@\" SMALL --set data.phantoms=4 --set train.steps=40 --set checkpoint.every=20 ;;
  pretrain*invariance*) set -- \"$@\" --set train.steps=2 ;;
  pretrain*|coordinator*) set -- \"$@\" SMALL --set train.steps=2 --set checkpoint.every=1 ;;
  chaos*) set -- \"$@\" SMALL --set train.steps=12 ;;
  doctor*--peer*|doctor*--coordinator*) for try in 1 2 3 4 5 6; do PROGRAM \"$@\" && exit 0; sleep 1; done; exit 1 ;;
  'model model init'*) set -- \"$@\" SMALL ;;
esac
exec PROGRAM \"$@\"
";

/// `cargo run` is the program; whatever else cargo does is no example that runs here.
const CARGO: &str = "#!/bin/sh\nshift 3\nexec fratmae \"$@\"\n";

/// Longer than any of them takes on a busy machine.
const PATIENCE: &str = "240";

/// The folder.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    /// Makes it.
    pub(crate) fn new() -> Self {
        let world = Self { folder: scratch() };
        let root = world.root();
        for name in [
            "bin",
            "archive",
            "data",
            "bucket",
            ".local/share/bash-completion/completions",
            ".zfunc",
            ".config/fish/completions",
        ] {
            fs::create_dir_all(root.join(name)).expect("a folder");
        }
        let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        for name in ["configs", "docs"] {
            symlink(
                fs::canonicalize(repository.join(name)).expect("a folder of ours"),
                root.join(name),
            )
            .expect("a link");
        }
        let wrapper = WRAPPER
            .replace("SMALL", SMALL)
            .replace("PROGRAM", &program().display().to_string());
        world.executable("fratmae", &wrapper);
        world.executable("cargo", CARGO);
        world.executable("srun", "#!/bin/sh\nexec \"$@\"\n");
        fs::write(root.join("job.toml"), JOB).expect("a file");
        write_study(&root.join("study/4.0-PET"), &root.join("study/3.0-CT"));
        write_study(
            &root.join("archive/dicom/one/4.0-PET"),
            &root.join("archive/dicom/one/3.0-CT"),
        );
        world.make_cases();
        world
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn executable(&self, name: &str, text: &str) {
        let place = self.root().join("bin").join(name);
        fs::write(&place, text).expect("a file");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// The cases of the table, and a folder of the challenge's layout.
    fn make_cases(&self) {
        let layout = self.root().join("Dataset221_AutoPETIII_2024");
        fratmae([
            "phantom",
            "--cases",
            "4",
            "--seed",
            "3",
            "--shape=32x40x48",
            "--spacing=20x16x20",
            "--out",
        ])
        .and(&layout)
        .run()
        .succeeded();
        let names = fs::read_dir(layout.join("imagesTr")).expect("images");
        let names = names.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        });
        let mut pets: Vec<String> = names
            .filter(|name| name.ends_with("_0001.nii.gz"))
            .collect();
        pets.sort();
        let row = |(number, pet): (usize, &String)| {
            let place = |name: &str| format!("Dataset221_AutoPETIII_2024/imagesTr/{name}");
            let ct = pet.replace("_0001.nii.gz", "_0000.nii.gz");
            format!("case_{},{},{}\n", number + 1, place(pet), place(&ct))
        };
        let rows: String = pets.iter().enumerate().map(row).collect();
        fs::write(
            self.root().join("cases.csv"),
            format!("case_id,pet,ct\n{rows}"),
        )
        .expect("a file");
    }

    /// Runs an example to its end, with what it needs beside it.
    pub(crate) fn run(&self, example: &Example) -> Result<(), String> {
        let line = here(&example.line);
        self.ready(&line);
        let beside = companions(&line).into_iter();
        let beside: Vec<(Child, bool)> = beside
            .map(|companion| (self.start(&companion.line), companion.ends))
            .collect();
        let ended = self.start(&line).wait_with_output().expect("a shell");
        let found = complaint(&ended, code(&line));
        for (child, ends) in beside {
            if found.is_some() || !ends {
                // It waits for what will not come.
                send(child.id(), Signal::SIGTERM);
            }
            let ended = child.wait_with_output().expect("a shell");
            let is_judged = found.is_none() && ends;
            if let Some(other) = complaint(&ended, 0).filter(|_| is_judged) {
                return Err(format!("beside it: {other}"));
            }
        }
        found.map_or(Ok(()), Err)
    }

    /// Makes what the text around an example assumes.
    fn ready(&self, line: &str) {
        let root = self.root();
        for inputs in ["in.safetensors", "in.st"] {
            if line.contains(&format!("--inputs {inputs}")) {
                write_inputs(&root.join("weights"), &root.join(inputs));
            }
        }
        if line.contains("mae_vit_base.safetensors") {
            let _ = fs::copy(
                root.join("weights/model.safetensors"),
                root.join("mae_vit_base.safetensors"),
            );
        }
        if line.contains("--fork runs/a") {
            let _ = self.start("cp -r runs/mine runs/a").wait_with_output();
        }
        if line.contains("--merge") {
            let shares = "for i in $(seq 0 15); do fratmae prepare cases.csv --out ./bucket/mine --shard $i/16 || exit 1; done";
            let _ = self.start(shares).wait_with_output();
        }
        if line.contains("configs/base.toml") && !root.join("data/autopet").exists() {
            let _ = symlink(root.join("bucket/autopet"), root.join("data/autopet"));
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an example finds its tools where a user's shell finds them"
    )]
    fn start(&self, line: &str) -> Child {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("timeout")
            .args([PATIENCE, "sh", "-c", line])
            .current_dir(self.root())
            .env(
                "PATH",
                format!("{}:{path}", self.root().join("bin").display()),
            )
            .env("HOME", self.root())
            .env("SLURM_ARRAY_TASK_ID", "3")
            .env("SLURM_LOCALID", "0")
            .env("JOB_COMPLETION_INDEX", "3")
            .env("COLUMNS", "200")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell")
    }
}

/// What is wrong with how a command ended.
fn complaint(ended: &Output, expected: i32) -> Option<String> {
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let is_well = ended.status.code() == Some(expected) && !stderr.contains("panicked at");
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    (!is_well).then(|| {
        format!(
            "{}, and last wrote: {}",
            ended.status,
            last.unwrap_or_default()
        )
    })
}
