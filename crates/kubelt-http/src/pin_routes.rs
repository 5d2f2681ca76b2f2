//! `/@core/-/pins`: the IPFS Pinning Service API 1.0.0 over the pins of a core.
//!
//! Errors take that API's own form (`{"error": {"reason", "details"}}`) on these routes.

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
};
use kubelt_api::{Code, PinObject, PinResults, PinState};
use kubelt_content::parse_cid;
use kubelt_node::{NewPin, Pin, PinFilter, PinStatus, TextMatch};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::{PIN_CIDS_MAX, PIN_JSON_BYTES_MAX, PIN_PAGE_DEFAULT, PIN_PAGE_MAX},
    problem::ApiError,
    query::Query,
    time::{parse_rfc3339_ms, rfc3339_ms},
};

/// The name of these routes below `/-/`.
pub(crate) const NAME: &str = "pins";

/// Serves `/@core/-/pins` and `/@core/-/pins/{requestid}`.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.reader.session().ok_or_else(ApiError::unauthorized)?;
    let (pins, core) = (&routes.pins, &request.core);
    let writes = request.method != Method::GET;
    if writes {
        routes.rates.write(session.account())?;
    }
    let delegates = vec![delegate(&request.headers, &routes.identity.key().await?.peer_id())];
    match (request.method.clone(), request.path.as_slice()) {
        (Method::GET, []) => {
            let page = pins.list(session, core, filter(&request.query)?).await?;
            let results = page.pins.into_iter().map(|pin| state(pin, &delegates)).collect();
            Ok(Json(PinResults { count: page.count, results }).into_response())
        }
        (Method::POST, []) => {
            let new = new_pin(body).await?;
            Ok(accepted(pins.add(session, core, new).await?, &delegates))
        }
        (Method::GET, [id]) => {
            Ok(Json(state(pins.get(session, core, id).await?, &delegates)).into_response())
        }
        (Method::POST, [id]) => {
            let new = new_pin(body).await?;
            Ok(accepted(pins.replace(session, core, id, new).await?, &delegates))
        }
        (Method::DELETE, [id]) => {
            pins.remove(session, core, id).await?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        (_, [] | [_]) => Err(request.method_not_allowed()),
        _ => Err(ApiError::not_found()),
    }
}

async fn new_pin(body: Body) -> Result<NewPin, ApiError> {
    let PinObject { cid, name, origins, meta } = json::read(body, PIN_JSON_BYTES_MAX).await?;
    let cid = parse_cid(&cid).map_err(|error| ApiError::new(Code::BadCid, error.to_string()))?;
    Ok(NewPin::new(cid, name, origins.unwrap_or_default(), meta.unwrap_or_default())
        .map_err(kubelt_node::PinError::from)?)
}

fn accepted(pin: Pin, delegates: &[String]) -> Response {
    (StatusCode::ACCEPTED, Json(state(pin, delegates))).into_response()
}

fn state(pin: Pin, delegates: &[String]) -> PinState {
    let word = PinStatus::ALL.iter().find(|(status, _)| *status == pin.status).map(|(_, word)| *word);
    let (origins, meta) = (pin.pin.origins().to_vec(), pin.pin.meta().clone());
    PinState {
        requestid: pin.id,
        status: word.expect("every status has its word").to_owned(),
        created: rfc3339_ms(pin.created_ms),
        pin: PinObject {
            cid: pin.pin.cid().to_string(),
            name: pin.pin.name().map(str::to_owned),
            origins: (!origins.is_empty()).then_some(origins),
            meta: (!meta.is_empty()).then_some(meta),
        },
        delegates: delegates.to_vec(),
        info: pin.details.into_iter().map(|details| ("status_details".to_owned(), details)).collect(),
    }
}

