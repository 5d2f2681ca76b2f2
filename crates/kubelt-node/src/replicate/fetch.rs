//! Content on its way here: roots of entries are walked, and what this core lacks is asked for block by block, many at
//! a time. Every block is checked by its hash, and becomes a possession of the core; when all blocks of an entry are
//! here its path is opened. What was got before is not asked for again: a walk passes over what the core possesses.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Block, Codec, check_all, inline_content, limits::WALK_DEPTH_MAX, links};
use kubelt_core::{
    CoreId, MapPath,
    limits::WANTS_MAX,
    peer::{Kind, Want, read_block},
};
use kubelt_store::Store;
use tokio::{task::JoinSet, time::Instant};

use super::{ChannelError, PeerFault, claims::Claimant, link::Incoming, outbox::Outbox, room::Part};
use crate::{
    StoreError,
    content::{BlockSink, Content, Incomplete, PREFIX, UploadError, Wholeness, how_whole},
    limits::{
        CLAIM_LOOK, CLAIM_STORE_EVERY, DAG_BLOCKS_MAX, FETCH_ITEM_BYTES, FETCH_SEEN_BYTES,
        FETCH_SETTLE_BLOCKS_MAX, FETCH_SETTLE_EVERY, FETCH_SETTLE_SHARING, FETCH_SETTLES_MAX,
        FETCH_STEP_ITEMS, FETCH_TOUCHED_MAX, FETCH_UNSTORED_MAX,
    },
    write::content_entry,
};

/// What a fetch has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) blocks: u64,
    pub(super) bytes: u64,
}

/// Content that is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) cid: Cid,
    /// Its bytes, as its entry says.
    pub(crate) size: u64,
    /// Whether blocks of it may be missing.
    pub(crate) partial: bool,
}

/// The content of one core that comes over one channel.
pub(super) struct Fetch {
    content: Content,
    store: Store,
    core: CoreId,
    roots: HashMap<u32, Root>,
    next_root: u32,
    /// What is to be looked at, last first: depth first, so that little waits here.
    stack: Vec<Item>,
    asked: HashMap<Cid, Item>,
    /// What other fetches of the core have asked for; it is looked at again in a moment.
    deferred: Vec<Item>,
    look_again: Instant,
    claims: Claimant,
    /// Blocks that came and may not be in the store yet.
    unstored: Vec<Cid>,
    stored_at: Instant,
    /// Digests of what was looked at; 128 bits of each are enough not to look twice.
    seen: HashSet<u128>,
    /// The memory that all of this may take.
    room: Part,
    /// Whether something was let go of because there was no more of it.
    cut: bool,
    /// What the core had already, to be kept from the collector.
    touched: Vec<Cid>,
    sink: Option<BlockSink>,
    /// Roots all blocks of which have come, or never will.
    done: Vec<Root>,
    /// Roots that share blocks with others which are still on their way.
    early: Vec<Root>,
    settling: JoinSet<(Root, Result<(), Incomplete>)>,
    /// Blocks that those may have, about.
    settling_blocks: u64,
    whole: Vec<MapPath>,
    incomplete: BTreeSet<MapPath>,
    pub(super) fetched: Fetched,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    cid: Cid,
    root: u32,
    depth: u16,
}

#[derive(Debug)]
struct Root {
    path: MapPath,
    cid: Cid,
    partial: bool,
    /// Blocks that are still to be looked at or to come.
    pending: u64,
    /// Blocks that were found below it.
    blocks: u64,
    /// Whether some were found before, with all below them: it may have any number then.
    shares: bool,
    /// Whether a block of it is not to be had.
    missing: bool,
    /// Whether nothing else was on its way any more when its path was to be opened.
    last: bool,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("core", &self.core)
            .field("asked", &self.asked.len())
            .finish_non_exhaustive()
    }
}

