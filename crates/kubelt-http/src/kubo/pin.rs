//! `pin/…`: pins, which are content entries of the core.

use std::collections::{BTreeMap, HashSet};

use axum::response::Response;
use kubelt_content::Cid;
use kubelt_node::{RpcBlocks, RpcPin};
use serde_json::{Value, json};

use super::{
    Call, KuboError,
    answer::{lines, one},
    dag::visits,
};
use crate::limits::PIN_BLOCKS_MAX;

pub(super) async fn add(call: &Call) -> Result<Response, KuboError> {
    call.count_write()?;
    if !call.args.flag(&["recursive", "r"], true)? {
        return Err(KuboError::failed("only recursive pins are supported by this node"));
    }
    let name = call.args.get(&["name", "n"]).map(str::to_owned);
    let mut pinned = Vec::new();
    for path in call.args.some("ipfs-path")? {
        let cid = call.resolve_block(path).await?.cid;
        call.routes.rpc.pin(&call.session, &call.core, &cid, name.clone()).await?;
        pinned.push(call.cids()?.text(&cid));
    }
    Ok(one(&json!({ "Pins": pinned })))
}

pub(super) async fn rm(call: &Call) -> Result<Response, KuboError> {
    call.count_write()?;
    let mut unpinned = Vec::new();
    for path in call.args.some("ipfs-path")? {
        let cid = root_of(call, path).await?;
        call.routes.rpc.unpin(&call.session, &call.core, &cid).await?;
        unpinned.push(call.cids()?.text(&cid));
    }
    Ok(one(&json!({ "Pins": unpinned })))
}

/// A path of no segments names its root, whether its blocks are here or not.
async fn root_of(call: &Call, path: &str) -> Result<Cid, KuboError> {
    match super::args::content_path(path) {
        Ok((root, segments)) if segments.is_empty() => Ok(root),
        Err(error) if !path.starts_with("/ipns/") => Err(error),
        _ => Ok(call.resolve_block(path).await?.cid),
    }
}

pub(super) async fn update(call: &Call) -> Result<Response, KuboError> {
    call.count_write()?;
    let paths = call.args.some("from-path")?;
    let [from, to] = paths[..] else { return Err(KuboError::bad("argument \"to-path\" is required")) };
    let (from, to) = (root_of(call, from).await?, call.resolve_block(to).await?.cid);
    let pins = call.routes.rpc.pins(&call.session, &call.core).await?;
    let old = pins.into_iter().find(|pin| pin.cid == from);
    let old = old.ok_or_else(|| KuboError::failed("'from' cid was not recursively pinned already"))?;
    if from != to {
        call.routes.rpc.pin(&call.session, &call.core, &to, old.name).await?;
        if call.args.flag(&["unpin"], true)? {
            call.routes.rpc.unpin(&call.session, &call.core, &from).await?;
        }
    }
    let cids = call.cids()?;
    Ok(one(&json!({ "Pins": [cids.text(&from), cids.text(&to)] })))
}

