//! A document of dag-cbor, dag-json, cbor or json as a page: its value, with links that can be followed.

use std::fmt::Write as _;

use kubelt_content::{Cid, Codec, Ipld};

use super::{Crumb, begin, crumbs, end, escape, human};
use crate::limits::DOCUMENT_PAGE_BYTES_MAX;

/// Bytes of a byte string that are shown.
const SHOWN_BYTES: usize = 64;

/// Writes the page of the block `cid`; `gateway` is empty or `//HOST`.
pub(crate) fn document_page(
    space: &str,
    path: &[Crumb],
    gateway: &str,
    cid: &Cid,
    codec: Codec,
    block: &[u8],
) -> String {
    let mut html = String::with_capacity(4 * 1_024 + block.len() * 2);
    let shown: Vec<&str> = path.iter().map(|crumb| crumb.text.as_str()).collect();
    begin(&mut html, &format!("{space}{}", shown.join("/")));
    html.push_str("<h1>");
    crumbs(&mut html, space, path);
    let size = human(block.len() as u64);
    let _ =
        write!(html, "</h1><p class=\"note\">{} of {size} &middot; CID <code>{cid}</code></p>", codec.name());
    let value = (block.len() <= DOCUMENT_PAGE_BYTES_MAX).then(|| codec.decode(block));
    match value {
        Some(Ok(value)) => {
            html.push_str("<pre>");
            write_value(&mut html, gateway, &value, 0);
            html.push_str("</pre>");
        }
        Some(Err(_malformed)) => html.push_str("<p>The block cannot be shown as a value.</p>"),
        None => html.push_str("<p>The document is too large to be shown here.</p>"),
    }
    html.push_str(
        "<nav><a href=\"?format=raw\">download the block</a><a href=\"?format=car\">download as CAR</a></nav>",
    );
    end(&mut html);
    html
}

fn write_value(html: &mut String, gateway: &str, value: &Ipld, depth: usize) {
    let _ = match value {
        Ipld::Null => write!(html, "null"),
        Ipld::Bool(value) => write!(html, "{value}"),
        Ipld::Integer(value) => write!(html, "{value}"),
        Ipld::Float(value) => write!(html, "{value}"),
        Ipld::String(text) => write!(html, "<span class=\"s\">{}</span>", escape(&format!("{text:?}"))),
        Ipld::Bytes(bytes) => {
            let head: String = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
            let more = if bytes.len() > SHOWN_BYTES { "\u{2026}" } else { "" };
            write!(html, "<span class=\"b\">0x{head}{more} ({})</span>", human(bytes.len() as u64))
        }
        Ipld::Link(cid) => write!(html, "<a href=\"{}/ipfs/{cid}\">{cid}</a>", escape(gateway)),
        Ipld::List(list) => {
            html.push('[');
            for (index, item) in list.iter().enumerate() {
                line(html, index > 0, depth + 1);
                write_value(html, gateway, item, depth + 1);
            }
            close(html, list.is_empty(), depth, ']');
            Ok(())
        }
        Ipld::Map(map) => {
            html.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                line(html, index > 0, depth + 1);
                let _ = write!(html, "<span class=\"k\">{}</span>: ", escape(&format!("{key:?}")));
                write_value(html, gateway, item, depth + 1);
            }
            close(html, map.is_empty(), depth, '}');
            Ok(())
        }
    };
}

/// Levels that are indented; a deeper value is no clearer for more.
const INDENTED_LEVELS: usize = 16;

fn line(html: &mut String, comma: bool, depth: usize) {
    html.push_str(if comma { ",\n" } else { "\n" });
    html.extend(std::iter::repeat_n("  ", depth.min(INDENTED_LEVELS)));
}

fn close(html: &mut String, is_empty: bool, depth: usize, bracket: char) {
    if !is_empty {
        line(html, false, depth);
    }
    html.push(bracket);
}
