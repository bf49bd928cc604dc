//! How a process is started on a machine of a job: by `srun`, in a container if there is an image.

use fratmae_config::Container;

use super::text::quoted;
use super::{JOB, folder, place, size};
use crate::{Resources, Spec};

/// How `srun` starts a step. It does not take over the number of cores from the job.
pub(super) fn srun(spec: &Spec, cpus: usize, options: &str) -> String {
    let common = "--mpi=none --kill-on-bad-exit=0 --unbuffered";
    let step = format!("srun --cpus-per-task={cpus} {common} {options}");
    match &step_container(spec)[..] {
        [] => step,
        container => format!("{step} \\\n        {}", words(container)),
    }
}

/// The options of a step that runs in a container.
fn step_container(spec: &Spec) -> Vec<String> {
    let Some(image) = spec
        .image
        .as_ref()
        .filter(|_| spec.slurm.container == Container::Pyxis)
    else {
        return Vec::new();
    };
    let mounts: Vec<String> = folders(spec)
        .iter()
        .map(|folder| format!("{folder}:{folder}"))
        .collect();
    vec![
        format!("--container-image={image}"),
        format!("--container-mounts={}", mounts.join(",")),
        "--no-container-mount-home".to_owned(),
    ]
}

/// What a step ends with whose program ended with 0. `srun` ends with 0 also if the step's node fails.
pub(super) const DONE: u8 = 99;

/// The program as a step of the job, with these arguments. The signals reach its shell too, which is to see how it ends.
pub(super) fn program(spec: &Spec, arguments: &[&str], given: Resources, options: &str) -> String {
    let step = srun(spec, given.cpus, options);
    let shell = format!("sh -c 'trap : USR1 TERM; \"$@\" && exit {DONE}' step");
    let program = contained(spec, arguments, given);
    format!("{step} \\\n        {shell} {program}")
}

/// The program with these arguments, in its container if apptainer runs that.
pub(super) fn contained(spec: &Spec, arguments: &[&str], given: Resources) -> String {
    format!(
        "{} {}",
        words(&contained_program(spec, given)),
        arguments.join(" ")
    )
}

fn contained_program(spec: &Spec, given: Resources) -> Vec<String> {
    let mut words = Vec::new();
    if let (Some(image), Container::Apptainer) = (&spec.image, spec.slurm.container) {
        words.extend(["apptainer", "exec"].map(str::to_owned));
        if given.gpus > 0 {
            words.push("--nv".to_owned());
        }
        words.push(format!("--bind={}", folders(spec).join(",")));
        words.push(image.clone());
    }
    words.push(spec.program.clone());
    words
}

/// The folders of the machine that a container sees.
fn folders(spec: &Spec) -> Vec<String> {
    let mut folders = vec![folder(spec)];
    folders.extend(spec.folders.iter().cloned());
    folders
}

/// The words after `srun` by which a machine is checked that a worker could get.
pub(in crate::slurm) fn check_up(spec: &Spec) -> Vec<String> {
    let mut words = vec!["--immediate=60".to_owned(), "--quiet".to_owned()];
    words.extend(size(spec.worker));
    let place = place(spec, &spec.slurm.partition).into_iter();
    words.extend(place.map(|(option, value)| format!("{option}={value}")));
    words.extend(spec.slurm.options.split_whitespace().map(str::to_owned));
    words.extend(step_container(spec));
    words.extend(contained_program(spec, spec.worker));
    words.extend([
        "doctor".to_owned(),
        format!("--config={}/{JOB}", folder(spec)),
    ]);
    words
}

/// Words as a shell reads them.
pub(super) fn words(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}
