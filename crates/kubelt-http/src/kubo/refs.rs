//! `refs`: what a block links to.

use std::collections::HashSet;

use axum::response::Response;
use kubelt_content::{
    Cid, Codec, dag_pb::PbNode, inline_content, limits::WALK_DEPTH_MAX, links, read::Blocks as _,
};
use kubelt_node::{RpcBlocks, RpcError};
use serde_json::json;

use super::{
    Call, Cids, KuboError,
    answer::{chunked, line, stream},
};
use crate::limits::REFS_MAX;

pub(super) async fn refs(call: &Call) -> Result<Response, KuboError> {
    let recursive = call.args.flag(&["recursive", "r"], false)?;
    let depth = call.args.number::<i64>(&["max-depth"])?.unwrap_or(-1);
    let depth_max = match usize::try_from(depth) {
        _ if !recursive => 1,
        Ok(depth) => depth.min(WALK_DEPTH_MAX),
        Err(_unbounded) => WALK_DEPTH_MAX,
    };
    let format = match (call.args.flag(&["edges", "e"], false)?, call.args.get(&["format"])) {
        (true, _) => "<src> -> <dst>".to_owned(),
        (false, Some(format)) if !format.is_empty() => format.to_owned(),
        (false, _) => "<dst>".to_owned(),
    };
    let unique = call.args.flag(&["unique", "u"], false)?;
    let cids = call.cids()?;
    let mut roots = Vec::new();
    for path in call.args.some("ipfs-path")? {
        let resolved = call.resolve_block(path).await?;
        roots.push((resolved.cid, resolved.blocks));
    }
    let lines = roots.into_iter().flat_map(move |(root, blocks)| {
        let refs = Refs { blocks, depth_max, seen: unique.then(HashSet::new), levels: Vec::new(), given: 0 };
        let format = format.clone();
        refs.from(root).map(move |found| Ok(line(&json!({ "Ref": found?.text(&format, cids), "Err": "" }))))
    });
    Ok(chunked(stream(lines).await?))
}

/// A link from one block to another.
struct Edge {
    from: Cid,
    to: Cid,
    name: String,
}

impl Edge {
    fn text(&self, format: &str, cids: Cids) -> String {
        let text = format.replace("<src>", &cids.text(&self.from)).replace("<dst>", &cids.text(&self.to));
        text.replace("<linkname>", &self.name)
    }
}

/// Links depth first; holds those of one block for each level.
struct Refs {
    blocks: RpcBlocks,
    depth_max: usize,
    seen: Option<HashSet<Cid>>,
    levels: Vec<std::vec::IntoIter<Edge>>,
    given: usize,
}

impl Refs {
    fn from(mut self, root: Cid) -> impl Iterator<Item = Result<Edge, KuboError>> {
        let mut first = Some(root);
        std::iter::from_fn(move || {
            let found = self.step(first.take()).transpose();
            if matches!(found, Some(Err(_))) {
                self.levels.clear();
            }
            found
        })
    }

    fn step(&mut self, root: Option<Cid>) -> Result<Option<Edge>, KuboError> {
        if let Some(root) = root {
            self.enter(root)?;
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(edge) = level.next() else {
                self.levels.pop();
                continue;
            };
            if self.seen.as_mut().is_some_and(|seen| !seen.insert(edge.to)) {
                continue;
            }
            self.given += 1;
            if self.given > REFS_MAX {
                return Err(KuboError::failed(format!("more than {REFS_MAX} references; set `unique`")));
            }
            if self.levels.len() < self.depth_max {
                self.enter(edge.to)?;
            }
            return Ok(Some(edge));
        }
        Ok(None)
    }

    fn enter(&mut self, cid: Cid) -> Result<(), KuboError> {
        let block = match inline_content(&cid) {
            Some(content) => bytes::Bytes::copy_from_slice(content),
            None => self.blocks.block(&cid).map_err(RpcError::from)?,
        };
        let codec = Codec::of(&cid).map_err(RpcError::from)?;
        let edge = |to: Cid, name: &str| Edge { from: cid, to, name: name.to_owned() };
        let edges: Vec<Edge> = match codec {
            Codec::DagPb => {
                let node = PbNode::decode(&block).map_err(|error| KuboError::failed(error.to_string()))?;
                node.links.iter().map(|link| edge(link.cid, link.name.unwrap_or_default())).collect()
            }
            codec => {
                let found = links(codec, &block).map_err(RpcError::from)?;
                found.into_iter().map(|to| edge(to, "")).collect()
            }
        };
        self.levels.push(edges.into_iter());
        Ok(())
    }
}
