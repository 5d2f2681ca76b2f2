//! What is stored of mirrored cores: node-local records, apart from all that cores of this node have.
//!
//! A mirrored core has no row among the cores of this node, so that nothing takes it for one: it is not replicated, not
//! counted as a copy, not exported. Its blocks and the names that open them belong to a *stand-in*, an id that is made
//! from the core's and that no core can have.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::{
    Act, Body, CoreId, Genesis, Hlc, LoginId, MapPath, OpId, Signed, codec,
    limits::{BODY_BYTES_MAX, SIGNED_BYTES_MAX},
    schema::{ContentEntry, Visibility},
};
use kubelt_store::{Store, Tx, TxError};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::StoreError;

/// The genesis blocks of mirrored cores, by core.
const MIRRORED: &str = "mirrored";
/// What their public paths hold, by core and path.
const ENTRIES: &str = "mirrored-entry";
/// Their logs, without the bodies of puts: by core, date and operation.
const OPS: &str = "mirrored-op";
/// The sign-ins that operations name, by core and sign-in.
const LOGINS: &str = "mirrored-login";

/// Rows that one transaction removes.
const ROWS_REMOVED_MAX: usize = 1_000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    v: u8,
    signed: ByteBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<ByteBuf>,
}

/// Blocks of an operation.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) signed: Signed,
    pub(super) body: Option<Body>,
}

/// What a mirrored path holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MirroredEntry {
    pub(crate) op: OpId,
    pub(crate) at: Hlc,
    pub(crate) value: ContentEntry,
}

/// The id under which blocks and names of a mirrored core are kept.
pub(crate) fn stand_in(core: &CoreId) -> CoreId {
    // A genesis is a map of dag-cbor, and none begins so.
    CoreId::of(&[b"kubelt mirror of ", core.digest().as_slice()].concat())
}

/// The stand-in of a core that is mirrored here, and is not here itself.
pub(crate) fn mirrored(store: &Store, core: &CoreId) -> Result<Option<CoreId>, StoreError> {
    let is_mirrored = store.meta(MIRRORED, core.digest())?.is_some() && store.genesis(core)?.is_none();
    Ok(is_mirrored.then(|| stand_in(core)))
}

/// What a path of a mirrored core holds.
pub(crate) fn entry(
    store: &Store,
    core: &CoreId,
    path: &MapPath,
) -> Result<Option<MirroredEntry>, StoreError> {
    let row = store.meta(ENTRIES, &path_key(core, path))?;
    Ok(row.and_then(|row| read_entry(&row)).map(|(_, entry)| entry))
}

/// The cores of which something is mirrored.
pub(super) fn cores(store: &Store) -> Result<Vec<CoreId>, StoreError> {
    let id = |key: Bytes| key.as_ref().try_into().ok().map(CoreId::from_digest);
    store.meta_scan(MIRRORED, &[], None).filter_map(|row| row.map(|(key, _)| id(key)).transpose()).collect()
}

/// The ids under which their blocks are kept.
pub(crate) fn stand_ins(store: &Store) -> Result<Vec<CoreId>, StoreError> {
    Ok(cores(store)?.iter().map(stand_in).collect())
}

pub(super) fn put_genesis(tx: &mut Tx, core: &CoreId, genesis: &Genesis) -> Result<(), TxError> {
    tx.put_meta(MIRRORED, core.digest(), Some(&genesis.encode()))
}

pub(super) fn is_kept(tx: &Tx, core: &CoreId) -> Result<bool, TxError> {
    Ok(tx.meta(MIRRORED, core.digest())?.is_some())
}

/// The entries, with their bytes.
pub(super) fn entries(
    store: &Store,
    core: &CoreId,
) -> impl Iterator<Item = Result<(MapPath, MirroredEntry, usize), StoreError>> + use<> {
    store.meta_scan(ENTRIES, core.digest(), None).filter_map(|row| {
        let read = |(key, row): (Bytes, Bytes)| {
            let path = MapPath::new(std::str::from_utf8(key.get(32..)?).ok()?).ok()?;
            let (path_there, entry) = read_entry(&row)?;
            (path == path_there).then_some((path, entry, row.len()))
        };
        row.map(read).transpose()
    })
}

pub(super) fn entry_in(tx: &Tx, core: &CoreId, path: &MapPath) -> Result<Option<MirroredEntry>, TxError> {
    let row = tx.meta(ENTRIES, &path_key(core, path))?;
    Ok(row.and_then(|row| read_entry(&row)).map(|(_, entry)| entry))
}

