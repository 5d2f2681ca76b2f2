//! The rows: remotes that people of this node have added.

use std::collections::{BTreeMap, BTreeSet};

use kubelt_core::{CoreId, PublicKey, codec};
use serde::{Deserialize, Serialize};

use super::{NodeAddress, RemoteNodeError, Remotes};
use crate::{StoreError, limits::REMOTE_NODE_BYTES_MAX};

/// By core and node key.
const ROWS: &str = "remote-node";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    v: u8,
    /// Where it is reached, the newest address last.
    addresses: Vec<String>,
}

/// Addresses of one remote that are kept.
const ADDRESSES_MAX: usize = 8;

impl Remotes {
    /// The addresses of a remote that was added.
    pub(super) fn row(&self, core: &CoreId, peer: &PublicKey) -> Result<Option<Vec<String>>, StoreError> {
        let Some(key) = row_key(core, peer) else { return Ok(None) };
        Ok(self.0.store.meta(ROWS, &key)?.and_then(|row| read(&row)))
    }

    /// All remotes of a core that were added, with their addresses.
    pub(super) fn rows(&self, core: &CoreId) -> Result<BTreeMap<PublicKey, Vec<String>>, StoreError> {
        let mut found = BTreeMap::new();
        for row in self.0.store.meta_scan(ROWS, core.digest(), None) {
            let (key, row) = row?;
            if let (Some((_, peer)), Some(addresses)) = (read_key(&key), read(&row)) {
                found.insert(peer, addresses);
            }
        }
        Ok(found)
    }

    /// Every core that has such a remote, and the remote.
    pub(super) fn all_rows(&self) -> Result<Vec<(CoreId, PublicKey)>, StoreError> {
        let rows = self.0.store.meta_scan(ROWS, &[], None);
        rows.filter_map(|row| row.map(|(key, _)| read_key(&key)).transpose()).collect()
    }

    /// Adds an address to a row, or removes the row.
    pub(super) async fn set_row(
        &self,
        core: &CoreId,
        peer: &PublicKey,
        address: Option<&NodeAddress>,
    ) -> Result<(), RemoteNodeError> {
        let Some(key) = row_key(core, peer) else { return Ok(()) };
        let mut tx = self.0.store.begin();
        let row = match address {
            None => None,
            Some(address) => {
                let mut addresses = self.row(core, peer)?.unwrap_or_default();
                addresses.retain(|known| *known != address.text);
                addresses.push(address.text.clone());
                let over = addresses.len().saturating_sub(ADDRESSES_MAX);
                addresses.drain(..over);
                Some(codec::encode(&Row { v: 1, addresses }))
            }
        };
        tx.put_meta(ROWS, &key, row.as_deref())?;
        tx.commit().await?;
        Ok(())
    }

    /// The nodes that this one is to exchange a core with, and where they are: rows of its own, and, where the core's
    /// map names this node, the others that it names.
    pub(super) fn wanted(
        &self,
        core: &CoreId,
    ) -> Result<BTreeMap<PublicKey, BTreeSet<String>>, RemoteNodeError> {
        let mut wanted: BTreeMap<PublicKey, BTreeSet<String>> = self
            .rows(core)?
            .into_iter()
            .map(|(peer, addresses)| (peer, addresses.into_iter().collect()))
            .collect();
        let Some(own) = self.0.identity.known() else { return Ok(wanted) };
        let hosts = self.hosts(core)?;
        let named = hosts.contains_key(&own);
        let own_host = hosts.get(&own).cloned();
        for (peer, host) in hosts {
            if self.rests(core, &host, own_host.as_ref()) && !wanted.contains_key(&peer) {
                continue;
            }
            if named || wanted.contains_key(&peer) {
                wanted.entry(peer).or_default().extend(host.addresses);
            }
        }
        wanted.remove(&own);
        wanted.retain(|_, addresses| !addresses.is_empty());
        Ok(wanted)
    }
}

fn row_key(core: &CoreId, peer: &PublicKey) -> Option<Vec<u8>> {
    match peer {
        PublicKey::Ed25519(key) => Some([core.digest().as_slice(), key].concat()),
        PublicKey::P256(_) => None,
    }
}

fn read_key(key: &[u8]) -> Option<(CoreId, PublicKey)> {
    let (core, peer) = key.split_first_chunk::<32>()?;
    let peer = PublicKey::ed25519(peer.try_into().ok()?).ok()?;
    Some((CoreId::from_digest(*core), peer))
}

fn read(row: &[u8]) -> Option<Vec<String>> {
    codec::decode::<Row>(row, REMOTE_NODE_BYTES_MAX, "remote").ok().map(|row| row.addresses)
}
