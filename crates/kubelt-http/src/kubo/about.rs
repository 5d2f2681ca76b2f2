//! `version`, `id`, `repo/…`: about the node and the core.

use axum::response::Response;
use serde_json::json;

use super::{Call, KuboError, answer::one};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn version() -> Response {
    let system = format!("{}/{}", std::env::consts::ARCH, std::env::consts::OS);
    one(&json!({ "Version": VERSION, "Commit": "", "Repo": "", "System": system, "Golang": "" }))
}

/// The key of the core's IPNS name stands for a peer's: a core is what a tool works on, whichever node holds it.
pub(super) async fn id(call: &Call) -> Result<Response, KuboError> {
    let name = super::name::own(call).await?;
    Ok(one(&json!({
        "ID": name.to_peer_id(),
        "PublicKey": "",
        "Addresses": [],
        "AgentVersion": format!("kubelt/{VERSION}"),
        "Protocols": [],
    })))
}

pub(super) async fn repo_stat(call: &Call) -> Result<Response, KuboError> {
    let (usage, quota) = call.routes.rpc.usage(&call.session, &call.core).await?;
    Ok(one(&json!({
        "RepoSize": usage.block_bytes,
        "StorageMax": quota.block_bytes,
        "NumObjects": usage.blocks,
        "RepoPath": format!("/@{}", call.session.account()),
        "Version": "fs-repo@0",
    })))
}

pub(super) fn repo_version() -> Response {
    one(&json!({ "Version": "0" }))
}
