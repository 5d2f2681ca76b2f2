//! `dag/…`: values, DAGs and CARs.

use std::collections::HashSet;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use kubelt_content::{
    Block, Cid, Codec,
    car::CarWriter,
    inline_content,
    limits::BLOCK_BYTES_MAX,
    read::{Walk, WalkLimits},
};
use kubelt_node::{RpcBlocks, RpcError};
use serde_json::{Value, json};

use super::{
    Call, Cids, KuboError,
    answer::{bytes, chunked, line, lines, one, stream, typed},
    block::{codec, hash},
    multipart::Parts,
};
use crate::problem::ApiError;

pub(super) async fn put(call: &Call, body: Body) -> Result<Response, KuboError> {
    call.count_write()?;
    let store = codec(call.args.get(&["store-codec"]).unwrap_or("dag-cbor"))?;
    let input = codec(call.args.get(&["input-codec"]).unwrap_or("dag-json"))?;
    let hash = hash(call.args.get(&["hash"]))?;
    let (pin, cids) = (call.args.flag(&["pin"], false)?, call.cids()?);
    let mut parts = Parts::new(&call.headers, body)?;
    let mut answers = Vec::new();
    while let Some(part) = parts.next().await? {
        let data = part.all(2 * BLOCK_BYTES_MAX).await?;
        let data = encode(input, store, &data).map_err(RpcError::from)?;
        let block = Block::with_hash(store.code(), hash, data).map_err(RpcError::from)?;
        let cid = *block.cid();
        call.routes.rpc.put(&call.session, &call.core, vec![block]).await?;
        if pin {
            call.routes.rpc.pin(&call.session, &call.core, &cid, None).await?;
        }
        answers.push(json!({ "Cid": { "/": cids.text(&cid) } }));
    }
    if answers.is_empty() {
        return Err(KuboError::bad("argument \"object data\" is required"));
    }
    Ok(lines(&answers))
}

fn encode(input: Codec, store: Codec, data: &[u8]) -> Result<Bytes, kubelt_content::CodecError> {
    store.encode(&input.decode(data)?)
}

pub(super) async fn get(call: &Call) -> Result<Response, KuboError> {
    let output = codec(call.args.get(&["output-codec"]).unwrap_or("dag-json"))?;
    let resolved = call.resolve(call.args.first("ref")?).await?;
    let encoded = output.encode(&resolved.value()?).map_err(RpcError::from)?;
    Ok(typed(Body::from(encoded), "text/plain"))
}

pub(super) async fn resolve(call: &Call) -> Result<Response, KuboError> {
    let resolved = call.resolve(call.args.first("ref")?).await?;
    let rest: String = resolved.rest.iter().map(|name| format!("/{name}")).collect();
    Ok(one(&json!({ "Cid": { "/": call.cids()?.text(&resolved.cid) }, "RemPath": rest })))
}

pub(super) async fn export(call: &Call) -> Result<Response, KuboError> {
    let resolved = call.resolve_block(call.args.first("root")?).await?;
    let (mut writer, head) = CarWriter::v1(&[resolved.cid]);
    let sections = visits(resolved.cid, resolved.blocks).flat_map(move |visit| match visit {
        Err(error) => vec![Err(error)],
        // What stands in its CID needs no section.
        Ok((cid, _)) if inline_content(&cid).is_some() => Vec::new(),
        Ok((cid, data)) => writer.section(&Block::trusted(cid, data)).map(Ok).into(),
    });
    let pieces = std::iter::once(Ok(head)).chain(sections);
    Ok(bytes(stream(pieces).await?, "application/vnd.ipld.car", None))
}

/// Every block below `root`, once.
pub(super) fn visits(root: Cid, blocks: RpcBlocks) -> impl Iterator<Item = Result<(Cid, Bytes), KuboError>> {
    let mut walk = Walk::new([root], WalkLimits::default());
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        match walk.next(&blocks) {
            Ok(visit) => visit.map(|visit| Ok((visit.cid, visit.data))),
            Err(error) => {
                broken = true;
                Some(Err(RpcError::from(error).into()))
            }
        }
    })
}

