//! What SeaweedFS is told and asked: its command line, its ports, its bucket. It runs no server; `store` does.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{http, ports};
use crate::program;

pub(super) const BUCKET: &str = "fratmae-test";
pub(super) const ACCESS_KEY: &str = "fratmae-test";
pub(super) const SECRET_KEY: &str = "fratmae-test-secret";

/// The ports of SeaweedFS's four servers; each has a second for its inner protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    master: [u16; 2],
    volume: [u16; 2],
    filer: [u16; 2],
    s3: [u16; 2],
}

impl Ports {
    /// Finds ports that nobody listens on.
    ///
    /// # Errors
    /// The system has none to give.
    pub(super) fn free() -> Result<Self> {
        let free = ports::free_ports(8)?;
        let pair = |at: usize| [free[at], free[at + 1]];
        Ok(Self {
            master: pair(0),
            volume: pair(2),
            filer: pair(4),
            s3: pair(6),
        })
    }

    /// Names where S3 is spoken.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.s3[0])
    }

    /// Writes a file through the inner servers and looks whether the S3 server answers at all.
    ///
    /// # Errors
    /// A server does not answer, or not as it would when it is ready.
    pub(super) fn write_and_look(&self) -> Result<()> {
        let written = http::status(self.filer[0], "PUT", "/ready", "ready")?;
        let seen = http::status(self.s3[0], "GET", "/", "")?;
        if written != 201 || seen >= 500 {
            bail!("a write answers {written}, S3 answers {seen}");
        }
        Ok(())
    }

    /// Names the sockets that SeaweedFS makes for its own use and leaves when it is killed.
    pub(super) fn sockets(&self) -> Vec<PathBuf> {
        let sockets = [
            ("master-grpc", self.master[1]),
            ("volume-grpc", self.volume[1]),
            ("filer", self.filer[0]),
            ("filer-grpc", self.filer[1]),
            ("s3", self.s3[0]),
            ("s3-grpc", self.s3[1]),
        ];
        let names = sockets.map(|(server, port)| format!("seaweedfs-{server}-{port}.sock"));
        names.map(|name| Path::new("/tmp").join(name)).to_vec()
    }

    fn flags(&self) -> Vec<String> {
        let servers = [
            ("master", self.master),
            ("volume", self.volume),
            ("filer", self.filer),
            ("s3", self.s3),
        ];
        let flags = servers.map(|(name, [port, inner])| {
            [
                format!("-{name}.port={port}"),
                format!("-{name}.port.grpc={inner}"),
            ]
        });
        flags.concat()
    }
}

/// Prepares a server over `folder`: all on loopback, nothing that calls home, buckets only by order.
///
/// # Errors
/// Its settings cannot be written.
pub(super) fn server(weed: &Path, folder: &Path, ports: Ports) -> Result<Command> {
    let (data, settings) = (folder.join("data"), folder.join("s3.json"));
    fs::create_dir_all(&data)?;
    fs::write(&settings, credentials())?;
    let mut server = Command::new(weed);
    server
        .args(["-logtostderr=true", "server", "-filer", "-s3"])
        .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
        .arg(format!("-dir={}", data.display()))
        .arg(format!("-s3.config={}", settings.display()))
        .args(["-s3.autoCreateBucket=false", "-s3.iam=false"])
        .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
        .args(["-master.telemetry=false", "-master.volumeSizeLimitMB=128"])
        .arg("-volume.max=0")
        .args(ports.flags());
    // It would take keys from the environment and grant them everything.
    server.env_remove("AWS_ACCESS_KEY_ID");
    server.env_remove("AWS_SECRET_ACCESS_KEY");
    Ok(server)
}

/// Makes the bucket that tests write to.
///
/// # Errors
/// SeaweedFS's shell does not start or does not say that the bucket was created.
pub(super) fn create_bucket(weed: &Path, ports: Ports) -> Result<()> {
    let [master, inner] = ports.master;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "echo \"$1\" | \"$2\" shell -master=\"$3\"", "sh"])
        .arg(format!("s3.bucket.create -name {BUCKET}"))
        .arg(weed)
        .arg(format!("{}:{master}.{inner}", Ipv4Addr::LOCALHOST));
    let answer = program::output(&mut shell)?;
    if !answer.contains("created bucket") {
        bail!("the bucket {BUCKET} was not created: {}", answer.trim());
    }
    Ok(())
}

fn credentials() -> String {
    let keys = format!(r#"{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}"#);
    let may = r#"["Admin","Read","Write","List","Tagging"]"#;
    format!(
        r#"{{"identities":[{{"name":"{ACCESS_KEY}","credentials":[{keys}],"actions":{may}}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports {
        master: [1, 2],
        volume: [3, 4],
        filer: [5, 6],
        s3: [7, 8],
    };

    #[test]
    fn every_server_has_its_own_two_ports_on_loopback() {
        let folder = tempfile::tempdir().unwrap();
        let server = server(Path::new("weed"), folder.path(), PORTS).unwrap();
        let words: Vec<_> = server
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        for flag in [
            "-ip.bind=127.0.0.1",
            "-master.port.grpc=2",
            "-volume.port=3",
            "-s3.port=7",
            "-master.telemetry=false",
        ] {
            assert!(words.iter().any(|word| word == flag), "{flag}: {words:?}");
        }
    }

    #[test]
    fn settings_hold_the_keys_that_tests_are_given() {
        let folder = tempfile::tempdir().unwrap();
        server(Path::new("weed"), folder.path(), PORTS).unwrap();
        let settings = fs::read_to_string(folder.path().join("s3.json")).unwrap();
        assert!(
            settings.contains(r#""secretKey":"fratmae-test-secret""#),
            "{settings}"
        );
        assert_eq!(settings.matches('{').count(), settings.matches('}').count());
    }

    #[test]
    fn a_bucket_counts_only_when_the_store_says_so() {
        // `echo` in the place of SeaweedFS: it answers with its arguments.
        let error = create_bucket(Path::new("echo"), PORTS).unwrap_err();
        assert!(
            error.to_string().ends_with("shell -master=127.0.0.1:1.2"),
            "{error}"
        );
    }

    #[test]
    fn a_store_that_does_not_listen_is_not_ready() {
        assert!(Ports::free().unwrap().write_and_look().is_err());
    }

    #[test]
    fn sockets_are_named_by_server_and_port() {
        let sockets = PORTS.sockets();
        assert_eq!(sockets.len(), 6);
        assert!(sockets.contains(&PathBuf::from("/tmp/seaweedfs-s3-grpc-8.sock")));
    }
}
