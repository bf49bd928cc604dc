//! One thread of another process held still while the others run on, as a hanging device or library holds it.

use std::path::Path;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::processes::pid;

/// A thread that does not run until the value is dropped, which the same thread must do.
#[derive(Debug)]
pub struct Frozen(Pid);

impl Frozen {
    /// Stops the thread of this name in a process.
    ///
    /// # Panics
    /// When there is no such thread, or the system does not let it be traced.
    pub fn thread(process: u32, name: &str) -> Self {
        let tasks = Path::new("/proc").join(process.to_string()).join("task");
        let tasks = std::fs::read_dir(tasks).expect("the process is there");
        let is_it = |task: &std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let task = tasks.flatten().find(is_it).expect("the thread is there");
        let number = task.file_name().to_string_lossy().parse();
        let thread = pid(number.expect("threads are numbered"));
        ptrace::seize(thread, ptrace::Options::empty()).expect("a thread of ours may be traced");
        ptrace::interrupt(thread).expect("it is traced");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
        Self(thread)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        if ptrace::detach(self.0, None).is_err() {
            let _ = waitpid(self.0, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
        }
    }
}
