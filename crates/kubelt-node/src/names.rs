//! Which content is open at which path.
//!
//! A path opens a DAG only through its row here: core and path, to visibility, root and the operation that
//! decided it. The row is written with that operation, or when the DAG becomes whole later, always by the one
//! writer of the core. With it go the store's reverse row (from root to path), by which a core's own people find a
//! CID, and, for a public path, a row in each of two tables of public paths alone, by core and by root. What anybody
//! may have is read from those tables: so neither a page, a cursor nor the time that an answer takes depends on what
//! is not public, and nobody hides what others publish by naming it often.

use cid::Cid;
use kubelt_core::{CoreId, Hlc, MapPath, OpId, schema::Visibility};
use kubelt_store::{Store, Tx, TxError};

use crate::{
    StoreError,
    doors::Door,
    ipns::OWN_ROOT,
    limits::{NAMES_PER_CORE_MAX, NAMES_PER_ROOT_MAX},
};

const NAMED: &str = "named";
const PUBLIC: &str = "public";
const PUBLIC_OF_ROOT: &str = "public-of-root";

/// What a path opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) root: Cid,
    pub(crate) visibility: Visibility,
    /// Whether it opens the DAG only as far as its core has it.
    pub(crate) partial: bool,
    /// The operation that decided it, and its date.
    pub(crate) op: OpId,
    pub(crate) at: Hlc,
}

/// What `path` opens now.
pub(crate) fn named(store: &Store, core: &CoreId, path: &MapPath) -> Result<Option<Named>, StoreError> {
    Ok(store.meta(NAMED, &row_key(core, path))?.and_then(|row| decode(&row)))
}

/// Whether strangers may reach any path of the core.
pub(crate) fn is_open(store: &Store, core: &CoreId, door: Door) -> Result<bool, StoreError> {
    Ok(public(store, core, door, None, None).next().transpose()?.is_some())
}

/// The public paths of a core at and below `under` (everywhere, if it is `None`) that strangers may reach
/// through `door`, in order, from the first after `after`.
pub(crate) fn public(
    store: &Store,
    core: &CoreId,
    door: Door,
    under: Option<&MapPath>,
    after: Option<&MapPath>,
) -> impl Iterator<Item = Result<(MapPath, Named), StoreError>> + use<> {
    let shut = door.is_shut();
    let key = |path: &MapPath| row_key(core, path);
    let prefix = under.map_or_else(|| core.digest().to_vec(), key);
    let under = under.cloned();
    let rows = store.meta_scan(PUBLIC, &prefix, after.map(key).as_deref());
    rows.take_while(move |_| !shut).filter_map(move |row| {
        let read = |(key, row): (bytes::Bytes, bytes::Bytes)| {
            let path = MapPath::new(std::str::from_utf8(key.get(32..)?).ok()?).ok()?;
            // `a/bc` begins with `a/b`, too.
            let within =
                under.as_ref().is_none_or(|under| path == *under || path.below(under.as_str()).is_some());
            (within && door.is_open(&path)).then_some((path, decode(&row)?))
        };
        row.map(read).transpose()
    })
}

/// A row's key in the table of public paths, and what it says.
type PublicRow = (Vec<u8>, Option<(CoreId, MapPath, Named)>);

/// The public paths of all cores, whether strangers may reach them or not, from the first after the row `after`.
pub(crate) fn all_public(
    store: &Store,
    after: Option<&[u8]>,
) -> impl Iterator<Item = Result<PublicRow, StoreError>> + use<> {
    store.meta_scan(PUBLIC, &[], after).map(|row| {
        let (key, row) = row?;
        let read = || {
            let (core, path) = key.split_first_chunk::<32>()?;
            let path = MapPath::new(std::str::from_utf8(path).ok()?).ok()?;
            Some((CoreId::from_digest(*core), path, decode(&row)?))
        };
        Ok((key.to_vec(), read()))
    })
}

/// A path by which strangers reach a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenName {
    pub(crate) core: CoreId,
    pub(crate) path: MapPath,
    /// Whether it opens the root only as far as its core has it.
    pub(crate) partial: bool,
}

/// What a search for an open name came to.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) found: Option<OpenName>,
    /// Names that were looked at.
    pub(crate) looked_at: usize,
}

/// The first public name of `root` that strangers may reach through the doors of its cores and that `takes` takes.
/// A core that is shut costs one look, any other [`NAMES_PER_CORE_MAX`] at most.
pub(crate) fn open_name(
    store: &Store,
    root: &Cid,
    mut door_of: impl FnMut(&CoreId) -> Result<Door, StoreError>,
    mut takes: impl FnMut(&OpenName) -> Result<bool, StoreError>,
) -> Result<Search, StoreError> {
    let prefix = root_key(root);
    let (mut after, mut looked_at): (Option<Vec<u8>>, usize) = (None, 0);
    'cores: loop {
        let mut current: Option<(CoreId, Door, usize)> = None;
        for row in store.meta_scan(PUBLIC_OF_ROOT, &prefix, after.as_deref()) {
            let (key, byte) = row?;
            if looked_at == NAMES_PER_ROOT_MAX {
                break 'cores;
            }
            looked_at += 1;
            let Some(name) = read_public_of_root(&key[prefix.len()..], &byte) else { continue };
            let (_core, door, seen) = match &mut current {
                Some(current) if current.0 == name.core => current,
                current => current.insert((name.core, door_of(&name.core)?, 0)),
            };
            *seen += 1;
            // What a core's own root holds is open there, and it is named for as long as that is so in the core itself.
            let is_own_root = name.path.as_str() == OWN_ROOT && !door.is_barred();
            if (is_own_root || door.is_open(&name.path)) && takes(&name)? {
                return Ok(Search { found: Some(name), looked_at });
            }
            if door.is_shut() || *seen == NAMES_PER_CORE_MAX {
                // No path has a byte like this.
                after = Some([prefix.as_slice(), name.core.digest(), &[u8::MAX]].concat());
                continue 'cores;
            }
        }
        break;
    }
    Ok(Search { found: None, looked_at })
}

