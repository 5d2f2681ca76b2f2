//! The cores above a core, and the children that a core names.
//!
//! A core says in its genesis, once and for all, which core it wants to lie in. That makes it a child only where the
//! parent's map names it (`cores/<name>`), or, for a user's core, where its template admits users. What a claim without a name comes to is decided where readers are judged
//! ([`crate::doors`]): there is no way in by it.
//!
//! Both questions are asked for every request to a child, so answers are kept in memory, by what was read of the maps
//! and geneses; a core whose names change is forgotten with all that was read of it ([`Kin::changed`]).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ipld_core::ipld::Ipld;
use kubelt_core::{
    CoreId, Genesis, MapPath, OpId, codec,
    limits::{CORES_ABOVE_MAX, VALUE_BYTES_MAX},
    schema::{CORES, ChildCore, TEMPLATE, Template, Visibility},
};
use kubelt_store::{Store, Tx, TxError};
use parking_lot::Mutex;

use crate::{
    StoreError,
    limits::{KIN_CACHED_MAX, NAMES_PER_CHILD_MAX},
};

/// By parent, child and name: the parent's map names the child. A row is a hint; what counts is the map.
const NAMED: &str = "child-named";

/// Who is whose child on this node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Kin {
    store: Store,
    kept: Arc<Mutex<Kept>>,
    /// Grows with every change, so that what was read before one is not kept after it.
    changes: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Kept {
    above: HashMap<CoreId, Arc<[Step]>>,
    /// By parent and name.
    children: HashMap<CoreId, HashMap<String, CoreId>>,
}

/// One step of the way down to a core: from a parent to its child.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The core that the step leaves.
    pub(crate) parent: CoreId,
    /// The paths of its map that name or admit the child, and who may pass by each; none where it has no such child.
    pub(crate) names: Vec<(MapPath, Visibility)>,
}

