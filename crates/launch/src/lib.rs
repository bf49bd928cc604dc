//! Starting the processes of a run where its machines are: what is asked of each place, and what the place says of it.
//!
//! A [`Spec`] is all that a place is told. It is made from a job by a pure function, and rendered into files by pure
//! functions; what is submitted is what `fratmae launch plan` prints.
//!
//! Each place is a module with the same functions, of which only the first is pure. `ids` are what `submit` gave back:
//! the numbers of jobs, or the names of objects; `local` has a folder instead.
//!
//! ```text
//! pub fn render(spec: &Spec) -> Vec<RenderedFile>;
//! pub async fn submit(spec: &Spec, files: &[RenderedFile]) -> Result<Vec<String>, Error>;
//! pub async fn members(spec: &Spec, ids: &[String]) -> Result<Vec<Member>, Error>;
//! pub async fn logs(spec: &Spec, ids: &[String], member: Option<&str>) -> Result<String, Error>;
//! pub async fn resize(spec: &Spec, ids: &[String], workers: usize) -> Result<(), Error>;
//! pub async fn stop(spec: &Spec, ids: &[String]) -> Result<(), Error>;   // in good order: the run resumes
//! pub async fn reap(spec: &Spec, ids: &[String]) -> Result<(), Error>;   // whatever is left of it, at once
//! pub async fn list() -> Result<Vec<Member>, Error>;                     // of all runs of this user
//! ```

mod file;
pub mod kubernetes;
pub mod local;
mod member;
mod record;
#[cfg(test)]
mod sample;
mod shell;
pub mod slurm;
mod spec;

pub use file::RenderedFile;
pub use member::{Member, MemberState};
pub use record::{Launched, Launching, RecordError, newest};
pub use spec::{Resources, Spec, SpecError, Target, Workers};
