//! Pins: content that somebody wants kept, whether its blocks are here yet or not.
//!
//! A pin is an ordinary content entry of its core at `content/pins/<request id>`, signed like every write; name,
//! origins, metadata and date stand in the entry's `metadata`. So quota, visibility, collection and replication
//! are those of all content. What is added here is the life of a pin whose blocks are missing: the node looks
//! whether they are visible on it to whoever pins, and takes possession of those that are (`take.rs`).

mod list;
mod looks;
mod record;
mod retries;
mod take;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use cid::Cid;
use kubelt_content::{
    Ipld,
    read::{NodeKind, stat},
};
use kubelt_core::{Act, CoreId, MapPath, Verb, codec, limits::VALUE_BYTES_MAX, schema::Visibility};
use kubelt_store::Store;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

pub use list::{PinFilter, PinPage, TextMatch};
pub use record::{NewPin, Pin, PinLimit, PinStatus};

use crate::{
    StoreError,
    access::Reader,
    blocks::PossessedBlocks,
    clock::{Clock, random},
    content::{Content, UploadError},
    cores::{Cores, LoadError},
    fetch::{FetchProgress, Fetcher},
    limits::{PIN_CORES_CACHED_MAX, PIN_ID_BYTES_MAX},
    session::Session,
    worker::{Waker, Worker},
    write::{Write, WriteError, content_entry},
};

/// Where the pins of a core stand in its map.
pub(crate) const PINS: &str = "content/pins";
/// The setting of a core's pins: a map with the field `visibility`.
const SETTING: &str = "config/pins";
/// Locks that cores share while their pins are changed.
const CHANGING_LOCKS: usize = 64;

/// The pins of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Pins {
    store: Store,
    cores: Cores,
    content: Content,
    clock: Arc<dyn Clock>,
    fetcher: Fetcher,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Held while a pin of a core is added, replaced or removed.
    changing: [AsyncMutex<()>; CHANGING_LOCKS],
    /// The date of the newest pin of each core, in milliseconds since the Unix epoch: each pin has its own.
    newest_ms: Mutex<HashMap<CoreId, u64>>,
    /// Pins whose blocks are being looked for, or were a moment ago.
    looks: Mutex<looks::Looks>,
    /// Pins whose blocks are being fetched from elsewhere, and how far that is.
    fetches: Mutex<HashMap<(CoreId, MapPath), FetchProgress>>,
    /// Pins that were made whole by fetching of late, and by which ways: the newest last.
    fetched: Mutex<VecDeque<((CoreId, MapPath), FetchProgress)>>,
    /// Pins that are looked for again by themselves.
    retries: Mutex<retries::Retries>,
}

/// Why a pin was not made, changed or shown.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// No such pin, or none that this reader may know of.
    #[error("there is no such pin")]
    NotFound,
    /// The session may not read the pins of this core.
    #[error("you may not read the pins of this core")]
    Forbidden,
    /// The pin is over a limit.
    #[error(transparent)]
    Limit(#[from] PinLimit),
    /// The entry was refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl From<WriteError> for PinError {
    fn from(error: WriteError) -> Self {
        Self::Upload(error.into())
    }
}

