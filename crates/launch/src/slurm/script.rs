//! The scripts of a run's jobs. They say what becomes of a job by the exit code of its process, so this holds while nobody
//! watches.

mod names;
mod step;
mod text;

use fratmae_config::Layout;

use crate::{RenderedFile, Resources, Spec};
pub(super) use step::check_up;
use step::{DONE, contained, program, srun, words};
use text::{Script, quoted};

pub(super) use names::{Names, run_of};

/// The script of the coordinator's job, or of the one job for all.
pub(super) const LEAD: &str = "lead.sh";
/// The script of a worker: a task of the array, or a step of the one job.
const WORK: &str = "work.sh";
/// The job file that the coordinator reads.
const JOB: &str = "job.toml";
/// A line for each node that a worker found unfit.
pub(super) const UNFIT: &str = "unfit";

/// The run's keys.
pub(super) const KEYS: &str = "keys";

/// Seconds from the signal to the end, beyond those that a worker takes to leave.
const MARGIN_S: u64 = 30;

/// Whether workers are tasks of an array, which come and go.
pub(super) fn is_array(spec: &Spec) -> bool {
    match spec.slurm.layout {
        Layout::Auto => spec.is_elastic(),
        Layout::Array => true,
        Layout::Allocation => false,
    }
}

/// Names the scripts that are submitted, in their order.
pub(super) fn submitted(spec: &Spec) -> &'static [&'static str] {
    match is_array(spec) {
        true => &[LEAD, WORK],
        false => &[LEAD],
    }
}

/// The folder of a run's files.
pub(super) fn folder(spec: &Spec) -> String {
    let folder = spec.slurm.folder.trim_end_matches('/');
    format!("{folder}/fratmae-{}", spec.name)
}

/// The files of a run: the scripts of its jobs, and its job file.
#[must_use]
pub fn render(spec: &Spec) -> Vec<RenderedFile> {
    let (lead, work) = match is_array(spec) {
        true => (array_lead(spec), array_work(spec)),
        false => (allocation_lead(spec), allocation_work(spec)),
    };
    let file = |(name, text): (&str, String)| RenderedFile {
        name: name.to_owned(),
        text,
    };
    [(LEAD, lead), (WORK, work), (JOB, spec.job.clone())]
        .map(file)
        .to_vec()
}

/// The job of the coordinator.
fn array_lead(spec: &Spec) -> String {
    let names = Names::of(&spec.name);
    let mut script = Script::new(&format!(
        "Leads the run {}. Written by `fratmae launch`.",
        spec.name
    ));
    script.option(&format!("--job-name={}", names.lead));
    // A second one of this name waits until the first is gone.
    script.option("--dependency=singleton");
    common(&mut script, spec, "lead-%j.out");
    script.options(size(spec.coordinator));
    script.values(place(spec, leader_partition(spec)));
    script.lines(&preamble(spec));
    let program = program(spec, &[&coordinator(spec)], spec.coordinator, "--ntasks=1");
    script.lines(&lives(&program, LEAD_CODES));
    let work = &names.work;
    script.lines(&format!(
        "# Nobody leads the workers any more, unless Slurm has taken this node for lost and started the job elsewhere.\n\
         job=$(squeue --noheader --jobs=\"$SLURM_JOB_ID\" --format='%T %N')\n\
         [ \"$job\" = \"RUNNING $SLURM_JOB_NODELIST\" ] || exit \"$code\"\n\
         scancel --user=\"$SLURM_JOB_USER\" --name={work}\n\
         sleep 5 # A worker that was about to requeue itself has done so.\n\
         scancel --user=\"$SLURM_JOB_USER\" --name={work}\n\
         exit \"$code\""
    ));
    script.into_text()
}

