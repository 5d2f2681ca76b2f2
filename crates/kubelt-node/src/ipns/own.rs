//! Names of this node's own cores.
//!
//! A core's name points to its public root: a directory of all its public paths that are open to IPFS, or, where
//! its setting `config/ipns` says `{path: "site"}`, to what is public at that path. The directory is made of
//! blocks that nobody uploaded; they are stored for the core and named by [`OWN_ROOT`], so that anybody may have
//! them. Whatever changes a public path takes that name away in its own transaction ([`retire`]), so that what
//! was unpublished cannot be reached by it any more, and counts up the core's generation. A rebuild reads first,
//! then commits while nobody writes, and only if the generation is still the one that it began with.

use std::{sync::Arc, time::Duration};

use cid::Cid;
use ipld_core::ipld::Ipld;
use kubelt_content::{
    Block,
    ipns::{CreateError, Generations, Name, NewRecord, Record, SecretKey},
    read::{Blocks as _, resolve},
};
use kubelt_core::{
    CoreId, MapPath, codec,
    limits::VALUE_BYTES_MAX,
    schema::{Exit, Visibility},
};
use kubelt_store::{CommitError, Store, Tx, TxError};
use serde::{Deserialize, Serialize};

use super::{
    Ipns, key,
    tree::{Tree, TreeError},
};
use crate::{
    StoreError,
    blocks::{ReachedBlocks, Within},
    clock::random,
    collect::{Job, enqueue},
    content::content_path,
    doors::Door,
    limits::{OWN_REBUILDS_MAX, OWN_RECORD_LIFE, OWN_RECORD_RENEWED_WITH, OWN_RECORD_TTL},
    names::{self, named, public},
};

/// Where a core's public root is named: no path of the map, and always open.
pub(crate) const OWN_ROOT: &str = "ipns/root";
/// The setting that chooses what a core's name points to.
const SETTING: &str = "config/ipns";

/// The seed of a core's key, by core.
const KEYS: &str = "ipns-key";
/// The core of a name, by the name's multihash.
const CORES: &str = "ipns-core";
/// [`OwnRoot`], by core.
pub(super) const ROOTS: &str = "ipns-root";
/// [`OwnRecord`], by core.
pub(super) const RECORDS: &str = "ipns-own";
const VERSION: u8 = 1;
const ROW_BYTES_MAX: usize = 16 * 1_024;

/// How a core's public root stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRoot {
    v: u8,
    /// Grows with every change of what is public.
    generation: u64,
    /// Whether the record says what is public now.
    fresh: bool,
    /// Whether a core above let nobody through when it was made.
    #[serde(default)]
    barred: bool,
    /// The directory that is named now.
    root: Option<Cid>,
}

/// The last record of a core's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRecord {
    v: u8,
    sequence: u64,
    value: String,
    /// Whether the core publishes anything now; else the record is given to nobody.
    published: bool,
    #[serde(with = "serde_bytes")]
    record: Vec<u8>,
}

/// What a name points to.
enum Target {
    Nothing,
    /// Nothing, because a core above lets nobody through.
    Barred,
    Content(Cid),
    Directory {
        root: Cid,
        blocks: Vec<Block>,
        partial: bool,
    },
}

