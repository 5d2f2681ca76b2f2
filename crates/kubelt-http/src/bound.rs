//! Hosts that lead to a core: `widgets.acme.org/…` is `/@acme/…`.
//!
//! Such a host is an origin of its own for its core: what the core publishes is all there is, its API lies at `/-/`, and
//! whoever signs in there signs in through that core. A request is given the address that it stands for and takes the
//! same way as every other from there on, so that nothing is judged here: not who may see what, and not whether the core
//! is there. To whom the core shows nothing, the host is one that this node does not know.

use std::convert::Infallible;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, Uri, uri::PathAndQuery},
    response::{IntoResponse as _, Response},
};
use kubelt_api::Code;
use kubelt_core::CoreId;
use kubelt_node::{HostNames, Reader, Sessions};
use tower::ServiceExt as _;

use crate::{auth, path::segments, problem::ApiError};

/// The host that a request was sent to, and the core that it leads to.
#[derive(Debug, Clone)]
pub(crate) struct BoundHost {
    pub(crate) core: CoreId,
    /// The host with its port, in lower case.
    pub(crate) host: String,
}

/// What answers on such hosts.
#[derive(Debug, Clone)]
pub(crate) struct BoundSites {
    pub(crate) names: HostNames,
    pub(crate) sessions: Sessions,
    /// The routes of cores, `/@core/…`.
    pub(crate) cores: Router,
    /// Those of `/-/session`.
    pub(crate) session: Router,
}

impl BoundSites {
    /// Where a host leads for whoever asks; none where it leads nowhere, or to a core that shows nothing to them.
    pub(crate) async fn find(
        &self,
        name: &str,
        host: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Option<BoundHost>, ApiError> {
        if self.names.find(name).is_none() {
            return Ok(None);
        }
        // A token that is not good is refused by the routes, the same for every host.
        let reader = auth::reader(&self.sessions, headers).unwrap_or(Reader::Anonymous);
        let found = self.names.find_for(&reader, name, &names_in(path)).await?;
        Ok(found.map(|core| BoundHost { core, host: host.to_owned() }))
    }

    /// Answers a request to such a host.
    pub(crate) async fn answer(&self, bound: BoundHost, mut request: Request) -> Response {
        let path = request.uri().path();
        let routes = if path == "/-/session" || path.starts_with("/-/session/") {
            &self.session
        } else {
            match at_core(request.uri(), &bound.core) {
                Some(uri) => *request.uri_mut() = uri,
                None => {
                    return ApiError::new(Code::BadRequest, "the address cannot be read").into_response();
                }
            }
            &self.cores
        };
        request.extensions_mut().insert(bound);
        let answered: Result<Response, Infallible> = routes.clone().oneshot(request).await;
        answered.unwrap_or_else(|never| match never {})
    }
}

/// Names of cores that a path begins with.
fn names_in(path: &str) -> Vec<String> {
    let parts =
        segments(path.strip_prefix('/').unwrap_or(path)).map(|(parts, _slash)| parts).unwrap_or_default();
    let names = parts.into_iter().map_while(|part| part.strip_prefix('@').map(str::to_owned));
    names.take_while(|name| !name.is_empty()).collect()
}

/// The address that stands for one on a core's host.
fn at_core(uri: &Uri, core: &CoreId) -> Option<Uri> {
    let given = uri.path_and_query()?.as_str();
    let given = given.starts_with('/').then_some(given)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/@{core}{given}").parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use kubelt_core::CoreId;

    use super::{at_core, names_in};

    #[test]
    fn an_address_on_a_host_stands_for_one_of_its_core() {
        let core = CoreId::of(b"core");
        let check = |given: &str, expected: &str| {
            let uri = at_core(&given.parse().expect("an address"), &core).expect("an address of the core");
            assert_eq!(uri.to_string(), expected.replace("@core", &format!("@{core}")));
        };
        check("/", "/@core/");
        check("/a%20b?c=d", "/@core/a%20b?c=d");
        check("/@widget/-/content/x", "/@core/@widget/-/content/x");
        check("//other.example/x", "/@core//other.example/x");
        check("http://widgets.acme.org/x", "http://widgets.acme.org/@core/x");
        assert_eq!(at_core(&"*".parse().expect("an address"), &core), None);
    }

    #[test]
    fn names_of_cores_stand_first() {
        for (path, names) in [
            ("/", &[][..]),
            ("/@widget/@part/x/@y", &["widget", "part"]),
            ("/%40widget", &["widget"]),
            ("/@/x", &[]),
            ("/x/@widget", &[]),
            ("/../@widget", &[]),
        ] {
            assert_eq!(names_in(path), names, "{path}");
        }
    }
}
