//! Headers of the gateway's answers (path gateway specification, "HTTP response").

use std::{borrow::Cow, fmt::Write as _};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use kubelt_content::Cid;
use kubelt_core::schema::Visibility;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{ContentRequest, Lasts, Place};
use crate::{
    file_response::{OWN_ORIGIN, SANDBOX},
    page::PAGE_POLICY,
    path::encode_segment,
};

const X_IPFS_PATH: HeaderName = HeaderName::from_static("x-ipfs-path");
const X_IPFS_ROOTS: HeaderName = HeaderName::from_static("x-ipfs-roots");
/// Seconds that an answer may be kept where the record of a name does not say.
const DEFAULT_SECONDS: u64 = 60;
/// What an answer is, for caches and browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Published bytes.
    Content,
    /// A page that the gateway made of them.
    Page,
    /// Bytes for programs, which no browser takes for a page.
    Data,
}

/// Puts on an answer what all of them wear.
pub(super) fn dress(
    response: &mut Response,
    request: &ContentRequest,
    roots: &[Cid],
    visibility: Visibility,
    nature: Nature,
) {
    let headers = response.headers_mut();
    insert(headers, header::CACHE_CONTROL, &cache_control(request.named.lasts, visibility, nature));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    insert(headers, X_IPFS_PATH, &content_path(request));
    let mut list = String::with_capacity(roots.len() * 60);
    for root in roots {
        let comma = if list.is_empty() { "" } else { "," };
        let _ = write!(list, "{comma}{root}");
    }
    insert(headers, X_IPFS_ROOTS, &list);
    let policy = match (nature, &request.named.place) {
        (Nature::Data, _) => return,
        (Nature::Page, _) => HeaderValue::from_static(PAGE_POLICY),
        (Nature::Content, Place::Path) => SANDBOX,
        (Nature::Content, Place::Subdomain { .. } | Place::DnsLink { .. }) => OWN_ORIGIN,
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

fn cache_control(lasts: Lasts, visibility: Visibility, nature: Nature) -> Cow<'static, str> {
    match (visibility, lasts) {
        (Visibility::Members | Visibility::Private, _) => "private, no-store".into(),
        (Visibility::Public, Lasts::Seconds(seconds)) => {
            format!("public, max-age={}", seconds.unwrap_or(DEFAULT_SECONDS)).into()
        }
        // Another version of the node makes other pages.
        (Visibility::Public, Lasts::Forever) if nature == Nature::Page => {
            "public, max-age=604800, stale-while-revalidate=2678400".into()
        }
        (Visibility::Public, Lasts::Forever) => "public, max-age=29030400, immutable".into(),
    }
}

/// The address as a content path.
pub(super) fn content_path(request: &ContentRequest) -> String {
    let mut path = request.named.base.clone();
    push_segments(&mut path, &request.segments);
    if request.slash {
        path.push('/');
    }
    path
}

/// What stands before the segments in a link to the same content: nothing, where the host names it.
pub(super) fn link_base(request: &ContentRequest) -> &str {
    match request.named.place {
        Place::Path => &request.named.base,
        Place::Subdomain { .. } | Place::DnsLink { .. } => "",
    }
}

/// Appends `/a/b`, encoded for an address.
pub(super) fn push_segments(path: &mut String, segments: &[String]) {
    for segment in segments {
        path.push('/');
        path.push_str(&encode_segment(segment));
    }
}

/// How a browser shall take an answer, and under which name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    Inline,
    Attachment,
}

/// `Content-Disposition` (RFC 6266): the name in plain letters and, where it has others, in all of them.
pub(crate) fn disposition(headers: &mut HeaderMap, disposition: Disposition, name: &str) {
    let kind = match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    let is_plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut text = format!("{kind}; filename=\"{plain}\"");
    if plain != name {
        let _ = write!(text, "; filename*=UTF-8''{}", utf8_percent_encode(name, &RFC_5987));
    }
    insert(headers, header::CONTENT_DISPOSITION, &text);
}

/// All but the `attr-char` of RFC 5987.
const RFC_5987: percent_encoding::AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Inserts text that the gateway has made; what is no header value is left out.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::{Disposition, disposition};

    #[test]
    fn names_are_given_in_plain_letters_and_in_their_own() {
        let check = |name: &str, expected: &str| {
            let mut headers = HeaderMap::new();
            disposition(&mut headers, Disposition::Attachment, name);
            assert_eq!(headers[header::CONTENT_DISPOSITION], expected, "{name}");
        };
        check("a b.car", "attachment; filename=\"a b.car\"");
        check("t\u{435}\u{441}.tar", "attachment; filename=\"t__.tar\"; filename*=UTF-8''t%D0%B5%D1%81.tar");
        check("\"\\\r\n;", "attachment; filename=\"____;\"; filename*=UTF-8''%22%5C%0D%0A%3B");
    }
}
