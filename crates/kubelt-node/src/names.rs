//! Which content is open at which path.
//!
//! A path opens a DAG only through its row here: core and path, to visibility, root and the operation that
//! decided it. The row is written with that operation, or when the DAG becomes whole later, always by the one
//! writer of the core. With it go the store's reverse row (from root to path), by which a CID is found, and,
//! for a public path, a row in a table of public paths alone. What anybody may have is read from that table:
//! so neither a page, a cursor nor the time that an answer takes depends on what is not public.

use std::sync::Arc;

use cid::Cid;
use kubelt_core::{
    CoreId, Hlc, MapPath, OpId,
    schema::{Exit, Exposure, Visibility},
};
use kubelt_store::{Store, Tx, TxError};

use crate::StoreError;

const NAMED: &str = "named";
const PUBLIC: &str = "public";

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

/// One exit of a core, as its settings have it now.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    exposure: Arc<Exposure>,
    exit: Exit,
}

impl Door {
    pub(crate) fn new(exposure: Arc<Exposure>, exit: Exit) -> Self {
        Self { exposure, exit }
    }

    /// Whether strangers may reach `path`, if it is public.
    pub(crate) fn is_open(&self, path: &MapPath) -> bool {
        self.exposure.is_open(path, self.exit)
    }
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
    let shut = door.exposure.is_shut(door.exit);
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
        tx.unname_root(&before.root, core, path)?;
    }
    if let Some(now) = now {
        tx.name_root(&now.root, core, path, byte(now.visibility, now.partial))?;
    }
    let row = now.map(|now| encode(&now));
    tx.put_meta(NAMED, &key, row.as_deref())?;
    let is_public = |named: &Named| named.visibility == Visibility::Public;
    match (before.is_some_and(|before| is_public(&before)), now.is_some_and(|now| is_public(&now))) {
        (_, true) => tx.put_meta(PUBLIC, &key, row.as_deref())?,
        (true, false) => tx.put_meta(PUBLIC, &key, None)?,
        (false, false) => return Ok(false),
    }
    Ok(true)
}

/// Set in a name's byte where the root is opened only as far as its core has it.
const PARTIAL: u8 = 0x80;

/// What [`set_name`] wrote beside a name: its visibility, and whether the root is partial.
pub(crate) fn read_byte(byte: u8) -> Option<(Visibility, bool)> {
    let visibility = Visibility::ALL.get(usize::from(byte & !PARTIAL)).copied()?;
    Some((visibility, byte & PARTIAL != 0))
}

/// The byte beside a name that is public.
pub(crate) fn public_byte(partial: bool) -> u8 {
    byte(Visibility::Public, partial)
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
