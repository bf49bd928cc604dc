//! What an audit looks at. It is read here; what follows from it is `audit`'s.

use crate::error::ProofError;
use crate::subject::Subject;
use fratmae_checkpoint::{CheckpointError, CheckpointId, Manifest, load_manifest, restore};
use fratmae_dataset::{DataSet, DataSetError, verify};
use fratmae_model::Parameter;
use fratmae_telemetry::one_line;
use fratmae_trainer::{tensor_specs, weights_digest};

/// A run with all that can be read of it.
pub struct Evidence {
    pub subject: Subject,
    pub checkpoints: Vec<FoundCheckpoint>,
    pub data: FoundData,
}

/// A checkpoint, as its parts are.
#[derive(Debug)]
pub struct FoundCheckpoint {
    pub id: CheckpointId,
    /// Its manifest, and the digest of the weights in its parts; why it cannot be used, in one line.
    pub found: Result<(Manifest, String), String>,
}

/// The data set, as it is.
#[derive(Debug, Default)]
pub struct FoundData {
    /// The names of its cases, in the order of their numbers.
    pub case_ids: Vec<String>,
    /// What is wrong with it, a line each.
    pub faults: Vec<String>,
    /// Whether every slice was read.
    pub is_read: bool,
}

impl Evidence {
    /// Reads every part of every kept checkpoint, and every slice of the data set if `reads_data`; `parameters` is the
    /// layout of the job's model. `progress` hears what is at hand, and how much of how much is done.
    ///
    /// # Errors
    /// The stores'; what is damaged is part of the evidence.
    pub async fn gather(
        subject: Subject,
        parameters: &[Parameter],
        reads_data: bool,
        progress: &mut (dyn FnMut(&str, usize, usize) + Send),
    ) -> Result<Self, ProofError> {
        let mut checkpoints = Vec::new();
        for (done, id) in subject.kept.iter().enumerate() {
            progress("checkpoints", done, subject.kept.len());
            let found = match checkpoint(&subject, *id, parameters).await {
                Ok(found) => Ok(found),
                Err(CheckpointError::Store(error)) => return Err(error.into()),
                Err(error) => Err(one_line(&error)),
            };
            checkpoints.push(FoundCheckpoint { id: *id, found });
        }
        let data = found_data(&subject, reads_data, progress).await?;
        Ok(Self {
            subject,
            checkpoints,
            data,
        })
    }
}

async fn checkpoint(
    subject: &Subject,
    id: CheckpointId,
    parameters: &[Parameter],
) -> Result<(Manifest, String), CheckpointError> {
    let manifest = load_manifest(&subject.run, id).await?;
    let state = restore(&subject.run, &manifest, &tensor_specs(parameters)).await?;
    Ok((manifest, weights_digest(parameters, &state.parameters)))
}

async fn found_data(
    subject: &Subject,
    reads_data: bool,
    progress: &mut (dyn FnMut(&str, usize, usize) + Send),
) -> Result<FoundData, DataSetError> {
    let data = match &subject.data {
        Ok(data) => data,
        Err(line) => {
            let faults = vec![line.clone()];
            return Ok(FoundData {
                faults,
                ..FoundData::default()
            });
        }
    };
    let mut found = FoundData {
        case_ids: case_ids(data),
        faults: subject.data_fault(data).into_iter().collect(),
        is_read: reads_data,
    };
    if reads_data {
        let report = verify(data, &mut |done, all| progress("cases", done, all)).await?;
        let line = |damage: fratmae_dataset::Damage| {
            let slice = damage.slice.map(|slice| format!(" slice {slice}"));
            let slice = slice.unwrap_or_default();
            let (shard, case, reason) = (damage.shard, damage.case_id, damage.reason);
            format!("{shard}: case {case}{slice}: {reason}")
        };
        found.faults.extend(report.damaged.into_iter().map(line));
    }
    Ok(found)
}

fn case_ids(data: &DataSet) -> Vec<String> {
    let cases = data.manifest.cases.iter();
    cases.map(|case| case.case_id.clone()).collect()
}
