//! Forms the group of a generation: joins the mesh, agrees how vectors travel, and makes the communicator.

use tracing::{info, warn};

use super::capabilities::{Capabilities, LIMIT, judge};
use super::raw::{Communicator, ID_BYTES, UniqueId, version_text};
use super::{NcclError, NcclGroup, NcclSettings, Site, end, wait_until};
use crate::tcp::Call;
use crate::{
    CollectiveError, Membership, MeshPort, Operation, ProcessGroup, TcpGroup, TcpSettings,
};

/// How a rank would have its vectors travel.
#[derive(Debug, Clone)]
pub enum Link {
    /// Over the mesh.
    Tcp,
    /// Over NCCL where every rank can, else over the mesh.
    PreferNccl(NcclSettings),
    /// Over NCCL or not at all.
    DemandNccl(NcclSettings),
}

impl Link {
    fn settings(&self) -> Option<&NcclSettings> {
        match self {
            Self::Tcp => None,
            Self::PreferNccl(settings) | Self::DemandNccl(settings) => Some(settings),
        }
    }
}

/// Joins the group of a generation and links its ranks as all of them can.
///
/// Every rank tells the others what it has, so that all take the same link, also where their jobs say different things.
/// A world of one needs no link, and has one only where NCCL is demanded: then a demand that cannot be met is known before
/// others join. Where NCCL is preferred and fails on this machine, the next group goes over TCP.
///
/// # Errors
/// As [`TcpGroup::connect_with`], and `Nccl`: `Disunited` if NCCL is demanded and a rank lacks it, `Failed`, `Closed`
/// and `TimedOut` if the communicator does not come about, `Stuck` if it cannot be ended then.
pub fn form(
    port: &MeshPort,
    membership: &Membership,
    settings: TcpSettings,
    link: &Link,
) -> Result<Box<dyn ProcessGroup>, CollectiveError> {
    let control = TcpGroup::connect_with(port, membership, settings)?;
    if control.world_size() == 1 && !matches!(link, Link::DemandNccl(_)) {
        return Ok(Box::new(control));
    }
    let united =
        control.before_first_call(|group, call| compare_capabilities(group, call, link))?;
    let settings = match (link, united) {
        (Link::PreferNccl(settings) | Link::DemandNccl(settings), Ok(())) => settings.clone(),
        (Link::DemandNccl(_), Err(reason)) => {
            return Err(NcclError::Disunited { reason }.into());
        }
        (Link::PreferNccl(_), Err(reason)) => {
            info!(reason, "gradients go over TCP");
            return Ok(Box::new(control));
        }
        (Link::Tcp, _) => return Ok(Box::new(control)),
    };
    let communicator =
        control.before_first_call(|group, call| make_communicator(group, call, &settings));
    let communicator = communicator.inspect_err(|cause| decline(link, cause))?;
    let version = version_text(settings.device.version());
    info!(version, adding = ?settings.adding, "gradients go over NCCL");
    Ok(Box::new(NcclGroup {
        control,
        communicator,
        settings,
    }))
}

/// Tells every rank what this one has; the inner error is why they cannot use NCCL together.
fn compare_capabilities(
    group: &TcpGroup,
    call: &Call,
    link: &Link,
) -> Result<Result<(), String>, CollectiveError> {
    let settings = link.settings();
    if settings.is_some_and(|settings| settings.device.is_given_up()) {
        let cause = "an earlier group could not be left".to_owned();
        let waited = settings.map_or_else(Default::default, |settings| settings.abort_within);
        return Err(NcclError::Stuck { cause, waited }.into());
    }
    let working = settings.filter(|settings| !settings.device.is_declined());
    let mine = working.map_or(Capabilities::Tcp, Capabilities::of);
    let messages = call.send_all(&group.peers, &mine.encode(), LIMIT)?;
    let received = group.peers.iter().zip(&messages).map(|(peer, bytes)| {
        let wrong = || call.wrong_length(peer, LIMIT as usize, bytes.len());
        Capabilities::decode(bytes).ok_or_else(wrong)
    });
    let mut capabilities = received.collect::<Result<Vec<_>, _>>()?;
    capabilities.insert(group.rank(), mine);
    Ok(judge(&capabilities))
}

/// Where NCCL is a preference and no communicator can be made on this machine, the next group has no need to find out.
fn decline(link: &Link, cause: &CollectiveError) {
    let Link::PreferNccl(settings) = link else {
        return;
    };
    if let CollectiveError::Nccl(NcclError::Failed { fault, .. }) = cause
        && fault.is_local
    {
        settings.device.decline();
        warn!(%fault, "NCCL does not work here: from the next group on gradients go over TCP");
    }
}

/// Makes the communicator, and returns when every rank has its end of it.
fn make_communicator(
    group: &TcpGroup,
    call: &Call,
    settings: &NcclSettings,
) -> Result<Communicator, CollectiveError> {
    let site = Site {
        operation: Operation::Form,
        sequence: 0,
        bytes: ID_BYTES as u64,
    };
    let failed = |fault| CollectiveError::from(NcclError::Failed { site, fault });
    let mine = match group.rank() {
        0 => settings.device.unique_id().map_err(failed)?.0.to_vec(),
        _ => Vec::new(),
    };
    let mut messages = call.send_all(&group.peers, &mine, ID_BYTES as u64)?;
    let id = match group.rank() {
        0 => mine,
        // Peers are in rank order.
        _ => messages.swap_remove(0),
    };
    let wrong = |id: Vec<u8>| call.wrong_length(&group.peers[0], ID_BYTES, id.len());
    let id = <[u8; ID_BYTES]>::try_from(id).map_err(wrong)?;
    let (world, rank) = (group.world_size(), group.rank());
    let mut communicator =
        Communicator::open(&settings.device, UniqueId(id), world, rank).map_err(failed)?;
    let made = wait_until(group, call, site, || communicator.is_ready())
        .and_then(|()| call.barrier(&group.peers));
    match made {
        Ok(()) => Ok(communicator),
        Err(cause) => {
            group.leave();
            Err(end(&mut communicator, settings, cause))
        }
    }
}
