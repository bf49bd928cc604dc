//! What each rank can do, exchanged before a communicator is made: whether all can use NCCL together is known before they try.

use super::raw::{NcclDevice, version_text};
use super::{Adding, NcclSettings};

/// What one rank can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capabilities {
    Tcp,
    Nccl {
        version: u32,
        adding: Adding,
        uuid: [u8; 16],
        /// Whether another rank may have the same device.
        shares: bool,
    },
}

/// The longest encoding.
pub(super) const LIMIT: u64 = 21;

impl Capabilities {
    pub(super) fn of(settings: &NcclSettings) -> Self {
        let device: &NcclDevice = &settings.device;
        Self::Nccl {
            version: device.version(),
            adding: settings.adding,
            uuid: device.uuid(),
            shares: device.can_be_shared(),
        }
    }

    /// The encoding: nothing for TCP, else version, how it adds and shares, and device.
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Tcp => Vec::new(),
            Self::Nccl {
                version,
                adding,
                uuid,
                shares,
            } => {
                let mut bytes = version.to_le_bytes().to_vec();
                bytes.push(u8::from(adding == Adding::Fast) | u8::from(shares) << 1);
                bytes.extend(uuid);
                bytes
            }
        }
    }

    /// Reads them; none if these bytes are no encoding.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Tcp);
        }
        let (version, [how, uuid @ ..]) = bytes.split_first_chunk()? else {
            return None;
        };
        let uuid = uuid.try_into().ok()?;
        let adding = match how & 1 {
            0 => Adding::Exact,
            _ => Adding::Fast,
        };
        Some(Self::Nccl {
            version: u32::from_le_bytes(*version),
            adding,
            uuid,
            shares: how & 2 != 0,
        })
    }
}

/// Whether all ranks can use NCCL together; the error says who cannot, in the same words on every rank.
pub(super) fn judge(capabilities: &[Capabilities]) -> Result<(), String> {
    let mut first = None;
    let mut seen: Vec<(usize, [u8; 16])> = Vec::new();
    for (rank, capability) in capabilities.iter().enumerate() {
        let Capabilities::Nccl {
            version,
            adding,
            uuid,
            shares,
        } = *capability
        else {
            return Err(format!("rank {rank} offers TCP alone"));
        };
        let (of_first, added_by_first) = *first.get_or_insert((version, adding));
        if version != of_first {
            let [ours, theirs] = [of_first, version].map(version_text);
            return Err(format!(
                "rank 0 has NCCL {ours} and rank {rank} has {theirs}"
            ));
        }
        if adding != added_by_first {
            return Err(format!("ranks 0 and {rank} reduce in different ways"));
        }
        let twin = seen.iter().find(|(_, device)| *device == uuid);
        if let Some((other, _)) = twin.filter(|_| !shares) {
            return Err(format!("ranks {other} and {rank} share one device"));
        }
        seen.push((rank, uuid));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(version: u32, device: u8) -> Capabilities {
        Capabilities::Nccl {
            version,
            adding: Adding::Exact,
            uuid: [device; 16],
            shares: false,
        }
    }

    #[test]
    fn capabilities_come_back_from_the_wire() {
        for (adding, shares) in [
            (Adding::Exact, false),
            (Adding::Fast, false),
            (Adding::Exact, true),
        ] {
            let capability = Capabilities::Nccl {
                version: 22_105,
                adding,
                uuid: std::array::from_fn(|at| at as u8),
                shares,
            };
            let bytes = capability.encode();
            assert_eq!(bytes.len() as u64, LIMIT);
            assert_eq!(Capabilities::decode(&bytes), Some(capability));
        }
        assert_eq!(
            Capabilities::decode(&Capabilities::Tcp.encode()),
            Some(Capabilities::Tcp)
        );
        assert_eq!(Capabilities::decode(&[1, 2, 3, 4, 5, 6]), None);
    }

    #[test]
    fn ranks_that_differ_are_named() {
        let reason = |capabilities: &[Capabilities]| judge(capabilities).unwrap_err();
        assert_eq!(
            judge(&[capability(22_105, 1), capability(22_105, 2)]),
            Ok(())
        );
        assert_eq!(
            reason(&[capability(22_105, 1), Capabilities::Tcp]),
            "rank 1 offers TCP alone"
        );
        assert_eq!(
            reason(&[capability(22_105, 1), capability(23_005, 2)]),
            "rank 0 has NCCL 2.21.5 and rank 1 has 2.30.5"
        );
        assert_eq!(
            reason(&[
                capability(22_105, 1),
                capability(22_105, 2),
                capability(22_105, 1)
            ]),
            "ranks 0 and 2 share one device"
        );
        let fast = Capabilities::Nccl {
            version: 22_105,
            adding: Adding::Fast,
            uuid: [2; 16],
            shares: false,
        };
        assert_eq!(
            reason(&[capability(22_105, 1), fast]),
            "ranks 0 and 1 reduce in different ways"
        );
    }
    #[test]
    fn ranks_share_a_device_where_the_later_one_may() {
        let shared = Capabilities::Nccl {
            version: 23_005,
            adding: Adding::Exact,
            uuid: [1; 16],
            shares: true,
        };
        assert_eq!(judge(&[shared, shared]), Ok(()));
        assert!(judge(&[shared, capability(23_005, 1)]).is_err());
    }
}
