//! The tables of the index: what stands under which key.
//!
//! A key is a table's letter and then fixed-width parts; `core`, `id` and `login` are 32-byte digests,
//! `at` is eight bytes big-endian, `hash` is a multihash, `root` a CID, `path` text without its zero byte.
//! A part of varying width that is not the last is ended by a zero byte (text) or begun by its length
//! (`len`, one byte). Blocks are named by multihash, because that is what says which bytes they are: a
//! block put under one CID is found under every other CID of the same bytes. What a root reaches is named by
//! CID, though: read as another codec, the same bytes have other links, and those nobody has opened.
//!
//! | key | value |
//! | --- | --- |
//! | `B hash` | where the block's bytes lie |
//! | `P core hash` | the core possesses the block: its size, and the stamp of who brought or asked for it last |
//! | `W hash core` | the same, by block |
//! | `G core len hash codec root` | the core's root reaches the block |
//! | `C core` | genesis block |
//! | `J core login` | login block |
//! | `H core` | heads |
//! | `I core id` | date of the operation |
//! | `O core at id 0` | the operation: verb and signed bytes |
//! | `O core at id 1` | its body and, for a put, its path |
//! | `O core at id 2` | there if the operation is void |
//! | `E core path 0 at id` | a put that is effective |
//! | `V core path 0 at id` | a put that is void |
//! | `R len cid root` | the root, which is or was public, reaches the block; CIDv0 is written as the CIDv1 that it is |
//! | `L root` | all blocks that the root reaches are linked |
//! | `N len root core path` | the path names the root: visibility |
//! | `M len namespace key` | node-local records |
//! | `Q core` | quota that differs from the default |
//! | `U core` | counters: operations, their bytes, blocks, their bytes |
//! | `K core` | counters: notes of what the core's roots reach |
//! | `T` + `c`, `b` | counters of the whole store: cores; stored blocks and their bytes |
//! | `A` | the position up to which the segments are applied, and whose segments they are |

use cid::Cid;
use kubelt_core::{CoreId, Hlc, LoginId, MapPath, OpId};

pub(crate) const APPLIED: &[u8] = b"A";
pub(crate) const TOTAL_CORES: &[u8] = b"Tc";
pub(crate) const TOTAL_BLOCKS: &[u8] = b"Tb";

/// Last byte of an operation's row: the operation itself.
pub(crate) const OP_SIGNED: u8 = 0;
/// Last byte of an operation's row: its body.
pub(crate) const OP_BODY: u8 = 1;
/// Last byte of an operation's row: the mark that it is void.
pub(crate) const OP_VOID: u8 = 2;

const AT_ID_BYTES: usize = 40;
/// The codec of plain bytes.
const RAW: u64 = 0x55;

pub(crate) fn block(cid: &Cid) -> Vec<u8> {
    [b"B", hash(cid).as_slice()].concat()
}

pub(crate) fn possession(core: &CoreId, cid: &Cid) -> Vec<u8> {
    [b"P", core.digest().as_slice(), &hash(cid)].concat()
}

/// All possessions of a core.
pub(crate) fn possessions(core: &CoreId) -> Vec<u8> {
    of_core(b'P', core)
}

/// The hash in the key of a possession, as a CID of raw bytes.
pub(crate) fn hash_in_possession(key: &[u8]) -> Option<Cid> {
    Some(Cid::new_v1(RAW, cid::multihash::Multihash::from_bytes(key.get(33..)?).ok()?))
}

/// The hash in the key of a block, as a CID of raw bytes.
pub(crate) fn hash_in_block(key: &[u8]) -> Option<Cid> {
    Some(Cid::new_v1(RAW, cid::multihash::Multihash::from_bytes(key.get(1..)?).ok()?))
}

/// The multihash in the key of a row that decides whether a block may go.
pub(crate) fn hash_in_row(key: &[u8]) -> Option<&[u8]> {
    match key.first()? {
        b'B' => key.get(1..),
        b'P' => key.get(33..),
        b'W' => key.get(1..key.len().checked_sub(32)?),
        b'G' => {
            let (len, rest) = key.get(33..)?.split_first()?;
            rest.get(..usize::from(*len))
        }
        _ => None,
    }
}

