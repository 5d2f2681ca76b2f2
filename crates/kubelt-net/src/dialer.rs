//! The way to other nodes that replication uses: the transport that an address names.

use kubelt_node::{DialError, Dialer, Dialling, NodeAddress, PeerStream};
use libp2p::Multiaddr;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

use crate::{
    Net,
    direct::{Direct, is_direct},
};

/// Connects to nodes by whatever their address says.
#[derive(Debug, Clone)]
pub struct NodeDialer {
    direct: Direct,
    net: Option<Net>,
    /// Where this node is reached.
    own: Vec<String>,
}

impl NodeDialer {
    /// A dialer of a node that is reached at these addresses.
    pub const fn new(direct: Direct, own: Vec<String>) -> Self {
        Self { direct, net: None, own }
    }

    /// Reaches nodes over libp2p, too.
    #[must_use]
    pub fn with_net(self, net: Net) -> Self {
        Self { net: Some(net), ..self }
    }

    async fn reach(&self, address: &NodeAddress) -> Result<Box<dyn PeerStream>, DialError> {
        if is_direct(address) {
            return Ok(Box::new(self.direct.dial(address).await?));
        }
        let net = self.net.as_ref().ok_or_else(|| {
            DialError(
                "addresses of TLS over TCP only, `/ip4/…/tcp/…/tls/p2p/12D3…`, are connected to".to_owned(),
            )
        })?;
        let place: Multiaddr = address
            .text
            .parse()
            .map_err(|error: libp2p::multiaddr::Error| DialError(format!("`{address}`: {error}")))?;
        let stream = net.replicate_with(place).await.map_err(|error| DialError(error.to_string()))?;
        Ok(Box::new(stream.compat()))
    }
}

impl Dialer for NodeDialer {
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(self.reach(address))
    }

    fn reached_at(&self) -> Vec<String> {
        self.own.clone()
    }
}
