//! `/@core/-/remotes`: other nodes that hold a core.

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kubelt_api::{Code, CopiesView, RemoteList, RemoteRequest, RemoteView};
use kubelt_core::PublicKey;
use kubelt_node::{CopiesHeld, Place, Remote, RemoteNodeError, RemotesOfCore, peer_id, peer_key};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::ANONYMOUS_JSON_BYTES_MAX,
    problem::ApiError,
    time::rfc3339,
};

/// Serves `/@core/-/remotes` (GET lists, POST adds), `/@core/-/remotes/{peer}` (DELETE removes) and
/// `/@core/-/remotes/{peer}/sync` (POST).
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    let (remotes, core) = (&routes.remotes, request.core);
    if request.method != Method::GET {
        routes.rates.write(session.account())?;
    }
    match (request.method.clone(), request.path.as_slice()) {
        (Method::GET, []) => {
            let RemotesOfCore { remotes, copies } = remotes.list(&session, &core).await?;
            let (remotes, missing) = (remotes.into_iter().map(view).collect(), copies.missing());
            let CopiesHeld { wanted, held } = copies;
            let copies = CopiesView { wanted, held, under_replicated: missing > 0 };
            Ok(Json(RemoteList { remotes, copies }).into_response())
        }
        (Method::POST, []) => {
            let RemoteRequest { address, hosts, spare } = json::read(body, ANONYMOUS_JSON_BYTES_MAX).await?;
            let place: Place = address.parse().map_err(RemoteNodeError::from)?;
            let added = match (spare, place) {
                (true, Place::Address(address)) => remotes.add_spare(&session, core, address).await?,
                (true, _) => {
                    return Err(ApiError::new(Code::BadRequest, "a spare host is named by its address"));
                }
                (false, place) => routes.finder.add(&session, core, place, hosts).await?,
            };
            Ok((StatusCode::CREATED, Json(view(added))).into_response())
        }
        (Method::DELETE, [peer]) => {
            remotes.remove(&session, core, &read_peer(peer)?).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (Method::POST, [peer, what]) if what == "sync" => {
            Ok(Json(view(remotes.sync(&session, core, &read_peer(peer)?).await?)).into_response())
        }
        (_, [] | [_]) => Err(request.method_not_allowed()),
        _ => Err(ApiError::not_found()),
    }
}

fn read_peer(text: &str) -> Result<PublicKey, ApiError> {
    let key = peer_key(text).or_else(|| text.parse().ok());
    key.ok_or_else(|| ApiError::new(Code::BadRequest, "not the id of a node, `12D3…`, nor its `did:key`"))
}

pub(crate) fn view(remote: Remote) -> RemoteView {
    let Remote { peer, addresses, host, spare, holding, lag_ms, added, connected, exchanged, error } = remote;
    RemoteView {
        peer: peer_id(&peer).unwrap_or_default(),
        key: peer.to_string(),
        addresses,
        host,
        spare,
        holding: holding.as_str().to_owned(),
        lag_ms,
        added,
        connected,
        settled: connected && exchanged.settled,
        settled_at: exchanged.settled_ms.map(rfc3339),
        ops: exchanged.ops,
        blocks: exchanged.blocks,
        bytes: exchanged.bytes,
        incomplete: exchanged.incomplete,
        error,
    }
}
