//! Where things are on a node, as paths of a URL.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in one segment of a path (RFC 3986, `pchar`, less what shells and logs stumble over).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'!')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b'=')
    .remove(b'+');

/// A core on a node: `/@0x…`, or `/@name/@child`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CorePlace(String);

impl CorePlace {
    /// The core that these names lead to; each begins with `@`.
    pub(crate) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut path = String::new();
        for name in names {
            path.push('/');
            path.push_str(&encode(name));
        }
        Self(path)
    }

    /// The core at a path that a node gave.
    pub(crate) fn given(path: &str) -> Self {
        Self(path.trim_end_matches('/').to_owned())
    }

    /// The core that these names lead to from here.
    pub(crate) fn children<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.push_str(&Self::of_names(names).0);
        self
    }

    /// A route of the core's API.
    pub(super) fn api(&self, route: &str) -> String {
        format!("{}/-/{route}", self.0)
    }

    /// The route of content; an empty `path` is all of it.
    pub(super) fn content(&self, path: &str) -> String {
        self.api(&format!("content/{}", encode(path)))
    }

    /// The route of the state at and below a path of the map.
    pub(super) fn state(&self, path: &str) -> String {
        self.api(&format!("state/{}", encode(path)))
    }

    /// The route of sealed content.
    pub(super) fn sealed(&self, path: &str) -> String {
        self.api(&format!("sealed/{}", encode(path)))
    }

    /// The route of proofs.
    pub(super) fn proof(&self, path: &str) -> String {
        self.api(&format!("proofs/{}", encode(path)))
    }

    /// The route of receipts.
    pub(super) fn receipts(&self, path: &str) -> String {
        self.api(&format!("receipts/{}", encode(path)))
    }

    /// Where readers find what is published at `path`.
    pub(crate) fn published(&self, path: &str) -> String {
        if path.is_empty() { self.0.clone() } else { format!("{}/{}", self.0, encode(path)) }
    }
}

impl fmt::Display for CorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of the IPFS gateway to something below a CID.
pub(crate) fn gateway_path(cid: &str, path: &str) -> String {
    if path.is_empty() { format!("/ipfs/{cid}") } else { format!("/ipfs/{cid}/{}", encode(path)) }
}

/// One value of a query.
pub(super) fn encode_query(value: &str) -> impl fmt::Display {
    const QUERY: &AsciiSet = &SEGMENT.remove(b'/').add(b'+').add(b'=').add(b'@');
    utf8_percent_encode(value, QUERY)
}

pub(crate) fn encode(path: &str) -> String {
    const PATH: &AsciiSet = &SEGMENT.remove(b'/');
    utf8_percent_encode(path, PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::{CorePlace, encode_query, gateway_path};

    #[test]
    fn names_cannot_leave_their_place() {
        let core = CorePlace::of_names(["@acme", "@0xAb"]);
        assert_eq!(core.to_string(), "/@acme/@0xAb");
        assert_eq!(core.content("a b/c?d#e%2f/ü"), "/@acme/@0xAb/-/content/a%20b/c%3Fd%23e%252f/%C3%BC");
        assert_eq!(core.content(""), "/@acme/@0xAb/-/content/");
        assert_eq!(core.published(""), "/@acme/@0xAb");
        assert_eq!(gateway_path("bafy", "x/y&z"), "/ipfs/bafy/x/y%26z");
        assert_eq!(encode_query("a&b=c+d/é").to_string(), "a%26b%3Dc%2Bd/%C3%A9");
    }
}