/// However the channel ends: a relay cuts connections after so little that nothing would ever come, if each lost its last
/// blocks.
impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.let_go();
        }
    }
}

impl Fetch {
    pub(super) fn new(content: Content, store: Store, core: CoreId, claims: Claimant, room: Part) -> Self {
        Self {
            content,
            store,
            core,
            roots: HashMap::new(),
            next_root: 0,
            stack: Vec::new(),
            asked: HashMap::new(),
            deferred: Vec::new(),
            look_again: Instant::now(),
            claims,
            unstored: Vec::new(),
            stored_at: Instant::now(),
            seen: HashSet::new(),
            room,
            cut: false,
            touched: Vec::new(),
            sink: None,
            done: Vec::new(),
            early: Vec::new(),
            settling: JoinSet::new(),
            settling_blocks: 0,
            whole: Vec::new(),
            incomplete: BTreeSet::new(),
            fetched: Fetched::default(),
        }
    }

    /// Begins to fetch what the entries of the core lack: all of them, or those at `paths` and those that were not whole
    /// the last time. Small ones come first.
    pub(super) fn begin(&mut self, paths: Option<BTreeSet<MapPath>>) -> Result<(), StoreError> {
        if self.is_idle() {
            // What was not to be had is asked for again.
            self.seen.clear();
        }
        let mut found = BTreeMap::new();
        match paths {
            None => self.scan(&mut found)?,
            Some(mut paths) => {
                paths.append(&mut self.incomplete);
                for path in paths {
                    if let Some(state) = self.store.state(&self.core, &path)? {
                        self.consider(path, &state.value, &mut found)?;
                    }
                }
            }
        }
        self.push(found);
        Ok(())
    }

    /// Begins to fetch these entries, whatever the core's map says. Those that lack blocks are forgotten: they are named
    /// again by whoever still wants them.
    pub(super) fn want(&mut self, entries: impl IntoIterator<Item = (MapPath, Wanted)>) {
        if self.is_idle() {
            self.seen.clear();
        }
        self.incomplete.clear();
        let sorted = entries.into_iter().map(|(path, wanted)| {
            let Wanted { cid, size, partial } = wanted;
            ((size, path), (cid, partial))
        });
        self.push(sorted.collect());
    }

    fn push(&mut self, found: BTreeMap<(u64, MapPath), (Cid, bool)>) {
        for ((_size, path), (cid, partial)) in found.into_iter().rev() {
            let root = self.next_root;
            self.next_root = self.next_root.wrapping_add(1);
            self.roots.insert(root, Root::new(path, cid, partial));
            self.stack.push(Item { cid, root, depth: 0 });
        }
    }

    fn scan(&self, found: &mut BTreeMap<(u64, MapPath), (Cid, bool)>) -> Result<(), StoreError> {
        let base = MapPath::new(PREFIX).expect("a plain word is a path");
        let mut after = None;
        loop {
            let page = self.store.state_scan(&self.core, Some(&base), after.as_ref(), 256)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (path, state) in page {
                self.consider(path, &state.value, found)?;
            }
        }
    }

    fn consider(
        &self,
        path: MapPath,
        value: &[u8],
        found: &mut BTreeMap<(u64, MapPath), (Cid, bool)>,
    ) -> Result<(), StoreError> {
        let Some(entry) = content_entry(value) else { return Ok(()) };
        if how_whole(&self.store, &self.core, &entry.cid)? == Some(Wholeness::Whole) {
            return Ok(());
        }
        found.insert((entry.size, path), (entry.cid, entry.partial));
        Ok(())
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.roots.is_empty()
            && self.done.is_empty()
            && self.early.is_empty()
            && self.settling.is_empty()
            && self.whole.is_empty()
    }

    /// Paths that lack blocks which the peer does not have.
    pub(super) fn incomplete(&self) -> u64 {
        self.incomplete.len() as u64
    }

