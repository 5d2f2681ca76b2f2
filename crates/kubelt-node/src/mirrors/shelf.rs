//! One mirrored core: what is kept of it, and what of that is open.
//!
//! Nothing is kept that does not prove itself: each entry is a `put` signed by somebody who was entitled to it. In a shared core
//! that is judged by the log, which is kept without the bodies of puts; in a private or user core by the `put` alone.
//! What else is true of an entry, that nothing has replaced it, only the node it came from knows.
//!
//! All writes go through the one writer of the core's stand-in, and look there whether the core is still mirrored: one that
//! was under way when it ended leaves nothing behind.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use kubelt_content::denylist::Denylist;
use kubelt_core::{
    CoreId, Genesis, Log, LoginId, MapPath, OpId, Verb,
    log::{Entry, LoginFacts, Refusal, check_alone},
    schema::Exit,
};
use kubelt_store::{Store, Tx, TxError};

use super::{
    Shelves,
    rows::{self, MirroredEntry, Parts},
};
use crate::{
    StoreError,
    access::Access,
    collect::{Job, end_lease, enqueue},
    content::{Wholeness, how_whole},
    limits::mirrors::MIRROR_DROPS_PER_COMMIT,
    names::{named, public, set_name},
    replicate::Wanted,
    worker::WorkError,
    write::SignedOp,
};

/// Why something of a mirrored core was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// More than the quota of a core has room for.
    #[error("what is published and the log that proves it take over {0}, the quota of a core here")]
    Quota(String),
    /// An operation breaks a rule of the log.
    #[error("the log breaks a rule: {0}")]
    Rule(Box<Refusal>),
    /// What is kept of it cannot be read back.
    #[error("what is kept of the core cannot be read; remove the mirror and add it again")]
    Damaged,
    /// The core is not mirrored any more.
    #[error("the core is not mirrored any more")]
    Gone,
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// It could not be written down.
    #[error("it could not be written down")]
    Write(#[source] WorkError),
}

/// What is kept of one mirrored core.
#[derive(Debug)]
pub(crate) struct Shelf {
    shelves: Shelves,
    core: CoreId,
    stand_in: CoreId,
    genesis: Genesis,
    /// The log of a shared core.
    log: Option<Log>,
    held: BTreeMap<MapPath, Held>,
    paths: HashMap<OpId, MapPath>,
    /// Paths that are open.
    open: u64,
    ops: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Held {
    entry: MirroredEntry,
    is_open: bool,
}

impl Shelf {
    /// What is kept of a core so far.
    fn load(shelves: &Shelves, genesis: Genesis) -> Result<Self, ShelfError> {
        let (core, store) = (genesis.id(), &shelves.store);
        let stand_in = rows::stand_in(&core);
        let (mut held, mut paths) = (BTreeMap::new(), HashMap::new());
        let (mut ops, mut bytes, mut open) = (0, rows::login_bytes(store, &core)?, 0);
        for row in rows::entries(store, &core) {
            let (path, entry, size) = row?;
            let is_open = named(store, &stand_in, &path)?.is_some_and(|named| named.op == entry.op);
            open += u64::from(is_open);
            paths.insert(entry.op, path.clone());
            held.insert(path, Held { entry, is_open });
            (ops, bytes) = (ops + 1, bytes + size as u64);
        }
        let mut log = None;
        if matches!(genesis, Genesis::Shared { .. }) {
            let (loaded, size) = load_log(store, &genesis)?;
            (ops, bytes) = (ops + loaded.len() as u64, bytes + size);
            log = Some(loaded);
        }
        Ok(Self { shelves: shelves.clone(), core, stand_in, genesis, log, held, paths, open, ops, bytes })
    }

    pub(crate) const fn stand_in(&self) -> CoreId {
        self.stand_in
    }

    /// The log, where what is published rests on one.
    pub(crate) const fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// The blocks of sign-ins that were checked before.
    pub(crate) fn logins(&self) -> impl Fn(&LoginId) -> Result<Option<Bytes>, StoreError> + Send + use<> {
        let (store, core) = (self.shelves.store.clone(), self.core);
        move |id| rows::login(&store, &core, id)
    }

    pub(crate) fn holds(&self, op: &OpId) -> bool {
        self.paths.contains_key(op)
    }

    /// Paths that are open.
    pub(crate) const fn open_count(&self) -> u64 {
        self.open
    }

    /// Drops what is not among `open`.
    pub(crate) async fn retain(&mut self, open: &HashSet<OpId>) -> Result<(), ShelfError> {
        let gone = |held: &Held| !open.contains(&held.entry.op);
        let paths = self.held.iter().filter(|(_, held)| gone(held)).map(|(path, _)| path.clone()).collect();
        self.drop_paths(paths).await
    }

