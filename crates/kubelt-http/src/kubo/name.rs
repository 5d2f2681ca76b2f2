//! `name/…` and `key/…`: the one IPNS name of the core.

use axum::response::Response;
use kubelt_content::{Cid, CidBase, ipns::Name};
use kubelt_node::{NameRef, ResolveError};
use serde_json::json;

use super::{
    Call, KuboError,
    answer::{lines, one},
};

/// What Kubo calls a node's own key.
const SELF: &str = "self";

/// The name of the core.
pub(super) async fn own(call: &Call) -> Result<Name, KuboError> {
    let name = call.routes.ipns.name_of(&call.core).await;
    name.map_err(|error| ResolveError::from(error).into())
}

pub(super) async fn keys(call: &Call) -> Result<Response, KuboError> {
    let name = own(call).await?.format(CidBase::Base36);
    Ok(one(&json!({ "Keys": [{ "Name": SELF, "Id": name }] })))
}

pub(super) fn one_key() -> KuboError {
    KuboError::failed("a core has one key, `self`; further keys are not supported by this node")
}

pub(super) async fn publish(call: &Call) -> Result<Response, KuboError> {
    call.count_write()?;
    let name = own(call).await?;
    let key = call.args.get(&["key", "k"]).unwrap_or(SELF);
    if key != SELF && Name::parse(key).ok().as_ref() != Some(&name) {
        return Err(one_key());
    }
    let cid = call.resolve_block(call.args.first("ipfs-path")?).await?.cid;
    call.routes.rpc.publish(&call.session, &call.core, &cid).await?;
    Ok(one(&json!({
        "Name": name.format(CidBase::Base36),
        "Value": format!("/ipfs/{}", call.cids()?.text(&cid)),
    })))
}

pub(super) async fn resolve(call: &Call) -> Result<Response, KuboError> {
    let name = match call.args.all().first() {
        Some(name) => (*name).to_owned(),
        None => own(call).await?.format(CidBase::Base36),
    };
    let (root, segments) = content_path(call, name.trim_start_matches("/ipns/")).await?;
    let rest: String = segments.iter().map(|name| format!("/{name}")).collect();
    Ok(lines(&[json!({ "Path": format!("/ipfs/{}{rest}", call.cids()?.text(&root)) })]))
}

/// Where `{name}/a/b` leads.
pub(super) async fn content_path(call: &Call, path: &str) -> Result<(Cid, Vec<String>), KuboError> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
    let name = NameRef::parse(&segments.next().unwrap_or_default())
        .map_err(|error| KuboError::failed(format!("invalid path: {error}")))?;
    let behind: Vec<String> = segments.collect();
    if behind.iter().any(|segment| segment == "." || segment == "..") {
        return Err(KuboError::failed("invalid path: it holds `.` or `..`"));
    }
    let found = call.routes.resolver.resolve(&name, &behind).await?;
    Ok((found.root, found.segments.into_iter().chain(behind).collect()))
}
