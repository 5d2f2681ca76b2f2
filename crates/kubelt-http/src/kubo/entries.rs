//! `ls`: entries of directories.

use axum::response::Response;
use bytes::Bytes;
use kubelt_content::{
    Cid,
    read::{Entry, Listing, Node, NodeKind, stat},
    unixfs::Mtime,
};
use kubelt_node::{RpcBlocks, RpcError};
use serde_json::{Value, json};

use super::{
    Call, Cids, KuboError,
    answer::{chunked, line, stream, typed},
};
use crate::limits::LS_ENTRIES_MAX;

/// The time of what has none, as Go writes it.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// What is said of each entry.
#[derive(Debug, Clone, Copy)]
struct Shown {
    cids: Cids,
    /// Whether its own block is looked at.
    resolve: bool,
    size: bool,
}

pub(super) async fn ls(call: &Call) -> Result<Response, KuboError> {
    let streamed = call.args.flag(&["stream", "s"], false)?;
    let size = call.args.flag(&["size"], true)?;
    let resolve = call.args.flag(&["resolve-type"], true)? || size;
    let shown = Shown { cids: call.cids()?, resolve, size };
    let mut objects = Vec::new();
    for path in call.args.some("ipfs-path")? {
        let resolved = call.resolve_block(path).await?;
        let listing = match stat(&resolved.blocks, &resolved.cid).map_err(RpcError::from)?.kind {
            NodeKind::Directory { .. } => {
                Some(Listing::open(&resolved.blocks, &resolved.cid).map_err(RpcError::from)?)
            }
            NodeKind::File { .. } | NodeKind::Symlink { .. } => None,
        };
        objects.push((path.to_owned(), listing, resolved.blocks));
    }
    if streamed {
        let pieces = objects.into_iter().flat_map(move |(path, listing, blocks)| {
            let entries = listing.map(|listing| all(listing, blocks.clone())).into_iter().flatten();
            entries.map(move |entry| {
                let link = shown.link(&blocks, &entry?)?;
                Ok(line(&json!({ "Objects": [{ "Hash": path, "Links": [link] }] })))
            })
        });
        return Ok(chunked(stream(pieces).await?));
    }
    let sorted = tokio::task::spawn_blocking(move || sort(objects)).await;
    let objects = sorted.expect("listing does not panic")?;
    Ok(typed(stream(whole(objects, shown)).await?, "application/json"))
}

type Object<L> = (String, L, RpcBlocks);

/// Reads all entries, in order of their names.
fn sort(objects: Vec<Object<Option<Listing>>>) -> Result<Vec<Object<Vec<Entry>>>, KuboError> {
    let mut sorted = Vec::new();
    for (path, listing, blocks) in objects {
        let mut entries = Vec::new();
        for entry in listing.map(|listing| all(listing, blocks.clone())).into_iter().flatten() {
            entries.push(entry?);
            if entries.len() > LS_ENTRIES_MAX {
                return Err(KuboError::failed("the directory is too large for one answer; set `stream`"));
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        sorted.push((path, entries, blocks));
    }
    Ok(sorted)
}

fn all(mut listing: Listing, blocks: RpcBlocks) -> impl Iterator<Item = Result<Entry, KuboError>> {
    std::iter::from_fn(move || {
        listing.next(&blocks).map_err(|error| RpcError::from(error).into()).transpose()
    })
}

/// One JSON value of all objects, written piece by piece.
fn whole(objects: Vec<Object<Vec<Entry>>>, shown: Shown) -> impl Iterator<Item = Result<Bytes, KuboError>> {
    let text = |text: String| Ok(Bytes::from(text));
    let pieces = objects.into_iter().enumerate().flat_map(move |(index, (path, entries, blocks))| {
        let comma = if index == 0 { "" } else { "," };
        let head = format!("{comma}{{\"Hash\":{},\"Links\":[", Value::from(path));
        let links = entries.into_iter().enumerate().map(move |(index, entry)| {
            let link = shown.link(&blocks, &entry)?;
            let comma = if index == 0 { "" } else { "," };
            Ok(Bytes::from(format!("{comma}{link}")))
        });
        std::iter::once(text(head)).chain(links).chain([text("]}".to_owned())])
    });
    std::iter::once(text("{\"Objects\":[".to_owned())).chain(pieces).chain([text("]}\n".to_owned())])
}

impl Shown {
    fn link(self, blocks: &RpcBlocks, entry: &Entry) -> Result<Value, KuboError> {
        let node = self.resolve.then(|| node(blocks, &entry.cid)).transpose()?.flatten();
        let (mut kind, mut size, mut target) = (0, 0, String::new());
        let (mut mode, mut time) = (0, NO_TIME.to_owned());
        if let Some(node) = node {
            (kind, size) = match node.kind {
                NodeKind::File { size } => (2, size),
                NodeKind::Directory { .. } => (1, 0),
                NodeKind::Symlink { target: to } => {
                    target = to;
                    (4, 0)
                }
            };
            mode = node.metadata.mode.unwrap_or(0);
            time = node.metadata.mtime.and_then(rfc3339).unwrap_or(time);
        }
        Ok(json!({
            "Name": entry.name,
            "Hash": self.cids.text(&entry.cid),
            "Size": if self.size { size } else { 0 },
            "Type": kind,
            "Target": target,
            "Mode": mode,
            "ModTime": time,
        }))
    }
}

/// What an entry is; none where it is no UnixFS.
fn node(blocks: &RpcBlocks, cid: &Cid) -> Result<Option<Node>, KuboError> {
    match stat(blocks, cid) {
        Ok(node) => Ok(Some(node)),
        Err(kubelt_content::read::ReadError::NotUnixFs(_)) => Ok(None),
        Err(error) => Err(RpcError::from(error).into()),
    }
}

fn rfc3339(mtime: Mtime) -> Option<String> {
    let time = time::OffsetDateTime::from_unix_timestamp(mtime.seconds).ok()?;
    let time = time.replace_nanosecond(mtime.nanoseconds).ok()?;
    time.format(&time::format_description::well_known::Rfc3339).ok()
}
