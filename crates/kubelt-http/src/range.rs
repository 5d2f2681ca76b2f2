//! Byte ranges and conditions of requests (RFC 9110, sections 13 and 14).

use std::ops::Range;

use axum::http::{HeaderMap, header};

use crate::limits::RANGES_MAX;

/// What part of a representation a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, `start..end`, not empty.
    Part { start: u64, end: u64 },
    /// Several such ranges, in the order asked for.
    Parts(Vec<Range<u64>>),
    /// Bytes that do not exist: answer 416.
    Unsatisfiable,
}

/// Reads `Range`, heeding `If-Range`. Other units and malformed headers are answered with the whole, and so are
/// ranges that are many or that together exceed it, as RFC 9110 allows.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    let Some(range) = text(headers, &header::RANGE) else { return Wanted::Whole };
    if text(headers, &header::IF_RANGE).is_some_and(|condition| condition != etag) {
        return Wanted::Whole;
    }
    let Some(specs) = range.strip_prefix("bytes=") else { return Wanted::Whole };
    if specs.split(',').count() > RANGES_MAX {
        return Wanted::Whole;
    }
    let mut parts = Vec::new();
    for spec in specs.split(',') {
        match part(spec.trim(), size) {
            Part::Malformed => return Wanted::Whole,
            Part::Outside => {}
            Part::Bytes(range) => parts.push(range),
        }
    }
    match parts.as_slice() {
        [] => Wanted::Unsatisfiable,
        [Range { start, end }] => Wanted::Part { start: *start, end: *end },
        _ if parts.iter().map(|range| range.end - range.start).fold(0, u64::saturating_add) > size => {
            Wanted::Whole
        }
        _ => Wanted::Parts(parts),
    }
}

enum Part {
    Bytes(Range<u64>),
    Outside,
    Malformed,
}

fn part(spec: &str, size: u64) -> Part {
    let Some((first, last)) = spec.split_once('-') else { return Part::Malformed };
    match (number(first), number(last)) {
        (Some(Some(start)), Some(last)) => {
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            if last.is_some_and(|last| last < start) {
                return Part::Malformed;
            }
            if start < end { Part::Bytes(start..end) } else { Part::Outside }
        }
        (Some(None), Some(Some(suffix))) => match (suffix, size) {
            (0, _) | (_, 0) => Part::Outside,
            _ => Part::Bytes(size.saturating_sub(suffix)..size),
        },
        _ => Part::Malformed,
    }
}

/// `Some(None)` for an absent number, `None` for a malformed one.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// Whether `If-None-Match` names this entity tag (weak comparison): answer 304.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    text(headers, &header::IF_NONE_MATCH).is_some_and(|tags| matches(tags, etag))
}

/// Whether `If-Match` is there and does not name this entity tag (`None`: nothing exists): answer 412.
pub(crate) fn precondition_failed(headers: &HeaderMap, etag: Option<&str>) -> bool {
    text(headers, &header::IF_MATCH).is_some_and(|tags| !etag.is_some_and(|etag| matches(tags, etag)))
}

fn matches(tags: &str, etag: &str) -> bool {
    fn plain(tag: &str) -> &str {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag)
    }
    tags.trim() == "*" || tags.split(',').any(|tag| plain(tag) == plain(etag))
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::{Wanted, not_modified, precondition_failed, wanted};
    use axum::http::{HeaderMap, HeaderValue, header};

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn ranges_follow_rfc_9110() {
        let check = |range: &str, size, expected| {
            assert_eq!(wanted(&with(header::RANGE, range), size, "\"x\""), expected, "{range} of {size}");
        };
        check("bytes=0-0", 10, Wanted::Part { start: 0, end: 1 });
        check("bytes=2-", 10, Wanted::Part { start: 2, end: 10 });
        check("bytes=-3", 10, Wanted::Part { start: 7, end: 10 });
        check("bytes=-30", 10, Wanted::Part { start: 0, end: 10 });
        check("bytes=5-99999999999999999999", 10, Wanted::Part { start: 5, end: 10 });
        check("bytes=10-", 10, Wanted::Unsatisfiable);
        check("bytes=-0", 10, Wanted::Unsatisfiable);
        check("bytes=0-", 0, Wanted::Unsatisfiable);
        check("bytes=3-2", 10, Wanted::Whole);
        check("bytes=0-1, 3-4", 10, Wanted::Parts(vec![0..2, 3..5]));
        check("bytes=6-7,-2,20-", 10, Wanted::Parts(vec![6..8, 8..10]));
        check("bytes=6-7,20-", 10, Wanted::Part { start: 6, end: 8 });
        check("bytes=20-,30-", 10, Wanted::Unsatisfiable);
        check("bytes=0-,0-", 10, Wanted::Whole);
        check("bytes=0-1,x", 10, Wanted::Whole);
        check(&format!("bytes={}0-0", "0-0,".repeat(16)), 100, Wanted::Whole);
        check("items=0-1", 10, Wanted::Whole);
        check("bytes=a-b", 10, Wanted::Whole);
    }

    #[test]
    fn if_range_must_match() {
        let mut headers = with(header::RANGE, "bytes=0-0");
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"y\""));
        assert_eq!(wanted(&headers, 10, "\"x\""), Wanted::Whole);
        assert_eq!(wanted(&headers, 10, "\"y\""), Wanted::Part { start: 0, end: 1 });
    }

    #[test]
    fn conditions_compare_weakly() {
        assert!(not_modified(&with(header::IF_NONE_MATCH, "\"a\", W/\"x\""), "\"x\""));
        assert!(not_modified(&with(header::IF_NONE_MATCH, "*"), "\"x\""));
        assert!(!not_modified(&with(header::IF_NONE_MATCH, "\"a\""), "\"x\""));
        assert!(precondition_failed(&with(header::IF_MATCH, "\"a\""), Some("\"x\"")));
        assert!(precondition_failed(&with(header::IF_MATCH, "*"), None));
        assert!(!precondition_failed(&with(header::IF_MATCH, "*"), Some("\"x\"")));
    }
}