    /// Takes in what a log has to say besides its puts, and the headers of these; gives how many operations were new. Those
    /// that cannot be judged yet are left out.
    pub(crate) async fn take_log(&mut self, ops: Vec<SignedOp>) -> Result<u64, ShelfError> {
        let Some(log) = &mut self.log else { return Ok(0) };
        let mut taken = Vec::with_capacity(ops.len());
        for op in ops {
            let Ok((signed, entry, login)) = op.into_parts() else { continue };
            if !log.contains(&entry.id()) {
                taken.push((signed, entry, login));
            }
        }
        let now_ms = self.shelves.clock.now_ms();
        let batch = log.insert_many(taken.iter().map(|(_, entry, _)| entry), now_ms);
        let mut good = Vec::with_capacity(taken.len());
        for ((signed, entry, login), result) in taken.into_iter().zip(batch.results) {
            match result {
                Ok(()) => good.push((Parts { signed, body: entry.body().cloned() }, login)),
                Err(Refusal::UnknownPrev(_) | Refusal::Ahead { .. } | Refusal::Full) => {}
                Err(refusal) => return Err(ShelfError::Rule(Box::new(refusal))),
            }
        }
        let count = good.len() as u64;
        self.store_ops(good, None).await?;
        let log = self.log.as_ref().expect("it is a shared core");
        let void = self.held.iter().filter(|(_, held)| !log.is_effective(&held.entry.op));
        let void =
            if batch.changes.is_empty() { Vec::new() } else { void.map(|(path, _)| path.clone()).collect() };
        self.drop_paths(void).await?;
        Ok(count)
    }

    /// Takes in operations that are shown as open: those that prove themselves, one for each path. None is opened yet.
    pub(crate) async fn take_shown(&mut self, ops: Vec<SignedOp>) -> Result<(), ShelfError> {
        let mut good = BTreeMap::new();
        for op in ops {
            let Ok((signed, entry, login)) = op.into_parts() else { continue };
            let Some((path, value)) = entry.body().and_then(rows::public_entry) else { continue };
            if self.judge(&entry).is_err() {
                continue;
            }
            let new = MirroredEntry { op: entry.id(), at: entry.header().at, value };
            let rank = |entry: &MirroredEntry| (entry.at, entry.op);
            let there = self.held.get(&path).map(|held| rank(&held.entry));
            let beside = good.get(&path).map(|(new, _, _)| rank(new));
            if there.max(beside).is_none_or(|other| other < rank(&new)) {
                good.insert(path, (new, Parts { signed, body: entry.body().cloned() }, login));
            }
        }
        self.drop_paths(good.keys().filter(|path| self.held.contains_key(path)).cloned().collect()).await?;
        let mut written = Vec::with_capacity(good.len());
        let mut paths = Vec::with_capacity(good.len());
        for (path, (entry, parts, login)) in good {
            written.push((parts, login));
            paths.push((path, entry));
        }
        let names = paths.iter().map(|(path, _)| path.clone()).collect();
        self.store_ops(written, Some(names)).await?;
        for (path, entry) in paths {
            self.paths.insert(entry.op, path.clone());
            self.held.insert(path, Held { entry, is_open: false });
        }
        Ok(())
    }

    /// Whether an operation shows that it was made by somebody who was entitled to it.
    fn judge(&self, entry: &Entry) -> Result<(), Refusal> {
        let Some(log) = &self.log else {
            let ahead = entry.header().at.ms()
                > self.shelves.clock.now_ms() + kubelt_core::limits::CLOCK_AHEAD_MS_MAX;
            return if ahead { Err(Refusal::Date) } else { check_alone(&self.genesis, entry) };
        };
        let body = entry.body().ok_or(Refusal::BodyMissing(Verb::Put))?;
        log.check_late_body(entry.header(), body)?;
        if log.is_effective(&entry.id()) { Ok(()) } else { Err(Refusal::UnknownAuth(entry.header().auth)) }
    }

