//! Requests that two programs could read as two different ones, and so are read as none.
//!
//! A proxy in front of the node has looked at the same bytes. Where it may have taken another host from them, or another
//! end of the request, somebody could reach past what it lets through (RFC 9112, sections 3.2, 6.1 and 11.2).

use axum::http::{HeaderMap, Method, Request, Uri, Version, header, uri::Authority};

/// Why a request is refused before anything looks at it.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<&'static str> {
    let (uri, headers) = (request.uri(), request.headers());
    let mut hosts = headers.get_all(header::HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return Some("the request has more than one `Host`");
    }
    let named = match first {
        // A tunnel names where it leads to, and not the host.
        Some(_) if *request.method() == Method::CONNECT => return None,
        Some(host) => Some(host.to_str().unwrap_or("\u{0}")),
        None if request.version() == Version::HTTP_11 => return Some("the request has no `Host`"),
        None => None,
    };
    match (named, uri.authority()) {
        (Some(host), Some(authority)) if !is_same(host, authority, uri) => {
            Some("the request names two hosts: one in its first line, another as `Host`")
        }
        _ => None,
    }
}

/// Whether the end of a request is where its body says it is. What came with it might have said otherwise (`Content-Length`
/// is passed over then), so nothing behind it is read as another request.
pub(crate) fn is_last(headers: &HeaderMap, version: Version) -> bool {
    version < Version::HTTP_2 && headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether `Host` and the authority of an address are one, where a port may be left out that is the scheme's own.
fn is_same(host: &str, authority: &Authority, uri: &Uri) -> bool {
    let own = if uri.scheme_str() == Some("https") { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(own).unwrap_or(text).to_ascii_lowercase();
    bare(host) == bare(authority.as_str())
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, Version};

    use super::refusal;

    fn is_refused(uri: &str, hosts: &[&str], version: Version) -> bool {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        refusal(&request.body(()).expect("a request")).is_some()
    }

    #[test]
    fn a_request_names_one_host() {
        let check = |uri: &str, hosts: &[&str], expected: bool| {
            assert_eq!(is_refused(uri, hosts, Version::HTTP_11), expected, "{uri} {hosts:?}");
        };
        check("/", &["a.example"], false);
        check("/", &[], true);
        check("/", &["a.example", "a.example"], true);
        check("/", &["a.example", "b.example"], true);
        check("http://a.example/", &["a.example"], false);
        check("http://A.example:80/", &["a.EXAMPLE"], false);
        check("http://a.example/", &["a.example:80"], false);
        check("https://a.example/", &["a.example:443"], false);
        check("http://a.example/", &["b.example"], true);
        check("http://a.example/", &["a.example:81"], true);
        check("http://a.example:443/", &["a.example"], true);
        check("http://a.example/", &[""], true);
        assert!(!is_refused("/", &[], Version::HTTP_10));
        assert!(!is_refused("http://a.example/", &[], Version::HTTP_2));
        assert!(is_refused("http://a.example/", &["b.example"], Version::HTTP_2));
    }
}
