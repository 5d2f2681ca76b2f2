//! The description of JSON-RPC (OpenRPC 1.3): generated from the methods of wallet faces, and, for those of cores, from
//! the API's own description.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use kubelt_node::{Param, Shape, WalletMethod, Wallets};
use serde_json::{Map, Value, json};

use crate::{
    openapi,
    rpc::operations::{self, Operation},
};

/// The method that answers with this description.
pub(crate) const DISCOVER: &str = "rpc.discover";

/// The description as JSON.
pub fn openrpc_json() -> String {
    serde_json::to_string_pretty(document()).expect("the description is plain JSON")
}

/// The description.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

fn make() -> Value {
    let itself = json!({
        "name": DISCOVER,
        "summary": "this description",
        "params": [],
        "result": {"name": "document", "schema": {"type": "object"}},
    });
    let mut methods: Vec<Value> = std::iter::once(itself)
        .chain(Wallets::methods().iter().map(of_wallet))
        .chain(operations::all().iter().map(of_core))
        .collect();
    let mut schemas = schemas(&methods);
    methods.iter_mut().chain(schemas.values_mut()).for_each(drop_widths);
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "A Kubelt core by JSON-RPC",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Methods of wallets (EIP-1193, EIP-1474, EIP-5792), and `kb_*` for everything of the API. Parameters go by \
                name or by place. Errors of `kb_*` carry the problem of the API (RFC 9457) in `data`: its `type` is the stable name.",
        },
        "components": {"schemas": schemas},
        "methods": methods,
    })
}

fn of_wallet(method: &WalletMethod) -> Value {
    let param = |param: &Param| json!({"name": param.name, "required": param.required, "schema": reference(param.shape)});
    json!({
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-position",
        "params": method.params.iter().map(param).collect::<Vec<_>>(),
        "result": {"name": "result", "schema": reference(method.result)},
    })
}

fn of_core(operation: &Operation) -> Value {
    let param = |param: &operations::Param| {
        let mut value = json!({"name": param.name, "required": param.required, "schema": param.schema});
        if let Some(about) = &param.about {
            value["description"] = json!(about);
        }
        value
    };
    let answers = match &operation.answers {
        _ if operation.is_bytes => named("ByHttp"),
        Some(schema) => schema.clone(),
        None => json!({"type": "null"}),
    };
    let mut method = json!({
        "name": operation.name,
        "paramStructure": "either",
        "params": operation.params.iter().map(param).collect::<Vec<_>>(),
        "result": {"name": "result", "schema": answers},
        "x-http": {"method": operation.method, "path": operation.path},
    });
    if !operation.about.is_empty() {
        method["summary"] = json!(operation.about);
    }
    if let Some(tag) = &operation.tag {
        method["tags"] = json!([{"name": tag}]);
    }
    method
}

fn reference(shape: Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Nothing => json!({"type": "null"}),
        Shape::Object => json!({"type": "object"}),
        Shape::Found => json!({"type": ["object", "null"]}),
        Shape::Text => json!({"type": "string"}),
        Shape::List => json!({"type": "array", "items": {"type": "string"}}),
        named_shape => named(&format!("{named_shape:?}")),
    }
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// Every schema that is named, and those that they name in turn.
fn schemas(methods: &[Value]) -> BTreeMap<String, Value> {
    let own = own_schemas();
    let of_api = &openapi::document()["components"]["schemas"];
    let mut found = BTreeMap::new();
    let mut open = BTreeSet::new();
    methods.iter().for_each(|method| references(method, &mut open));
    while let Some(name) = open.pop_first() {
        if found.contains_key(&name) {
            continue;
        }
        let schema = own.get(&name).or_else(|| of_api.get(&name));
        let schema = schema.unwrap_or_else(|| panic!("there is a schema `{name}`")).clone();
        references(&schema, &mut open);
        found.insert(name, schema);
    }
    found
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                found.extend(name.strip_prefix("#/components/schemas/").map(str::to_owned));
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Drops what OpenAPI says of the widths of numbers: JSON Schema knows no such formats, and its readers refuse them.
fn drop_widths(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let is_width =
                |format: &Value| matches!(format.as_str(), Some("int32" | "int64" | "float" | "double"));
            if members.get("format").is_some_and(is_width) {
                members.remove("format");
            }
            members.values_mut().for_each(drop_widths);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_widths),
        _ => {}
    }
}

/// What Ethereum's JSON-RPC writes, and what stands for bytes.
fn own_schemas() -> Map<String, Value> {
    let hex = |what: &str, digits: &str| json!({"type": "string", "description": what, "pattern": format!("^0x{digits}$")});
    let block = json!({
        "description": "the number of a block, or one of `latest`, `earliest`, `pending`, `safe`, `finalized`",
        "type": "string", "pattern": "^(0x[0-9a-f]+|latest|earliest|pending|safe|finalized)$",
    });
    let call = json!({
        "type": "object",
        "properties": {"to": named("Address"), "data": named("Bytes"), "value": named("Quantity")},
    });
    let schemas = json!({
        "Address": hex("an address", "[0-9a-fA-F]{40}"),
        "Hash": hex("a hash", "[0-9a-fA-F]{64}"),
        "Bytes": hex("bytes", "([0-9a-fA-F]{2})*"),
        "Quantity": hex("a number", "(0|[1-9a-fA-F][0-9a-fA-F]*)"),
        "Count": {"anyOf": [named("Quantity"), {"type": "integer", "minimum": 0}]},
        "Block": block,
        "BlockRef": {"anyOf": [named("Block"), {
            "type": "object", "description": "a block by its hash (EIP-1898)", "required": ["blockHash"],
            "properties": {"blockHash": named("Hash"), "requireCanonical": {"type": "boolean"}},
        }]},
        "Message": {"type": "string", "description": "a message: bytes as hex with `0x`, or a text"},
        "TypedData": {"type": ["string", "object"], "description": "typed data (EIP-712): an object, or its JSON as a text"},
        "Transaction": {
            "type": "object",
            "properties": {
                "from": named("Address"), "to": {"anyOf": [named("Address"), {"type": "null"}]}, "data": named("Bytes"),
                "input": named("Bytes"), "value": named("Quantity"), "gas": named("Quantity"),
            },
        },
        "Calls": {
            "type": "object", "description": "several calls (EIP-5792)", "required": ["chainId", "calls"],
            "properties": {
                "chainId": named("Quantity"), "from": named("Address"), "atomicRequired": {"type": "boolean"},
                "calls": {"type": "array", "minItems": 1, "items": call},
            },
        },
        "Bundle": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        "Capabilities": {"type": "object", "additionalProperties": {"type": "object"}},
        "ChainName": {"type": "object", "required": ["chainId"], "properties": {"chainId": named("Quantity")}},
        "Wanted": {"enum": ["newHeads", "logs"]},
        "Filter": {
            "type": "object", "description": "which events: of which contracts, with which topics", "additionalProperties": false,
            "properties": {
                "address": {"anyOf": [named("Address"), {"type": "array", "items": named("Address")}, {"type": "null"}]},
                "topics": {"type": ["array", "null"], "maxItems": 4, "items": {
                    "anyOf": [named("Hash"), {"type": "array", "items": named("Hash")}, {"type": "null"}],
                }},
            },
        },
        "ByHttp": {
            "type": "object", "description": "bytes do not travel by JSON-RPC: the HTTP request to make, with the same token",
            "required": ["method", "path", "note"],
            "properties": {"method": {"type": "string"}, "path": {"type": "string"}, "note": {"type": "string"}},
        },
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
