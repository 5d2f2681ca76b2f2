//! `kb_*`: the API's own operations as methods of JSON-RPC.
//!
//! A method is a name for an operation that the API's description ([`crate::openapi`]) has. What it takes, what it
//! answers and how it is described follow from there, and a call of it is answered by the very route: nothing is
//! written twice, and nothing is judged in another way. Bytes do not travel by JSON-RPC: a method about content or a
//! CAR answers with the HTTP request to make.

use std::{collections::HashMap, sync::LazyLock};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use kubelt_node::WalletFault;

use crate::{openapi, path::encode_segment};

/// Every method, and the operation that it is a name for.
const METHODS: &[Named] = &[
    named("kb_core", "get /@{core}"),
    named("kb_usage", "get /@{core}/-/usage"),
    named("kb_listSessions", "get /-/session"),
    named("kb_endSession", "delete /-/session/{id}"),
    named("kb_endThisSession", "delete /-/session"),
    named("kb_challenge", "post /-/session/challenge"),
    named("kb_openSession", "post /-/session"),
    named("kb_challengeEnd", "post /-/session/end/challenge"),
    named("kb_endSigned", "post /-/session/end"),
    named("kb_readOps", "get /@{core}/-/ops"),
    named("kb_postOps", "post /@{core}/-/ops"),
    named("kb_draftOps", "post /@{core}/-/drafts"),
    named("kb_heads", "get /@{core}/-/heads"),
    named("kb_state", "get /@{core}/-/state/{prefix}"),
    named("kb_setState", "put /@{core}/-/state/{path}"),
    named("kb_clearState", "delete /@{core}/-/state/{path}"),
    named("kb_getContent", "get /@{core}/-/content/{path}"),
    named("kb_putContent", "put /@{core}/-/content/{path}"),
    part("kb_linkContent", "put /@{core}/-/content/{path}", CONTENT_LINKED),
    named("kb_deleteContent", "delete /@{core}/-/content/{path}"),
    part("kb_listContent", "get /@{core}/-/content/{path}", CONTENT_LISTED),
    part("kb_contentVersions", "get /@{core}/-/content/{path}", CONTENT_VERSIONS),
    named("kb_possession", "post /@{core}/-/possession"),
    named("kb_receipt", "get /@{core}/-/receipts/{path}"),
    named("kb_proof", "get /@{core}/-/proofs/{path}"),
    named("kb_uploadCar", "post /@{core}/-/car"),
    named("kb_exportCar", "get /@{core}/-/car"),
    named("kb_importCar", "post /-/car"),
    named("kb_listCores", "get /@{core}/-/cores"),
    named("kb_createCore", "post /@{core}/-/cores"),
    named("kb_listMembers", "get /@{core}/-/members"),
    named("kb_listInvites", "get /@{core}/-/invites"),
    named("kb_ownInvites", "get /-/invites"),
    named("kb_acceptInvite", "post /-/invites"),
    named("kb_roles", "get /-/roles"),
    named("kb_listHeirs", "get /@{core}/-/heirs"),
    named("kb_heirTo", "get /-/heirs"),
    named("kb_listRequests", "get /@{core}/-/requests"),
    named("kb_fileRequest", "post /@{core}/-/requests"),
    named("kb_readRequest", "get /@{core}/-/requests/{id}"),
    named("kb_withdrawRequest", "delete /@{core}/-/requests/{id}"),
    named("kb_approveRequest", "post /@{core}/-/requests/{id}/approve"),
    named("kb_rejectRequest", "post /@{core}/-/requests/{id}/reject"),
    named("kb_finishRequest", "post /@{core}/-/requests/{id}/finish"),
    named("kb_listPins", "get /@{core}/-/pins"),
    named("kb_addPin", "post /@{core}/-/pins"),
    named("kb_getPin", "get /@{core}/-/pins/{requestid}"),
    named("kb_replacePin", "post /@{core}/-/pins/{requestid}"),
    named("kb_removePin", "delete /@{core}/-/pins/{requestid}"),
    named("kb_listRemotePins", "get /@{core}/-/pinning"),
    named("kb_setRemotePin", "put /@{core}/-/pinning/{name}"),
    named("kb_removeRemotePin", "delete /@{core}/-/pinning/{name}"),
    named("kb_listRemotes", "get /@{core}/-/remotes"),
    named("kb_addRemote", "post /@{core}/-/remotes"),
    named("kb_removeRemote", "delete /@{core}/-/remotes/{peer}"),
    named("kb_syncRemote", "post /@{core}/-/remotes/{peer}/sync"),
    named("kb_listMirrors", "get /@{core}/-/mirrors"),
    named("kb_addMirror", "post /@{core}/-/mirrors"),
    named("kb_removeMirror", "delete /@{core}/-/mirrors/{mirrored}"),
    named("kb_readSealed", "get /@{core}/-/sealed/{path}"),
    named("kb_putSealed", "put /@{core}/-/sealed/{path}"),
    named("kb_listKeys", "get /@{core}/-/keys"),
    named("kb_listGates", "get /@{core}/-/gates"),
    named("kb_checkGate", "get /@{core}/-/gates/{name}/check"),
    named("kb_listNames", "get /@{core}/-/names"),
    named("kb_checkName", "get /@{core}/-/names/{host}/check"),
    named("kb_resolve", "get /-/resolve/{name}"),
    named("kb_resolveEns", "get /-/ens/{name}"),
    named("kb_node", "get /-/node"),
    named("kb_listPeers", "get /-/peers"),
    named("kb_connectPeer", "post /-/peers"),
];

