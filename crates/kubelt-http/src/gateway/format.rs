//! Which form of the content a request asks for: `format` in the query, then `Accept` (path gateway and trustless
//! gateway specifications; IPIP-402, 412, 523 and 524).

use axum::http::{HeaderMap, header};
use kubelt_api::Code;
use kubelt_content::read::{EntityBytes, Scope};

use crate::{problem::ApiError, query::Query};

/// A form that is asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One block.
    Raw,
    /// Blocks in a CAR.
    Car(CarForm),
    /// Files in a TAR.
    Tar,
    /// Blocks of these codecs, as they are.
    DagJson,
    DagCbor,
    Json,
    Cbor,
    /// The record of a name.
    IpnsRecord,
}

/// How a CAR is to be made. Blocks come depth first always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CarForm {
    pub(crate) scope: Scope,
    /// Whether a block is given again where it is met again.
    pub(crate) duplicates: bool,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// None for whatever the content is.
    pub(crate) format: Option<Format>,
    /// Whether the format stands in the query: then nothing else will do.
    pub(crate) is_explicit: bool,
    /// Whether a page is welcome in place of bytes that nobody can read.
    pub(crate) html: bool,
}

impl Wish {
    /// Reads what is asked for. A format of unknown name is none: published programs have queries of their own.
    pub(crate) fn read(headers: &HeaderMap, query: &Query) -> Result<Self, ApiError> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let explicit = query.get("format").and_then(by_name);
        let chosen = explicit.or_else(|| best(accept));
        let format = match chosen {
            Some(Format::Car(_)) => Some(Format::Car(car_form(accept, query)?)),
            other => other,
        };
        let html = explicit.is_none() && accept.contains("text/html");
        Ok(Self { format, is_explicit: explicit.is_some(), html })
    }
}

fn by_name(name: &str) -> Option<Format> {
    Some(match name {
        "raw" => Format::Raw,
        "car" => Format::Car(CarForm::default()),
        "tar" => Format::Tar,
        "dag-json" => Format::DagJson,
        "dag-cbor" => Format::DagCbor,
        "json" => Format::Json,
        "cbor" => Format::Cbor,
        "ipns-record" => Format::IpnsRecord,
        _ => return None,
    })
}

fn by_media_type(kind: &str) -> Option<Format> {
    Some(match kind {
        "application/vnd.ipld.raw" => Format::Raw,
        "application/vnd.ipld.car" => Format::Car(CarForm::default()),
        "application/x-tar" => Format::Tar,
        "application/vnd.ipld.dag-json" => Format::DagJson,
        "application/vnd.ipld.dag-cbor" => Format::DagCbor,
        "application/json" => Format::Json,
        "application/cbor" => Format::Cbor,
        "application/vnd.ipfs.ipns-record" => Format::IpnsRecord,
        _ => return None,
    })
}

/// The first of the best formats of an `Accept`; none where a page is better.
fn best(accept: &str) -> Option<Format> {
    let mut best: Option<(u16, Option<Format>)> = None;
    for range in accept.split(',') {
        let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
        let kind = kind.trim().to_ascii_lowercase();
        let format = by_media_type(&kind);
        if format.is_none() && kind != "text/html" {
            continue;
        }
        let weight = weight(parameters);
        if weight > 0 && best.is_none_or(|(least, _)| weight > least) {
            best = Some((weight, format));
        }
    }
    best.and_then(|(_, format)| format)
}

/// `q` in thousandths.
fn weight(parameters: &str) -> u16 {
    let Some(text) = parameter(parameters, "q") else { return 1_000 };
    let Some((whole, part)) = text.split_once('.').or(Some((text, ""))) else { return 0 };
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    let thousandths: u16 = digits.parse().unwrap_or(0);
    if whole == "0" { thousandths } else { 1_000 }
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim().trim_matches('"'))
}

/// The query's word counts before the parameters in `Accept`.
fn car_form(accept: &str, query: &Query) -> Result<CarForm, ApiError> {
    let mut ranges = accept.split(',').filter_map(|range| range.trim().split_once(';'));
    let car = ranges.find(|(kind, _)| kind.trim().eq_ignore_ascii_case("application/vnd.ipld.car"));
    let parameters = car.map_or("", |(_, parameters)| parameters);
    let word = |key, name| query.get(key).or_else(|| parameter(parameters, name));
    let refuse = |what: &str, value: &str, known: &str| {
        Err(ApiError::new(Code::BadRequest, format!("`{value}` is no {what} of a CAR here; {known}")))
    };
    match word("car-version", "version") {
        None | Some("1") => {}
        Some(other) => return refuse("version", other, "it is `1`"),
    }
    match word("car-order", "order") {
        None | Some("dfs" | "unk") => {}
        Some(other) => return refuse("order", other, "it is `dfs` or `unk`"),
    }
    let duplicates = match word("car-dups", "dups") {
        None | Some("n") => false,
        Some("y") => true,
        Some(other) => return refuse("setting of duplicates", other, "it is `y` or `n`"),
    };
    let bytes = query.get("entity-bytes").map(entity_bytes).transpose()?;
    let scope = match query.get("dag-scope") {
        Some("block") => Scope::Block,
        Some("entity") => Scope::Entity(bytes),
        None if bytes.is_some() => Scope::Entity(bytes),
        None | Some("all") => Scope::All,
        Some(other) => return refuse("scope", other, "it is `block`, `entity` or `all`"),
    };
    Ok(CarForm { scope, duplicates })
}

