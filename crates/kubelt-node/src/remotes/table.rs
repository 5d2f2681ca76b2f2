//! The rows: remotes that people of this node have added.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kubelt_core::{CheckedLogin, CoreId, Login, LoginId, PublicKey, Unchecked, codec};
use serde::{Deserialize, Serialize};

use super::{NodeAddress, RemoteNodeError, Remotes};
use crate::{
    StoreError,
    limits::{REMOTE_LOGINS_MAX, REMOTE_NODE_BYTES_MAX},
    session::Session,
};

/// By core and node key.
const ROWS: &str = "remote-node";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    v: u8,
    /// Where it is reached, the newest address last.
    addresses: Vec<String>,
    /// The sign-ins by which it was added, the newest last.
    #[serde(default)]
    logins: Vec<Word>,
}

/// A sign-in, and the private core of its account, where the sign-in itself is kept.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    account: CoreId,
    login: LoginId,
}

/// Addresses of one remote that are kept.
const ADDRESSES_MAX: usize = 8;

impl Remotes {
    /// The addresses of a remote that was added.
    pub(super) fn row(&self, core: &CoreId, peer: &PublicKey) -> Result<Option<Vec<String>>, StoreError> {
        let Some(key) = row_key(core, peer) else { return Ok(None) };
        Ok(self.0.store.meta(ROWS, &key)?.and_then(|row| read(&row)).map(|row| row.addresses))
    }

    /// All remotes of a core that were added, with their addresses.
    pub(super) fn rows(&self, core: &CoreId) -> Result<BTreeMap<PublicKey, Vec<String>>, StoreError> {
        let mut found = BTreeMap::new();
        for row in self.0.store.meta_scan(ROWS, core.digest(), None) {
            let (key, row) = row?;
            if let (Some((_, peer)), Some(row)) = (read_key(&key), read(&row)) {
                found.insert(peer, row.addresses);
            }
        }
        Ok(found)
    }

    /// Every core that has such a remote, and the remote.
    pub(super) fn all_rows(&self) -> Result<Vec<(CoreId, PublicKey)>, StoreError> {
        let rows = self.0.store.meta_scan(ROWS, &[], None);
        rows.filter_map(|row| row.map(|(key, _)| read_key(&key)).transpose()).collect()
    }

    /// Trusts the remotes of all rows, by the sign-ins that are kept with them.
    pub(super) fn trust_rows(&self) -> Result<(), StoreError> {
        for row in self.0.store.meta_scan(ROWS, &[], None) {
            let (key, row) = row?;
            let (Some((core, peer)), Some(row)) = (read_key(&key), read(&row)) else { continue };
            for Word { account, login } in row.logins {
                let Some(block) = self.0.store.login(&account, &login)? else { continue };
                let login = Login::decode(&block).ok();
                // Its signature was judged when it was stored.
                if let Some(Ok(outcome)) = login.map(|login| CheckedLogin::check(&login, &Unchecked)) {
                    self.0.replication.trust(core, peer, Arc::new(outcome.kept()));
                }
            }
        }
        Ok(())
    }

    /// Adds a sign-in, and an address where there is a new one, to a row.
    pub(super) async fn add_row(
        &self,
        core: &CoreId,
        peer: &PublicKey,
        address: Option<&NodeAddress>,
        session: &Session,
    ) -> Result<(), RemoteNodeError> {
        let Some(key) = row_key(core, peer) else { return Ok(()) };
        let known = self.0.store.meta(ROWS, &key)?.and_then(|row| read(&row));
        let mut row = known.unwrap_or(Row { v: 1, addresses: Vec::new(), logins: Vec::new() });
        if let Some(address) = address {
            newest(&mut row.addresses, address.text.clone(), ADDRESSES_MAX);
        }
        newest(&mut row.logins, Word { account: session.core, login: session.id() }, REMOTE_LOGINS_MAX);
        let mut tx = self.0.store.begin();
        tx.put_meta(ROWS, &key, Some(&codec::encode(&row)))?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn remove_row(&self, core: &CoreId, peer: &PublicKey) -> Result<(), RemoteNodeError> {
        let Some(key) = row_key(core, peer) else { return Ok(()) };
        let mut tx = self.0.store.begin();
        tx.put_meta(ROWS, &key, None)?;
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

/// Puts one at the end, where the oldest give way.
fn newest<T: PartialEq>(all: &mut Vec<T>, one: T, most: usize) {
    all.retain(|known| *known != one);
    all.push(one);
    let over = all.len().saturating_sub(most);
    all.drain(..over);
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

fn read(row: &[u8]) -> Option<Row> {
    codec::decode(row, REMOTE_NODE_BYTES_MAX, "remote").ok()
}