/// Where the data of a pin may be sent: this very node, as the client knows it. (It takes CARs at `/-/car`.)
fn delegate(headers: &HeaderMap, peer_id: &str) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let kind = match name.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => "ip4",
        Ok(std::net::IpAddr::V6(_)) => "ip6",
        Err(_name) => "dns",
    };
    match authority.port_u16() {
        Some(port) => format!("/{kind}/{name}/tcp/{port}/http/p2p/{peer_id}"),
        None => format!("/{kind}/{name}/tcp/443/tls/http/p2p/{peer_id}"),
    }
}

/// Reads the query. Without a status a search by CID, name or metadata finds pins however far they are, and a plain
/// list holds those that are pinned.
fn filter(query: &Query) -> Result<PinFilter, ApiError> {
    let bad = |text: String| ApiError::new(Code::BadRequest, text);
    let mut filter = PinFilter { limit: PIN_PAGE_DEFAULT, ..PinFilter::default() };
    if let Some(cids) = query.get("cid") {
        let cids: Vec<&str> = cids.split(',').collect();
        if cids.len() > PIN_CIDS_MAX {
            return Err(bad(format!("`cid` takes {PIN_CIDS_MAX} CIDs at most")));
        }
        let parse =
            |text: &str| parse_cid(text).map_err(|error| ApiError::new(Code::BadCid, error.to_string()));
        filter.cids = cids.into_iter().map(parse).collect::<Result<_, _>>()?;
    }
    let how = match query.get("match") {
        None | Some("exact") => TextMatch::Exact,
        Some("iexact") => TextMatch::Iexact,
        Some("partial") => TextMatch::Partial,
        Some("ipartial") => TextMatch::Ipartial,
        Some(_) => return Err(bad("`match` is `exact`, `iexact`, `partial` or `ipartial`".to_owned())),
    };
    if let Some(name) = query.get("name") {
        if name.chars().count() > 255 {
            return Err(bad("`name` is 255 characters at most".to_owned()));
        }
        filter.name = Some((name.to_owned(), how));
    }
    if let Some(meta) = query.get("meta") {
        filter.meta = serde_json::from_str(meta)
            .map_err(|error| bad(format!("`meta` is a JSON object of texts: {error}")))?;
    }
    let time = |name: &str| {
        let parse = |text| {
            parse_rfc3339_ms(text)
                .ok_or_else(|| bad(format!("`{name}` is not a date such as `2020-07-27T17:32:28Z`")))
        };
        query.get(name).map(parse).transpose()
    };
    (filter.before_ms, filter.after_ms) = (time("before")?, time("after")?);
    let search = !filter.cids.is_empty() || filter.name.is_some() || !filter.meta.is_empty();
    filter.statuses = match query.get("status") {
        None => (!search).then(|| [PinStatus::Pinned].into()),
        Some(words) => {
            let read =
                |word: &str| PinStatus::ALL.iter().find(|(_, name)| *name == word).map(|(status, _)| *status);
            let statuses = words.split(',').map(read).collect::<Option<_>>();
            Some(
                statuses.ok_or_else(|| {
                    bad("`status` lists `queued`, `pinning`, `pinned`, `failed`".to_owned())
                })?,
            )
        }
    };
    if let Some(limit) = query.get("limit") {
        let limit = limit.parse().ok().filter(|limit| (1..=PIN_PAGE_MAX).contains(limit));
        filter.limit = limit.ok_or_else(|| bad(format!("`limit` is 1 to {PIN_PAGE_MAX}")))?;
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::delegate;

    #[test]
    fn delegates_are_multiaddrs_of_this_node() {
        let of = |host: &'static str| {
            delegate(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]), "12D3")
        };
        assert_eq!(of("127.0.0.1:4747"), "/ip4/127.0.0.1/tcp/4747/http/p2p/12D3");
        assert_eq!(of("[::1]:80"), "/ip6/::1/tcp/80/http/p2p/12D3");
        assert_eq!(of("kubelt.example"), "/dns/kubelt.example/tcp/443/tls/http/p2p/12D3");
    }
}