    /// What is held, not open and not denied here: its content is to be fetched, as far as the quota has room for it; and
    /// how many paths it has no room for.
    pub(crate) fn wanted(&self, denylist: &Denylist) -> Result<(Vec<(MapPath, Wanted)>, u64), ShelfError> {
        let quota = self.shelves.store.quota(&self.stand_in)?.block_bytes;
        let open = self.held.values().filter(|held| held.is_open).map(|held| held.entry.value.size);
        let mut room = open.fold(quota, u64::saturating_sub);
        let is_wanted = |held: &Held| !held.is_open && !denylist.denies_cid(&held.entry.value.cid);
        let mut closed: Vec<_> = self.held.iter().filter(|(_, held)| is_wanted(held)).collect();
        closed.sort_by_key(|(_, held)| held.entry.value.size);
        let (mut wanted, mut over) = (Vec::new(), 0);
        for (path, held) in closed {
            let value = &held.entry.value;
            match room.checked_sub(value.size) {
                Some(rest) => {
                    room = rest;
                    let content = Wanted { cid: value.cid, size: value.size, partial: value.partial };
                    wanted.push((path.clone(), content));
                }
                None => over += 1,
            }
        }
        Ok((wanted, over))
    }

    /// Opens those of these paths whose content is here.
    pub(crate) async fn open(&mut self, paths: Vec<MapPath>) -> Result<(), ShelfError> {
        let (store, core, stand_in) = (self.shelves.store.clone(), self.core, self.stand_in);
        let now_ms = self.shelves.clock.now_ms();
        let decide = move || -> Result<(Tx, Vec<(MapPath, OpId)>), WorkError> {
            let (mut tx, mut opened) = (store.begin(), Vec::new());
            for path in paths {
                let Some(entry) = rows::entry_in(&tx, &core, &path)? else { continue };
                let root = entry.value.cid;
                let partial = match how_whole(&store, &stand_in, &root)? {
                    Some(Wholeness::Whole) => false,
                    Some(Wholeness::Partial) if entry.value.partial => true,
                    _ => continue,
                };
                set_name(&mut tx, &stand_in, &path, Some(rows::named_by(&entry, partial)))?;
                end_lease(&mut tx, &stand_in, &root)?;
                enqueue(&mut tx, now_ms, &Job::Show { core: stand_in, root })?;
                opened.push((path, entry.op));
            }
            Ok((tx, opened))
        };
        let opened = self.shelves.cores.alone(&self.stand_in, decide).await.map_err(ShelfError::Write)?;
        for (path, op) in opened {
            if let Some(held) = self.held.get_mut(&path).filter(|held| held.entry.op == op) {
                self.open += u64::from(!std::mem::replace(&mut held.is_open, true));
            }
        }
        self.shelves.cores.note_opening();
        Ok(())
    }

