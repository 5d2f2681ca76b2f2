//! Paths through any IPLD: names of UnixFS entries, names of links, keys and indices of values.

use std::sync::Arc;

use cid::Cid;
use kubelt_content::{
    Codec, Ipld,
    dag_pb::PbNode,
    inline_content,
    limits::PATH_SEGMENTS_MAX,
    read::{Blocks, ReadError, resolve},
};
use kubelt_core::CoreId;

use super::{Rpc, RpcBlocks, RpcError};
use crate::{blocks::BlockError, session::Session};

/// Where a path leads.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The last block on the way.
    pub cid: Cid,
    /// What is left of the path inside of that block.
    pub rest: Vec<String>,
    /// The blocks on the way and below.
    pub blocks: RpcBlocks,
}

impl Rpc {
    /// Follows `segments` from `root`, as far as whole blocks go.
    ///
    /// # Errors
    /// [`RpcError::Missing`] alike for what is missing and for what the session may not see.
    pub async fn resolve(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        root: &Cid,
        segments: &[String],
    ) -> Result<Followed, RpcError> {
        if self.content.denylists().now().denies_path(root, &segments.join("/")) {
            return Err(RpcError::Denied);
        }
        let blocks = self.blocks(session, core, root).await?;
        let (root, segments, view) = (*root, segments.to_vec(), blocks.clone());
        let followed = tokio::task::spawn_blocking(move || follow(&view, root, &segments)).await;
        let (cid, rest) = followed.expect("following a path does not panic")?;
        Ok(Followed { cid, rest, blocks })
    }
}

impl Followed {
    /// The bytes of the block.
    ///
    /// # Errors
    /// [`RpcError::Missing`] when it is not there.
    pub fn block(&self) -> Result<bytes::Bytes, RpcError> {
        load(&self.blocks, &self.cid)
    }

    /// The value that the path leads to.
    ///
    /// # Errors
    /// [`RpcError::Codec`] when the block is malformed, [`RpcError::NoLink`] when there is no such value.
    pub fn value(&self) -> Result<Ipld, RpcError> {
        let mut value = Codec::of(&self.cid)?.decode(&self.block()?)?;
        for name in &self.rest {
            value = step(value, name).ok_or_else(|| no_link(name, &self.cid))?;
        }
        Ok(value)
    }
}

fn follow(blocks: &RpcBlocks, root: Cid, segments: &[String]) -> Result<(Cid, Vec<String>), RpcError> {
    if segments.len() > PATH_SEGMENTS_MAX {
        return Err(ReadError::<BlockError>::PathTooLong.into());
    }
    let (mut cid, mut at) = (root, 0);
    while at < segments.len() {
        if Codec::of(&cid)? == Codec::DagPb
            && let Some(next) = named(blocks, &cid, &segments[at])?
        {
            (cid, at) = (next, at + 1);
            continue;
        }
        match inside(blocks, &cid, &segments[at..])? {
            Some((next, taken)) => (cid, at) = (next, at + taken),
            None => break,
        }
    }
    Ok((cid, segments[at..].to_vec()))
}

/// The entry, or else the link, of this name of a dag-pb block.
fn named(blocks: &RpcBlocks, cid: &Cid, name: &str) -> Result<Option<Cid>, RpcError> {
    match resolve(blocks, cid, [name]) {
        Ok(node) => Ok(Some(node.cid)),
        Err(ReadError::NotUnixFs(below)) if *below != *cid => Ok(Some(*below)),
        Err(ReadError::Source(error)) => Err(error.into()),
        Err(error @ ReadError::ThroughSymlink { .. }) => Err(error.into()),
        Err(_no_entry) => {
            let block = load(blocks, cid)?;
            let node = PbNode::decode(&block).map_err(kubelt_content::CodecError::DagPb)?;
            Ok(node.links.iter().find(|link| link.name == Some(name)).map(|link| link.cid))
        }
    }
}

/// The link that the path leads to inside of a block, and how many segments that took; none where it ends inside.
fn inside(blocks: &RpcBlocks, cid: &Cid, segments: &[String]) -> Result<Option<(Cid, usize)>, RpcError> {
    let codec = Codec::of(cid)?;
    let mut value = codec.decode(&load(blocks, cid)?)?;
    for (taken, name) in segments.iter().enumerate() {
        value = step(value, name).ok_or_else(|| no_link(name, cid))?;
        if let Ipld::Link(next) = value {
            // Only links that a walk of the DAG sees: what nobody walked to may be what others keep private.
            return match codec {
                Codec::DagPb | Codec::DagCbor | Codec::DagJson => Ok(Some((next, taken + 1))),
                Codec::Raw | Codec::Json | Codec::Cbor => Err(no_link(name, cid)),
            };
        }
    }
    Ok(None)
}

fn step(value: Ipld, name: &str) -> Option<Ipld> {
    match value {
        Ipld::Map(mut fields) => fields.remove(name),
        Ipld::List(mut items) => {
            let index = name.parse::<usize>().ok().filter(|index| *index < items.len())?;
            Some(items.swap_remove(index))
        }
        _ => None,
    }
}

fn no_link(name: &str, under: &Cid) -> RpcError {
    RpcError::NoLink { name: name.chars().take(256).collect(), under: Box::new(*under) }
}

fn load(blocks: &RpcBlocks, cid: &Cid) -> Result<bytes::Bytes, RpcError> {
    match inline_content(cid) {
        Some(content) => Ok(bytes::Bytes::copy_from_slice(content)),
        None => Ok(blocks.block(cid)?),
    }
}
