//! Reading a checkpoint back: every part is checked before anything of it is used.
//! Owns the checks of parts and of the set of tensors they make up; the choice of the checkpoint is `catalogue`'s.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::time::Duration;

use bytes::Bytes;
use fratmae_store::{Location, StoreError};
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::task::JoinError;

use crate::catalogue::load_manifest;
use crate::error::{CheckpointError, damaged, unreadable};
use crate::layout::{CheckpointId, CheckpointObjects};
use crate::manifest::{Manifest, PartRecord};
use crate::part::{Found, MISSING, check, decode, other_size};
use crate::state::{Role, State, TensorSpec};

/// Parts fetched and checked at a time; bounds the memory beside the state itself.
pub(crate) const AT_ONCE: usize = 4;

/// How long nothing is read after a part, whose check takes a core for some 50 ms.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads every part of a checkpoint and checks it: size, digest, and that each tensor is there once with both moments.
///
/// # Errors
/// As [`load_manifest`]; [`CheckpointError::Damaged`] names the first damaged part.
pub async fn verify(run: &Location, id: CheckpointId) -> Result<Manifest, CheckpointError> {
    let manifest = load_manifest(run, id).await?;
    verify_parts(run, manifest, Pace::Full).await
}

/// How fast a checkpoint is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as the store gives it: somebody waits.
    Full,
    /// Part by part, with pauses.
    Leisurely,
}

/// As [`verify`], of a checkpoint whose manifest was read.
pub(crate) async fn verify_parts(
    run: &Location,
    manifest: Manifest,
    pace: Pace,
) -> Result<Manifest, CheckpointError> {
    let mut shapes = BTreeMap::new();
    let mut parts = match pace {
        Pace::Full => parts(run, &manifest, AT_ONCE).boxed(),
        Pace::Leisurely => {
            let parts = parts(run, &manifest, 1).enumerate();
            parts.then(after_a_pause).boxed()
        }
    };
    while let Some((object, bytes)) = parts.try_next().await? {
        for tensor in decode(&object, &bytes)? {
            let name = tensor.name;
            if shapes.insert(name.clone(), tensor.shape).is_some() {
                return Err(damaged(object, format!("tensor {name} is there twice")));
            }
        }
    }
    check_complete(&run.url_of(&manifest.id().manifest()), &shapes)?;
    drop(parts);
    Ok(manifest)
}

/// Gives all parts but the first after a pause.
#[expect(clippy::disallowed_methods, reason = "it waits for nothing but time")]
async fn after_a_pause<T>((number, part): (usize, T)) -> T {
    if number > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    part
}

/// Reads a checkpoint into a state laid out as `tensors`, checking every part on the way.
///
/// # Errors
/// [`CheckpointError::Damaged`] names a part that is not what was written; [`CheckpointError::Mismatch`] names a
/// tensor that is missing, too many or of another shape; failures of the store as they are.
pub async fn restore(
    run: &Location,
    manifest: &Manifest,
    tensors: &[TensorSpec],
) -> Result<State, CheckpointError> {
    restore_telling(run, manifest, tensors, || ()).await
}

/// As [`restore`], and calls `progress` after each part.
///
/// # Errors
/// As [`restore`].
pub async fn restore_telling(
    run: &Location,
    manifest: &Manifest,
    tensors: &[TensorSpec],
    progress: impl Fn(),
) -> Result<State, CheckpointError> {
    let checkpoint = run.url_of(&manifest.id().manifest());
    let state = State::zeros(manifest.id().step, tensors);
    let mut filling = Filling {
        state: state.ok_or_else(|| damaged(&checkpoint, "the model's tensors are too large"))?,
        awaited: awaited(tensors),
    };
    let mut parts = parts(run, manifest, AT_ONCE);
    while let Some((object, bytes)) = parts.try_next().await? {
        for tensor in decode(&object, &bytes)? {
            filling.take(&object, &tensor)?;
        }
        progress();
    }
    match filling.awaited.into_keys().next() {
        None => Ok(filling.state),
        Some(tensor) => Err(mismatch(&checkpoint, tensor, "is missing".to_owned())),
    }
}

/// A state being filled, and the tensors it still waits for.
struct Filling<'a> {
    state: State,
    awaited: BTreeMap<String, (Role, &'a TensorSpec)>,
}

impl Filling<'_> {
    fn take(&mut self, object: &str, tensor: &Found<'_>) -> Result<(), CheckpointError> {
        let name = tensor.name.clone();
        let Some((role, spec)) = self.awaited.remove(&name) else {
            let reason = "is unknown to the model or there twice".to_owned();
            return Err(mismatch(object, name, reason));
        };
        if tensor.shape != spec.shape {
            let reason = format!("has shape {:?}, the model's {:?}", tensor.shape, spec.shape);
            return Err(mismatch(object, name, reason));
        }
        let place = spec
            .range()
            .and_then(|range| self.state.vector_mut(role).get_mut(range));
        if let Some(place) = place {
            tensor.copy_to(place);
        }
        Ok(())
    }
}

fn awaited<'a>(tensors: &'a [TensorSpec]) -> BTreeMap<String, (Role, &'a TensorSpec)> {
    let of_role = |role: Role| {
        let named = move |tensor: &'a TensorSpec| (role.tensor_name(&tensor.name), (role, tensor));
        tensors.iter().map(named)
    };
    Role::ALL.into_iter().flat_map(of_role).collect()
}

/// Fetches the parts, some at a time, and gives those that pass in their order.
pub(crate) fn parts(
    run: &Location,
    manifest: &Manifest,
    at_once: usize,
) -> impl Stream<Item = Result<(String, Bytes), CheckpointError>> + Unpin + Send + use<> {
    let (run, id) = (run.clone(), manifest.id());
    let fetch = move |record| fetch(run.clone(), id, record);
    let records = futures::stream::iter(manifest.parts.clone());
    records.map(fetch).buffered(at_once).boxed()
}

async fn fetch(
    run: Location,
    id: CheckpointId,
    record: PartRecord,
) -> Result<(String, Bytes), CheckpointError> {
    let name = id.object(&record.name);
    let object = run.url_of(&name);
    let bytes = match run.get_at_most(&name, record.bytes).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Err(damaged(object, MISSING)),
        Err(StoreError::TooLarge { bytes, .. }) => {
            return Err(damaged(object, other_size(bytes, &record)));
        }
        Err(error) => return Err(unreadable(object, error)),
    };
    let checking = tokio::task::spawn_blocking(move || {
        check(&object, &record, &bytes)?;
        Ok((object, bytes))
    });
    match checking.await.map_err(JoinError::try_into_panic) {
        Ok(checked) => checked,
        // A fault of this program is no damage of the part.
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(error)) => Err(damaged(run.url_of(&name), error)),
    }
}

/// Each parameter has both moments, of its shape, and no moment is without its parameter.
fn check_complete(
    object: &str,
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<(), CheckpointError> {
    for (name, shape) in shapes {
        let Some((_, parameter)) = Role::split(name) else {
            return Err(damaged(
                object,
                format!("tensor {name} is of no known kind"),
            ));
        };
        for role in Role::ALL {
            let name = role.tensor_name(parameter);
            if shapes.get(&name) != Some(shape) {
                return Err(damaged(
                    object,
                    format!("tensor {name} is missing or misshapen"),
                ));
            }
        }
    }
    Ok(())
}

fn mismatch(object: &str, tensor: String, reason: String) -> CheckpointError {
    CheckpointError::Mismatch {
        object: object.to_owned(),
        tensor,
        reason,
    }
}

#[cfg(test)]
mod tests;
