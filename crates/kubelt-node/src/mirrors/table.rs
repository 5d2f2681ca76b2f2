//! The rows: which accounts mirror which cores, and from where.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kubelt_core::{CoreId, codec};
use kubelt_store::Store;
use serde::{Deserialize, Serialize};

use super::{MirrorError, Mirrors};
use crate::{StoreError, limits::mirrors::MIRROR_BYTES_MAX};

/// By the private core of the account, and the core.
const ROWS: &str = "mirror";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    v: u8,
    /// Addresses of nodes that hold the core.
    sources: Vec<String>,
    /// Seconds between two looks; none where changes come live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every_s: Option<u64>,
}

/// What an account has asked for: the nodes to take it from, and how long to wait between two looks.
pub(super) type Wish = (Vec<String>, Option<Duration>);

pub(super) fn rows_of(store: &Store, account: &CoreId) -> Result<BTreeMap<CoreId, Wish>, StoreError> {
    let mut found = BTreeMap::new();
    for row in store.meta_scan(ROWS, account.digest(), None) {
        let (key, row) = row?;
        found.extend(read_key(&key).map(|(_, core)| core).zip(read(&row)));
    }
    Ok(found)
}

impl Mirrors {
    pub(super) fn row(&self, account: &CoreId, core: &CoreId) -> Result<Option<Wish>, StoreError> {
        Ok(self.0.shelves.store.meta(ROWS, &key(account, core))?.and_then(|row| read(&row)))
    }

    /// Writes down what an account has asked for, or that it asks for it no more.
    pub(super) async fn put_row(
        &self,
        account: &CoreId,
        core: &CoreId,
        wish: Option<Wish>,
    ) -> Result<(), MirrorError> {
        let row = wish.map(|(sources, every)| {
            codec::encode(&Row { v: 1, sources, every_s: every.map(|every| every.as_secs()) })
        });
        let mut tx = self.0.shelves.store.begin();
        tx.put_meta(ROWS, &key(account, core), row.as_deref())?;
        Ok(tx.commit().await?)
    }

    /// All cores that anybody has asked for.
    pub(super) fn all_wanted(&self) -> Result<BTreeSet<CoreId>, StoreError> {
        let rows = self.0.shelves.store.meta_scan(ROWS, &[], None);
        rows.filter_map(|row| row.map(|(key, _)| Some(read_key(&key)?.1)).transpose()).collect()
    }

    /// What all who mirror a core have asked for together: every source, and live where one wants that.
    pub(super) fn wanted(&self, core: &CoreId) -> Result<Option<Wish>, StoreError> {
        let mut all: Option<(BTreeSet<String>, Option<Duration>)> = None;
        for row in self.0.shelves.store.meta_scan(ROWS, &[], None) {
            let (key, row) = row?;
            let Some((sources, every)) =
                read(&row).filter(|_| read_key(&key).is_some_and(|(_, of)| of == *core))
            else {
                continue;
            };
            all = Some(match all {
                None => (sources.into_iter().collect(), every),
                Some((mut known, often)) => {
                    known.extend(sources);
                    (known, every.zip(often).map(|(a, b)| a.min(b)))
                }
            });
        }
        Ok(all.map(|(sources, every)| (sources.into_iter().collect(), every)))
    }
}

fn key(account: &CoreId, core: &CoreId) -> Vec<u8> {
    [account.digest().as_slice(), core.digest()].concat()
}

fn read_key(key: &[u8]) -> Option<(CoreId, CoreId)> {
    let (account, core) = key.split_first_chunk::<32>()?;
    Some((CoreId::from_digest(*account), CoreId::from_digest(core.try_into().ok()?)))
}

fn read(row: &[u8]) -> Option<Wish> {
    let Row { sources, every_s, .. } = codec::decode(row, MIRROR_BYTES_MAX, "mirror").ok()?;
    Some((sources, every_s.map(Duration::from_secs)))
}
