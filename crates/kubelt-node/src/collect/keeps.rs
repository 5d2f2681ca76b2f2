//! Which roots the paths of a core keep.

use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;
use kubelt_core::{CoreId, MapPath, codec, limits::VALUE_BYTES_MAX};
use kubelt_store::{Store, Tx, TxError};

use super::{Job, end_lease, enqueue};
use crate::{
    StoreError,
    limits::VERSIONS_KEPT_MAX,
    write::{content_entry, kept_content},
};

/// Where a core says how many versions of each path it keeps: `{keep: N}` or `{keep: "all"}`.
pub(crate) const VERSIONS: &str = "config/versions";

/// The roots that a path keeps: by core and path.
const KEEPS: &str = "keeps";
/// The paths that keep a root: by core, root and path.
const KEPT: &str = "kept";

/// How many versions of each path a core keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The newest so many, what clears the path among them.
    Newest(usize),
    /// Whatever was kept once.
    All,
}

/// What the core's settings say, as the transaction leaves them. What cannot be read, or is out of bounds, keeps all.
pub(crate) fn keep_of(tx: &Tx, core: &CoreId) -> Result<Keep, TxError> {
    let path: MapPath = VERSIONS.parse().expect("a constant path");
    let Some(state) = tx.state(core, &path)? else { return Ok(Keep::Newest(1)) };
    let value: Option<Ipld> = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok();
    let Some(Ipld::Map(fields)) = value else { return Ok(Keep::All) };
    Ok(match fields.get("keep") {
        Some(Ipld::Integer(count)) => usize::try_from(*count)
            .ok()
            .filter(|count| (1..=VERSIONS_KEPT_MAX).contains(count))
            .map_or(Keep::All, Keep::Newest),
        _ => Keep::All,
    })
}

/// Writes down which roots `path` keeps now, and queues those that it lets go.
pub(crate) fn set_kept(
    tx: &mut Tx,
    core: &CoreId,
    path: &MapPath,
    keep: Keep,
    now_ms: u64,
) -> Result<(), TxError> {
    let count = match keep {
        Keep::Newest(count) => count,
        Keep::All => 1,
    };
    // One more than is kept: what was sealed before is let go, however many versions are kept. Its key was replaced so that
    // it should be of no use any more.
    let puts = tx.newest_puts(core, path, count + 1)?;
    let roots = |values: &[Option<Bytes>], keep: &dyn Fn(&[u8]) -> bool| -> Vec<Cid> {
        values.iter().flatten().filter(|value| keep(value)).filter_map(|value| kept_content(value)).collect()
    };
    let (newest, older) = puts.split_at(puts.len().min(1));
    let mut now = roots(newest, &|_| true);
    now.extend(roots(&older[..older.len().min(count - 1)], &|value| !is_sealed(value)));
    let gone = roots(older, &is_sealed);
    let key = [core.digest().as_slice(), path.as_str().as_bytes()].concat();
    let before = tx.meta(KEEPS, &key)?.map(|row| decode(&row)).unwrap_or_default();
    if keep == Keep::All {
        now.extend(before.iter().filter(|root| !gone.contains(root)));
    }
    now.sort();
    now.dedup();
    for root in now.iter().filter(|root| !before.contains(root)) {
        tx.put_meta(KEPT, &kept_key(core, root, path.as_str()), Some(&[]))?;
        end_lease(tx, core, root)?;
    }
    for root in before.iter().filter(|root| !now.contains(root)) {
        tx.put_meta(KEPT, &kept_key(core, root, path.as_str()), None)?;
        enqueue(tx, now_ms, &Job::Root { core: *core, root: *root })?;
    }
    if before == now {
        return Ok(());
    }
    let row = encode(&now);
    tx.put_meta(KEEPS, &key, (!now.is_empty()).then_some(row.as_slice()))
}

fn is_sealed(value: &[u8]) -> bool {
    content_entry(value).is_some_and(|entry| entry.encryption.is_some())
}

/// Whether any path of the core keeps the root, or the core's own public root is it.
pub(crate) fn is_kept(store: &Store, core: &CoreId, root: &Cid) -> Result<bool, StoreError> {
    if store.meta_scan(KEPT, &kept_key(core, root, ""), None).next().transpose()?.is_some() {
        return Ok(true);
    }
    Ok(store.names_in(core, root).next().transpose()?.is_some())
}

/// The paths of the core that keep the root, the current content of a path among what it keeps.
pub(crate) fn keepers(
    store: &Store,
    core: &CoreId,
    root: &Cid,
) -> impl Iterator<Item = Result<String, StoreError>> + use<> {
    let prefix = kept_key(core, root, "");
    let skip = prefix.len();
    store.meta_scan(KEPT, &prefix, None).map(move |row| {
        let (key, _empty) = row?;
        Ok(String::from_utf8_lossy(&key[skip..]).into_owned())
    })
}

fn kept_key(core: &CoreId, root: &Cid, path: &str) -> Vec<u8> {
    let root = root.to_bytes();
    let len = u8::try_from(root.len()).expect("a CID with a 64-byte digest is under 255 bytes");
    [core.digest().as_slice(), &[len], &root, path.as_bytes()].concat()
}

/// CIDs, each after its length.
fn encode(roots: &[Cid]) -> Vec<u8> {
    let mut row = Vec::new();
    for root in roots {
        let root = root.to_bytes();
        row.push(u8::try_from(root.len()).expect("a CID with a 64-byte digest is under 255 bytes"));
        row.extend(root);
    }
    row
}

fn decode(mut row: &[u8]) -> Vec<Cid> {
    let mut roots = Vec::new();
    while let Some((len, rest)) = row.split_first() {
        let Some((root, rest)) = rest.split_at_checked(usize::from(*len)) else { break };
        roots.extend(Cid::try_from(root));
        row = rest;
    }
    roots
}