const CONTENT_LINKED: Part =
    Part { query: "", takes: &["cid", "visibility"], needs: &["cid"], answers: "ContentReceipt" };
const CONTENT_LISTED: Part =
    Part { query: "list", takes: &["cursor", "limit"], needs: &[], answers: "Listing" };
const CONTENT_VERSIONS: Part =
    Part { query: "versions", takes: &["cursor", "limit"], needs: &[], answers: "ContentVersions" };

struct Named {
    name: &'static str,
    operation: &'static str,
    part: Option<Part>,
}

/// One of several things that an operation does, by its query and without a body.
#[derive(Clone, Copy)]
struct Part {
    /// What its query begins with.
    query: &'static str,
    /// The names of the query that it takes.
    takes: &'static [&'static str],
    /// Those of them that must be there.
    needs: &'static [&'static str],
    /// The schema of what it answers.
    answers: &'static str,
}

const fn named(name: &'static str, operation: &'static str) -> Named {
    Named { name, operation, part: None }
}

const fn part(name: &'static str, operation: &'static str, part: Part) -> Named {
    Named { name, operation, part: Some(part) }
}

/// A method, with everything that its operation says.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The method of HTTP, in upper case.
    pub(crate) method: String,
    /// `/@{core}/-/…`
    pub(crate) path: String,
    pub(crate) about: String,
    pub(crate) tag: Option<String>,
    pub(crate) params: Vec<Param>,
    /// The schema of what it answers; none where that is nothing.
    pub(crate) answers: Option<Value>,
    /// Whether its body or its answer is bytes, so that it is had by HTTP.
    pub(crate) is_bytes: bool,
    query: &'static str,
}

/// Something that a method takes.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    place: Place,
    pub(crate) required: bool,
    pub(crate) schema: Value,
    pub(crate) about: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Body,
}

/// A request of HTTP that a call stands for.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) body: Option<Vec<u8>>,
}

/// The methods, in the order of the table.
pub(crate) fn all() -> &'static [Operation] {
    static ALL: LazyLock<Vec<Operation>> =
        LazyLock::new(|| METHODS.iter().map(|named| Operation::of(named, openapi::document())).collect());
    &ALL
}

/// The method of this name.
pub(crate) fn find(name: &str) -> Option<&'static Operation> {
    static BY_NAME: LazyLock<HashMap<&str, &Operation>> =
        LazyLock::new(|| all().iter().map(|operation| (operation.name, operation)).collect());
    BY_NAME.get(name).copied()
}

impl Operation {
    fn of(named: &Named, openapi: &Value) -> Self {
        let (method, path) = named.operation.split_once(' ').expect("a method and a path");
        let described = &openapi["paths"][path][method];
        assert!(described.is_object(), "`{}` is described in `openapi.rs`", named.operation);
        let takes = |name: &str| named.part.is_none_or(|part| part.takes.contains(&name));
        let mut params = Vec::new();
        for param in described["parameters"].as_array().into_iter().flatten() {
            let place = if param["in"] == "path" { Place::Path } else { Place::Query };
            let name = param["name"].as_str().unwrap_or_default();
            if name == "core" || (place == Place::Query && !takes(name)) {
                continue;
            }
            let needed = named.part.is_some_and(|part| part.needs.contains(&name));
            params.push(Param {
                name: name.to_owned(),
                place,
                required: param["required"] == true || needed,
                schema: param["schema"].clone(),
                about: param["description"].as_str().map(str::to_owned),
            });
        }
        let body = described["requestBody"]["content"].as_object().filter(|_| named.part.is_none());
        if let Some(schema) = body.and_then(|body| body.get(JSON)).map(|body| body["schema"].clone()) {
            let about = described["requestBody"]["description"].as_str().map(str::to_owned);
            params.push(Param { name: "body".to_owned(), place: Place::Body, required: true, schema, about });
        }
        // Those that must be there come first, so that they can be named by their place.
        params.sort_by_key(|param| !param.required);
        let (answers, gives_bytes) = match named.part {
            Some(part) => (Some(json!({"$ref": format!("#/components/schemas/{}", part.answers)})), false),
            None => answers(&described["responses"]),
        };
        let about = [&described["summary"], &described["description"]];
        let about: Vec<&str> = about.into_iter().filter_map(Value::as_str).collect();
        Self {
            name: named.name,
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            about: about.join(" ").trim().to_owned(),
            tag: described["tags"][0].as_str().map(str::to_owned),
            params,
            answers,
            is_bytes: gives_bytes || body.is_some_and(|body| !body.contains_key(JSON)),
            query: named.part.map_or("", |part| part.query),
        }
    }

