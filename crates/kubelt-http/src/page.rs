//! Pages that the node makes of content: directories and documents. One file each, no program, no other requests.

mod directory;
mod document;
mod icons;
mod style;

use std::{fmt::Write as _, sync::OnceLock};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

pub(crate) use self::{
    directory::{DirectoryPage, HashLinks, directory_page},
    document::document_page,
};

/// Pages need their style and their links, and nothing else.
pub(crate) const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-top-navigation-by-user-activation";

/// Names this version of the pages in entity tags.
pub(crate) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let source = [style::STYLE, env!("CARGO_PKG_VERSION"), "1"].concat();
        format!("{:016x}", fnv1a(source.as_bytes()))
    })
}

/// A short name for a text (FNV-1a, 64 bits); nobody is kept from finding another text of that name.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One part of a path that is shown, with where it leads.
#[derive(Debug)]
pub(crate) struct Crumb {
    pub(crate) href: String,
    pub(crate) text: String,
}

/// Begins a page; its title and headline.
fn begin(html: &mut String, title: &str) {
    let title = escape(title);
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{}</style></head><body><main>",
        style::STYLE
    );
}

fn end(html: &mut String) {
    html.push_str("</main></body></html>");
}

fn crumbs(html: &mut String, space: &str, crumbs: &[Crumb]) {
    let _ = write!(html, "<span class=\"path\">{}", escape(space));
    for (index, Crumb { href, text }) in crumbs.iter().enumerate() {
        let slash = if index == 0 { "" } else { "/" };
        let _ = write!(html, "{slash}<a href=\"{}\">{}</a>", escape(href), escape(text));
    }
    html.push_str("</span>");
}

/// Encodes a text as the value of a query.
fn encode_query(text: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &KEPT).to_string()
}

/// Markup as text.
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
    use super::{encode_query, escape, human};

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
        assert_eq!(encode_query("a&b=c+\u{17a}.txt"), "a%26b%3Dc%2B%C5%BA.txt");
    }
}
