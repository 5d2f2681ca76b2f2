//! Values of the map, as far as a person can read them.

use ipld_core::ipld::Ipld;

use super::quote::quoted;
use crate::{codec, limits::WORDS_VALUE_BYTES_MAX};

/// A value: as it is where it is short, else by its size and hash.
pub(super) fn value(value: &Ipld) -> String {
    let mut out = String::new();
    if write(value, &mut out) {
        return out;
    }
    let bytes = codec::encode(value);
    format!("a value of {} bytes with the CID {}", bytes.len(), codec::cid_of(&bytes))
}

/// Writes a value; whether it is short enough to be read.
fn write(value: &Ipld, out: &mut String) -> bool {
    match value {
        Ipld::Null => out.push_str("null"),
        Ipld::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Ipld::Integer(value) => out.push_str(&value.to_string()),
        // The shortest decimal that reads back as the same number.
        Ipld::Float(value) => out.push_str(&format!("{value:?}")),
        Ipld::String(text) if text.len() <= WORDS_VALUE_BYTES_MAX => out.push_str(&quoted(text)),
        Ipld::Bytes(bytes) if bytes.len() <= WORDS_VALUE_BYTES_MAX => {
            out.push_str("0x");
            out.push_str(&hex::encode(bytes));
        }
        Ipld::String(_) | Ipld::Bytes(_) => return false,
        Ipld::Link(cid) => out.push_str(&cid.to_string()),
        Ipld::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                if !write(item, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Ipld::Map(fields) => {
            out.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                out.push_str(&quoted(name));
                out.push_str(": ");
                if !write(field, out) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    out.len() <= WORDS_VALUE_BYTES_MAX
}
