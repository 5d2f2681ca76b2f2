//! The grammar of RFC 3986, as far as sign-in messages need it: is this a URI, an authority?

use std::net::Ipv6Addr;

/// Whether `text` is a `URI` of RFC 3986: a scheme, and no characters that it has no room for.
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (rest, fragment) = cut(rest, '#');
    let (hier_part, query) = cut(rest, '?');
    is_scheme(scheme) && is_hier_part(hier_part) && is_query(query) && is_query(fragment)
}

/// Whether `text` is a `scheme`.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Whether `text` is an `authority`: `[ userinfo "@" ] host [ ":" port ]`. RFC 3986 allows an empty host.
pub(crate) fn is_authority(text: &str) -> bool {
    let (userinfo, host_port) = text.rsplit_once('@').unwrap_or(("", text));
    if !encoded(userinfo, |b| is_unreserved(b) || is_sub_delim(b) || b == b':') {
        return false;
    }
    let (host, port) = match host_port.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, port)) if is_ip_literal(address) => ("", port),
            _ => return false,
        },
        None => host_port.split_at(host_port.find(':').unwrap_or(host_port.len())),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    encoded(host, |b| is_unreserved(b) || is_sub_delim(b))
        && (port.is_empty() || port.starts_with(':'))
        && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Whether `text` is `*pchar`.
pub(crate) fn is_pchars(text: &str) -> bool {
    encoded(text, is_pchar)
}

/// `unreserved` of RFC 3986.
pub(crate) const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// `reserved` of RFC 3986.
pub(crate) const fn is_reserved(b: u8) -> bool {
    is_sub_delim(b) || matches!(b, b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@')
}

const fn is_sub_delim(b: u8) -> bool {
    matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

const fn is_pchar(b: u8) -> bool {
    is_unreserved(b) || is_sub_delim(b) || matches!(b, b':' | b'@')
}

fn is_hier_part(text: &str) -> bool {
    let path = |path: &str| encoded(path, |b| is_pchar(b) || b == b'/');
    match text.strip_prefix("//") {
        Some(rest) => {
            let (authority, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            is_authority(authority) && path(below)
        }
        None => path(text),
    }
}

fn is_query(text: &str) -> bool {
    encoded(text, |b| is_pchar(b) || matches!(b, b'/' | b'?'))
}

/// What stands in the brackets of a host: `IPv6address / IPvFuture`.
fn is_ip_literal(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']) {
        Some(future) => future.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|b| b.is_ascii_hexdigit())
                && !address.is_empty()
                && address.bytes().all(|b| is_unreserved(b) || is_sub_delim(b) || b == b':')
        }),
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Whether every byte is allowed, or is one of `%hh`.
fn encoded(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()].iter().all(|b| b.is_some_and(|b| b.is_ascii_hexdigit())),
            byte => allowed(byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// What stands before and after the first `mark`; nothing after it where there is none.
fn cut(text: &str, mark: char) -> (&str, &str) {
    text.split_once(mark).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests;
