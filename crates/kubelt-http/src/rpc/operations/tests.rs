use std::collections::BTreeSet;

use kubelt_node::WalletFault;
use serde_json::{Value, json};

use super::{METHODS, Operation, all, find};
use crate::openapi;

fn operation(name: &str) -> &'static Operation {
    find(name).unwrap_or_else(|| panic!("there is no `{name}`"))
}

#[track_caller]
fn check(name: &str, params: &Value, request: &str) {
    let asked = operation(name).asked("/@0xa/@acme", params).expect("is a request");
    let body =
        asked.body.map(|body| format!(" {}", String::from_utf8(body).expect("JSON"))).unwrap_or_default();
    assert_eq!(format!("{} {}{body}", asked.method, asked.path), request, "{name} {params}");
}

#[track_caller]
fn refuse(name: &str, params: &Value, message: &str) {
    let fault = operation(name).asked("/@0xa", params).expect_err("is refused");
    assert_eq!(
        (fault.code, fault.message.as_str()),
        (WalletFault::INVALID_PARAMS, message),
        "{name} {params}"
    );
}

#[test]
fn calls_are_requests_of_the_api() {
    check("kb_core", &json!([]), "GET /@0xa/@acme");
    check("kb_listMembers", &json!({}), "GET /@0xa/@acme/-/members");
    check("kb_node", &json!([]), "GET /-/node");
    check("kb_readOps", &json!({"limit": 5, "order": "desc"}), "GET /@0xa/@acme/-/ops?limit=5&order=desc");
    check("kb_readOps", &json!([null, 5]), "GET /@0xa/@acme/-/ops?limit=5");
    check("kb_state", &json!([""]), "GET /@0xa/@acme/-/state/");
    check(
        "kb_setState",
        &json!({"path": "profile/name", "body": "Ann"}),
        "PUT /@0xa/@acme/-/state/profile/name \"Ann\"",
    );
    check("kb_listContent", &json!({"path": "a b/c"}), "GET /@0xa/@acme/-/content/a%20b/c?list");
    check("kb_linkContent", &json!(["a", "bafy"]), "PUT /@0xa/@acme/-/content/a?cid=bafy");
    check("kb_getPin", &json!(["a/../b?c#d"]), "GET /@0xa/@acme/-/pins/a%2F..%2Fb%3Fc%23d");
    check("kb_listPins", &json!({"name": "a&b=c"}), "GET /@0xa/@acme/-/pins?name=a%26b%3Dc");
    check("kb_addPin", &json!([{"cid": "bafy"}]), "POST /@0xa/@acme/-/pins {\"cid\":\"bafy\"}");
}

#[test]
fn what_an_operation_does_not_take_is_refused() {
    refuse("kb_core", &json!([1]), "`kb_core` takes 0 parameters at most");
    refuse("kb_getPin", &json!([]), "`kb_getPin` needs `requestid`");
    refuse("kb_getPin", &json!([null]), "`requestid` is a text or a number");
    refuse("kb_getPin", &json!([""]), "`requestid` is empty");
    refuse("kb_getPin", &json!({"core": "0xb"}), "`kb_getPin` takes no `core`; it takes `requestid`");
    refuse("kb_linkContent", &json!(["a"]), "`kb_linkContent` needs `cid`");
    refuse("kb_addPin", &json!({}), "`kb_addPin` needs `body`");
}

#[test]
fn bytes_are_had_by_http() {
    let bytes: BTreeSet<&str> = all().iter().filter(|operation| operation.is_bytes).map(|o| o.name).collect();
    let expected =
        ["kb_exportCar", "kb_getContent", "kb_importCar", "kb_proof", "kb_putContent", "kb_uploadCar"];
    assert_eq!(bytes, BTreeSet::from(expected));
}

/// What is no method, and why: it is no part of a core's API, has no end, or is JSON-RPC itself.
const NO_METHODS: [&str; 12] = [
    "get /@{core}/{path}",
    "get /@{core}/-/events",
    "get /healthz",
    "get /readyz",
    "get /ipfs/{cid}",
    "get /ipns/{name}",
    "get /routing/v1/ipns/{name}",
    "put /routing/v1/ipns/{name}",
    "get /routing/v1/peers/{peer}",
    "get /routing/v1/providers/{cid}",
    "get /@{core}/-/rpc",
    "post /@{core}/-/rpc",
];

#[test]
fn every_operation_is_a_method() {
    let mut described = BTreeSet::new();
    for (path, operations) in openapi::document()["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            described.insert(format!("{method} {path}"));
        }
    }
    let named: BTreeSet<String> =
        METHODS.iter().map(|named| named.operation).chain(NO_METHODS).map(str::to_owned).collect();
    let odd: Vec<&String> = described.symmetric_difference(&named).collect();
    assert!(odd.is_empty(), "name these in `METHODS`, or say in `NO_METHODS` why not: {odd:?}");
    let names: BTreeSet<&str> = METHODS.iter().map(|named| named.name).collect();
    assert_eq!(names.len(), METHODS.len(), "a name stands twice");
}