/// The array of jobs, one a worker.
fn array_work(spec: &Spec) -> String {
    let names = Names::of(&spec.name);
    let mut script = Script::new(&format!(
        "Works for the run {}; each task of the array is one worker. Written by `fratmae launch`.",
        spec.name
    ));
    script.option(&format!("--job-name={}", names.work));
    let workers = spec.workers;
    script.option(&format!(
        "--array=0-{}%{}",
        workers.most - 1,
        workers.wanted
    ));
    common(&mut script, spec, "work-%A_%a.out");
    script.options(size(spec.worker));
    script.values(place(spec, &spec.slurm.partition));
    further(&mut script, spec);
    script.lines(&preamble(spec));
    script.lines(
        "task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\n\
         # The job of the coordinator is in the queue until the run has ended. A queue that does not answer says nothing.\n\
         is_led() {",
    );
    let lead = &names.lead;
    script.lines(&format!(
        "    lead=$(squeue --noheader --user=\"$SLURM_JOB_USER\" --name={lead} --format=%i) || return 0"
    ));
    script.lines("    [ -n \"$lead\" ]\n}\n");
    let name = "--name=\"work-$task\"";
    let program = program(spec, &[&worker(spec), name], spec.worker, "--ntasks=1");
    let unfit = quoted(&format!("{}/{UNFIT}", folder(spec)));
    script.lines(&lives(&program, &WORK_CODES.replace("UNFIT", &unfit)));
    script.lines("exit \"$code\"");
    script.into_text()
}

/// The one job for all: the coordinator, and a step for each worker.
fn allocation_lead(spec: &Spec) -> String {
    let names = Names::of(&spec.name);
    let mut script = Script::new(&format!(
        "The run {}: its coordinator and its workers. Written by `fratmae launch`.",
        spec.name
    ));
    script.option(&format!("--job-name={}", names.lead));
    script.option("--dependency=singleton");
    common(&mut script, spec, "lead-%j.out");
    script.option(&format!("--ntasks={}", spec.workers.most));
    script.option(&format!("--cpus-per-task={}", spec.worker.cpus));
    // The coordinator runs beside one of the workers.
    let memory = spec.worker.memory_mib + spec.coordinator.memory_mib;
    script.option(&format!(
        "--mem-per-cpu={}M",
        memory.div_ceil(spec.worker.cpus)
    ));
    if spec.worker.gpus > 0 {
        script.option(&format!("--gpus-per-task={}", spec.worker.gpus));
    }
    // Those on other nodes go on if one is lost.
    script.option("--no-kill");
    script.values(place(spec, &spec.slurm.partition));
    further(&mut script, spec);
    script.lines(&preamble(spec));
    // Each step says what it takes, or the workers' would take the coordinator's memory too.
    let share = |given: Resources| format!("--mem-per-cpu={}M", given.memory_mib / given.cpus);
    let step = srun(
        spec,
        spec.worker.cpus,
        &format!(
            "--nodes=1 --ntasks=1 --exact {} --open-mode=append",
            share(spec.worker)
        ),
    );
    let gpus = match spec.worker.gpus {
        0 => String::new(),
        gpus => format!("--gpus-per-task={gpus} "),
    };
    let log = path(spec, "work-%j_%s.out");
    let work = quoted(&format!("{}/{WORK}", folder(spec)));
    script.lines(&format!(
        "# One step a worker, all at the beginning: none can be made once a node is lost.\n\
         for worker in $(seq \"$SLURM_NTASKS\"); do\n    \
         {step} \\\n        {gpus}--output={log} bash {work} &\n\
         done\n"
    ));
    let program = program(
        spec,
        &[&coordinator(spec)],
        spec.coordinator,
        &format!("--nodes=1 --ntasks=1 --overlap {}", share(spec.coordinator)),
    );
    script.lines(&lives(&program, LEAD_CODES));
    script.lines("exit \"$code\"");
    script.into_text()
}

/// A step of the one job.
fn allocation_work(spec: &Spec) -> String {
    let mut script = Script::new(&format!(
        "Works for the run {}: a step of the job {LEAD}, which starts it. Written by `fratmae launch`.",
        spec.name
    ));
    // The signal reaches this shell too, which is to see how the worker ends.
    script.lines("umask 077\ntrap : USR1 TERM\n");
    let name = "--name=\"work-${SLURM_JOB_ID}_$SLURM_STEP_ID\"";
    let words = contained(spec, &[&worker(spec), name], spec.worker);
    script.lines(&lives(&words, "        0 | 1 | 2 | 75 | 76 | 78) break ;;"));
    script.lines("exit \"$code\"");
    script.into_text()
}

/// What every script begins with.
const PREAMBLE: &str = "\
umask 077
unset ${!SQUEUE_@} ${!SCANCEL_@}
# What srun ends with if it fails itself, so that it is not taken for the program.
export SLURM_EXIT_ERROR=69
";