    async fn drop_paths(&mut self, paths: Vec<MapPath>) -> Result<(), ShelfError> {
        for piece in paths.chunks(MIRROR_DROPS_PER_COMMIT) {
            self.shelves.close(&self.core, piece.to_vec()).await?;
            for path in piece {
                if let Some(held) = self.held.remove(path) {
                    self.open -= u64::from(held.is_open);
                    self.paths.remove(&held.entry.op);
                    self.ops = self.ops.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Writes operations down: as entries at these paths, or as part of the log.
    async fn store_ops(
        &mut self,
        ops: Vec<(Parts, Option<kubelt_core::Login>)>,
        paths: Option<Vec<MapPath>>,
    ) -> Result<(), ShelfError> {
        if ops.is_empty() {
            return Ok(());
        }
        let (store, core, count) = (self.shelves.store.clone(), self.core, ops.len() as u64);
        let quota = store.quota(&self.stand_in)?;
        if self.ops + count > quota.ops || self.bytes > quota.op_bytes {
            let limit = format!("{} operations or {} bytes of them", quota.ops, quota.op_bytes);
            return Err(ShelfError::Quota(limit));
        }
        let decide = move || -> Result<(Tx, Option<u64>), WorkError> {
            let (mut tx, mut bytes) = (store.begin(), 0);
            if !rows::is_kept(&tx, &core)? {
                return Ok((tx, None));
            }
            let mut logins = HashSet::new();
            for (i, (parts, login)) in ops.iter().enumerate() {
                bytes += match paths.as_ref().and_then(|paths| paths.get(i)) {
                    Some(path) => rows::put_entry(&mut tx, &core, path, Some(parts))?,
                    None => rows::put_op(&mut tx, &core, parts)?,
                };
                if let Some(login) = login {
                    let (id, block) = (login.id(), login.encode());
                    if logins.insert(id) && rows::login(&store, &core, &id)?.is_none() {
                        bytes += block.len();
                        rows::put_login(&mut tx, &core, &id, &block)?;
                    }
                }
            }
            Ok((tx, Some(bytes as u64)))
        };
        let bytes = self.shelves.cores.alone(&self.stand_in, decide).await.map_err(ShelfError::Write)?;
        self.bytes += bytes.ok_or(ShelfError::Gone)?;
        self.ops += count;
        Ok(())
    }
}

impl Shelves {
    /// What is kept of a core so far.
    pub(crate) async fn load(&self, genesis: Genesis) -> Result<Shelf, ShelfError> {
        let this = self.clone();
        let loading = tokio::task::spawn_blocking(move || Shelf::load(&this, genesis)).await;
        loading.expect("reading rows does not panic")
    }

    /// How many paths of a mirrored core are open.
    pub(super) fn open_paths(&self, core: &CoreId, access: &Access) -> Result<u64, StoreError> {
        let stand_in = rows::stand_in(core);
        let open = public(&self.store, &stand_in, access.door(&stand_in, Exit::Http)?, None, None);
        open.map(|row| row.map(|_| 1)).sum()
    }

    /// Notes that a core is mirrored, before anything of it is kept.
    pub(crate) async fn begin(&self, genesis: &Genesis) -> Result<(), ShelfError> {
        let (store, core, genesis) = (self.store.clone(), genesis.id(), genesis.clone());
        let decide = move || -> Result<(Tx, ()), WorkError> {
            let mut tx = store.begin();
            if !rows::is_kept(&tx, &core)? {
                rows::put_genesis(&mut tx, &core, &genesis)?;
            }
            Ok((tx, ()))
        };
        self.cores.alone(&rows::stand_in(&core), decide).await.map_err(ShelfError::Write)
    }

    /// Serves nothing of a core any more, and forgets what its paths held; what was kept of its log stays.
    pub(crate) async fn close_all(&self, core: &CoreId) -> Result<(), ShelfError> {
        loop {
            let page = rows::entries(&self.store, core).take(MIRROR_DROPS_PER_COMMIT);
            let paths = page.map(|row| row.map(|(path, _, _)| path)).collect::<Result<Vec<_>, _>>()?;
            if paths.is_empty() {
                return Ok(());
            }
            self.close(core, paths).await?;
        }
    }

    /// Forgets all of a core.
    pub(crate) async fn clear(&self, core: &CoreId) -> Result<(), ShelfError> {
        self.close_all(core).await?;
        loop {
            let (store, core) = (self.store.clone(), *core);
            let decide = move || -> Result<(Tx, bool), WorkError> {
                let mut tx = store.begin();
                let all = rows::remove_some(&mut tx, &store, &core)?;
                Ok((tx, all))
            };
            if self.cores.alone(&rows::stand_in(&core), decide).await.map_err(ShelfError::Write)? {
                // Entries that were on their way meanwhile.
                return self.close_all(&core).await;
            }
        }
    }

    async fn close(&self, core: &CoreId, paths: Vec<MapPath>) -> Result<(), ShelfError> {
        let (store, core, now_ms) = (self.store.clone(), *core, self.clock.now_ms());
        let stand_in = rows::stand_in(&core);
        let decide = move || -> Result<(Tx, ()), WorkError> {
            let mut tx = store.begin();
            for path in &paths {
                close_path(&mut tx, &core, &stand_in, path, now_ms)?;
            }
            Ok((tx, ()))
        };
        self.cores.alone(&stand_in, decide).await.map_err(ShelfError::Write)
    }
}

fn close_path(
    tx: &mut Tx,
    core: &CoreId,
    stand_in: &CoreId,
    path: &MapPath,
    now_ms: u64,
) -> Result<(), TxError> {
    if let Some(entry) = rows::entry_in(tx, core, path)? {
        set_name(tx, stand_in, path, None)?;
        rows::put_entry(tx, core, path, None)?;
        enqueue(tx, now_ms, &Job::Root { core: *stand_in, root: entry.value.cid })?;
    }
    Ok(())
}

/// The log of a shared core, and the bytes that it takes.
fn load_log(store: &Store, genesis: &Genesis) -> Result<(Log, u64), ShelfError> {
    let core = genesis.id();
    let mut logins: HashMap<LoginId, Arc<LoginFacts>> = HashMap::new();
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for row in rows::ops(store, &core) {
        let (Parts { signed, body }, size) = row?;
        let login = match signed.header.login {
            None => None,
            Some(id) => Some(match logins.get(&id) {
                Some(facts) => Arc::clone(facts),
                None => {
                    let block = rows::login(store, &core, &id)?.ok_or(ShelfError::Damaged)?;
                    let facts = crate::cores::login_facts(&block, &core).ok_or(ShelfError::Damaged)?;
                    logins.insert(id, Arc::clone(&facts));
                    facts
                }
            }),
        };
        bytes += size as u64;
        entries.push(Entry::stored(signed.header.id(), signed.header, body, login));
    }
    let log = Log::load(genesis.clone(), entries).map_err(|_refused| ShelfError::Damaged)?;
    Ok((log, bytes))
}