/// All cores that possess a block.
pub(crate) fn owners(cid: &Cid) -> Vec<u8> {
    [b"W", hash(cid).as_slice()].concat()
}

pub(crate) fn owner(core: &CoreId, cid: &Cid) -> Vec<u8> {
    [owners(cid).as_slice(), core.digest()].concat()
}

/// All that the roots of a core reach.
pub(crate) fn all_reachers(core: &CoreId) -> Vec<u8> {
    of_core(b'G', core)
}

/// Block and root of a row that says that the one is reached by the other.
pub(crate) fn parse_reacher(key: &[u8]) -> Option<(Cid, Cid)> {
    let (len, rest) = key.get(33..)?.split_first()?;
    let (hash, rest) = rest.split_at_checked(usize::from(*len))?;
    let (codec, root) = rest.split_first_chunk::<8>()?;
    let hash = cid::multihash::Multihash::from_bytes(hash).ok()?;
    Some((Cid::new_v1(u64::from_be_bytes(*codec), hash), Cid::try_from(root).ok()?))
}

/// All roots of a core that reach a block's bytes, whatever it is read as.
pub(crate) fn reachers(core: &CoreId, cid: &Cid) -> Vec<u8> {
    let hash = hash(cid);
    [of_core(b'G', core).as_slice(), &[length(&hash)], &hash].concat()
}

/// All roots of a core that reach a block.
pub(crate) fn reachers_as(core: &CoreId, cid: &Cid) -> Vec<u8> {
    let codec = cid.codec().to_be_bytes();
    [reachers(core, cid).as_slice(), codec.as_slice()].concat()
}

pub(crate) fn reacher(core: &CoreId, cid: &Cid, root: &Cid) -> Vec<u8> {
    [reachers_as(core, cid), root.to_bytes()].concat()
}

pub(crate) fn core(core: &CoreId) -> Vec<u8> {
    of_core(b'C', core)
}

pub(crate) fn cores() -> &'static [u8] {
    b"C"
}

pub(crate) fn core_in_key(key: &[u8]) -> Option<CoreId> {
    Some(CoreId::from_digest(key.get(1..33)?.try_into().ok()?))
}

pub(crate) fn login(core: &CoreId, login: &LoginId) -> Vec<u8> {
    [b"J", core.digest().as_slice(), login.digest()].concat()
}

pub(crate) fn heads(core: &CoreId) -> Vec<u8> {
    of_core(b'H', core)
}

pub(crate) fn op_date(core: &CoreId, id: &OpId) -> Vec<u8> {
    [b"I", core.digest().as_slice(), id.digest()].concat()
}

pub(crate) fn ops(core: &CoreId) -> Vec<u8> {
    of_core(b'O', core)
}

pub(crate) fn op(core: &CoreId, at: Hlc, id: &OpId, part: u8) -> Vec<u8> {
    [ops(core).as_slice(), &at.bits().to_be_bytes(), id.digest(), &[part]].concat()
}

/// Date, id and part of an operation's row.
pub(crate) fn parse_op(key: &[u8]) -> Option<(Hlc, OpId, u8)> {
    let (part, rest) = key.split_last()?;
    let (at, id) = parse_at_id(rest)?;
    Some((at, id, *part))
}

/// Which of the two tables of puts.
pub(crate) const fn puts_table(effective: bool) -> u8 {
    if effective { b'E' } else { b'V' }
}

/// All puts of a core whose paths begin with `prefix`, byte for byte.
pub(crate) fn puts(effective: bool, core: &CoreId, prefix: &str) -> Vec<u8> {
    [of_core(puts_table(effective), core).as_slice(), prefix.as_bytes()].concat()
}

/// All puts of one path.
pub(crate) fn puts_of_path(effective: bool, core: &CoreId, path: &MapPath) -> Vec<u8> {
    [puts(effective, core, path.as_str()).as_slice(), &[0]].concat()
}

/// Behind all effective puts of one path, and before those of the next.
pub(crate) fn after_puts_of(core: &CoreId, path: &MapPath) -> Vec<u8> {
    [puts_of_path(true, core, path).as_slice(), &[u8::MAX; AT_ID_BYTES]].concat()
}

