//! The way in over HTTP, as strangers find it.

use std::net::IpAddr;

use bytes::Bytes;

/// The node's public URL, and somebody who asks there as anybody would. It asks nowhere else: redirects are not
/// followed.
pub trait PublicDoor: Send + Sync + std::fmt::Debug {
    /// The URL that strangers use, without a slash at its end.
    fn url(&self) -> &str;

    /// Asks for the block at a path of that URL, given by its segments. It blocks, and bounds its time and its size.
    ///
    /// # Errors
    /// [`DoorError`] when there is no answer.
    fn block(&self, segments: &[&str]) -> Result<DoorAnswer, DoorError>;
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, where the status is 200.
    pub body: Bytes,
    /// From where the door can be reached.
    pub nearness: Nearness,
}

/// Nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DoorError(pub String);

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nearness {
    /// From everywhere.
    Everywhere,
    /// Only from the same network.
    Network,
    /// Only from this very machine.
    Machine,
}

impl Nearness {
    /// From where this address is reached, as far as it says.
    pub fn of(address: IpAddr) -> Self {
        let is_near = match address {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
            }
            IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        match address {
            _ if address.is_loopback() || address.is_unspecified() => Self::Machine,
            _ if is_near => Self::Network,
            _ => Self::Everywhere,
        }
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Network => "network",
            Self::Machine => "machine",
        }
    }
}