fn read_public_of_root(rest: &[u8], byte: &[u8]) -> Option<OpenName> {
    let (core, path) = rest.split_first_chunk::<32>()?;
    let path = MapPath::new(std::str::from_utf8(path).ok()?).ok()?;
    let (_public, partial) = read_byte(*byte.first()?)?;
    Some(OpenName { core: CoreId::from_digest(*core), path, partial })
}

/// Makes `path` open `now`, and nothing else. Only the core's one writer may call this.
/// Gives whether that changes what anybody may have.
pub(crate) fn set_name(
    tx: &mut Tx,
    core: &CoreId,
    path: &MapPath,
    now: Option<Named>,
) -> Result<bool, TxError> {
    let key = row_key(core, path);
    let before = tx.meta(NAMED, &key)?.and_then(|row| decode(&row));
    if before == now {
        return Ok(false);
    }
    if let Some(before) = before {
        unname(tx, &before.root, core, path)?;
    }
    if let Some(now) = now {
        name(tx, &now.root, core, path, now.visibility, now.partial)?;
    }
    let row = now.map(|now| encode(&now));
    tx.put_meta(NAMED, &key, row.as_deref())?;
    let is_public = |named: &Named| named.visibility == Visibility::Public;
    let (before, now) = (before.filter(is_public), now.filter(is_public));
    if before.is_none() && now.is_none() {
        return Ok(false);
    }
    tx.put_meta(PUBLIC, &key, row.filter(|_| now.is_some()).as_deref())?;
    Ok(true)
}

/// Lets a CID be found by a path, by strangers too where it is public.
pub(crate) fn name(
    tx: &mut Tx,
    root: &Cid,
    core: &CoreId,
    path: &MapPath,
    visibility: Visibility,
    partial: bool,
) -> Result<(), TxError> {
    let byte = byte(visibility, partial);
    tx.name_root(root, core, path, byte)?;
    if visibility == Visibility::Public {
        tx.put_meta(PUBLIC_OF_ROOT, &public_key(root, core, path), Some(&[byte]))?;
    }
    Ok(())
}

/// Lets a CID be found by a path no more.
pub(crate) fn unname(tx: &mut Tx, root: &Cid, core: &CoreId, path: &MapPath) -> Result<(), TxError> {
    tx.unname_root(root, core, path)?;
    tx.put_meta(PUBLIC_OF_ROOT, &public_key(root, core, path), None)
}

fn public_key(root: &Cid, core: &CoreId, path: &MapPath) -> Vec<u8> {
    [root_key(root), row_key(core, path)].concat()
}

/// Set in a name's byte where the root is opened only as far as its core has it.
const PARTIAL: u8 = 0x80;

/// What [`name`] wrote beside a name: its visibility, and whether the root is partial.
pub(crate) fn read_byte(byte: u8) -> Option<(Visibility, bool)> {
    let visibility = Visibility::ALL.get(usize::from(byte & !PARTIAL)).copied()?;
    Some((visibility, byte & PARTIAL != 0))
}

fn byte(visibility: Visibility, partial: bool) -> u8 {
    let visibility = match visibility {
        Visibility::Private => 0,
        Visibility::Members => 1,
        Visibility::Public => 2,
    };
    visibility | if partial { PARTIAL } else { 0 }
}

/// Visibility and partiality (1 byte), date (8), operation (32), root.
fn encode(named: &Named) -> Vec<u8> {
    let at = named.at.bits().to_be_bytes();
    [
        &[byte(named.visibility, named.partial)],
        at.as_slice(),
        named.op.digest(),
        named.root.to_bytes().as_slice(),
    ]
    .concat()
}

fn decode(row: &[u8]) -> Option<Named> {
    let (first, rest) = row.split_first()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (op, root) = rest.split_first_chunk::<32>()?;
    let (visibility, partial) = read_byte(*first)?;
    Some(Named {
        root: Cid::try_from(root).ok()?,
        visibility,
        partial,
        op: OpId::from_digest(*op),
        at: Hlc::from_bits(u64::from_be_bytes(*at)),
    })
}

fn row_key(core: &CoreId, path: &MapPath) -> Vec<u8> {
    [core.digest().as_slice(), path.as_str().as_bytes()].concat()
}

fn root_key(root: &Cid) -> Vec<u8> {
    let root = root.to_bytes();
    let len = u8::try_from(root.len()).expect("a CID with a 64-byte digest is under 255 bytes");
    [[len].as_slice(), &root].concat()
}