pub(crate) fn put(effective: bool, core: &CoreId, path: &MapPath, at: Hlc, id: &OpId) -> Vec<u8> {
    [puts_of_path(effective, core, path).as_slice(), &at.bits().to_be_bytes(), id.digest()].concat()
}

/// Path, date and id of a put's row.
pub(crate) fn parse_put(key: &[u8]) -> Option<(MapPath, Hlc, OpId)> {
    let (at, id) = parse_at_id(key)?;
    let path = key.get(33..key.len().checked_sub(AT_ID_BYTES + 1)?)?;
    let path = MapPath::new(std::str::from_utf8(path).ok()?).ok()?;
    Some((path, at, id))
}

/// All roots that reach a block.
pub(crate) fn roots(cid: &Cid) -> Vec<u8> {
    let cid = Cid::new_v1(cid.codec(), *cid.hash()).to_bytes();
    [b"R", [length(&cid)].as_slice(), &cid].concat()
}

pub(crate) fn reach(cid: &Cid, root: &Cid) -> Vec<u8> {
    [roots(cid), root.to_bytes()].concat()
}

/// The rows of all roots of all blocks.
pub(crate) fn all_roots() -> &'static [u8] {
    b"R"
}

/// Block and root of a row of [`reach`].
pub(crate) fn parse_reach(key: &[u8]) -> Option<(Cid, Cid)> {
    let (length, rest) = key.strip_prefix(b"R")?.split_first()?;
    let (block, root) = rest.split_at_checked(usize::from(*length))?;
    Some((Cid::try_from(block).ok()?, Cid::try_from(root).ok()?))
}

pub(crate) fn linked(root: &Cid) -> Vec<u8> {
    [b"L", root.to_bytes().as_slice()].concat()
}

/// All names of a root.
pub(crate) fn names(root: &Cid) -> Vec<u8> {
    let root = root.to_bytes();
    [b"N", [length(&root)].as_slice(), &root].concat()
}

/// All names of a root in one core.
pub(crate) fn names_in(root: &Cid, core: &CoreId) -> Vec<u8> {
    [names(root).as_slice(), core.digest()].concat()
}

pub(crate) fn name(root: &Cid, core: &CoreId, path: &MapPath) -> Vec<u8> {
    [names_in(root, core).as_slice(), path.as_str().as_bytes()].concat()
}

/// Core and path of a name's row below `names(root)`.
pub(crate) fn parse_name(rest: &[u8]) -> Option<(CoreId, MapPath)> {
    let (core, path) = rest.split_first_chunk::<32>()?;
    Some((CoreId::from_digest(*core), MapPath::new(std::str::from_utf8(path).ok()?).ok()?))
}

/// All records of a namespace whose keys begin with `prefix`.
pub(crate) fn meta(namespace: &str, prefix: &[u8]) -> Vec<u8> {
    [b"M", [length(namespace.as_bytes())].as_slice(), namespace.as_bytes(), prefix].concat()
}

pub(crate) fn quota(core: &CoreId) -> Vec<u8> {
    of_core(b'Q', core)
}

pub(crate) fn usage(core: &CoreId) -> Vec<u8> {
    of_core(b'U', core)
}

/// How many notes of what its roots reach a core has.
pub(crate) fn reach_notes(core: &CoreId) -> Vec<u8> {
    of_core(b'K', core)
}

/// The multihash of a CID.
pub(crate) fn hash(cid: &Cid) -> Vec<u8> {
    cid.hash().to_bytes()
}

/// The letter of a key's table.
pub(crate) fn table(key: &[u8]) -> char {
    key.first().map_or('?', |letter| char::from(*letter))
}

fn of_core(table: u8, core: &CoreId) -> Vec<u8> {
    [[table].as_slice(), core.digest()].concat()
}

fn parse_at_id(key: &[u8]) -> Option<(Hlc, OpId)> {
    let tail: &[u8; AT_ID_BYTES] = key.last_chunk()?;
    let (at, id) = tail.split_first_chunk::<8>()?;
    Some((Hlc::from_bits(u64::from_be_bytes(*at)), OpId::from_digest(id.try_into().ok()?)))
}

fn length(part: &[u8]) -> u8 {
    u8::try_from(part.len()).expect("hashes, CIDs and namespaces are under 255 bytes")
}
