//! Addresses of nodes: multiaddrs that end in the id of the node that must be there.

use std::{fmt, str::FromStr};

use kubelt_core::{EnsNameError, PublicKey, limits::HOST_ADDRESS_BYTES_MAX};

use crate::identity::peer_key;

/// Where a node is, and which: `/ip4/192.0.2.1/tcp/4749/tls/p2p/12D3…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeAddress {
    /// The whole address, the id at its end.
    pub text: String,
    /// The node's key, which its id is.
    pub peer: PublicKey,
}

/// Text that names no node, and no place to look for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no address.
    #[error(
        "`{0}` is not the address of a node; write `/ip4/192.0.2.1/tcp/4749/tls/p2p/12D3…`, as that node prints it"
    )]
    Form(String),
    /// It is no name.
    #[error(transparent)]
    Name(#[from] EnsNameError),
}

impl NodeAddress {
    /// The address without the node's id.
    pub fn place(&self) -> &str {
        self.text.rsplit_once("/p2p/").map_or(self.text.as_str(), |(place, _)| place)
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refused = || AddressError::Form(text.chars().take(128).flat_map(char::escape_default).collect());
        let sound = text.starts_with('/')
            && text.len() <= HOST_ADDRESS_BYTES_MAX
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        let (place, id) = text.rsplit_once("/p2p/").filter(|_| sound).ok_or_else(refused)?;
        if place.is_empty() {
            return Err(refused());
        }
        let peer = peer_key(id).ok_or_else(refused)?;
        Ok(Self { text: text.to_owned(), peer })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::NodeAddress;
    use crate::NodeKey;

    #[test]
    fn an_address_names_its_node() {
        let key = NodeKey::from_seed([7; 32]);
        let text = format!("/ip4/192.0.2.1/tcp/4749/tls/p2p/{}", key.peer_id());
        let address: NodeAddress = text.parse().expect("an address");
        assert_eq!((address.peer, address.place()), (key.public(), "/ip4/192.0.2.1/tcp/4749/tls"));
        for bad in
            ["", "/", "/ip4/192.0.2.1/tcp/1/tls", "/p2p/12D3", "x/p2p/12D3", &format!("{text}x"), &text[1..]]
        {
            assert!(bad.parse::<NodeAddress>().is_err(), "{bad}");
        }
    }
}