/// `from:to`, both included; `*` for the end of the file.
fn entity_bytes(text: &str) -> Result<EntityBytes, ApiError> {
    let read = || {
        let (from, to) = text.split_once(':')?;
        let from: i64 = from.parse().ok()?;
        let to: Option<i64> = if to == "*" { None } else { Some(to.parse().ok()?) };
        let in_order = to.is_none_or(|to| (from < 0) != (to < 0) || from <= to);
        in_order.then_some(EntityBytes { from, to })
    };
    read().ok_or_else(|| {
        ApiError::new(Code::BadRequest, "`entity-bytes` is `from:to` in bytes, such as `0:1023` or `-5:*`")
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};
    use kubelt_content::read::{EntityBytes, Scope};

    use super::{CarForm, Format, Wish};
    use crate::query::Query;

    fn wish(accept: &str, query: &str) -> Option<Wish> {
        let accept = HeaderValue::from_str(accept).expect("a header");
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept)]);
        Wish::read(&headers, &Query::parse(query).expect("a query")).ok()
    }

    #[test]
    fn the_query_counts_before_the_header() {
        let check = |accept: &str, query: &str, format: Option<Format>, html: bool| {
            let found = wish(accept, query).expect("is understood");
            assert_eq!((found.format, found.html), (format, html), "`{accept}` `{query}`");
        };
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        check("", "", None, false);
        check(browser, "", None, true);
        check(browser, "format=raw", Some(Format::Raw), false);
        check("application/vnd.ipld.raw", "format=json", Some(Format::Json), false);
        check("application/vnd.ipld.raw, */*", "", Some(Format::Raw), false);
        check("application/vnd.ipld.raw;q=0, */*", "", None, false);
        check(
            "application/json;q=0.5, Application/Vnd.IPLD.dag-json;q=0.75",
            "",
            Some(Format::DagJson),
            false,
        );
        check("text/html, application/json;q=0.9", "", None, true);
        check("application/json, text/html", "", Some(Format::Json), true);
        check("application/json", "format=pretty", Some(Format::Json), false);
        check("image/avif,image/webp", "", None, false);
    }

    #[test]
    fn a_car_is_made_as_asked() {
        let check = |accept: &str, query: &str, scope: Scope, duplicates: bool| {
            let found = wish(accept, query).expect("is understood");
            assert_eq!(
                found.format,
                Some(Format::Car(CarForm { scope, duplicates })),
                "`{accept}` `{query}`"
            );
        };
        let car = "application/vnd.ipld.car";
        check(car, "", Scope::All, false);
        check("*/*", "format=car&dag-scope=block", Scope::Block, false);
        check(&format!("{car}; version=1; order=dfs; dups=y"), "", Scope::All, true);
        check(&format!("{car}; dups=n"), "car-dups=y", Scope::All, true);
        check(&format!("text/plain, {car};dups=y;order=unk"), "format=car", Scope::All, true);
        let bytes = |from, to| Scope::Entity(Some(EntityBytes { from, to }));
        check(car, "dag-scope=entity&entity-bytes=0:*", bytes(0, None), false);
        check(car, "entity-bytes=-5:-1", bytes(-5, Some(-1)), false);
        check(car, "entity-bytes=512:-256", bytes(512, Some(-256)), false);
        check(car, "dag-scope=all&entity-bytes=0:1", Scope::All, false);
    }

    #[test]
    fn what_is_no_form_of_a_car_is_refused() {
        for query in [
            "dag-scope=tree",
            "entity-bytes=1",
            "entity-bytes=a:b",
            "entity-bytes=5:1",
            "entity-bytes=-1:-5",
            "entity-bytes=*:1",
            "entity-bytes=99999999999999999999:*",
            "car-dups=maybe",
            "car-order=bfs",
            "car-version=2",
        ] {
            assert!(wish("application/vnd.ipld.car", query).is_none(), "{query}");
            assert!(wish("*/*", query).is_some(), "{query} says nothing of other forms");
        }
    }
}