fn preamble(spec: &Spec) -> String {
    let keys = quoted(&format!("{}/{KEYS}", folder(spec)));
    format!(
        "{PREAMBLE}# By these the run's processes know each other; the variable can name others where `launch` is called.\n\
         export FRATMAE_KEYS=${{FRATMAE_KEYS:-{keys}}}\n"
    )
}

/// What becomes of the coordinator's job.
const LEAD_CODES: &str = "        DONE) code=0; break ;; # The run is finished.
        1 | 2 | 78) break ;; # It has failed for good.
        75) # It goes on: this job starts again later. `fratmae launch stop` has forbidden it that.
            scontrol requeue \"$SLURM_JOB_ID\" && exit 75
            break ;;";

/// What becomes of a worker's task.
const WORK_CODES: &str = "        DONE) code=0; break ;; # The run is finished.
        1 | 2 | 78) break ;; # It has failed, or it has no use for this worker.
        75) # The worker left: time limit, preemption, or fewer workers are wanted. Its task waits for its next turn.
            is_led && scontrol requeue \"$task\"
            exit 75 ;;
        76) # This machine is unfit. The task starts again on another one.
            echo \"$SLURMD_NODENAME\" >> UNFIT
            trap '' TERM # Requeueing ends this script, which has one more thing to do.
            scontrol requeue \"$task\"
            scontrol update JobId=\"$task\" ExcNodeList=\"$(sort -u UNFIT | paste -sd,)\"
            exit 76 ;;";

/// A process is started again at once if it crashes, a few times.
fn lives(program: &str, codes: &str) -> String {
    let led = match codes.contains("is_led") {
        true => "    is_led || exit 0\n",
        false => "",
    };
    let codes = codes.replace("DONE", &DONE.to_string());
    format!(
        "for life in 1 2 3 4 5; do\n{led}    {program}\n    code=$?\n    case $code in\n{codes}\n    esac\n    sleep 10\ndone\n"
    )
}

/// What all jobs are told.
fn common(script: &mut Script, spec: &Spec, log: &str) {
    script.option(&format!("--output={}", path(spec, log)));
    script.option("--open-mode=append");
    script.option("--requeue");
    let minutes = spec
        .hours
        .map(|hours| ((hours * 60.0).ceil() as u64).max(1));
    if let Some(minutes) = minutes {
        script.option(&format!("--time={minutes}"));
    }
    // Without `B:`, which would signal the script and not its processes. Slurm may send it a minute early.
    let margin = spec.grace_s + MARGIN_S;
    let margin = minutes.map_or(margin, |minutes| margin.min(minutes * 20));
    script.option(&format!("--signal=USR1@{margin}"));
}

/// What a job of one process is given.
fn size(given: Resources) -> Vec<String> {
    let mut options = vec![
        "--nodes=1".to_owned(),
        "--ntasks=1".to_owned(),
        format!("--cpus-per-task={}", given.cpus),
        format!("--mem={}M", given.memory_mib),
    ];
    if given.gpus > 0 {
        options.push(format!("--gres=gpu:{}", given.gpus));
    }
    options
}

/// Where a job runs, and who pays: options with their values.
fn place<'a>(spec: &'a Spec, partition: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut options = vec![
        ("--partition", partition),
        ("--account", &spec.slurm.account),
    ];
    options.retain(|(_, value)| !value.is_empty());
    options
}

fn further(script: &mut Script, spec: &Spec) {
    let options = spec.slurm.options.trim();
    if !options.is_empty() {
        script.option(options);
    }
}

/// The partition of the coordinator; empty for the cluster's default.
pub(super) fn leader_partition(spec: &Spec) -> &str {
    match spec.slurm.leader_partition.as_str() {
        "" => &spec.slurm.partition,
        partition => partition,
    }
}

/// A file of the run as an option of Slurm names it, where a percent sign begins a pattern.
fn path(spec: &Spec, name: &str) -> String {
    quoted(&format!("{}/{name}", folder(spec).replace('%', "%%")))
}

fn coordinator(spec: &Spec) -> String {
    let job = format!("{}/{JOB}", folder(spec));
    // Workers find the address by the run.
    words(&spec.coordinator_arguments(&job, "0.0.0.0:0", None))
}

fn worker(spec: &Spec) -> String {
    words(&spec.worker_arguments())
}

#[cfg(test)]
mod tests;
