//! A directory as a page.

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use kubelt_node::{Child, ChildKind, Children};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::path::encode_segment;

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:6vh auto;padding:0 1.25rem}\
h1{font-size:1.05rem;font-weight:600;word-break:break-all}\
table{width:100%;border-collapse:collapse}\
td{padding:.35rem .5rem;border-bottom:1px solid light-dark(#0002,#fff2)}\
td+td{text-align:right;white-space:nowrap;opacity:.7;font-variant-numeric:tabular-nums}\
a{color:light-dark(#3b4cca,#9aa5ff);text-decoration:none}a:hover{text-decoration:underline}\
</style>";

/// The page of a directory: names, sizes, and a link to what follows.
pub(crate) fn listing_page(title: &str, page: &Children) -> Response {
    let mut html = String::from(HEAD);
    let title = escape(title);
    let _ = write!(
        html,
        "<title>{title}</title><h1>{title}</h1><table><tr><td><a href=\"../\">../</a></td><td></td></tr>"
    );
    for child in &page.entries {
        row(&mut html, child);
    }
    html.push_str("</table>");
    if let Some(next) = &page.next {
        let _ = write!(
            html,
            "<p><a href=\"?cursor={}\">more</a></p>",
            utf8_percent_encode(next, NON_ALPHANUMERIC)
        );
    }
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-top-navigation-by-user-activation",
        ),
    );
    response
}

fn row(html: &mut String, child: &Child) {
    let (slash, size) = match child.kind {
        ChildKind::Directory => ("/", String::new()),
        ChildKind::File { size } => ("", human(size)),
        ChildKind::Symlink => ("", "link".to_owned()),
    };
    // `./` keeps a name such as `javascript:x` from being read as another scheme.
    let href = escape(&encode_segment(&child.name));
    let _ = write!(
        html,
        "<tr><td><a href=\"./{href}{slash}\">{}{slash}</a></td><td>{size}</td></tr>",
        escape(&child.name)
    );
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A size for people, in powers of 1,024.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::{escape, human};

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
