//! What the daemons and the commands of a cluster are told; it starts nothing.

use std::path::PathBuf;
use std::process::Command;

/// The nodes, which are all this machine.
pub(super) const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// A cluster's settings.
pub(super) struct Settings {
    /// Where the packages' files are.
    pub(super) root: PathBuf,
    /// Slurm's own libraries in there.
    pub(super) libraries: PathBuf,
    /// The folder of the cluster.
    pub(super) folder: PathBuf,
    /// Whom it belongs to.
    pub(super) user: String,
    /// A port of the controller, then one of each node.
    pub(super) ports: Vec<u16>,
}

impl Settings {
    /// The nodes with their ports.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let ports = self.ports.iter().skip(1).copied();
        NODES.into_iter().zip(ports.collect::<Vec<_>>())
    }

    /// Where users are vouched for.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("munge/socket")
    }

    /// The text of `slurm.conf`.
    pub(super) fn text(&self) -> String {
        let (folder, user) = (self.folder.display(), &self.user);
        let (socket, plugins) = (self.socket(), &self.libraries);
        let (socket, plugins) = (socket.display(), plugins.display());
        let port = self.ports.first().copied().unwrap_or_default();
        // A job that was requeued starts again once its old credential is void: after 10 s here, after 120 s by default.
        // Nodes claim to be larger than this machine, so that jobs wait for nothing.
        let common = format!(
            "ClusterName=fratmae\n\
             SlurmctldHost=localhost(127.0.0.1)\n\
             SlurmctldPort={port}\n\
             SlurmUser={user}\n\
             SlurmdUser={user}\n\
             AuthType=auth/munge\n\
             AuthInfo=socket={socket},cred_expire=10\n\
             CredType=cred/munge\n\
             PluginDir={plugins}\n\
             PlugStackConfig={folder}/plugstack.conf\n\
             StateSaveLocation={folder}/control/state\n\
             SlurmctldPidFile={folder}/control/pid\n\
             SlurmdPidFile={folder}/%n/pid\n\
             SlurmdSpoolDir={folder}/%n/spool\n\
             ProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\n\
             MpiDefault=none\n\
             SwitchType=switch/none\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU_Memory\n\
             SchedulerType=sched/backfill\n\
             SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0\n\
             SlurmdParameters=config_overrides\n\
             ReturnToService=1\n\
             SlurmdTimeout=20\n\
             KillWait=20\n"
        );
        let node = |(node, port)| {
            format!(
                "NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=64000\n"
            )
        };
        let nodes: String = self.nodes().map(node).collect();
        let names = NODES.join(",");
        format!(
            "{common}{nodes}PartitionName=work Nodes={names} Default=YES MaxTime=INFINITE State=UP\n"
        )
    }

    /// The text of a command that speaks to this cluster. Jobs find it too, by the search path that they inherit.
    pub(super) fn command(&self, name: &str) -> String {
        format!(
            "#!/bin/sh\nexport SLURM_CONF='{}' LD_LIBRARY_PATH='{}'\nexec '{}' \"$@\"\n",
            self.folder.join("slurm.conf").display(),
            self.search_path(),
            self.root.join("usr/bin").join(name).display(),
        )
    }

    /// The service that vouches for users.
    pub(super) fn munge(&self) -> Command {
        let folder = self.folder.join("munge");
        let mut munge = self.daemon("munged");
        munge.args(["--foreground", "--force"]);
        for (option, file) in [
            ("socket", "socket"),
            ("key-file", "key"),
            ("pid-file", "pid"),
            ("seed-file", "seed"),
            ("log-file", "log.txt"),
        ] {
            munge.arg(format!("--{option}={}", folder.join(file).display()));
        }
        munge
    }

    /// The controller.
    pub(super) fn control(&self) -> Command {
        let mut control = self.daemon("slurmctld-wlm");
        control
            .arg("-D")
            .arg("-L")
            .arg(self.folder.join("control/log.txt"));
        control
    }

    /// A node.
    pub(super) fn node(&self, name: &str) -> Command {
        let mut node = self.daemon("slurmd-wlm");
        node.args(["-D", "-N", name])
            .arg("-L")
            .arg(self.folder.join(name).join("log.txt"))
            .arg("-d")
            .arg(self.root.join("usr/sbin/slurmstepd-wlm"));
        node
    }

    fn daemon(&self, name: &str) -> Command {
        let mut daemon = Command::new(self.root.join("usr/sbin").join(name));
        daemon
            .env("SLURM_CONF", self.folder.join("slurm.conf"))
            .env("LD_LIBRARY_PATH", self.search_path());
        daemon
    }

    fn search_path(&self) -> String {
        let above = self.libraries.parent().unwrap_or(&self.libraries);
        format!("{}:{}", above.display(), self.libraries.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            root: "/system".into(),
            libraries: "/system/usr/lib/x/slurm-wlm".into(),
            folder: "/here".into(),
            user: "me".to_owned(),
            ports: vec![1, 2, 3, 4, 5],
        }
    }

    #[test]
    fn each_node_has_its_port_on_loopback() {
        let text = settings().text();
        for line in [
            "SlurmctldPort=1",
            "SlurmUser=me",
            "AuthInfo=socket=/here/munge/socket,cred_expire=10",
            "NodeName=n4 NodeHostname=localhost NodeAddr=127.0.0.1 Port=5 CPUs=8 RealMemory=64000",
            "PartitionName=work Nodes=n1,n2,n3,n4 Default=YES MaxTime=INFINITE State=UP",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_command_speaks_to_this_cluster() {
        let text = settings().command("squeue");
        assert!(text.contains("SLURM_CONF='/here/slurm.conf'"), "{text}");
        assert!(
            text.ends_with("exec '/system/usr/bin/squeue' \"$@\"\n"),
            "{text}"
        );
    }

    #[test]
    fn each_daemon_names_its_folder_by_which_it_is_known() {
        let settings = settings();
        for (daemon, folder) in [
            (settings.munge(), "/here/munge"),
            (settings.control(), "/here/control"),
            (settings.node("n2"), "/here/n2"),
        ] {
            let names = daemon
                .get_args()
                .any(|word| word.to_string_lossy().contains(folder));
            assert!(names, "{daemon:?}");
        }
    }
}