impl Pins {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        content: Content,
        clock: Arc<dyn Clock>,
        fetcher: Fetcher,
    ) -> Self {
        let shared = Shared {
            changing: std::array::from_fn(|_| AsyncMutex::default()),
            newest_ms: Mutex::default(),
            looks: Mutex::default(),
            fetches: Mutex::default(),
            fetched: Mutex::default(),
            retries: Mutex::default(),
        };
        Self { store, cores, content, clock, fetcher, shared: Arc::new(shared) }
    }

    /// What looks again for pins that nobody had.
    pub(crate) fn worker(&self) -> Worker {
        let retrier = retries::Retrier { pins: self.clone(), unseen: Some(None) };
        Worker::new("pins", &Waker::default(), retrier)
    }

    /// Adds a pin. It is queued then; its blocks are looked for in the background, so that the answer tells
    /// nothing about blocks that others keep private.
    ///
    /// # Errors
    /// [`PinError`]; nothing was written then.
    pub async fn add(&self, session: &Arc<Session>, core: &CoreId, new: NewPin) -> Result<Pin, PinError> {
        self.put(session, core, None, new).await
    }

    /// Replaces a pin by a new one with an id of its own, in one step: blocks of both are never let go between.
    ///
    /// # Errors
    /// [`PinError::NotFound`] when there is no such pin, perhaps any more.
    pub async fn replace(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        id: &str,
        new: NewPin,
    ) -> Result<Pin, PinError> {
        self.put(session, core, Some(id), new).await
    }

    /// Removes a pin.
    ///
    /// # Errors
    /// [`PinError::NotFound`] when there is no such pin, perhaps any more.
    pub async fn remove(&self, session: &Arc<Session>, core: &CoreId, id: &str) -> Result<(), PinError> {
        let path = pin_path(id)?;
        self.content.may_write(session, core, &path).await?;
        let _changing = self.changing(core).lock().await;
        self.entry(core, &path)?.ok_or(PinError::NotFound)?;
        self.content.remove(session, core, path).await?;
        Ok(())
    }

    /// One pin.
    ///
    /// # Errors
    /// [`PinError::NotFound`] when there is none that the session may know of.
    pub async fn get(&self, session: &Arc<Session>, core: &CoreId, id: &str) -> Result<Pin, PinError> {
        let privately = self.may_read(session, core).await?;
        let path = pin_path(id)?;
        let (op_ms, entry) = self.entry(core, &path)?.ok_or(PinError::NotFound)?;
        if entry.visibility == Visibility::Private && !privately {
            return Err(PinError::NotFound);
        }
        let pin = self.pin(core, &path, op_ms, &entry)?;
        if matches!(pin.status, PinStatus::Queued | PinStatus::Failed) {
            // Whoever looks at a pin of somebody else lends it no eyes.
            self.take(core, path, Reader::Anonymous);
        }
        Ok(pin)
    }

    async fn put(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        replaced: Option<&str>,
        new: NewPin,
    ) -> Result<Pin, PinError> {
        let id = hex::encode(random::<16>());
        let path = pin_path(&id)?;
        self.content.may_write(session, core, &path).await?;
        let changing = self.changing(core).lock().await;
        let act = |path: MapPath, value| {
            let act = Act::Put { path, value };
            Write::Act { session: Arc::clone(session), act }
        };
        let mut writes = Vec::with_capacity(2);
        let created_ms = self.next_ms(core)?;
        let entry = new.entry(created_ms, self.visibility(core)?, self.size(core, &new.cid)?);
        writes.push(act(path.clone(), entry.to_ipld()));
        if let Some(old) = replaced {
            let old = pin_path(old)?;
            self.content.may_write(session, core, &old).await?;
            self.entry(core, &old)?.ok_or(PinError::NotFound)?;
            writes.push(act(old, Ipld::Null));
        }
        for written in self.cores.write_all(*core, writes).await {
            written?;
        }
        drop(changing);
        self.take(core, path.clone(), Reader::Session(Arc::clone(session)));
        Ok(Pin {
            id,
            pin: new,
            created_ms,
            status: PinStatus::Queued,
            details: Some(take::LOOKING.to_owned()),
        })
    }

    /// Whether the session may read the pins of the core; true where private ones are among them.
    async fn may_read(&self, session: &Session, core: &CoreId) -> Result<bool, PinError> {
        let base: MapPath = PINS.parse().expect("a constant path");
        let handed = session.login.abilities.contains_key(core);
        if !handed || !self.cores.has_part(core, session.account()).await? {
            return Err(PinError::NotFound);
        }
        let covered = session.covers(core, Verb::Read, Some(&base));
        if !covered || !self.cores.may(core, session.account(), Verb::Read, Some(&base)).await? {
            return Err(PinError::Forbidden);
        }
        Ok(self.cores.reads_private(core, session.account()).await?)
    }

    fn changing(&self, core: &CoreId) -> &AsyncMutex<()> {
        &self.shared.changing[usize::from(core.digest()[0]) % CHANGING_LOCKS]
    }

    /// A date that no pin of the core has. The caller holds the core's lock.
    fn next_ms(&self, core: &CoreId) -> Result<u64, StoreError> {
        let known = self.shared.newest_ms.lock().get(core).copied();
        let newest = match known {
            Some(newest) => newest,
            None => self.newest_ms(core)?,
        };
        let next = self.clock.now_ms().max(newest.saturating_add(1));
        let mut all = self.shared.newest_ms.lock();
        if all.len() >= PIN_CORES_CACHED_MAX {
            all.clear();
        }
        all.insert(*core, next);
        Ok(next)
    }

    /// Who may read new pins of the core, by its setting.
    fn visibility(&self, core: &CoreId) -> Result<Visibility, StoreError> {
        let path: MapPath = SETTING.parse().expect("a constant path");
        let Some(state) = self.store.state(core, &path)? else { return Ok(Visibility::Public) };
        let value: Option<Ipld> = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok();
        let word = match &value {
            Some(Ipld::Map(fields)) => fields.get("visibility"),
            _ => None,
        };
        let set = match word {
            Some(Ipld::String(word)) => word.parse().ok(),
            _ => None,
        };
        Ok(set.unwrap_or(Visibility::Public))
    }

    /// Bytes of the content where its root is here already, else 0.
    fn size(&self, core: &CoreId, cid: &Cid) -> Result<u64, StoreError> {
        if !self.store.possesses(core, cid)? {
            return Ok(0);
        }
        let blocks = PossessedBlocks { store: &self.store, core: *core };
        Ok(match stat(&blocks, cid).map(|node| (node.kind, node.dag_size)) {
            Ok((NodeKind::File { size }, _)) => size,
            Ok((NodeKind::Directory { .. }, dag_size)) => dag_size,
            Ok((NodeKind::Symlink { target }, _)) => target.len() as u64,
            Err(_not_unixfs) => self.store.block_len(cid)?.map_or(0, u64::from),
        })
    }

    fn entry(
        &self,
        core: &CoreId,
        path: &MapPath,
    ) -> Result<Option<(u64, kubelt_core::schema::ContentEntry)>, StoreError> {
        let state = self.store.state(core, path)?;
        Ok(state.and_then(|state| Some((state.at.ms(), content_entry(&state.value)?))))
    }
}

/// The path of a pin in the map. An id that is none is as unknown as any other.
fn pin_path(id: &str) -> Result<MapPath, PinError> {
    if id.is_empty() || id.len() > PIN_ID_BYTES_MAX || id.contains('/') {
        return Err(PinError::NotFound);
    }
    MapPath::new(format!("{PINS}/{id}")).map_err(|_no_path| PinError::NotFound)
}