impl Kin {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, kept: Arc::default(), changes: Arc::default() }
    }

    /// The steps of the way down to a core, the last one first; none for a core that lies in no other.
    pub(crate) fn above(&self, core: &CoreId) -> Result<Arc<[Step]>, StoreError> {
        if let Some(steps) = self.kept.lock().above.get(core) {
            return Ok(Arc::clone(steps));
        }
        let before = self.changes();
        let Some(genesis) = self.genesis(core)? else { return Ok(Arc::default()) };
        let steps: Arc<[Step]> = self.read_above(core, &genesis)?.into();
        let mut kept = self.kept.lock();
        if self.changes() == before {
            if kept.above.len() >= KIN_CACHED_MAX {
                kept.above.clear();
            }
            kept.above.insert(*core, Arc::clone(&steps));
        }
        Ok(steps)
    }

    /// The same, past what is kept in memory.
    pub(crate) fn read_above(&self, core: &CoreId, genesis: &Genesis) -> Result<Vec<Step>, StoreError> {
        let (mut steps, mut core, mut below) = (Vec::new(), *core, Some(genesis.clone()));
        while let Some((genesis, parent)) =
            below.and_then(|below| below.parent().map(|parent| (below, parent)))
        {
            // Who lies too deep lies nowhere. No core lies in itself: its id is a hash of its parent's.
            let names = match genesis {
                _ if steps.len() == CORES_ABOVE_MAX => Vec::new(),
                Genesis::User { .. } => self.admitting(&parent)?,
                _ => self.names_of(&parent, &core)?,
            };
            below = if names.is_empty() { None } else { self.genesis(&parent)? };
            steps.push(Step { parent, names });
            core = parent;
        }
        Ok(steps)
    }

    /// The template of a core, and the operation that put it; none where it has none, or one that cannot be read.
    pub(crate) fn template(&self, core: &CoreId) -> Result<Option<(OpId, Template)>, StoreError> {
        let Some(entry) = self.store.state(core, &template_path())? else { return Ok(None) };
        let value: Option<Ipld> = codec::decode(&entry.value, VALUE_BYTES_MAX, "value").ok();
        Ok(value.and_then(|value| Template::from_ipld(&value).ok()).map(|template| (entry.id, template)))
    }

    /// The way to its users' cores: its template, where that admits users.
    fn admitting(&self, parent: &CoreId) -> Result<Vec<(MapPath, Visibility)>, StoreError> {
        let admits = self.template(parent)?.is_some_and(|(_, template)| template.user.is_some());
        Ok(admits.then(|| (template_path(), Visibility::Public)).into_iter().collect())
    }

    /// Whether a core lies in another one, however deep.
    pub(crate) fn is_within(&self, core: &CoreId, above: &CoreId) -> Result<bool, StoreError> {
        let steps = self.above(core)?;
        let mut named = steps.iter().take_while(|step| !step.names.is_empty());
        Ok(named.any(|step| step.parent == *above))
    }

    /// How many cores lie above a core that counts as their child; none where one of them does not name it.
    pub(crate) fn depth(&self, core: &CoreId) -> Result<Option<usize>, StoreError> {
        let steps = self.above(core)?;
        Ok(steps.iter().all(|step| !step.names.is_empty()).then_some(steps.len()))
    }

    /// The child of this name. It says so itself, in its genesis: a core that is only linked to is none.
    pub(crate) fn child(&self, parent: &CoreId, name: &str) -> Result<Option<CoreId>, StoreError> {
        if let Some(child) = self.kept.lock().children.get(parent).and_then(|children| children.get(name)) {
            return Ok(Some(*child));
        }
        let before = self.changes();
        let Some(path) = ChildCore::path(name) else { return Ok(None) };
        let Some(ChildCore { core: child, .. }) = self.named(parent, &path)? else { return Ok(None) };
        if !self.is_claimed(parent, &child)? {
            return Ok(None);
        }
        let mut kept = self.kept.lock();
        if self.changes() == before {
            if kept.children.values().map(HashMap::len).sum::<usize>() >= KIN_CACHED_MAX {
                kept.children.clear();
            }
            kept.children.entry(*parent).or_default().insert(name.to_owned(), child);
        }
        Ok(Some(child))
    }

    /// What a path of a core's map says, where it names another core.
    pub(crate) fn named(&self, core: &CoreId, path: &MapPath) -> Result<Option<ChildCore>, StoreError> {
        Ok(self.store.state(core, path)?.and_then(|entry| read(&entry.value)))
    }

    /// Whether a core that is here wants to lie in `parent`.
    pub(crate) fn is_claimed(&self, parent: &CoreId, child: &CoreId) -> Result<bool, StoreError> {
        Ok(self.genesis(child)?.and_then(|genesis| genesis.parent()) == Some(*parent))
    }

    /// Whether a change at `path` changes which children a core has.
    pub(crate) fn concerns(path: &MapPath) -> bool {
        path.prefix() == CORES || path.as_str() == TEMPLATE
    }

    /// Forgets what was read of a core. To be called once its change is durable, before that is told.
    pub(crate) fn changed(&self, core: &CoreId) {
        let mut kept = self.kept.lock();
        self.changes.fetch_add(1, Ordering::AcqRel);
        kept.children.remove(core);
        kept.above.retain(|_, steps| steps.iter().all(|step| step.parent != *core));
    }

    /// Grows with every change that was forgotten, before that is told.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn genesis(&self, core: &CoreId) -> Result<Option<Genesis>, StoreError> {
        let block = self.store.genesis(core)?;
        Ok(block.and_then(|block| Genesis::decode(&block).ok()))
    }

    /// The names of a child in its parent's map.
    fn names_of(&self, parent: &CoreId, child: &CoreId) -> Result<Vec<(MapPath, Visibility)>, StoreError> {
        let prefix = [*parent.digest(), *child.digest()].concat();
        let mut names = Vec::new();
        for row in self.store.meta_scan(NAMED, &prefix, None).take(NAMES_PER_CHILD_MAX) {
            let (key, _) = row?;
            let name = key.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
            let Some(path) = name.and_then(ChildCore::path) else { continue };
            if let Some(named) = self.named(parent, &path)?.filter(|named| named.core == *child) {
                names.push((path, named.visibility));
            }
        }
        Ok(names)
    }
}

/// Where templates stand.
pub(crate) fn template_path() -> MapPath {
    MapPath::new(TEMPLATE).expect("a constant path")
}

fn read(value: &[u8]) -> Option<ChildCore> {
    let value: Ipld = codec::decode(value, VALUE_BYTES_MAX, "value").ok()?;
    ChildCore::from_ipld(&value).ok()
}

/// Notes what a path names now, so that the name of a child is found by the child. Only the core's one writer may call
/// this, with the value before its transaction and the one that it leaves.
pub(crate) fn note(
    tx: &mut Tx,
    core: &CoreId,
    path: &MapPath,
    before: Option<&[u8]>,
    now: Option<&[u8]>,
) -> Result<(), TxError> {
    let Some(name) = path.below(CORES) else { return Ok(()) };
    let key = |named: &ChildCore| [core.digest(), named.core.digest().as_slice(), name.as_bytes()].concat();
    if let Some(before) = before.and_then(read) {
        tx.put_meta(NAMED, &key(&before), None)?;
    }
    if let Some(now) = now.and_then(read) {
        tx.put_meta(NAMED, &key(&now), Some(&[]))?;
    }
    Ok(())
}