    /// Whether there is something to look at without waiting for anybody.
    pub(super) fn has_work(&self) -> bool {
        !self.stack.is_empty() && self.has_room()
    }

    /// Whether more may be asked for, or left to others.
    fn has_room(&self) -> bool {
        self.asked.len() < WANTS_MAX && self.deferred.len() < WANTS_MAX
    }

    /// When to look again whether others have got what this waits for, or wait for what came here; none while neither can
    /// be.
    pub(super) fn looks_again(&self) -> Option<Instant> {
        (!self.deferred.is_empty() || !self.unstored.is_empty()).then_some(self.look_again)
    }

    /// Looks at what is next, for a bounded while, and asks for what is not here.
    pub(super) async fn advance(&mut self, out: &Outbox, channel: u32) -> Result<(), ChannelError> {
        let mut wants = Vec::new();
        if self.looks_again().is_some_and(|at| at <= Instant::now()) {
            self.look_again = Instant::now() + CLAIM_LOOK;
            self.stack.extend(self.deferred.drain(..).rev());
        }
        for _ in 0..FETCH_STEP_ITEMS {
            if !self.has_room() {
                break;
            }
            let Some(item) = self.stack.pop() else { break };
            self.look(item, &mut wants)?;
        }
        if !wants.is_empty() {
            out.say(channel, Kind::Want, &Want { cids: wants }.encode());
        }
        if self.touched.len() >= FETCH_TOUCHED_MAX {
            self.touch().await?;
        }
        if self.is_store_due() {
            self.store_what_came().await?;
        }
        let nothing_more = self.nothing_waits();
        if nothing_more {
            self.done.append(&mut self.early);
        }
        let is_due = nothing_more
            || self.done.len() >= FETCH_SETTLES_MAX
            || (self.settling.is_empty() && self.stored_at.elapsed() >= FETCH_SETTLE_EVERY);
        if !self.done.is_empty() && is_due {
            self.settle().await?;
        }
        if nothing_more && self.is_idle() {
            self.store_what_came().await?;
            self.sink = None;
            self.seen = HashSet::new();
            self.stack = Vec::new();
            self.room.shrink(0);
        }
        Ok(())
    }

    /// Whether what came should be in the store now: others wait for it, this fetch waits for others, who may wait for it
    /// in turn, or it is much.
    fn is_store_due(&self) -> bool {
        let only_waits = self.asked.is_empty() && !self.deferred.is_empty();
        let may_wait = self.stored_at.elapsed() < CLAIM_STORE_EVERY;
        !self.unstored.is_empty()
            && (only_waits
                || self.unstored.len() >= FETCH_UNSTORED_MAX
                || (!may_wait && self.claims.is_awaited()))
    }

    /// Makes durable what came, so that other fetches of the core find it.
    async fn store_what_came(&mut self) -> Result<(), ChannelError> {
        if let Some(sink) = &mut self.sink {
            sink.flush().await?;
        }
        self.claims.free(&self.unstored);
        self.unstored.clear();
        self.stored_at = Instant::now();
        Ok(())
    }

    fn look(&mut self, item: Item, wants: &mut Vec<Cid>) -> Result<(), ChannelError> {
        if let Some(data) = inline_content(&item.cid) {
            let data = Bytes::copy_from_slice(data);
            self.expand(item, &data);
            self.looked_at(item.root);
            return Ok(());
        }
        if !self.seen.insert(digest(&item.cid)) {
            self.shares(item.root);
            self.looked_at(item.root);
            return Ok(());
        }
        let bad = self.seen.len() > DAG_BLOCKS_MAX
            || usize::from(item.depth) > WALK_DEPTH_MAX
            || Codec::of(&item.cid).is_err();
        if bad {
            self.lost(item.root);
            self.looked_at(item.root);
            return Ok(());
        }
        if self.store.possesses(&self.core, &item.cid)? {
            self.touched.push(item.cid);
            if Codec::of(&item.cid).is_ok_and(|codec| codec != Codec::Raw)
                && let Some(data) = self.store.block(&item.cid)?
            {
                self.expand(item, &data);
            }
            self.looked_at(item.root);
            return Ok(());
        }
        if !self.claims.take(&item.cid) {
            self.seen.remove(&digest(&item.cid));
            if self.deferred.is_empty() {
                self.look_again = Instant::now() + CLAIM_LOOK;
            }
            self.deferred.push(item);
            return Ok(());
        }
        self.asked.insert(item.cid, item);
        wants.push(item.cid);
        Ok(())
    }

