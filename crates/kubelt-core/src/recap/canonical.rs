//! The one JSON text of a ReCap: keys sorted by their bytes, no spaces, whole numbers only.

use serde_json::{Map, Value};

use super::Attenuations;

/// `{"att":{…},"prf":[…]}`.
pub(super) fn json(targets: &Attenuations, proofs: Option<&[String]>) -> String {
    let mut out = String::from("{\"att\":{");
    list(&mut out, targets, |out, (target, abilities)| {
        key(out, target);
        out.push('{');
        list(out, abilities, |out, (ability, notes)| {
            key(out, ability);
            out.push('[');
            list(out, notes, object);
            out.push(']');
        });
        out.push('}');
    });
    out.push('}');
    if let Some(proofs) = proofs {
        out.push_str(",\"prf\":[");
        list(&mut out, proofs, |out, proof| text(out, proof));
        out.push(']');
    }
    out.push('}');
    out
}

/// Whether no number has a fraction or an exponent: those have several spellings.
pub(super) fn whole_numbers(targets: &Attenuations) -> bool {
    let notes = targets.values().flat_map(|abilities| abilities.values().flatten());
    notes.flat_map(Map::values).all(whole)
}

fn whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::Array(items) => items.iter().all(whole),
        Value::Object(fields) => fields.values().all(whole),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

fn value(out: &mut String, item: &Value) {
    match item {
        Value::Object(fields) => object(out, fields),
        Value::Array(items) => {
            out.push('[');
            list(out, items, value);
            out.push(']');
        }
        Value::String(string) => text(out, string),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&item.to_string()),
    }
}

fn object(out: &mut String, fields: &Map<String, Value>) {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_bytes());
    out.push('{');
    list(out, sorted, |out, (name, field)| {
        key(out, name);
        value(out, field);
    });
    out.push('}');
}

fn key(out: &mut String, name: &str) {
    text(out, name);
    out.push(':');
}

fn text(out: &mut String, string: &str) {
    out.push_str(&serde_json::to_string(string).expect("a string is always JSON"));
}

fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
}
