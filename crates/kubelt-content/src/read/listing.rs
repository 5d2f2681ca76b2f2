//! The entries of a directory, one at a time.

use bytes::Bytes;
use cid::Cid;

use super::source::{Blocks, ReadError, is_leaf, load, malformed};
use crate::unixfs::{Kind, Shard, UnixFsNode, name_hash};

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name: never empty, without `/` and NUL; see [`Entry::is_dots`].
    pub name: String,
    /// What it points to.
    pub cid: Cid,
    /// Bytes of all blocks below, as the directory says.
    pub dag_size: Option<u64>,
}

impl Entry {
    /// The name is `.` or `..`: no path leads here, and no file system should be given it.
    pub fn is_dots(&self) -> bool {
        matches!(self.name.as_str(), "." | "..")
    }
}

/// Lists a directory lazily: by name where it is one block, by hash where it is a HAMT.
///
/// A page is a number of entries and the name of the last; [`Listing::after`] goes on behind it
/// without reading what comes before.
#[derive(Debug)]
pub struct Listing {
    root: Cid,
    fanout: Option<u64>,
    /// The shards from the root to where the listing is; one frame for a plain directory.
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    items: std::vec::IntoIter<Item>,
    shard: Option<Shard>,
    /// The slot of the last item taken.
    slot: usize,
}

#[derive(Debug)]
struct Item {
    slot: usize,
    label: Bytes,
    cid: Cid,
    dag_size: Option<u64>,
}

impl Listing {
    /// Starts at the first entry of the directory `cid`.
    pub fn open<B: Blocks>(blocks: &B, cid: &Cid) -> Result<Self, ReadError<B::Error>> {
        let mut listing = Self { root: *cid, fanout: None, frames: Vec::new() };
        listing.enter(blocks, cid)?;
        Ok(listing)
    }

    /// Starts behind the entry `name`, which must be there.
    pub fn after<B: Blocks>(blocks: &B, cid: &Cid, name: &str) -> Result<Self, ReadError<B::Error>> {
        let mut listing = Self::open(blocks, cid)?;
        let hash = name_hash(name);
        let not_found = || ReadError::NotFound(name.to_owned());
        loop {
            let depth = listing.frames.len() - 1;
            let Some(frame) = listing.frames.last_mut() else { return Err(not_found()) };
            let found = match frame.shard {
                None => frame.items.find(|item| item.label == name.as_bytes()),
                Some(shard) => {
                    let slot = shard.slot(hash, depth).ok_or_else(not_found)?;
                    frame.items.find(|item| item.slot == slot)
                }
            };
            let item = found.ok_or_else(not_found)?;
            frame.slot = item.slot;
            let prefix = frame.shard.map_or(0, Shard::prefix_digits);
            if item.label.len() == prefix {
                listing.enter(blocks, &item.cid)?;
            } else if item.label[prefix..] == *name.as_bytes() {
                return Ok(listing);
            } else {
                return Err(not_found());
            }
        }
    }

    /// The next entry; `None` behind the last. After an error of the source ([`ReadError::Source`]) it can be asked
    /// again for the same entry; after any other there is nothing more.
    pub fn next<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Entry>, ReadError<B::Error>> {
        let result = self.step(blocks);
        if result.as_ref().is_err_and(|error| !error.is_of_source()) {
            self.frames.clear();
        }
        result
    }

    fn step<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Entry>, ReadError<B::Error>> {
        loop {
            let Some(frame) = self.frames.last_mut() else { return Ok(None) };
            let Some(next) = frame.items.as_slice().first() else {
                self.frames.pop();
                continue;
            };
            if let Some(shard) = frame.shard
                && next.label.len() == shard.prefix_digits()
            {
                let cid = next.cid;
                frame.slot = next.slot;
                let depth = self.frames.len() - 1;
                self.enter(blocks, &cid)?;
                // It is taken once its block was had.
                self.frames[depth].items.next();
                continue;
            }
            let Some(item) = frame.items.next() else { continue };
            let Some(shard) = frame.shard else {
                return Ok(Some(item.entry(0)));
            };
            frame.slot = item.slot;
            let entry = item.entry(shard.prefix_digits());
            // What is listed can also be found: the hash of the name leads here. A shard that is linked from
            // many places, to make a listing endless, ends it at the second of them.
            let hash = name_hash(&entry.name);
            let leads_here = |(depth, frame): (usize, &Frame)| shard.slot(hash, depth) == Some(frame.slot);
            if !self.frames.iter().enumerate().all(leads_here) {
                return Err(ReadError::MisplacedEntry(Box::new(self.root)));
            }
            return Ok(Some(entry));
        }
    }

    fn enter<B: Blocks>(&mut self, blocks: &B, cid: &Cid) -> Result<(), ReadError<B::Error>> {
        if is_leaf(cid)? {
            return Err(ReadError::NotADirectory(Box::new(*cid)));
        }
        let block = load(blocks, cid)?;
        let node = UnixFsNode::decode(&block).map_err(malformed(cid))?;
        let is_root = self.frames.is_empty();
        let (shard, slots) = match node.data.kind {
            Kind::Directory if is_root => (None, Vec::new()),
            Kind::HamtShard => {
                let (shard, slots) = node.shard_slots().map_err(malformed(cid))?;
                (Some(shard), slots)
            }
            _ if is_root => return Err(ReadError::NotADirectory(Box::new(*cid))),
            _ => return Err(ReadError::MisplacedEntry(Box::new(*cid))),
        };
        let is_too_deep = shard.is_some_and(|shard| shard.slot(0, self.frames.len()).is_none());
        if is_root {
            self.fanout = node.data.fanout;
        } else if node.data.fanout != self.fanout || is_too_deep || slots.is_empty() {
            return Err(ReadError::MisplacedEntry(Box::new(*cid)));
        }
        let items = node.pb.links.iter().enumerate().map(|(index, link)| Item {
            slot: slots.get(index).copied().unwrap_or(0),
            label: block.slice_ref(link.name.unwrap_or_default().as_bytes()),
            cid: link.cid,
            dag_size: link.tsize,
        });
        let items: Vec<Item> = items.collect();
        self.frames.push(Frame { items: items.into_iter(), shard, slot: 0 });
        Ok(())
    }
}

impl Item {
    fn entry(self, prefix: usize) -> Entry {
        let name = String::from_utf8_lossy(&self.label[prefix..]).into_owned();
        Entry { name, cid: self.cid, dag_size: self.dag_size }
    }
}

#[cfg(test)]
mod tests;
