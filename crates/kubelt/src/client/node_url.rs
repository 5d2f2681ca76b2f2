//! The address of a node.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// Scheme, host and port, with nothing after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeUrl {
    url: String,
    scheme_bytes: usize,
}

/// Text that is no address of a node.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the address of a node; write one like `http://127.0.0.1:4747`")]
pub(crate) struct NodeUrlError(String);

impl NodeUrl {
    /// The address with no slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    /// Host and port: the domain that a sign-in message must name.
    pub(crate) fn authority(&self) -> &str {
        &self.url[self.scheme_bytes..]
    }
}

impl FromStr for NodeUrl {
    type Err = NodeUrlError;

    fn from_str(text: &str) -> Result<Self, NodeUrlError> {
        let refused = || NodeUrlError(text.chars().take(128).collect());
        let uri: Uri = text.parse().map_err(|_says_no_more| refused())?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused());
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(refused());
        }
        let url = format!("{scheme}://{authority}").to_ascii_lowercase();
        Ok(Self { url, scheme_bytes: scheme.len() + 3 })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::NodeUrl;

    #[test]
    fn addresses_have_one_form() {
        for (text, url, authority) in [
            ("http://127.0.0.1:4747", "http://127.0.0.1:4747", "127.0.0.1:4747"),
            ("https://Node.Example.org/", "https://node.example.org", "node.example.org"),
            ("http://[::1]:80/", "http://[::1]:80", "[::1]:80"),
        ] {
            let node: NodeUrl = text.parse().expect("an address");
            assert_eq!((node.as_str(), node.authority()), (url, authority));
        }
    }

    #[test]
    fn what_is_no_address_of_a_node_is_refused() {
        for text in ["", "127.0.0.1:4747", "ftp://a", "http://", "http://a/b", "http://a/?b", "http://u:p@a"]
        {
            assert!(text.parse::<NodeUrl>().is_err(), "{text}");
        }
    }
}
