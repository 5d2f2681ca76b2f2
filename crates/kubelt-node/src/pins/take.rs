//! From a queued pin to a whole one: blocks that are visible on this node to whoever pins become possessions of
//! the core.
//!
//! A block is visible by a root that some path opens to the reader, as for every other read; what is private
//! elsewhere is as missing as what nobody has. All of it runs in the background and behind one bound, so that
//! no answer waits for it.

use std::collections::HashSet;

use cid::Cid;
use kubelt_content::read::{ReadError, Walk, WalkError, WalkLimits};
use kubelt_core::{CoreId, MapPath};
use kubelt_store::CommitError;

use super::{Pins, looks::Look};
use crate::{
    StoreError,
    access::Reader,
    blocks::{BlockError, PossessedBlocks, Within},
    content::{ContentError, Incomplete, UploadError},
    fetch::{FetchProgress, Fetched},
    limits::{
        DAG_BLOCKS_MAX, LINKS_PER_COMMIT, PIN_FETCHES_MAX, PIN_FETCHES_PER_CORE_MAX, PIN_MISSING_MAX,
        PIN_ROUNDS_MAX, PIN_WAYS_REMEMBERED_MAX, PINS_PER_ARRIVAL_MAX,
    },
    names::named,
};

pub(super) const LOOKING: &str = "the node looks for the blocks";
pub(super) const WAITS: &str = "blocks are missing: upload them as a CAR to this core, or wait until they are public on this node or a peer has them";
pub(super) const GAVE_UP: &str =
    "blocks are missing, and nobody brought them in time; upload them, or pin again";
const NO_ROOM: &str = "the core's quota is used up";
const TOO_LARGE: &str = "the content has more blocks than a pin may have";

/// Why pins failed, by core and path: the CID that failed, a zero byte, and the reason.
const TROUBLE: &str = "pin-trouble";

/// What became of one look.
#[derive(Debug)]
enum Outcome {
    Whole,
    Waits,
    Failed(String),
}

