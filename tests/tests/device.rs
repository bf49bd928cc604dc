//! Where workers compute: the CPU where there is no GPU to be had, with the reason, and no run where one is demanded.

use fratmae_tests::{Job, logged, scratch};

#[test]
fn auto_trains_on_the_cpu_and_every_worker_says_why() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).workers(2);
    let finished = job
        .set("train.steps=1")
        .told_as_json()
        .start()
        .wait()
        .succeeded();
    let said = &finished.stderr;
    let reasons = logged(said, "training on the CPU: this build has no CUDA");
    assert_eq!(reasons.len(), 2, "{said}");
}

#[test]
fn a_demanded_gpu_ends_the_run_with_one_line_that_says_what_to_do() {
    let folder = scratch();
    // A second one could come when the run has ended already, and say so.
    let job = Job::tiny(folder.path().join("run")).workers(1);
    let job = job.set("workers.device=cuda");
    let line = job.call().run().error_line();
    assert!(line.contains("workers.device = \"cuda\""), "{line}");
    assert!(line.contains("cargo xtask gpu build"), "{line}");
}
