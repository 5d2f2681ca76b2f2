//! What the records of foreign names take, and which give way when there is no room.
//!
//! Anybody may bring records, and they may be valid for years. So the place of each is only lent: where there is no
//! room for another one, the one gives way that was neither brought nor asked for the longest. The names of this node's
//! own cores are not among them.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use kubelt_store::{Store, Tx, TxError};

use super::FOREIGN;
use crate::{
    StoreError,
    limits::{IPNS_BYTES_MAX, IPNS_RECORDS_MAX},
};

/// When each foreign record was brought, by the multihash of the name: milliseconds since the Unix epoch.
const BROUGHT: &str = "ipns-brought";

/// When names were asked for last, by the multihash of the name; kept in memory only.
pub(super) type Asked = HashMap<Bytes, u64>;

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) room: Room,
    bytes: usize,
    /// Date and bytes of each record, by the multihash of its name.
    records: HashMap<Bytes, (u64, usize)>,
    /// The same by date.
    by_date: BTreeSet<(u64, Bytes)>,
}

impl Kept {
    /// What a store keeps.
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        let room = Room { records: IPNS_RECORDS_MAX, bytes: IPNS_BYTES_MAX };
        let mut kept = Self { room, bytes: 0, records: HashMap::new(), by_date: BTreeSet::new() };
        for row in store.meta_scan(FOREIGN, &[], None) {
            let (key, record) = row?;
            let date = store.meta(BROUGHT, &key)?.and_then(|date| date.as_ref().try_into().ok());
            kept.insert(Bytes::copy_from_slice(&key), date.map_or(0, u64::from_be_bytes), record.len());
        }
        Ok(kept)
    }

    /// Puts a record of a name in, in `tx` too, and takes out what has to give way for it.
    pub(super) fn put(
        &mut self,
        tx: &mut Tx,
        key: &Bytes,
        record: &[u8],
        now_ms: u64,
        asked: &mut Asked,
    ) -> Result<(), TxError> {
        self.remove(key);
        while !self.records.is_empty() && !self.has_room(record.len()) {
            let Some(oldest) = self.oldest(asked) else { break };
            tx.put_meta(FOREIGN, &oldest, None)?;
            tx.put_meta(BROUGHT, &oldest, None)?;
            self.remove(&oldest);
            asked.remove(&oldest);
        }
        tx.put_meta(FOREIGN, key, Some(record))?;
        tx.put_meta(BROUGHT, key, Some(&now_ms.to_be_bytes()))?;
        self.insert(key.clone(), now_ms, record.len());
        Ok(())
    }

    /// Takes a record out, in `tx` too.
    pub(super) fn forget(&mut self, tx: &mut Tx, key: &Bytes, asked: &mut Asked) -> Result<(), TxError> {
        self.remove(key);
        asked.remove(key);
        tx.put_meta(FOREIGN, key, None)?;
        tx.put_meta(BROUGHT, key, None)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.records.len() < self.room.records && self.bytes + bytes <= self.room.bytes
    }

    /// The record that was neither brought nor asked for the longest.
    fn oldest(&mut self, asked: &Asked) -> Option<Bytes> {
        loop {
            let (date, key) = self.by_date.first()?.clone();
            match asked.get(&key).filter(|asked| **asked > date) {
                None => return Some(key),
                // It was asked for since: its date is that one, and it gives way when it is the oldest then.
                Some(asked) => {
                    let bytes = self.remove(&key);
                    self.insert(key, *asked, bytes);
                }
            }
        }
    }

    fn insert(&mut self, key: Bytes, date: u64, bytes: usize) {
        self.by_date.insert((date, key.clone()));
        self.records.insert(key, (date, bytes));
        self.bytes += bytes;
    }

    fn remove(&mut self, key: &Bytes) -> usize {
        let Some((date, bytes)) = self.records.remove(key) else { return 0 };
        self.by_date.remove(&(date, key.clone()));
        self.bytes -= bytes;
        bytes
    }
}
