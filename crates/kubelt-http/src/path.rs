//! Request paths: percent-decoding and the `/@core/…` address.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::limits::{CORE_DEPTH_MAX, PATH_BYTES_MAX};

/// Why a request path cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    #[error("the path is over the limit of {PATH_BYTES_MAX} bytes")]
    TooLong,
    #[error("the path is not percent-encoded UTF-8")]
    NotUtf8,
    #[error(
        "a path segment may not be `.` or `..`, nor hold an encoded slash, a backslash or a control character"
    )]
    Segment,
    #[error("more than {CORE_DEPTH_MAX} cores in one address")]
    TooDeep,
}

/// Splits a raw path (no leading slash) into decoded segments. A trailing slash leaves an empty last
/// segment, which is dropped and told apart by the second value.
pub(crate) fn segments(raw: &str) -> Result<(Vec<String>, bool), BadPath> {
    if raw.len() > PATH_BYTES_MAX {
        return Err(BadPath::TooLong);
    }
    let mut parts = raw.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
    let slash = parts.last().is_some_and(String::is_empty);
    if slash {
        parts.pop();
    }
    if parts.iter().any(String::is_empty) {
        return Err(BadPath::Segment);
    }
    Ok((parts, slash))
}

fn segment(raw: &str) -> Result<String, BadPath> {
    let text = percent_decode_str(raw).decode_utf8().map_err(|_cause| BadPath::NotUtf8)?;
    let bad = text == "." || text == ".." || text.chars().any(|c| c == '/' || c == '\\' || c.is_control());
    if bad { Err(BadPath::Segment) } else { Ok(text.into_owned()) }
}

/// Encodes one path segment for a URL.
pub(crate) fn encode_segment(segment: &str) -> String {
    const KEEP_OUT: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'`')
        .add(b'{')
        .add(b'}')
        .add(b'%')
        .add(b'/')
        .add(b'\\');
    utf8_percent_encode(segment, KEEP_OUT).to_string()
}

/// What an address says after its cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tail {
    /// `/@core/path/to/file`: what the core has published there.
    Published { path: Vec<String>, slash: bool },
    /// `/@core/-/name/…`: the core's API.
    Api { name: String, path: Vec<String>, slash: bool },
}

/// `/@core[/@child…]` and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Names without their `@`; at least one.
    pub(crate) cores: Vec<String>,
    pub(crate) tail: Tail,
}

impl Address {
    /// Reads a raw path such as `/@0xabc/site/a%20b.html`; `None` when it does not begin with `/@`.
    pub(crate) fn parse(raw: &str) -> Option<Result<Self, BadPath>> {
        let rest = raw.strip_prefix('/').filter(|rest| rest.starts_with('@'))?;
        Some(Self::read(rest))
    }

    fn read(raw: &str) -> Result<Self, BadPath> {
        let (parts, slash) = segments(raw)?;
        let count = parts.iter().take_while(|part| part.len() > 1 && part.starts_with('@')).count();
        if count > CORE_DEPTH_MAX {
            return Err(BadPath::TooDeep);
        }
        if count == 0 {
            return Err(BadPath::Segment);
        }
        let mut parts = parts.into_iter();
        let cores = parts.by_ref().take(count).map(|part| part.trim_start_matches('@').to_owned()).collect();
        let mut path: Vec<String> = parts.collect();
        let tail = if path.first().is_some_and(|first| first == "-") {
            let name = if path.len() > 1 { path.remove(1) } else { String::new() };
            path.remove(0);
            Tail::Api { name, path, slash }
        } else {
            Tail::Published { path, slash }
        };
        Ok(Self { cores, tail })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, BadPath, Tail, encode_segment, segments};

    fn parse(raw: &str) -> Result<Address, BadPath> {
        Address::parse(raw).expect("begins with /@")
    }

    #[test]
    fn addresses_are_read() {
        let address = parse("/@0xab/site/a%20b.html").expect("an address");
        assert_eq!(address.cores, ["0xab"]);
        assert_eq!(
            address.tail,
            Tail::Published { path: vec!["site".into(), "a b.html".into()], slash: false }
        );

        let address = parse("/@acme/@widget/-/content/a/b/").expect("an address");
        assert_eq!(address.cores, ["acme", "widget"]);
        assert_eq!(
            address.tail,
            Tail::Api { name: "content".into(), path: vec!["a".into(), "b".into()], slash: true }
        );
        assert_eq!(parse("/@x").expect("an address").tail, Tail::Published { path: vec![], slash: false });
        assert!(Address::parse("/ipfs/x").is_none());
    }

    #[test]
    fn tricks_are_refused() {
        for raw in
            ["/@x/../y", "/@x/%2e%2e/y", "/@x/a%2Fb", "/@x/a%00", "/@x//y", "/@x/a%5cb", "/@/y", "/@x/./y"]
        {
            assert_eq!(parse(raw), Err(BadPath::Segment), "{raw}");
        }
        assert_eq!(parse("/@x/%ff"), Err(BadPath::NotUtf8));
        assert_eq!(parse(&format!("/@x/{}", "a".repeat(1 << 20))), Err(BadPath::TooLong));
        assert_eq!(parse(&"/@x".repeat(9)), Err(BadPath::TooDeep));
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        for name in ["a b", "50%", "ü?#", "{x}"] {
            assert_eq!(segments(&encode_segment(name)).expect("decodes").0, [name]);
        }
    }
}
