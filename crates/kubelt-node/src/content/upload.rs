//! Content written: who may, and how a path is given to what was taken in.

use std::sync::Arc;

use cid::Cid;
use kubelt_content::{
    car::CarError,
    read::{NodeKind, stat},
};
use kubelt_core::{
    Act, CoreId, MapPath, OpId, Verb,
    schema::{ContentEntry, Visibility},
};
use kubelt_store::{CommitError, TxError};

use super::{Content, Incomplete, PREFIX, how_whole};
use crate::{
    StoreError,
    blocks::PossessedBlocks,
    cores::LoadError,
    names::named,
    session::Session,
    write::{Write, WriteError, Written, content_entry},
};

/// The media type of content whose writer gave none; readers then guess by its name.
pub(crate) const UNKNOWN_MEDIA_TYPE: &str = "application/octet-stream";
/// The media type of directories.
const DIRECTORY_MEDIA_TYPE: &str = "inode/directory";

/// Where content goes, and who may read it there.
#[derive(Debug, Clone)]
pub struct Target {
    /// The path in the core's map: `content/…`.
    pub path: MapPath,
    /// Who may read it.
    pub visibility: Visibility,
    /// Whether the path is to be opened though blocks of its DAG are missing, as far as it is there.
    pub partial: bool,
    /// Its media type, where the writer knows it.
    pub media_type: Option<String>,
}

/// Content that was written.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its CID.
    pub cid: Cid,
    /// Bytes of the file, or of all files of the directory.
    pub size: u64,
    /// The operation that wrote it.
    pub op: OpId,
}

