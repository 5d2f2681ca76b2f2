//! IPNS on this node: records of foreign names, and the names of its own cores.
//!
//! A foreign record is taken from anybody who has a valid one, kept while it is valid and given to anybody:
//! whoever signs it is not asked who they are. Of two records of one name the better one stays, so an old one
//! cannot be brought back.
//!
//! Every core has a name here that follows what it publishes ([`own`]). The key is the node's, one for each core,
//! kept in the node's own records and in nothing that leaves it.

mod own;
mod stale;
mod tree;
mod worker;

use std::{cmp::Ordering, sync::Arc, time::Duration};

use kubelt_content::ipns::{Name, Record, RecordError, ValidateError};
use kubelt_store::{CommitError, Store, TxError};
use tokio::sync::{Mutex, OnceCell};

pub use self::own::OwnNameError;
pub(crate) use self::{
    own::{OWN_ROOT, concerns, retire},
    stale::Stale,
};
use crate::{
    StoreError,
    clock::Clock,
    cores::Cores,
    exposures::Exposures,
    limits::{IPNS_BYTES_MAX, IPNS_RECORDS_MAX},
};

/// Records of foreign names, by the multihash of the name.
const FOREIGN: &str = "ipns";

/// IPNS records of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ipns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    cores: Cores,
    exposures: Exposures,
    stale: Arc<Stale>,
    /// One writer of foreign records at a time: the better record is looked for before one is written. It holds
    /// what all of them take, once that was counted.
    foreign: Mutex<OnceCell<Kept>>,
    /// One maker of keys at a time.
    making_keys: Mutex<()>,
    /// One rebuild of a name at a time.
    rebuilding: [Mutex<()>; 16],
}

/// What the foreign records take.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    records: usize,
    bytes: usize,
}

/// Why a record was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PutRecordError {
    /// Not a record.
    #[error("the record cannot be read")]
    Record(#[from] RecordError),
    /// A record, but no valid one of this name.
    #[error("the record is not a valid one of this name")]
    Invalid(#[from] ValidateError),
    /// There is a better one.
    #[error(
        "a newer record of this name is here already, with sequence `{sequence}`; publish with a greater one"
    )]
    Older {
        /// The sequence of the one that is here.
        sequence: u64,
    },
    /// No room for further names.
    #[error("the node keeps as many records of other names as it may; try again when some have expired")]
    Full,
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Ipns {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        cores: Cores,
        exposures: Exposures,
        stale: Arc<Stale>,
    ) -> Self {
        let (foreign, making_keys, rebuilding) = (Mutex::default(), Mutex::default(), Default::default());
        Self(Arc::new(Inner { store, clock, cores, exposures, stale, foreign, making_keys, rebuilding }))
    }

    /// The valid record of a name that is here: of a foreign one as it was put, of a core's own name one that
    /// says what the core publishes now.
    ///
    /// # Errors
    /// Only when the store or the rebuild of an own name fails.
    pub async fn record(&self, name: &Name) -> Result<Option<Record>, OwnNameError> {
        if let Some(core) = self.core_of(name)? {
            return self.own_record(&core).await;
        }
        Ok(self.foreign(name)?.filter(|record| record.validity_end() >= self.now()))
    }

    /// Keeps a record of a name, if it is valid and better than what is here. Durable when it returns.
    ///
    /// # Errors
    /// [`PutRecordError`] says which rule it breaks.
    pub async fn put(&self, name: &Name, record: Record) -> Result<(), PutRecordError> {
        record.validate(name, self.now())?;
        let Inner { store, foreign, .. } = &*self.0;
        let mut kept = foreign.lock().await;
        if self.core_of(name)?.is_some() {
            // Only this node has the key: whatever it signed, it holds.
            return Ok(());
        }
        let before = self.foreign(name)?;
        if let Some(before) = &before {
            match record.compare(before) {
                Ordering::Greater => {}
                Ordering::Equal => return Ok(()),
                Ordering::Less => return Err(PutRecordError::Older { sequence: before.sequence() }),
            }
        }
        kept.get_or_try_init(async || self.count_foreign()).await?;
        let kept = kept.get_mut().expect("counted just now");
        let (old_bytes, bytes) = (before.as_ref().map_or(0, |record| record.encode().len()), record.encode());
        let after = Kept {
            records: kept.records + usize::from(before.is_none()),
            bytes: kept.bytes - old_bytes.min(kept.bytes) + bytes.len(),
        };
        if after.records > IPNS_RECORDS_MAX || after.bytes > IPNS_BYTES_MAX {
            return Err(PutRecordError::Full);
        }
        let mut tx = store.begin();
        tx.put_meta(FOREIGN, &key(name), Some(bytes))?;
        tx.commit().await?;
        *kept = after;
        Ok(())
    }

    /// Forgets foreign records that have expired.
    async fn forget_expired(&self) -> Result<(), PutRecordError> {
        let mut kept = self.0.foreign.lock().await;
        let (now, mut left, mut tx) = (self.now(), Kept::default(), self.0.store.begin());
        for row in self.0.store.meta_scan(FOREIGN, &[], None) {
            let (key, bytes) = row?;
            match Record::decode(bytes.clone()) {
                Ok(record) if record.validity_end() >= now => {
                    left.records += 1;
                    left.bytes += bytes.len();
                }
                _ => tx.put_meta(FOREIGN, &key, None)?,
            }
        }
        tx.commit().await?;
        *kept = OnceCell::new_with(Some(left));
        Ok(())
    }

    fn count_foreign(&self) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        for row in self.0.store.meta_scan(FOREIGN, &[], None) {
            let (_key, bytes) = row?;
            kept.records += 1;
            kept.bytes += bytes.len();
        }
        Ok(kept)
    }

    /// The foreign record that is stored, expired or not.
    fn foreign(&self, name: &Name) -> Result<Option<Record>, StoreError> {
        let bytes = self.0.store.meta(FOREIGN, &key(name))?;
        Ok(bytes.and_then(|bytes| Record::decode(bytes).ok()))
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.clock.now_ms())
    }
}

/// The multihash of a name.
fn key(name: &Name) -> Vec<u8> {
    name.hash().to_bytes()
}

#[cfg(test)]
mod tests;