    fn expand(&mut self, item: Item, data: &[u8]) {
        let Ok(codec) = Codec::of(&item.cid) else { return };
        let Ok(found) = links(codec, data) else {
            self.lost(item.root);
            return;
        };
        if !self.room.holds(self.held_bytes() + found.len() * FETCH_ITEM_BYTES) {
            return self.cut_short(item.root);
        }
        if let Some(root) = self.roots.get_mut(&item.root) {
            root.pending += found.len() as u64;
            root.blocks += found.len() as u64;
        }
        let depth = item.depth.saturating_add(1);
        let item = |cid| Item { cid, root: item.root, depth };
        if self.claims.is_backward() {
            self.stack.extend(found.into_iter().map(item));
        } else {
            self.stack.extend(found.into_iter().rev().map(item));
        }
    }

    /// What is held of the walks, about.
    fn held_bytes(&self) -> usize {
        let items = self.stack.len() + self.deferred.len() + self.asked.len();
        items * FETCH_ITEM_BYTES + self.seen.len() * FETCH_SEEN_BYTES
    }

    /// There is no more memory: what was not looked at is let go of, and its roots are begun again later.
    fn cut_short(&mut self, root: u32) {
        self.cut = true;
        self.lost(root);
        for Item { root, .. } in std::mem::take(&mut self.stack) {
            self.lost(root);
            self.looked_at(root);
        }
    }

    /// Whether something was let go of since this was last asked.
    pub(super) const fn take_cut(&mut self) -> bool {
        std::mem::replace(&mut self.cut, false)
    }

