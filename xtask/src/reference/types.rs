//! Types of the API in words.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Map, Value};

use super::{list, object, text, write_table};

/// All types, in order of their names.
pub(super) fn write_types(page: &mut String, schemas: &Map<String, Value>) -> Result<()> {
    page.push_str("\n## Types\n");
    for (name, schema) in schemas {
        let _ = write!(page, "\n### {name}\n");
        let said = prose(text(&schema["description"]));
        if !said.is_empty() {
            let _ = write!(page, "\n{said}\n");
        }
        write_shape(page, schema)?;
    }
    Ok(())
}

/// What a type is made of.
fn write_shape(page: &mut String, schema: &Value) -> Result<()> {
    if let Some(choices) = schema["oneOf"].as_array() {
        for (index, choice) in choices.iter().enumerate() {
            let lead = if index == 0 { "Either" } else { "Or" };
            let said = text(&choice["description"]).trim_end_matches('.');
            let said = if said.is_empty() { String::new() } else { format!(", {}", prose(&lower(said))) };
            let kind =
                if choice.get("$ref").is_some() { format!(" {}", type_of(choice)) } else { String::new() };
            let _ = write!(page, "\n{lead}{kind}{said}:\n");
            write_shape(page, choice)?;
        }
        return Ok(());
    }
    let mut rows = Vec::new();
    let parts = std::iter::once(schema).chain(list(&schema["allOf"]));
    for part in parts {
        if part.get("$ref").is_some() {
            rows.push(["…".to_owned(), type_of(part), "All of its fields.".to_owned()]);
        }
        fields(&mut rows, "", part)?;
    }
    if rows.is_empty() && schema.get("$ref").is_none() {
        let _ = write!(page, "\nType: {}.\n", type_of(schema));
    }
    write_table(page, &rows);
    Ok(())
}

/// The fields of an object, and those of objects within that have no name of their own.
fn fields(rows: &mut Vec<[String; 3]>, prefix: &str, schema: &Value) -> Result<()> {
    let Some(properties) = schema.get("properties") else { return Ok(()) };
    for (name, field) in object(properties)? {
        let is_required = list(&schema["required"]).iter().any(|required| text(required) == name);
        let absent = if is_required { "" } else { ", may be absent" };
        let said = field["description"]
            .as_str()
            .or_else(|| list(&field["oneOf"]).iter().find_map(|one| one["description"].as_str()));
        rows.push([
            format!("`{prefix}{name}`"),
            format!("{}{absent}", type_of(field)),
            prose(said.unwrap_or_default()),
        ]);
        fields(rows, &format!("{prefix}{name}."), field)?;
        fields(rows, &format!("{prefix}{name}[]."), &field["items"])?;
    }
    Ok(())
}

/// A type in a few words; those with names of their own as links.
pub(super) fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_ascii_lowercase());
    }
    let joined = |schemas: &[Value], word: &str| {
        let kinds: Vec<String> = schemas.iter().map(type_of).collect();
        kinds.join(word)
    };
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(" or ");
    }
    match (schema["oneOf"].as_array(), schema["allOf"].as_array()) {
        (Some(choices), _) => return joined(choices, " or "),
        (_, Some(parts)) => return joined(parts, " with "),
        _ => {}
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            let of_kind = |kind: &Value| {
                let mut schema = schema.clone();
                schema["type"] = kind.clone();
                type_of(&schema)
            };
            kinds.iter().map(of_kind).collect::<Vec<_>>().join(" or ")
        }
        Value::String(kind) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(kind) if kind == "object" && schema["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&schema["additionalProperties"]))
        }
        Value::String(kind) if kind == "null" => "`null`".to_owned(),
        Value::String(kind) => kind.clone(),
        _ => "any JSON".to_owned(),
    }
}

/// A description as it may stand in a cell of a table.
pub(super) fn prose(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut is_code = false;
    let mut escaped = String::with_capacity(words.len());
    for c in words.chars() {
        is_code ^= c == '`';
        match c {
            '|' => escaped.push_str("\\|"),
            '<' | '*' | '[' if !is_code => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