/// Why the name of a core could not be had.
#[derive(Debug, thiserror::Error)]
pub enum OwnNameError {
    /// Its public paths make no directory.
    #[error("the public root of core `{core}` cannot be built")]
    Tree {
        /// The core.
        core: CoreId,
        /// Why not.
        source: TreeError,
    },
    /// A record could not be made.
    #[error("the record of a name cannot be made")]
    Record(#[from] CreateError),
    /// The core is written to faster than its root can be built.
    #[error("the public root changes faster than it is built; try again")]
    Busy,
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

/// Takes away the name of a core's public root, because what is public changes in this transaction. Only the
/// core's one writer may call this.
pub(crate) fn retire(tx: &mut Tx, core: &CoreId) -> Result<(), TxError> {
    let mut row = tx.meta(ROOTS, core.digest())?.and_then(|row| decode_root(&row)).unwrap_or_default();
    if let Some(root) = row.root.take() {
        names::unname(tx, &root, core, &own_root())?;
        enqueue(tx, 0, &Job::Root { core: *core, root })?;
    }
    row.generation += 1;
    row.fresh = false;
    tx.put_meta(ROOTS, core.digest(), Some(&codec::encode(&row)))
}

/// Whether a change at `path` of the map changes what a core's name points to.
pub(crate) fn concerns(path: &MapPath) -> bool {
    path.as_str() == SETTING
}

/// A row's key in the table of public roots, and the root that a core's name points to.
type OwnRootRow = (Vec<u8>, Option<Cid>);

/// The public roots of all cores, from the first after the row `after`.
pub(crate) fn own_roots(
    store: &Store,
    after: Option<&[u8]>,
) -> impl Iterator<Item = Result<OwnRootRow, StoreError>> + use<> {
    store.meta_scan(ROOTS, &[], after).map(|row| {
        let (key, row) = row?;
        Ok((key.to_vec(), decode_root(&row).and_then(|row| row.root)))
    })
}

impl Ipns {
    /// The name of a core, made where it has none yet.
    ///
    /// # Errors
    /// [`OwnNameError`] when the store fails.
    pub async fn name_of(&self, core: &CoreId) -> Result<Name, OwnNameError> {
        Ok(self.key_of(core).await?.name())
    }

    /// The core of one of the node's own names.
    pub(super) fn core_of(&self, name: &Name) -> Result<Option<CoreId>, StoreError> {
        let core = self.0.store.meta(CORES, &key(name))?;
        Ok(core.and_then(|core| Some(CoreId::from_digest(core.as_ref().try_into().ok()?))))
    }

    /// The record of a core's name: what it publishes now, or none.
    pub(super) async fn own_record(&self, core: &CoreId) -> Result<Option<Record>, OwnNameError> {
        for _ in 0..OWN_REBUILDS_MAX {
            if let Some(standing) = self.standing(core)? {
                let published = standing.published.then(|| Record::decode(standing.record).ok());
                return Ok(published.flatten().filter(|record| record.validity_end() >= self.now()));
            }
            self.refresh(core).await?;
        }
        Err(OwnNameError::Busy)
    }

    /// The last record, where it says what is public now and need not be renewed before it is given out.
    pub(super) fn standing(&self, core: &CoreId) -> Result<Option<OwnRecord>, StoreError> {
        let root = self.own_root(core)?;
        let record = if self.is_fresh(core, &root)? { self.last_record(core)? } else { None };
        let now = self.now();
        let is_over =
            |record: &OwnRecord| record.published && record.validity_end().is_none_or(|end| end < now);
        // Looked at again, since it may have changed between the two.
        let same = self.own_root(core)?.generation == root.generation;
        Ok(record.filter(|record| same && !is_over(record)))
    }

    /// Whether the record of a core must be made anew: it is behind what is public, or under half its life is left.
    pub(super) fn is_due(&self, core: &CoreId) -> Result<bool, StoreError> {
        if !self.is_fresh(core, &self.own_root(core)?)? {
            return Ok(true);
        }
        let Some(record) = self.last_record(core)? else { return Ok(true) };
        let renewed_from = self.now() + OWN_RECORD_RENEWED_WITH;
        Ok(record.published && record.validity_end().is_none_or(|end| end < renewed_from))
    }

    /// Makes a core's record say what is public now, and lets anybody have its public root.
    pub(super) async fn refresh(&self, core: &CoreId) -> Result<(), OwnNameError> {
        let (this, core) = (self.clone(), *core);
        // A task of its own: nobody else may write to the core before this is committed, though who asked goes away.
        let refreshing = tokio::spawn(async move {
            let lane = usize::from(core.digest()[0]) % this.0.rebuilding.len();
            let _one = this.0.rebuilding[lane].lock().await;
            this.refresh_now(core).await
        });
        refreshing.await.unwrap_or(Err(OwnNameError::Busy))
    }

    async fn refresh_now(&self, core: CoreId) -> Result<(), OwnNameError> {
        let secret = Arc::new(self.key_of(&core).await?);
        for attempt in 0..OWN_REBUILDS_MAX {
            if !self.is_due(&core)? {
                return Ok(());
            }
            let generation = self.own_root(&core)?.generation;
            let building = {
                let this = self.clone();
                move || this.target(&core)
            };
            let (this, secret) = (self.clone(), Arc::clone(&secret));
            // At last with the writers held up, so that it comes to an end.
            let made = if attempt + 1 < OWN_REBUILDS_MAX {
                let target = tokio::task::spawn_blocking(building).await.expect("building does not panic")?;
                self.0
                    .cores
                    .commit_alone(&core, move || this.commit(&core, generation, target, &secret))
                    .await
            } else {
                let commit = move || {
                    let generation = this.own_root(&core)?.generation;
                    this.commit(&core, generation, building()?, &secret)
                };
                self.0.cores.commit_alone(&core, commit).await
            };
            match made {
                Ok(true) => return Ok(()),
                // The collector took a block meanwhile that the directory has again: it is put anew.
                Ok(false)
                | Err(OwnNameError::Commit(CommitError::BlockForgotten | CommitError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the core's name points to now.
    fn target(&self, core: &CoreId) -> Result<Target, OwnNameError> {
        let store = &self.0.store;
        let door = self.0.doors.read(core, Exit::Ipfs)?;
        if door.is_barred() {
            return Ok(Target::Barred);
        }
        if let Some(path) = self.setting(core)? {
            return Ok(self.public_at(core, &door, &path)?.map_or(Target::Nothing, Target::Content));
        }
        let (mut tree, mut partial, mut is_empty) = (Tree::default(), false, true);
        for row in public(store, core, door, None, None) {
            let (path, named) = row?;
            (is_empty, partial) = (false, partial || named.partial);
            tree.insert(&path, &named);
        }
        if is_empty {
            return Ok(Target::Nothing);
        }
        let within = if partial { Within::partial(*core) } else { Within::WHOLE };
        let built = tree.build(&ReachedBlocks::new(store.clone(), within, Arc::default()));
        let built = built.map_err(|source| OwnNameError::Tree { core: *core, source })?;
        Ok(Target::Directory { root: built.root, blocks: built.blocks, partial })
    }

    /// What follows the core's name on the way to `segments` of its content; none where the name leads elsewhere.
    pub(crate) fn behind(
        &self,
        core: &CoreId,
        segments: &[String],
    ) -> Result<Option<Vec<String>>, StoreError> {
        let base = self.setting(core)?.unwrap_or_default();
        Ok(segments.strip_prefix(base.as_slice()).map(<[String]>::to_vec))
    }

    /// The path that the core's setting names; none where it has none, or one that cannot be read.
    fn setting(&self, core: &CoreId) -> Result<Option<Vec<String>>, StoreError> {
        let path = MapPath::new(SETTING).expect("a constant path");
        let Some(state) = self.0.store.state(core, &path)? else { return Ok(None) };
        let Ok(Ipld::Map(fields)) = codec::decode(&state.value, VALUE_BYTES_MAX, "value") else {
            return Ok(None);
        };
        let Some(Ipld::String(path)) = fields.get("path") else { return Ok(None) };
        let path = path.strip_prefix("content/").unwrap_or(path);
        Ok(Some(path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()))
    }

    /// What is public and open at a path, or below a path that is.
    fn public_at(&self, core: &CoreId, door: &Door, segments: &[String]) -> Result<Option<Cid>, StoreError> {
        for taken in (1..=segments.len()).rev() {
            let (head, rest) = segments.split_at(taken);
            let Ok(path) = content_path(head) else { return Ok(None) };
            let Some(named) = named(&self.0.store, core, &path)? else { continue };
            if named.visibility != Visibility::Public || !door.is_open(&path) {
                continue;
            }
            let within = if named.partial { Within::partial(*core) } else { Within::WHOLE };
            let blocks = ReachedBlocks::new(self.0.store.clone(), within, Arc::default());
            if rest.is_empty() {
                return Ok(Some(named.root));
            }
            if let Ok(node) = resolve(&blocks, &named.root, rest) {
                return Ok(blocks.block(&node.cid).is_ok().then_some(node.cid));
            }
        }
        Ok(None)
    }

    /// The transaction that makes `target` the core's public root; none where something has changed meanwhile. Runs
    /// while nobody writes to the core.
    fn commit(
        &self,
        core: &CoreId,
        generation: u64,
        target: Target,
        secret: &SecretKey,
    ) -> Result<Option<Tx>, OwnNameError> {
        let store = &self.0.store;
        let before = self.own_root(core)?;
        if before.generation != generation {
            return Ok(None);
        }
        let mut tx = store.begin();
        let own = own_root();
        if let Some(root) = before.root {
            names::unname(&mut tx, &root, core, &own)?;
            enqueue(&mut tx, 0, &Job::Root { core: *core, root })?;
        }
        let (mut root, barred) = (None, matches!(target, Target::Barred));
        let value = match target {
            Target::Nothing | Target::Barred => None,
            Target::Content(cid) => Some(cid),
            Target::Directory { root: cid, blocks, partial } => {
                let cids: Vec<Cid> = blocks.iter().map(|block| *block.cid()).collect();
                for block in blocks {
                    let (cid, data) = block.into_parts();
                    tx.put_block(core, &cid, data)?;
                }
                tx.reach(core, &cid, &cids)?;
                tx.link(&cid, &cids)?;
                names::name(&mut tx, &cid, core, &own, Visibility::Public, partial)?;
                root = Some(cid);
                Some(cid)
            }
        };
        let row = OwnRoot { v: VERSION, generation, fresh: true, barred, root };
        tx.put_meta(ROOTS, core.digest(), Some(&codec::encode(&row)))?;
        let record = self.next_record(core, value, secret)?;
        tx.put_meta(RECORDS, core.digest(), Some(&codec::encode(&record)))?;
        Ok(Some(tx))
    }

    fn next_record(
        &self,
        core: &CoreId,
        value: Option<Cid>,
        secret: &SecretKey,
    ) -> Result<OwnRecord, OwnNameError> {
        let last = self.last_record(core)?;
        let Some(cid) = value else {
            let none =
                OwnRecord { v: VERSION, sequence: 0, value: String::new(), published: false, record: vec![] };
            return Ok(OwnRecord { published: false, ..last.unwrap_or(none) });
        };
        let value = format!("/ipfs/{cid}");
        // The same value with a later end is a renewal, for which the sequence stays (IPNS specification, "Record
        // Fields"); readers take the later end.
        let sequence = match &last {
            Some(last) if last.value == value => last.sequence,
            Some(last) if !last.record.is_empty() => last.sequence + 1,
            _ => 0,
        };
        let end = self.now() + OWN_RECORD_LIFE;
        let new = NewRecord { value: value.as_bytes(), sequence, validity_end: end, ttl: OWN_RECORD_TTL };
        let record = Record::create(secret, &new, Generations::V1AndV2)?.encode().to_vec();
        Ok(OwnRecord { v: VERSION, sequence, value, published: true, record })
    }

    /// The key of a core, made where it has none yet.
    async fn key_of(&self, core: &CoreId) -> Result<SecretKey, OwnNameError> {
        let read = || -> Result<Option<SecretKey>, StoreError> {
            let seed = self.0.store.meta(KEYS, core.digest())?;
            Ok(seed.and_then(|seed| Some(SecretKey::from_seed(seed.as_ref().try_into().ok()?))))
        };
        if let Some(secret) = read()? {
            return Ok(secret);
        }
        // Nobody else may make one meanwhile.
        let _one = self.0.making_keys.lock().await;
        if let Some(secret) = read()? {
            return Ok(secret);
        }
        let seed: [u8; 32] = random();
        let secret = SecretKey::from_seed(&seed);
        let mut tx = self.0.store.begin();
        tx.put_meta(KEYS, core.digest(), Some(&seed))?;
        tx.put_meta(CORES, &key(&secret.name()), Some(core.digest()))?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Whether a root says what is public now. What changes in the core itself makes it behind by a note of its own; what
    /// changes above is looked up.
    fn is_fresh(&self, core: &CoreId, root: &OwnRoot) -> Result<bool, StoreError> {
        Ok(root.fresh && root.barred == self.0.doors.of(core, Exit::Ipfs)?.is_barred())
    }

    fn own_root(&self, core: &CoreId) -> Result<OwnRoot, StoreError> {
        read_root(&self.0.store, core)
    }

    fn last_record(&self, core: &CoreId) -> Result<Option<OwnRecord>, StoreError> {
        let row = self.0.store.meta(RECORDS, core.digest())?;
        Ok(row.and_then(|row| codec::decode(&row, ROW_BYTES_MAX, "own record").ok()))
    }
}

impl OwnRecord {
    pub(super) const fn published(&self) -> bool {
        self.published
    }

    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }

    fn validity_end(&self) -> Option<Duration> {
        Record::decode(self.record.clone()).ok().map(|record| record.validity_end())
    }
}

impl Default for OwnRoot {
    fn default() -> Self {
        Self { v: VERSION, generation: 0, fresh: false, barred: false, root: None }
    }
}

fn read_root(store: &Store, core: &CoreId) -> Result<OwnRoot, StoreError> {
    let row = store.meta(ROOTS, core.digest())?;
    Ok(row.and_then(|row| decode_root(&row)).unwrap_or_default())
}

fn decode_root(row: &[u8]) -> Option<OwnRoot> {
    codec::decode(row, ROW_BYTES_MAX, "own root").ok()
}

fn own_root() -> MapPath {
    MapPath::new(OWN_ROOT).expect("a constant path")
}