/// Why content was not written. Nothing of it can be read then.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The session or its account may not write there.
    #[error("you may not write at `{0}` in this core")]
    Forbidden(String),
    /// Nothing that this reader may know of.
    #[error("there is nothing here that you may write to")]
    NotFound,
    /// Content as a plain value.
    #[error("content is written through `/-/content/`, not as a value")]
    ContentPath,
    /// A DAG that is not whole.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The operation was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The CAR is not sound.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Content {
    /// Whether the session may write at `path`.
    ///
    /// # Errors
    /// [`UploadError::NotFound`] where the account has no part in the core at all,
    /// [`UploadError::Forbidden`] where it has, but not this one.
    pub async fn may_write(
        &self,
        session: &Session,
        core: &CoreId,
        path: &MapPath,
    ) -> Result<(), UploadError> {
        self.check_part(session, core).await?;
        let allowed = session.covers(core, Verb::Put, Some(path))
            && self.cores.may(core, session.account(), Verb::Put, Some(path)).await?;
        if allowed { Ok(()) } else { Err(UploadError::Forbidden(path.to_string())) }
    }

    /// A session that was handed nothing in the core, or whose account has no part in it, learns nothing of it.
    /// (The first is known without the core's log, however long it takes to read.)
    async fn check_part(&self, session: &Session, core: &CoreId) -> Result<(), UploadError> {
        let handed = session.login.abilities.contains_key(core);
        if handed && self.cores.has_part(core, session.account()).await? {
            return Ok(());
        }
        Err(UploadError::NotFound)
    }

    /// Whether the session may upload blocks to the core: it may write some content there.
    ///
    /// # Errors
    /// As [`Content::may_write`].
    pub async fn may_upload(&self, session: &Session, core: &CoreId) -> Result<(), UploadError> {
        self.check_part(session, core).await?;
        // Where exactly is judged when a path is given to what was uploaded.
        let puts =
            session.login.abilities.get(core).into_iter().flatten().any(|ability| ability.verb == Verb::Put);
        if puts { Ok(()) } else { Err(UploadError::Forbidden(PREFIX.to_owned())) }
    }

    /// The CIDs among `cids` whose blocks this core has never uploaded.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn missing(&self, core: &CoreId, cids: &[Cid]) -> Result<Vec<Cid>, StoreError> {
        // Whoever asks counts on what is there: it is stamped before it is looked at.
        let mut tx = self.store.begin();
        tx.set_stamp(self.stamps.next());
        let touched = cids.iter().try_for_each(|cid| tx.touch(core, cid).map(drop));
        if touched.is_ok()
            && let Err(error) = tx.commit().await
        {
            tracing::debug!(%error, "possessions were not stamped; what was asked for may have to be asked for again");
        }
        let mut missing = Vec::new();
        for cid in cids {
            if !self.store.possesses(core, cid)? {
                missing.push(*cid);
            }
        }
        Ok(missing)
    }

    /// Opens the content of a core that has become whole since its operations were taken in; gives the
    /// paths of which blocks are still missing.
    ///
    /// # Errors
    /// [`UploadError`] when something could not be read or committed.
    pub(crate) async fn settle(&self, core: &CoreId) -> Result<Vec<MapPath>, UploadError> {
        let base = MapPath::new(PREFIX).expect("a plain word is a path");
        let (mut whole, mut incomplete) = (Vec::new(), Vec::new());
        let mut after = None;
        loop {
            let page = self.store.state_scan(core, Some(&base), after.as_ref(), 256)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (path, state) in page {
                let Some(entry) = content_entry(&state.value) else { continue };
                match self.make_ready(core, &entry).await {
                    Ok(()) if named(&self.store, core, &path)?.is_none() => whole.push(path),
                    Ok(()) => {}
                    Err(Incomplete::Missing(_) | Incomplete::Malformed(_)) => incomplete.push(path),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if !whole.is_empty() {
            self.cores.reopen(core, whole).await?;
        }
        Ok(incomplete)
    }

    /// Opens what stands at a path, where an operation that its maker signed elsewhere has put it there, and the core has
    /// its blocks. What they are not all here of stays closed: an operation may name any CID.
    ///
    /// # Errors
    /// [`UploadError`] when something could not be read or committed, or there is no room for what it takes.
    pub(crate) async fn open_at(&self, core: &CoreId, path: &MapPath) -> Result<(), UploadError> {
        let Some(state) = self.store.state(core, path)? else { return Ok(()) };
        let Some(entry) = content_entry(&state.value) else { return Ok(()) };
        if named(&self.store, core, path)?.is_some_and(|named| named.op == state.id) {
            return Ok(());
        }
        match self.make_ready(core, &entry).await {
            Ok(()) => Ok(self.cores.reopen(core, vec![path.clone()]).await?),
            Err(Incomplete::Missing(_) | Incomplete::Malformed(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a DAG ready to be opened as an entry says.
    async fn make_ready(&self, core: &CoreId, entry: &ContentEntry) -> Result<(), Incomplete> {
        match entry.partial {
            true => self.make_partial(core, &entry.cid).await.map(|_missing| ())?,
            false => self.make_whole(core, &entry.cid).await?,
        }
        if entry.visibility == Visibility::Public { self.show(core, &entry.cid).await } else { Ok(()) }
    }

    /// Gives a path to a DAG whose blocks this core has uploaded. The caller has asked
    /// [`Content::may_write`].
    ///
    /// # Errors
    /// [`UploadError::Incomplete`] names a block that is missing.
    pub async fn link(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        target: Target,
        cid: Cid,
    ) -> Result<Stored, UploadError> {
        let (path, entry) = (target.path.clone(), entry_of(target, cid, 0));
        self.put_entry(session, core, path, entry).await
    }

    /// Gives a path an entry that says more than a [`Target`] does. Its size is counted here, whatever it says. The
    /// caller has asked [`Content::may_write`].
    ///
    /// # Errors
    /// As [`Content::link`].
    pub async fn put_entry(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        path: MapPath,
        entry: ContentEntry,
    ) -> Result<Stored, UploadError> {
        let entry = self.prepare(core, entry).await?;
        self.put_ready(session, core, path, entry).await
    }

    /// The act that would give a path to a DAG, for those who must ask others first. Its blocks are kept for as long as
    /// uploads are, and longer once a request is about them.
    ///
    /// # Errors
    /// As [`Content::link`].
    pub async fn act_of_link(&self, core: &CoreId, target: Target, cid: Cid) -> Result<Act, UploadError> {
        let (path, entry) = (target.path.clone(), entry_of(target, cid, 0));
        self.act_of_entry(core, path, entry).await
    }

    /// The same with a whole entry, such as one of sealed content.
    ///
    /// # Errors
    /// As [`Content::link`].
    pub async fn act_of_entry(
        &self,
        core: &CoreId,
        path: MapPath,
        entry: ContentEntry,
    ) -> Result<Act, UploadError> {
        Ok(Act::Put { path, value: self.prepare(core, entry).await?.to_ipld() })
    }

    /// Makes a DAG ready to be opened at a path; gives its entry with its bytes counted.
    async fn prepare(&self, core: &CoreId, mut entry: ContentEntry) -> Result<ContentEntry, UploadError> {
        let cid = entry.cid;
        if entry.partial {
            self.make_partial(core, &cid).await?;
        } else {
            self.make_whole(core, &cid).await?;
        }
        if entry.visibility == Visibility::Public {
            self.show(core, &cid).await?;
        }
        let (size, media_type) = self.describe(core, &cid)?;
        entry.size = size;
        entry.media_type = media_type.map_or(entry.media_type, str::to_owned);
        Ok(entry)
    }

    /// Bytes of content whose root the core possesses, and the media type of a directory.
    pub(crate) fn describe(
        &self,
        core: &CoreId,
        cid: &Cid,
    ) -> Result<(u64, Option<&'static str>), StoreError> {
        Ok(match stat(&PossessedBlocks { store: &self.store, core: *core }, cid) {
            Ok(node) => match node.kind {
                NodeKind::File { size } => (size, None),
                NodeKind::Directory { .. } => (node.dag_size, Some(DIRECTORY_MEDIA_TYPE)),
                NodeKind::Symlink { target } => (target.len() as u64, None),
            },
            Err(_not_unixfs) => (self.store.block_len(cid)?.map_or(0, u64::from), None),
        })
    }

    /// Clears a path. The caller has asked [`Content::may_write`].
    ///
    /// # Errors
    /// [`UploadError::Write`] when the operation was refused.
    pub async fn remove(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        path: MapPath,
    ) -> Result<Written, UploadError> {
        let act = Act::Put { path, value: kubelt_content::Ipld::Null };
        Ok(self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?)
    }

    pub(super) async fn put(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        target: Target,
        cid: Cid,
        size: u64,
    ) -> Result<Stored, UploadError> {
        let (path, entry) = (target.path.clone(), entry_of(target, cid, size));
        self.put_ready(session, core, path, entry).await
    }

    async fn put_ready(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        path: MapPath,
        entry: ContentEntry,
    ) -> Result<Stored, UploadError> {
        let ContentEntry { cid, size, partial, .. } = entry;
        let act = Act::Put { path: path.clone(), value: entry.to_ipld() };
        let written = self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?;
        if how_whole(&self.store, core, &cid)?.is_none() {
            // Collected between its linking and its naming. Now that it is kept, that cannot happen again.
            match partial {
                true => self.make_partial(core, &cid).await.map(drop)?,
                false => self.make_whole(core, &cid).await?,
            }
            self.cores.reopen(core, vec![path]).await?;
        }
        Ok(Stored { cid, size, op: written.id })
    }
}

fn entry_of(target: Target, cid: Cid, size: u64) -> ContentEntry {
    let media_type = target.media_type.unwrap_or_else(|| UNKNOWN_MEDIA_TYPE.to_owned());
    let mut entry = ContentEntry::new(cid, size, media_type, target.visibility);
    entry.partial = target.partial;
    entry
}