impl Pins {
    /// Looks for the blocks of a pin in the background, unless that was done a moment ago.
    pub(super) fn take(&self, core: &CoreId, path: MapPath, reader: Reader) {
        let look = Look { core: *core, path, reader };
        if !self.shared.looks.lock().ask(look, self.clock.now_ms()) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let next = this.shared.looks.lock().next();
                let Some(Look { core, path, reader }) = next else { return };
                let waits = this.look(&core, &path, &reader).await;
                match waits {
                    true if this.fetcher.can_fetch() => this.fetch(core, path.clone(), reader),
                    true => {}
                    false => this.shared.retries.lock().forget(&core, &path),
                }
                this.shared.looks.lock().done(&core, &path);
            }
        });
    }

    /// Blocks came to a core: pins that wait for some may be whole now.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn blocks_came(&self, core: &CoreId) -> Result<(), StoreError> {
        let (this, from) = (self.clone(), *core);
        let waiting = tokio::task::spawn_blocking(move || {
            let mut waiting = Vec::new();
            this.each(&from, |path, _, entry| {
                let opened = named(&this.store, &from, path)?;
                let waits = opened.is_none_or(|opened| opened.root != entry.cid);
                // Without its root nothing that was uploaded makes a pin whole.
                if waits && waiting.len() < PIN_MISSING_MAX && this.store.possesses(&from, &entry.cid)? {
                    waiting.push(path.clone());
                }
                Ok(())
            })?;
            Ok::<_, StoreError>(waiting)
        });
        // What is more than a few waits for its turn among the pins of everybody: an upload must not cost the node
        // thousands of looks.
        for (i, path) in waiting.await.expect("looking for pins does not panic")?.into_iter().enumerate() {
            if i < PINS_PER_ARRIVAL_MAX {
                self.look(core, &path, &Reader::Anonymous).await;
            } else {
                self.take(core, path, Reader::Anonymous);
            }
        }
        Ok(())
    }

    /// Brings the blocks of a pin from elsewhere, in the background.
    fn fetch(&self, core: CoreId, path: MapPath, reader: Reader) {
        let key = (core, path);
        let progress = FetchProgress::default();
        {
            let mut fetches = self.shared.fetches.lock();
            let of_core = fetches.keys().filter(|(one, _)| *one == core).count();
            if fetches.contains_key(&key) {
                return;
            }
            if fetches.len() >= PIN_FETCHES_MAX || of_core >= PIN_FETCHES_PER_CORE_MAX {
                return self.put_off(key);
            }
            fetches.insert(key.clone(), progress.clone());
        }
        let this = self.clone();
        tokio::spawn(async move {
            let waits = this.fetched(&key.0, &key.1, &reader, &progress).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the blocks of a pin could not be fetched");
                true
            });
            if !waits {
                this.remember(key.clone(), progress);
            }
            this.shared.fetches.lock().remove(&key);
            match waits {
                true => this.put_off(key),
                false => this.shared.retries.lock().forget(&key.0, &key.1),
            }
        });
    }

    /// Remembers for a while by which ways a pin has come.
    fn remember(&self, key: (CoreId, MapPath), progress: FetchProgress) {
        let mut fetched = self.shared.fetched.lock();
        fetched.retain(|(other, _)| *other != key);
        if fetched.len() >= PIN_WAYS_REMEMBERED_MAX {
            fetched.pop_front();
        }
        fetched.push_back((key, progress));
    }

    /// By which ways a pin has come that is whole; none where it was here, or where that is long past.
    pub(super) fn came(&self, core: &CoreId, path: &MapPath) -> Option<String> {
        let key = (*core, path.clone());
        let last = self.shared.fetches.lock().get(&key).cloned();
        let remembered = || {
            let fetched = self.shared.fetched.lock();
            fetched.iter().find(|(other, _)| *other == key).map(|(_, progress)| progress.clone())
        };
        let progress = last.or_else(remembered)?;
        (progress.fetched() > 0).then(|| progress.text_of_end())
    }

    /// Looks for a pin again after a while.
    fn put_off(&self, (core, path): (CoreId, MapPath)) {
        self.shared.retries.lock().put_off(core, path, self.clock.now_ms());
    }

    /// Brings what can be had of a pin; whether it still lacks something that others may have later.
    async fn fetched(
        &self,
        core: &CoreId,
        path: &MapPath,
        reader: &Reader,
        progress: &FetchProgress,
    ) -> Result<bool, UploadError> {
        let Some((_, entry)) = self.entry(core, path)? else { return Ok(false) };
        let is_wanted = || matches!(self.entry(core, path), Ok(Some((_, now))) if now.cid == entry.cid);
        let trouble = match self.fetcher.dag(core, &entry.cid, reader, progress, &is_wanted).await {
            Err(UploadError::Commit(CommitError::Quota(_))) => NO_ROOM,
            Err(error) => return Err(error),
            Ok(Fetched::TooLarge) => TOO_LARGE,
            Ok(Fetched::Stopped) => return Ok(false),
            Ok(Fetched::Missing(_)) if progress.fetched() == 0 => return Ok(true),
            Ok(Fetched::Whole | Fetched::Missing(_)) => {
                return Ok(self.look(core, path, reader).await);
            }
        };
        self.note(core, path, &entry.cid, Some(trouble.to_owned())).await?;
        Ok(false)
    }

    /// What is being done for a pin; none where nothing is.
    pub(super) fn taking(&self, core: &CoreId, path: &MapPath) -> Option<String> {
        let fetching = self.shared.fetches.lock().get(&(*core, path.clone())).map(FetchProgress::text);
        fetching.or_else(|| self.shared.looks.lock().is_open(core, path).then(|| LOOKING.to_owned()))
    }

    /// Whether blocks are being looked for at all.
    pub fn is_busy(&self) -> bool {
        self.shared.looks.lock().is_busy() || !self.shared.fetches.lock().is_empty()
    }

    /// Why a pin of this CID failed at this path, where it did.
    pub(super) fn trouble(
        &self,
        core: &CoreId,
        path: &MapPath,
        cid: &Cid,
    ) -> Result<Option<String>, StoreError> {
        let Some(row) = self.store.meta(TROUBLE, &key(core, path))? else { return Ok(None) };
        let reason = row.strip_prefix(cid.to_bytes().as_slice()).and_then(|rest| rest.strip_prefix(&[0]));
        Ok(reason.map(|reason| String::from_utf8_lossy(reason).into_owned()))
    }

    /// One look for the blocks of a pin; whether it has to wait for some.
    async fn look(&self, core: &CoreId, path: &MapPath, reader: &Reader) -> bool {
        let Ok(Some((_, entry))) = self.entry(core, path) else { return false };
        let cid = entry.cid;
        let outcome = match self.gather(core, &cid, reader).await {
            Ok(Outcome::Whole) => match self.cores.reopen(core, vec![path.clone()]).await {
                Ok(()) => Outcome::Whole,
                Err(error) => {
                    tracing::warn!(%error, "a pin that is whole could not be opened");
                    Outcome::Waits
                }
            },
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, "the blocks of a pin could not be looked for");
                Outcome::Waits
            }
        };
        let waits = matches!(outcome, Outcome::Waits);
        let reason = match outcome {
            Outcome::Failed(reason) => Some(reason),
            Outcome::Whole | Outcome::Waits => None,
        };
        if let Err(error) = self.note(core, path, &cid, reason).await {
            tracing::warn!(%error, "why a pin failed could not be noted");
        }
        waits
    }

    async fn note(
        &self,
        core: &CoreId,
        path: &MapPath,
        cid: &Cid,
        reason: Option<String>,
    ) -> Result<(), UploadError> {
        if self.trouble(core, path, cid)? == reason {
            return Ok(());
        }
        let row = reason.map(|reason| [cid.to_bytes().as_slice(), &[0], reason.as_bytes()].concat());
        let mut tx = self.store.begin();
        tx.put_meta(TROUBLE, &key(core, path), row.as_deref())?;
        Ok(tx.commit().await?)
    }

    /// Takes what can be had of a DAG, until it is whole or nothing more can be had.
    async fn gather(&self, core: &CoreId, root: &Cid, reader: &Reader) -> Result<Outcome, UploadError> {
        for _ in 0..PIN_ROUNDS_MAX {
            match self.content.make_whole(core, root).await {
                Ok(()) => {
                    // Pins are public unless told otherwise; of one that is not this opens nothing.
                    self.content.show(core, root).await?;
                    return Ok(Outcome::Whole);
                }
                Err(Incomplete::Missing(_)) => {}
                Err(Incomplete::Malformed(error)) => {
                    return Ok(Outcome::Failed(format!("the content cannot be pinned: {error}")));
                }
                Err(error) => return Err(error.into()),
            }
            match self.take_visible(core, root, reader).await {
                Ok(0) => return Ok(Outcome::Waits),
                Ok(_) => {}
                Err(UploadError::Commit(CommitError::Quota(_))) => {
                    return Ok(Outcome::Failed(NO_ROOM.to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::Waits)
    }

    /// Takes possession of what lies below the first missing blocks of a DAG, where `reader` may see them; gives
    /// how many blocks.
    async fn take_visible(&self, core: &CoreId, root: &Cid, reader: &Reader) -> Result<u64, UploadError> {
        let (this, from, top) = (self.clone(), *core, *root);
        let missing = tokio::task::spawn_blocking(move || this.missing(&from, &top)).await;
        let mut taken = 0;
        for cid in missing.expect("walking does not panic")? {
            let let_in = match self.content.let_in(reader, &cid).await {
                Ok(let_in) => let_in,
                Err(ContentError::Store(error)) => return Err(error.into()),
                Err(ContentError::Load(error)) => return Err(error.into()),
                Err(_unreadable) => None,
            };
            if let Some((_, within)) = let_in {
                taken += self.take_below(core, &cid, within).await?;
            }
        }
        Ok(taken)
    }

    /// The blocks that the core lacks of a DAG, those that it can know of, `PIN_MISSING_MAX` at most.
    fn missing(&self, core: &CoreId, root: &Cid) -> Result<Vec<Cid>, StoreError> {
        let blocks = PossessedBlocks { store: &self.store, core: *core };
        let mut walk = Walk::new([*root], limits());
        let mut missing = Vec::new();
        let mut seen = HashSet::new();
        loop {
            match walk.next(&blocks) {
                Ok(Some(_)) => {}
                Err(WalkError::Read(ReadError::Source(BlockError::Missing(cid)))) => {
                    if seen.insert(*cid) {
                        missing.push(*cid);
                    }
                    if missing.len() >= PIN_MISSING_MAX {
                        return Ok(missing);
                    }
                }
                Err(WalkError::Read(ReadError::Source(BlockError::Store(error)))) => return Err(error),
                Ok(None) | Err(_) => return Ok(missing),
            }
        }
    }

    /// Takes possession of what lies below a block that the reader was let in to.
    async fn take_below(&self, core: &CoreId, top: &Cid, within: Within) -> Result<u64, UploadError> {
        let (blocks, top) = (self.content.blocks(&within), *top);
        let walked = tokio::task::spawn_blocking(move || {
            let mut walk = Walk::new([top], limits());
            let mut reached = Vec::new();
            loop {
                match walk.next(&blocks) {
                    Ok(Some(visit)) => reached.push(visit.cid),
                    // Missing or denied: as far as this one goes there is nothing to take.
                    Err(WalkError::Read(ReadError::Source(BlockError::Missing(_)))) => {}
                    Ok(None) | Err(_) => return reached,
                }
            }
        });
        let mut taken = 0;
        for piece in walked.await.expect("walking does not panic").chunks(LINKS_PER_COMMIT) {
            let mut tx = self.store.begin();
            tx.enforce_quota(core);
            tx.set_stamp(self.content.stamps.next());
            for cid in piece {
                if !self.store.possesses(core, cid)? && tx.possess(core, cid)? {
                    taken += 1;
                }
            }
            tx.commit().await?;
        }
        Ok(taken)
    }
}

fn limits() -> WalkLimits {
    WalkLimits { blocks_max: DAG_BLOCKS_MAX, ..WalkLimits::default() }
}

fn key(core: &CoreId, path: &MapPath) -> Vec<u8> {
    [core.digest().as_slice(), path.as_str().as_bytes()].concat()
}