    /// The request that a call with these parameters stands for; `core` is the address of the core, `/@0x…`.
    pub(crate) fn asked(&self, core: &str, params: &Value) -> Result<Asked, WalletFault> {
        let given = self.given(params)?;
        let mut path = self.path.replacen("/@{core}", core, 1);
        let mut query: Vec<String> =
            Some(self.query.to_owned()).filter(|query| !query.is_empty()).into_iter().collect();
        let mut body = None;
        for (param, value) in given {
            match param.place {
                Place::Path => path = path.replace(&format!("{{{}}}", param.name), &param.segments(value)?),
                Place::Query => {
                    let text = utf8_percent_encode(&param.text(value)?, NON_ALPHANUMERIC).to_string();
                    query.push(format!("{}={text}", param.name));
                }
                Place::Body => {
                    body = Some(serde_json::to_vec(value).expect("JSON is written as it was read"))
                }
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        Ok(Asked { method: self.method.clone(), path, body })
    }

    /// Each parameter that is there, by name or by place.
    fn given<'a>(&'a self, params: &'a Value) -> Result<Vec<(&'a Param, &'a Value)>, WalletFault> {
        let names =
            || self.params.iter().map(|param| format!("`{}`", param.name)).collect::<Vec<_>>().join(", ");
        let mut given = Vec::new();
        match params {
            Value::Array(all) if all.len() > self.params.len() => {
                return Err(invalid(format!(
                    "`{}` takes {} parameters at most",
                    self.name,
                    self.params.len()
                )));
            }
            Value::Array(all) => given.extend(self.params.iter().zip(all)),
            Value::Object(all) => {
                for (name, value) in all {
                    let param = self.params.iter().find(|param| param.name == *name);
                    let name: String = name.chars().take(64).collect();
                    let unknown =
                        || invalid(format!("`{}` takes no `{name}`; it takes {}", self.name, names()));
                    given.push((param.ok_or_else(unknown)?, value));
                }
            }
            _ => return Err(invalid("`params` is a list or an object".to_owned())),
        }
        // As JSON-RPC has no other way to leave one out in the middle of a list.
        given.retain(|(param, value)| param.required || !value.is_null());
        let has = |param: &Param| given.iter().any(|(given, _)| given.name == param.name);
        match self.params.iter().find(|param| param.required && !has(param)) {
            Some(missing) => Err(invalid(format!("`{}` needs `{}`", self.name, missing.name))),
            None => Ok(given),
        }
    }
}

impl Param {
    fn text(&self, value: &Value) -> Result<String, WalletFault> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => Err(invalid(format!("`{}` is a text or a number", self.name))),
        }
    }

    /// A path keeps its slashes; anything else is one segment.
    fn segments(&self, value: &Value) -> Result<String, WalletFault> {
        let text = self.text(value)?;
        match self.name.as_str() {
            "path" | "prefix" => Ok(text.split('/').map(encode_segment).collect::<Vec<_>>().join("/")),
            _ if text.is_empty() => Err(invalid(format!("`{}` is empty", self.name))),
            _ => Ok(encode_segment(&text)),
        }
    }
}

const JSON: &str = "application/json";

/// What an operation answers where all is well, and whether that is bytes.
fn answers(responses: &Value) -> (Option<Value>, bool) {
    let all = responses.as_object().into_iter().flatten();
    let good: Vec<_> = all.filter(|(status, _)| status.starts_with('2')).collect();
    let schema = |good: &Value| good["content"].get(JSON).map(|json| json["schema"].clone());
    let is_nothing = |status: &str, good: &Value| status != "200" && !good["content"].is_object();
    let may_be_nothing = good.iter().any(|(status, good)| is_nothing(status, good));
    match good.iter().find_map(|(_, good)| schema(good)) {
        Some(schema) if may_be_nothing => (Some(json!({"anyOf": [schema, {"type": "null"}]})), false),
        Some(schema) => (Some(schema), false),
        // What is there and is not said to be JSON.
        None => (None, !may_be_nothing),
    }
}

fn invalid(message: String) -> WalletFault {
    WalletFault::new(WalletFault::INVALID_PARAMS, message)
}

#[cfg(test)]
mod tests;
