//! Paths through DAGs of any codec that has links.

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::resolve::entry;
use super::source::{Blocks, ReadError, load};
use crate::codec::Codec;
use crate::limits::PATH_SEGMENTS_MAX;

/// Where a path leads, and by which blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The block that the path ends in. Nothing is said of whether it is there.
    pub end: Cid,
    /// The root, and what every link on the way leads to; the last is `end` (path gateway specification,
    /// `X-Ipfs-Roots`).
    pub roots: Vec<Cid>,
    /// All blocks that were read on the way, in order, shards of directories among them; never `end` itself
    /// for being the end.
    pub passed: Vec<Cid>,
    /// How many of the last segments lead on within the block `end`, to a value that is no link.
    pub remainder: usize,
}

/// Follows `segments` from `root` through directories of both kinds, dag-cbor and dag-json.
///
/// Symbolic links are reported, never followed; `.` and `..` are no names of directory entries.
///
/// # Errors
/// [`ReadError::NotFound`] and [`ReadError::NotADirectory`] where the path leads nowhere.
pub fn follow<B: Blocks>(
    blocks: &B,
    root: &Cid,
    segments: &[impl AsRef<str>],
) -> Result<Way, ReadError<B::Error>> {
    if segments.len() > PATH_SEGMENTS_MAX {
        return Err(ReadError::PathTooLong);
    }
    let mut way = Way { end: *root, roots: vec![*root], passed: Vec::new(), remainder: 0 };
    let mut index = 0;
    while let Some(segment) = segments.get(index) {
        let cid = way.end;
        let codec = Codec::of(&cid)?;
        way.end = match codec {
            Codec::DagPb => {
                let next = entry(blocks, &cid, segment.as_ref(), index, &mut way.passed)?;
                index += 1;
                next
            }
            Codec::DagCbor | Codec::DagJson => {
                let block = load(blocks, &cid)?;
                let value = codec
                    .decode(&block)
                    .map_err(|source| ReadError::MalformedData { cid: Box::new(cid), source })?;
                let (link, taken) = descend(&value, &segments[index..])
                    .ok_or_else(|| ReadError::NotFound(segment.as_ref().to_owned()))?;
                let Some(link) = link else {
                    way.remainder = taken;
                    return Ok(way);
                };
                way.passed.push(cid);
                index += taken;
                link
            }
            Codec::Raw | Codec::Json | Codec::Cbor => return Err(ReadError::NotADirectory(Box::new(cid))),
        };
        way.roots.push(way.end);
    }
    Ok(way)
}

/// Goes down within one value to the first link, or to where the segments end; gives how many it took.
fn descend(value: &Ipld, segments: &[impl AsRef<str>]) -> Option<(Option<Cid>, usize)> {
    let mut value = value;
    for (taken, segment) in segments.iter().enumerate() {
        value = match value {
            Ipld::Link(cid) => return Some((Some(*cid), taken)),
            Ipld::Map(map) => map.get(segment.as_ref())?,
            Ipld::List(list) => list.get(index(segment.as_ref())?)?,
            _ => return None,
        };
    }
    let link = if let Ipld::Link(cid) = value { Some(*cid) } else { None };
    Some((link, segments.len()))
}

/// A place in a list has one spelling.
fn index(segment: &str) -> Option<usize> {
    let number: usize = segment.parse().ok()?;
    (number.to_string() == segment).then_some(number)
}

#[cfg(test)]
mod tests;
