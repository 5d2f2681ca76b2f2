//! IPNS on this node: records of foreign names, and the names of its own cores.
//!
//! A foreign record is taken from anybody who has a valid one, kept while it is valid and given to anybody:
//! whoever signs it is not asked who they are. Of two records of one name the better one stays, so an old one
//! cannot be brought back. Where there is no room, those give way that nobody brought or asked for the longest
//! ([`foreign`]).
//!
//! Every core has a name here that follows what it publishes ([`own`]). The key is the node's, one for each core,
//! kept in the node's own records and in nothing that leaves it.

mod foreign;
mod own;
mod spread;
mod stale;
mod tree;
mod worker;

use std::{cmp::Ordering, sync::Arc, time::Duration};

use bytes::Bytes;
use kubelt_content::ipns::{Name, Record, RecordError, ValidateError};
use kubelt_store::{CommitError, Store, TxError};
use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, OnceCell};

use self::foreign::{Asked, Kept};
pub use self::own::OwnNameError;
pub(crate) use self::{
    own::{OWN_ROOT, concerns, own_roots, retire},
    stale::Stale,
};
use crate::{StoreError, clock::Clock, cores::Cores, doors::Doors, routing::NameRouting, worker::Waker};

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
    doors: Doors,
    stale: Arc<Stale>,
    /// One writer of foreign records at a time: the better record is looked for before one is written. It holds
    /// what all of them take, once that was counted.
    foreign: Mutex<OnceCell<Kept>>,
    /// When foreign names were asked for.
    asked: SyncMutex<Asked>,
    /// One maker of keys at a time.
    making_keys: Mutex<()>,
    /// One rebuild of a name at a time.
    rebuilding: [Mutex<()>; 16],
    /// Where records are given to other nodes, and who wakes the worker that does it.
    routing: NameRouting,
    spreading: Waker,
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
        doors: Doors,
        stale: Arc<Stale>,
    ) -> Self {
        let (foreign, asked) = (Mutex::default(), SyncMutex::default());
        let (making_keys, rebuilding) = (Mutex::default(), Default::default());
        let (routing, spreading) = (NameRouting::default(), Waker::default());
        Self(Arc::new(Inner {
            store,
            clock,
            cores,
            doors,
            stale,
            foreign,
            asked,
            making_keys,
            rebuilding,
            routing,
            spreading,
        }))
    }

    /// Where records come from and go to beyond this node.
    pub(crate) fn routing(&self) -> &NameRouting {
        &self.0.routing
    }

    /// Lets the worker that gives records to others look at once.
    pub(crate) fn spread_now(&self) {
        self.0.spreading.wake();
    }

    /// Whether a name is that of a core of this node.
    pub(crate) fn is_own(&self, name: &Name) -> Result<bool, StoreError> {
        Ok(self.core_of(name)?.is_some())
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
        let record = self.foreign(name)?.filter(|record| record.validity_end() >= self.now());
        if record.is_some() {
            // Only of names that are kept, so no more of them than of those.
            self.0.asked.lock().insert(key(name), self.0.clock.now_ms());
        }
        Ok(record)
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
        kept.get_or_try_init(async || Kept::read(store)).await?;
        let room = kept.get_mut().expect("read just now");
        let mut tx = store.begin();
        let now_ms = self.0.clock.now_ms();
        let put = room.put(&mut tx, &key(name), record.encode(), now_ms, &mut self.0.asked.lock());
        let done = match put {
            Ok(()) => tx.commit().await.map_err(PutRecordError::from),
            Err(error) => Err(error.into()),
        };
        if done.is_err() {
            // What was counted did not happen: it is read again.
            kept.take();
        }
        done
    }

    /// Forgets foreign records that have expired.
    async fn forget_expired(&self) -> Result<(), PutRecordError> {
        let mut kept = self.0.foreign.lock().await;
        // Read anew each time: what is in memory must not differ from what is there for ever.
        let (mut left, now, mut tx) = (Kept::read(&self.0.store)?, self.now(), self.0.store.begin());
        if let Some(kept) = kept.take() {
            left.room = kept.room;
        }
        for row in self.0.store.meta_scan(FOREIGN, &[], None) {
            let (key, bytes) = row?;
            let lives = Record::decode(bytes).is_ok_and(|record| record.validity_end() >= now);
            if !lives {
                left.forget(&mut tx, &key, &mut self.0.asked.lock())?;
            }
        }
        tx.commit().await?;
        *kept = OnceCell::new_with(Some(left));
        Ok(())
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
fn key(name: &Name) -> Bytes {
    name.hash().to_bytes().into()
}

#[cfg(test)]
mod tests;
