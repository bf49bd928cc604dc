//! A launch on this machine, with scripts in the place of the program.

use std::os::unix::fs::PermissionsExt as _;

use fratmae_config::Config;

use super::*;
use crate::Target;

fn spec(program: &Path, sets: &[&str]) -> Spec {
    let mut sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    sets.push("run.url=/runs/pilot".to_owned());
    sets.push(format!("launch.program={}", program.display()));
    Spec::of(&Config::load(None, &sets).unwrap(), Target::Local, 100).unwrap()
}

fn program(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("it's a program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_script_is_what_is_started() {
    let spec = spec(Path::new("/opt/fratmae"), &[]);
    let files = render(&spec, Path::new("/state/it's"));
    assert_eq!(files[0].text, spec.job);
    let script = "#!/bin/sh\n# Run pilot on this machine: a coordinator and its workers.\n\
                  exec '/opt/fratmae' 'pretrain' '/state/it'\\''s/job.toml'\n";
    assert_eq!(files[1].text, script);
}

#[tokio::test]
async fn one_that_fails_at_once_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), "echo 'error: no data' >&2; exit 1");
    let (spec, place) = (spec(&program, &[]), folder.path().join("pilot"));
    let files = render(&spec, &place);
    let failed = submit(&spec, &files, &place).await.unwrap_err();
    assert_eq!(failed.to_string(), "no data");
    assert!(members(&place).is_empty());
    assert!(logs(&place).unwrap().contains("no data"));
}

#[tokio::test]
async fn a_launch_is_there_until_it_is_reaped_and_its_name_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), "echo begun; sleep 600 & wait");
    let (spec, place) = (spec(&program, &[]), folder.path().join("pilot"));
    let files = render(&spec, &place);
    let ids = submit(&spec, &files, &place).await.unwrap();
    assert_eq!(ids, [place.display().to_string()]);
    assert_eq!(members(&place).len(), 2, "it and its child");
    assert_eq!(members(&place)[0].name, "coordinator");
    assert_eq!(list(folder.path())[0].name, "pilot");
    let taken = submit(&spec, &files, &place).await.unwrap_err();
    assert!(taken.to_string().contains("launch.name"), "{taken}");
    let too_many = resize(&spec, &place, 3).unwrap_err().to_string();
    assert!(too_many.contains("here 2 to 2"), "{too_many}");
    reap(&place);
    let ended = async {
        while !members(&place).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .unwrap();
    assert!(list(folder.path()).is_empty());
    submit(&spec, &files, &place).await.unwrap();
    reap(&place);
}