    fn shares(&mut self, root: u32) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.shares = true;
        }
    }

    fn lost(&mut self, root: u32) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.missing = true;
        }
    }

    fn looked_at(&mut self, id: u32) {
        let Some(root) = self.roots.get_mut(&id) else { return };
        root.pending -= 1;
        if root.pending == 0
            && let Some(root) = self.roots.remove(&id)
        {
            self.done.push(root);
        }
    }

    /// How many blocks are asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Takes blocks in that were asked for.
    pub(super) async fn take(&mut self, frames: Vec<Incoming>) -> Result<(), ChannelError> {
        let mut items = Vec::with_capacity(frames.len());
        let mut blocks = Vec::with_capacity(frames.len());
        for Incoming { payload, .. } in &frames {
            let (cid, data) = read_block(payload).map_err(PeerFault::Frame)?;
            items.push(self.asked.remove(&cid).ok_or(PeerFault::Unasked)?);
            blocks.push((cid, payload.slice_ref(data)));
        }
        for (item, checked) in items.into_iter().zip(check_all(blocks)) {
            let block = checked.map_err(|(cid, _cause)| PeerFault::BadBlock(Box::new(cid)))?;
            self.keep(item, block).await?;
        }
        Ok(())
    }

    async fn keep(&mut self, item: Item, block: Block) -> Result<(), ChannelError> {
        self.fetched.blocks += 1;
        self.fetched.bytes += block.data().len() as u64;
        self.expand(item, &block.data().clone());
        let content = &self.content;
        let core = self.core;
        self.claims.came(block.cid());
        self.unstored.push(*block.cid());
        self.sink.get_or_insert_with(|| BlockSink::new(content.clone(), core)).put(block).await?;
        self.looked_at(item.root);
        Ok(())
    }

    /// A block that was asked for is not to be had.
    pub(super) fn not_here(&mut self, cid: &Cid) -> Result<(), ChannelError> {
        let item = self.asked.remove(cid).ok_or(PeerFault::Unasked)?;
        self.seen.remove(&digest(cid));
        self.claims.free([cid]);
        self.lost(item.root);
        self.looked_at(item.root);
        Ok(())
    }

    /// Keeps the collector from what the core had already.
    async fn touch(&mut self) -> Result<(), StoreError> {
        let touched = std::mem::take(&mut self.touched);
        self.content.missing(&self.core, &touched).await.map(drop)
    }

    /// Whether no block is to be looked at or to come.
    fn nothing_waits(&self) -> bool {
        self.stack.is_empty() && self.asked.is_empty() && self.deferred.is_empty()
    }

    /// Begins to open the paths of roots that have come.
    async fn settle(&mut self) -> Result<(), ChannelError> {
        self.touch().await?;
        self.store_what_came().await?;
        while let Some(mut root) = self.next_to_settle() {
            root.last = self.nothing_waits();
            if root.missing && !root.partial {
                self.incomplete.insert(root.path);
                continue;
            }
            let (content, core) = (self.content.clone(), self.core);
            self.settling_blocks += root.weight();
            self.settling.spawn(async move {
                let made = match root.partial {
                    true => content.make_partial(&core, &root.cid).await.map(|_missing| ()),
                    false => content.make_whole(&core, &root.cid).await,
                };
                (root, made)
            });
        }
        Ok(())
    }

    /// A root that can be opened beside those that are: many small ones, or few large ones, since each is walked in memory.
    fn next_to_settle(&mut self) -> Option<Root> {
        let next = self.done.last()?;
        let fits = self.settling.len() < FETCH_SETTLES_MAX
            && self.settling_blocks + next.weight() <= FETCH_SETTLE_BLOCKS_MAX;
        if fits || self.settling.is_empty() { self.done.pop() } else { None }
    }

    /// Whether roots are being opened.
    pub(super) fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// Waits until one more root is settled; opens paths once none is left.
    pub(super) async fn settled(&mut self) -> Result<(), ChannelError> {
        let Some(settled) = self.settling.join_next().await else { return Ok(()) };
        let (root, made) = settled.expect("linking does not panic");
        self.settling_blocks -= root.weight();
        match made {
            Ok(()) => {
                if root.missing {
                    self.incomplete.insert(root.path.clone());
                }
                self.whole.push(root.path);
            }
            Err(Incomplete::Missing(_)) if !root.missing && !root.last => self.early.push(root),
            Err(Incomplete::Missing(_) | Incomplete::Malformed(_)) => {
                self.incomplete.insert(root.path);
            }
            Err(error) => return Err(UploadError::from(error).into()),
        }
        Ok(())
    }

    /// The paths that can be opened now, once no more are being settled.
    pub(super) fn take_whole(&mut self) -> Vec<MapPath> {
        if self.settling.is_empty() { std::mem::take(&mut self.whole) } else { Vec::new() }
    }
}

impl Root {
    const fn new(path: MapPath, cid: Cid, partial: bool) -> Self {
        Self { path, cid, partial, pending: 1, blocks: 1, shares: false, missing: false, last: false }
    }

    /// How many blocks it has to be taken for.
    const fn weight(&self) -> u64 {
        if self.shares && self.blocks < FETCH_SETTLE_SHARING { FETCH_SETTLE_SHARING } else { self.blocks }
    }
}

/// The last 128 bits of a CID's bytes: of its digest, if that has so many.
fn digest(cid: &Cid) -> u128 {
    let bytes = cid.to_bytes();
    let tail = bytes.last_chunk::<16>().copied().unwrap_or_default();
    u128::from_be_bytes(tail) ^ u128::from(cid.codec())
}
