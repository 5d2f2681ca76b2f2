//! `files/stat` of `/ipfs/…` paths, and `resolve`.

use axum::response::Response;
use kubelt_content::{Codec, dag_pb, read::NodeKind};
use kubelt_node::RpcError;
use serde_json::json;

use super::{Call, KuboError, answer::one};

pub(super) async fn files_stat(call: &Call) -> Result<Response, KuboError> {
    let path = call.args.first("path")?;
    if !path.starts_with("/ipfs/") {
        return Err(KuboError::failed("file does not exist: there is no MFS here, only `/ipfs/…`"));
    }
    let resolved = call.resolve_block(path).await?;
    let codec = Codec::of(&resolved.cid).map_err(RpcError::from)?;
    if !matches!(codec, Codec::Raw | Codec::DagPb) {
        return Err(KuboError::failed("not unixfs node (proto or raw)"));
    }
    let node = kubelt_content::read::stat(&resolved.blocks, &resolved.cid).map_err(RpcError::from)?;
    let links = match codec {
        Codec::DagPb => {
            dag_pb::links(&resolved.block()?).map_err(|error| KuboError::failed(error.to_string()))?.len()
        }
        _ => 0,
    };
    let (size, kind) = match node.kind {
        NodeKind::File { size } => (size, "file"),
        NodeKind::Directory { .. } => (0, "directory"),
        NodeKind::Symlink { target } => (target.len() as u64, "symlink"),
    };
    let mut value = json!({
        "Hash": call.cids()?.text(&resolved.cid),
        "Size": size,
        "CumulativeSize": node.dag_size,
        "Blocks": links,
        "Type": kind,
    });
    if let Some(mode) = node.metadata.mode {
        value["Mode"] = format!("{mode:04o}").into();
    }
    if let Some(mtime) = node.metadata.mtime {
        value["Mtime"] = mtime.seconds.into();
        if mtime.nanoseconds > 0 {
            value["MtimeNsecs"] = mtime.nanoseconds.into();
        }
    }
    Ok(one(&value))
}

pub(super) async fn resolve(call: &Call) -> Result<Response, KuboError> {
    let resolved = call.resolve(call.args.first("name")?).await?;
    let rest: String = resolved.rest.iter().map(|name| format!("/{name}")).collect();
    Ok(one(&json!({ "Path": format!("/ipfs/{}{rest}", call.cids()?.text(&resolved.cid)) })))
}
