//! The way to other nodes that replication uses: the transport that an address names.

use kubelt_node::{DialError, Dialer, Dialling, NodeAddress, PeerStream};

use crate::direct::{Direct, is_direct};

/// Connects to nodes by whatever their address says.
#[derive(Debug, Clone)]
pub struct NodeDialer {
    direct: Direct,
    /// Where this node is reached.
    own: Vec<String>,
}

impl NodeDialer {
    /// A dialer of a node that is reached at these addresses.
    pub const fn new(direct: Direct, own: Vec<String>) -> Self {
        Self { direct, own }
    }
}

impl Dialer for NodeDialer {
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(async move {
            if is_direct(address) {
                let stream = self.direct.dial(address).await?;
                return Ok(Box::new(stream) as Box<dyn PeerStream>);
            }
            Err(DialError(
                "only addresses of TLS over TCP, `/ip4/…/tcp/…/tls/p2p/12D3…`, are connected to".to_owned(),
            ))
        })
    }

    fn reached_at(&self) -> Vec<String> {
        self.own.clone()
    }
}