pub(super) async fn stat(call: &Call) -> Result<Response, KuboError> {
    let progress = call.args.flag(&["progress", "p"], true)?;
    let cids = call.cids()?;
    let mut roots = Vec::new();
    for path in call.args.some("root")? {
        let resolved = call.resolve_block(path).await?;
        roots.push((resolved.cid, resolved.blocks));
    }
    let counting = tokio::task::spawn_blocking(move || count(roots, cids));
    let total = counting.await.expect("walking does not panic")?;
    // One line of progress is all there is: the whole was counted at once.
    let mut answers = Vec::new();
    if progress {
        answers.push(json!({ "TotalSize": total["TotalSize"], "DagStats": total["DagStats"] }));
    }
    answers.push(total);
    Ok(lines(&answers))
}

fn count(roots: Vec<(Cid, RpcBlocks)>, cids: Cids) -> Result<Value, KuboError> {
    let mut seen = HashSet::new();
    let (mut unique_bytes, mut all_bytes, mut stats) = (0_u64, 0_u64, Vec::new());
    for (root, blocks) in roots {
        let (mut size, mut count) = (0_u64, 0_u64);
        for visit in visits(root, blocks) {
            let (cid, data) = visit?;
            let bytes = data.len() as u64;
            (size, count) = (size + bytes, count + 1);
            if seen.insert(cid) {
                unique_bytes += bytes;
            }
        }
        all_bytes += size;
        stats.push(json!({ "Cid": cids.text(&root), "Size": size, "NumBlocks": count }));
    }
    let mut total = json!({ "UniqueBlocks": seen.len(), "TotalSize": unique_bytes, "DagStats": stats });
    if all_bytes > unique_bytes {
        total["SharedSize"] = (all_bytes - unique_bytes).into();
    }
    // A ratio of sizes needs no more digits than a float has.
    let millionths = all_bytes.saturating_mul(1_000_000).checked_div(unique_bytes).unwrap_or(1_000_000);
    total["Ratio"] = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
        .parse::<f64>()
        .map_or(Value::Null, Value::from);
    Ok(total)
}

/// What the CARs of one body held.
#[derive(Debug, Default)]
struct Imported {
    roots: Vec<Cid>,
    blocks: u64,
    bytes: u64,
    files: usize,
}

pub(super) async fn import(call: &Call, body: Body) -> Result<Response, KuboError> {
    call.count_write()?;
    let pin_roots = call.args.flag(&["pin-roots"], true)?;
    let (stats, silent) = (call.args.flag(&["stats"], false)?, call.args.flag(&["silent"], false)?);
    let cids = call.cids()?;
    call.routes.content.may_upload(&call.session, &call.core).await?;
    let mut parts = Parts::new(&call.headers, body)?;
    let Imported { roots, blocks, bytes, files } = match take_in(call, &mut parts).await {
        Ok(imported) => imported,
        Err(error) => {
            parts.read_out().await;
            return Err(error);
        }
    };
    if files == 0 {
        return Err(KuboError::bad("argument \"path\" is required"));
    }
    // Pins of the core may have waited for them.
    call.routes.pins.blocks_came(&call.core).await.map_err(ApiError::from)?;
    let mut answers = Vec::new();
    let mut seen = HashSet::new();
    for root in roots.into_iter().filter(|root| pin_roots && seen.insert(*root)) {
        let pinned = call.routes.rpc.pin(&call.session, &call.core, &root, None).await;
        let trouble = pinned.err().map(|error| KuboError::from(error).message().to_owned());
        let trouble = trouble.unwrap_or_default();
        if !silent || !trouble.is_empty() {
            let root = json!({ "Cid": { "/": cids.text(&root) }, "PinErrorMsg": trouble });
            answers.push(json!({ "Root": root }));
        }
    }
    if stats {
        answers.push(json!({ "Stats": { "BlockCount": blocks, "BlockBytesCount": bytes } }));
    }
    let body: Vec<u8> = answers.iter().flat_map(line).collect();
    Ok(chunked(Body::from(body)))
}

async fn take_in(call: &Call, parts: &mut Parts) -> Result<Imported, KuboError> {
    let mut imported = Imported::default();
    while let Some(mut part) = parts.next().await? {
        imported.files += 1;
        let mut upload = call.routes.content.upload_car(call.core).await;
        while let Some(piece) = part.chunk().await? {
            if let Err(error) = upload.write(piece).await {
                upload.keep().await?;
                return Err(error.into());
            }
        }
        let taken = upload.finish().await?;
        imported.roots.extend(taken.roots);
        imported.blocks += taken.blocks;
        imported.bytes += taken.bytes;
    }
    Ok(imported)
}
