//! Which content is open at which path.
//!
//! A path opens a DAG only through its row here: core and path, to visibility and root. The row is written
//! with the operation that decides the path, or when the DAG becomes whole later, always by the one writer
//! of the core. With it go the store's reverse row (from root to path), by which a CID is found, and the
//! number of public paths, by which a core with none is told from one that shows itself.

use cid::Cid;
use kubelt_core::{CoreId, MapPath, schema::Visibility};
use kubelt_store::{Store, Tx, TxError};

use crate::StoreError;

const NAMED: &str = "named";
const OPEN: &str = "open";

/// What a path opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) root: Cid,
    pub(crate) visibility: Visibility,
}

/// What `path` opens now.
pub(crate) fn named(store: &Store, core: &CoreId, path: &MapPath) -> Result<Option<Named>, StoreError> {
    Ok(store.meta(NAMED, &row_key(core, path))?.and_then(|row| decode(&row)))
}

/// Whether any path of the core is public.
pub(crate) fn is_open(store: &Store, core: &CoreId) -> Result<bool, StoreError> {
    Ok(store.meta(OPEN, core.digest())?.is_some_and(|count| count.iter().any(|byte| *byte != 0)))
}

/// Makes `path` open `now`, and nothing else. Only the core's one writer may call this.
pub(crate) fn set_name(
    tx: &mut Tx,
    core: &CoreId,
    path: &MapPath,
    now: Option<Named>,
) -> Result<(), TxError> {
    let key = row_key(core, path);
    let before = tx.meta(NAMED, &key)?.and_then(|row| decode(&row));
    if before == now {
        return Ok(());
    }
    if let Some(before) = before {
        tx.unname_root(&before.root, core, path)?;
    }
    if let Some(now) = now {
        tx.name_root(&now.root, core, path, byte(now.visibility))?;
    }
    tx.put_meta(NAMED, &key, now.map(|now| encode(&now)).as_deref())?;
    let public =
        |named: Option<Named>| i64::from(named.is_some_and(|named| named.visibility == Visibility::Public));
    match public(now) - public(before) {
        0 => Ok(()),
        change => {
            let count = tx
                .meta(OPEN, core.digest())?
                .and_then(|row| row.as_ref().try_into().ok().map(u64::from_be_bytes));
            let count = count.unwrap_or(0).saturating_add_signed(change);
            tx.put_meta(OPEN, core.digest(), Some(&count.to_be_bytes()))
        }
    }
}

/// The visibility of a byte that [`set_name`] wrote.
pub(crate) fn visibility(byte: u8) -> Option<Visibility> {
    Visibility::ALL.get(usize::from(byte)).copied()
}

fn byte(visibility: Visibility) -> u8 {
    match visibility {
        Visibility::Private => 0,
        Visibility::Members => 1,
        Visibility::Public => 2,
    }
}

fn encode(named: &Named) -> Vec<u8> {
    [&[byte(named.visibility)], named.root.to_bytes().as_slice()].concat()
}

fn decode(row: &[u8]) -> Option<Named> {
    let (first, root) = row.split_first()?;
    Some(Named { root: Cid::try_from(root).ok()?, visibility: visibility(*first)? })
}

fn row_key(core: &CoreId, path: &MapPath) -> Vec<u8> {
    [core.digest().as_slice(), path.as_str().as_bytes()].concat()
}
