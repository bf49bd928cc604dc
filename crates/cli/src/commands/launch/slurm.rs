//! `fratmae launch doctor --on slurm`: whether the cluster would take the jobs, what its settings mean for them, and what a
//! machine that a worker could get lacks.

use anyhow::{Result, ensure};
use fratmae_launch::slurm::{self, Remark, SlurmError};

use super::asked::Asked;
use crate::{
    commands::doctor::{self, Finding, State},
    lines::shown,
    output::Output,
};

pub(super) async fn check(asked: &Asked, output: &mut Output) -> Result<()> {
    let Asked { spec, files, .. } = asked;
    let mut findings = vec![judge("jobs", slurm::check(spec, files).await)];
    match slurm::remarks(spec).await {
        Ok(remarks) => findings.extend(remarks.into_iter().map(warning)),
        Err(error) => findings.push(judge("settings", Err(error))),
    }
    doctor::tell(&findings, output)?;
    output.line("")?;
    let (found, is_fit) = slurm::check_up(spec, files).await?;
    output.line("a machine that a worker could get:")?;
    output.bytes(shown(&found).as_bytes())?;
    ensure!(is_fit, "that machine lacks what the job needs");
    Ok(())
}

fn judge(check: &str, answer: Result<Vec<String>, SlurmError>) -> Finding {
    match answer {
        Ok(answers) => Finding::ok(check, answers.join(", ")),
        Err(error) => Finding::failed(
            check,
            &error.to_string(),
            "see what `fratmae launch plan` prints",
        ),
    }
}

fn warning(remark: Remark) -> Finding {
    Finding::new(remark.check, State::Warning, remark.found, remark.advice)
}