pub(super) async fn ls(call: &Call) -> Result<Response, KuboError> {
    let kind = call.args.get(&["type", "t"]).unwrap_or("all");
    if !["all", "recursive", "direct", "indirect"].contains(&kind) {
        let message = "must be one of {direct, indirect, recursive, all}";
        return Err(KuboError::failed(format!("invalid type, {message}")));
    }
    let wanted_name = call.args.get(&["name", "n"]);
    let names = call.args.flag(&["names"], false)? || wanted_name.is_some();
    let mut wanted = Vec::new();
    for path in call.args.all() {
        wanted.push((path, root_of(call, path).await?));
    }
    let pins = open(call).await?;
    let (kind, wanted_name) = (kind.to_owned(), wanted_name.map(str::to_owned));
    let listed = tokio::task::spawn_blocking(move || list(pins, &kind, wanted_name.as_deref()));
    let mut listed = listed.await.expect("walking does not panic")?;
    if !wanted.is_empty() {
        for (path, cid) in &wanted {
            if !listed.contains_key(cid) {
                return Err(KuboError::failed(format!("path '{path}' is not pinned")));
            }
        }
        listed.retain(|cid, _| wanted.iter().any(|(_, wanted)| wanted == cid));
    }
    let cids = call.cids()?;
    if call.args.flag(&["stream", "s"], false)? {
        let rows: Vec<Value> = listed
            .iter()
            .map(|(cid, (kind, name))| {
                let mut row = json!({ "Cid": cids.text(cid), "Type": kind });
                if let Some(name) = name.as_ref().filter(|_| names) {
                    row["Name"] = name.as_str().into();
                }
                row
            })
            .collect();
        return Ok(lines(&rows));
    }
    let keys: serde_json::Map<String, Value> = listed
        .iter()
        .map(|(cid, (kind, name))| {
            let name = name.as_deref().filter(|_| names).unwrap_or_default();
            (cids.text(cid), json!({ "Type": kind, "Name": name }))
        })
        .collect();
    Ok(one(&json!({ "Keys": keys })))
}

/// The pins that are whole, with their blocks.
async fn open(call: &Call) -> Result<Vec<(RpcPin, Option<RpcBlocks>)>, KuboError> {
    let mut opened = Vec::new();
    for pin in call.routes.rpc.pins(&call.session, &call.core).await? {
        let blocks = call.routes.rpc.blocks(&call.session, &call.core, &pin.cid).await.ok();
        opened.push((pin, blocks));
    }
    Ok(opened)
}

type Listed = BTreeMap<Cid, (&'static str, Option<String>)>;

fn list(pins: Vec<(RpcPin, Option<RpcBlocks>)>, kind: &str, name: Option<&str>) -> Result<Listed, KuboError> {
    let fits =
        |pin: &RpcPin| name.is_none_or(|name| pin.name.as_deref().is_some_and(|own| own.contains(name)));
    let pins: Vec<_> = pins.into_iter().filter(|(pin, _)| pin.whole && fits(pin)).collect();
    let mut listed = Listed::new();
    if matches!(kind, "all" | "recursive") {
        listed.extend(pins.iter().map(|(pin, _)| (pin.cid, ("recursive", pin.name.clone()))));
    }
    if matches!(kind, "all" | "indirect") && name.is_none() {
        let roots: HashSet<Cid> = pins.iter().map(|(pin, _)| pin.cid).collect();
        let mut seen = 0;
        for (pin, blocks) in pins {
            for visit in blocks.into_iter().flat_map(|blocks| visits(pin.cid, blocks)) {
                let (cid, _) = visit?;
                seen += 1;
                if seen > PIN_BLOCKS_MAX {
                    return Err(KuboError::failed("the pins hold too many blocks; set `type=recursive`"));
                }
                if !roots.contains(&cid) {
                    listed.insert(cid, ("indirect", None));
                }
            }
        }
    }
    Ok(listed)
}

pub(super) async fn verify(call: &Call) -> Result<Response, KuboError> {
    let verbose = call.args.flag(&["verbose"], false)?;
    let (pins, cids) = (open(call).await?, call.cids()?);
    let checking = tokio::task::spawn_blocking(move || {
        let mut rows = Vec::new();
        for (pin, blocks) in pins {
            let broken = match blocks {
                None => Some("the content is not here".to_owned()),
                Some(blocks) => visits(pin.cid, blocks).find_map(Result::err).map(|e| e.message().to_owned()),
            };
            let cid = cids.text(&pin.cid);
            match broken {
                None if verbose => rows.push(json!({ "Cid": cid, "PinStatus": { "Ok": true } })),
                None => {}
                Some(error) => {
                    let bad = json!([{ "Cid": cid, "Err": error }]);
                    rows.push(json!({ "Cid": cid, "PinStatus": { "Ok": false, "BadNodes": bad } }));
                }
            }
        }
        rows
    });
    Ok(lines(&checking.await.expect("walking does not panic")))
}
