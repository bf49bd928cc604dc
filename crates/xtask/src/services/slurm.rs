//! A Slurm cluster on loopback: a controller, four nodes and the service that vouches for users, of Debian's packages.
//! It belongs to this user, with whose rights jobs run, and shares nothing with one that the system runs.

mod settings;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::store::Span;
use super::{debian, ports, process};
use crate::program;
use settings::Settings;

/// The variable that tells tests where this cluster's commands are; where it is not set, there is no cluster.
pub(super) const VARIABLE: &str = "FRATMAE_TEST_SLURM";

const PACKAGES: &[&str] = &[
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "munge",
    "libmunge2",
    "libhwloc15",
    "liblua5.1-0",
];

/// The commands that people and scripts call.
const COMMANDS: &[&str] = &[
    "sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun",
];

const READY_PATIENCE: Duration = Duration::from_secs(60);
const END_PATIENCE: Duration = Duration::from_secs(10);

/// A program of them, by which they are known to be there.
const CONTROLLER: &str = "usr/sbin/slurmctld-wlm";

/// Answers with the folder that has the packages' files: the root of the system where they are installed, else one into
/// which they are unpacked.
///
/// # Errors
/// They cannot be fetched.
pub(super) fn fetch() -> Result<PathBuf> {
    let system = Path::new("/");
    if [CONTROLLER, "usr/sbin/munged"]
        .iter()
        .all(|file| system.join(file).is_file())
    {
        return Ok(system.to_path_buf());
    }
    debian::unpacked("slurm", PACKAGES, CONTROLLER)
        .context("no Slurm for tests; they need Debian's slurm-wlm and munge")
}

/// A running cluster; it ends with this value, unless it is left running.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    daemons: Vec<Child>,
    span: Span,
}

impl Cluster {
    /// Starts a cluster without jobs and waits until its nodes are idle.
    ///
    /// # Errors
    /// A daemon does not start, or the nodes are not ready in a minute.
    pub(super) fn start(root: &Path, folder: &Path, span: Span) -> Result<Self> {
        end(folder)?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let settings = Settings {
            root: root.to_path_buf(),
            libraries: libraries(root)?,
            folder: folder.to_path_buf(),
            user: program::output(Command::new("id").arg("-un"))?
                .trim()
                .to_owned(),
            ports: ports::free_ports(1 + settings::NODES.len())?,
        };
        write(&settings)?;
        let mut cluster = Self {
            folder: folder.to_path_buf(),
            daemons: Vec::new(),
            span,
        };
        let munge = settings.munge();
        cluster.begin("munge", munge)?;
        cluster.wait("the service that vouches for users", || {
            settings.socket().exists()
        })?;
        cluster.begin("control", settings.control())?;
        for (node, _) in settings.nodes() {
            cluster.begin(node, settings.node(node))?;
        }
        let wanted = settings::NODES.len().to_string();
        let mut look = Command::new(cluster.commands().join("sinfo"));
        look.args(["--noheader", "--states=idle", "--format=%D"]);
        cluster.wait("its nodes", || {
            let idle = look.output().map(|output| output.stdout);
            idle.is_ok_and(|idle| String::from_utf8_lossy(&idle).trim() == wanted)
        })?;
        Ok(cluster)
    }

    /// Starts a daemon, whose records are in the folder of its name.
    fn begin(&mut self, name: &str, mut daemon: Command) -> Result<()> {
        let folder = self.folder.join(name);
        let log = fs::File::create(folder.join("output.txt"))?;
        daemon
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if self.span == Span::UntilStopped {
            daemon.process_group(0);
        }
        let child = daemon
            .spawn()
            .with_context(|| format!("cannot start Slurm's {name}"))?;
        process::record(&folder, child.id(), &[])?;
        self.daemons.push(child);
        Ok(())
    }

    fn wait(&mut self, what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        while !is_so() {
            for daemon in &mut self.daemons {
                if let Some(status) = daemon.try_wait()? {
                    bail!(
                        "a daemon of Slurm ended with {status}; see {}",
                        self.folder.display()
                    );
                }
            }
            if Instant::now() > deadline {
                bail!(
                    "Slurm is not ready after a minute: it lacks {what}; see {}",
                    self.folder.display()
                );
            }
            process::pause();
        }
        Ok(())
    }

    /// The folder of its commands, which goes first on the search path.
    pub(crate) fn commands(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The variable that tests read.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, self.commands().display().to_string())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.span == Span::UntilStopped {
            return;
        }
        if let Err(error) = end(&self.folder) {
            eprintln!("cannot stop Slurm: {error:#}");
        }
        for daemon in &mut self.daemons {
            // It has ended: this only lets the system forget it.
            let _ = daemon.wait();
        }
    }
}

/// Ends the jobs and the daemons of the cluster in this folder, if there is one, and throws it away; answers whether one
/// ran.
///
/// # Errors
/// A daemon does not end, or the folder cannot be removed.
pub(super) fn end(folder: &Path) -> Result<bool> {
    if process::recorded(&folder.join("control")).is_some() {
        end_jobs(&folder.join("bin"));
    }
    let mut ran = false;
    let names = ["control", "munge"].into_iter().chain(settings::NODES);
    for name in names {
        ran |= process::end(&folder.join(name))?.is_some();
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(ran),
    }
}

/// Processes of jobs outlive the daemons that started them, so jobs end first, as far as a cluster still does that.
fn end_jobs(commands: &Path) {
    let cancel = |signal: &str| {
        let mut cancel = Command::new(commands.join("scancel"));
        cancel
            .args(["--me", "--quiet", signal])
            .stderr(Stdio::null());
        let _ = cancel.status();
    };
    // The scripts first, which would start their processes again; those that heed no signal with them.
    cancel("--batch");
    cancel("--full");
    cancel("--signal=KILL");
    cancel("--quiet");
    let deadline = Instant::now() + END_PATIENCE;
    let mut look = Command::new(commands.join("squeue"));
    look.arg("--noheader");
    while Instant::now() < deadline && look.output().is_ok_and(|output| !output.stdout.is_empty()) {
        process::pause();
    }
}

/// The folder of Slurm's own libraries and the one above it, whatever the architecture.
fn libraries(root: &Path) -> Result<PathBuf> {
    let folders = fs::read_dir(root.join("usr/lib"))?.flatten();
    let mut libraries = folders.map(|folder| folder.path().join("slurm-wlm"));
    libraries
        .find(|folder| folder.is_dir())
        .context("the package slurm-wlm-basic-plugins has another layout")
}

/// Writes the settings and the commands of a cluster.
fn write(settings: &Settings) -> Result<()> {
    let folder = &settings.folder;
    for name in ["bin", "control", "control/state", "munge"] {
        fs::create_dir_all(folder.join(name))?;
    }
    for (node, _) in settings.nodes() {
        fs::create_dir_all(folder.join(node).join("spool"))?;
    }
    fs::write(folder.join("slurm.conf"), settings.text())?;
    fs::write(folder.join("plugstack.conf"), "")?;
    // Who knows it can run jobs as this user.
    let mut key = [0; 128];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true).mode(0o600);
    file.open(folder.join("munge/key"))?.write_all(&key)?;
    for command in COMMANDS {
        let path = folder.join("bin").join(command);
        fs::write(&path, settings.command(command))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