/// Writes down what a path holds; gives the bytes that it takes.
pub(super) fn put_entry(
    tx: &mut Tx,
    core: &CoreId,
    path: &MapPath,
    parts: Option<&Parts>,
) -> Result<usize, TxError> {
    let row = parts.map(encode);
    tx.put_meta(ENTRIES, &path_key(core, path), row.as_deref())?;
    Ok(row.map_or(0, |row| row.len()))
}

/// The operations of the log, by date.
pub(super) fn ops(
    store: &Store,
    core: &CoreId,
) -> impl Iterator<Item = Result<(Parts, usize), StoreError>> + use<> {
    let rows = store.meta_scan(OPS, core.digest(), None);
    rows.filter_map(|row| row.map(|(_, row)| Some((read(&row)?, row.len()))).transpose())
}

pub(super) fn put_op(tx: &mut Tx, core: &CoreId, parts: &Parts) -> Result<usize, TxError> {
    let header = &parts.signed.header;
    let at = header.at.bits().to_be_bytes();
    let key = [core.digest().as_slice(), &at, header.id().digest()].concat();
    let row = encode(parts);
    tx.put_meta(OPS, &key, Some(&row))?;
    Ok(row.len())
}

pub(super) fn login(store: &Store, core: &CoreId, id: &LoginId) -> Result<Option<Bytes>, StoreError> {
    store.meta(LOGINS, &login_key(core, id))
}

/// The bytes of all sign-ins that are kept.
pub(super) fn login_bytes(store: &Store, core: &CoreId) -> Result<u64, StoreError> {
    store.meta_scan(LOGINS, core.digest(), None).map(|row| row.map(|(_, row)| row.len() as u64)).sum()
}

pub(super) fn put_login(tx: &mut Tx, core: &CoreId, id: &LoginId, block: &[u8]) -> Result<(), TxError> {
    tx.put_meta(LOGINS, &login_key(core, id), Some(block))
}

/// Removes some of what is kept besides entries; gives whether that was all, the core's own row among it.
pub(super) fn remove_some(tx: &mut Tx, store: &Store, core: &CoreId) -> Result<bool, TxError> {
    let mut left = ROWS_REMOVED_MAX;
    for table in [OPS, LOGINS] {
        for row in store.meta_scan(table, core.digest(), None).take(left) {
            tx.put_meta(table, &row?.0, None)?;
            left -= 1;
        }
    }
    if left > 0 {
        tx.put_meta(MIRRORED, core.digest(), None)?;
    }
    Ok(left > 0)
}

fn path_key(core: &CoreId, path: &MapPath) -> Vec<u8> {
    [core.digest().as_slice(), path.as_str().as_bytes()].concat()
}

fn login_key(core: &CoreId, id: &LoginId) -> Vec<u8> {
    [core.digest().as_slice(), id.digest()].concat()
}

fn encode(parts: &Parts) -> Vec<u8> {
    let body = parts.body.as_ref().map(|body| ByteBuf::from(body.encode()));
    codec::encode(&Row { v: 1, signed: ByteBuf::from(parts.signed.encode()), body })
}

fn read(row: &[u8]) -> Option<Parts> {
    const ROW_BYTES_MAX: usize = SIGNED_BYTES_MAX + BODY_BYTES_MAX + 1_024;
    let Row { signed, body, .. } = codec::decode(row, ROW_BYTES_MAX, "mirrored operation").ok()?;
    let body = body.map(|body| Body::decode(&body)).transpose().ok()?;
    Some(Parts { signed: Signed::decode(&signed).ok()?, body })
}

fn read_entry(row: &[u8]) -> Option<(MapPath, MirroredEntry)> {
    let Parts { signed, body } = read(row)?;
    let (path, value) = public_entry(&body?)?;
    Some((path, MirroredEntry { op: signed.header.id(), at: signed.header.at, value }))
}

/// The path of content that a body publishes to everybody, and what it publishes there.
pub(super) fn public_entry(body: &Body) -> Option<(MapPath, ContentEntry)> {
    let Act::Put { path, value } = &body.act else { return None };
    let value = ContentEntry::from_ipld(value).ok()?;
    let is_public = path.prefix() == crate::content::PREFIX && value.visibility == Visibility::Public;
    is_public.then(|| (path.clone(), value))
}

/// The root that a path opens and the operation that says so.
pub(super) const fn named_by(entry: &MirroredEntry, partial: bool) -> crate::names::Named {
    let (root, op, at): (Cid, OpId, Hlc) = (entry.value.cid, entry.op, entry.at);
    crate::names::Named { root, visibility: Visibility::Public, partial, op, at }
}
