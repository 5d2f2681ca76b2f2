//! A core by JSON-RPC: its methods are the API's own routes, with the API's own answers.

use kubelt_api::Code;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

impl TestNode {
    /// Calls a method at a core.
    pub(crate) async fn rpc(&self, core: &str, token: &str, method: &str, params: Value) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer: Value = self.post(&format!("{core}/-/rpc"), Some(token), &call).await.expect(200).json();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
        answer
    }
}

/// The result of a call, which must have one.
#[track_caller]
fn result(answer: &Value) -> &Value {
    answer.get("result").unwrap_or_else(|| panic!("{answer}"))
}

/// Checks that a call was refused with the problem that the route has.
#[track_caller]
fn expect_problem(answer: &Value, number: i64, code: Code) {
    let error = &answer["error"];
    assert_eq!(error["code"], number, "{answer}");
    assert_eq!(error["data"]["type"], format!("urn:kubelt:problem:{}", code.as_str()), "{answer}");
    assert_eq!(error["message"], error["data"]["detail"], "{answer}");
}

async fn signed_in() -> (TestNode, Person, String) {
    let (node, person) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&person).await.token;
    (node, person, token)
}

#[tokio::test]
async fn methods_answer_what_routes_do() {
    let (node, person, token) = signed_in().await;
    let core = person.core();
    node.put(&format!("{core}/-/content/a/b%20c.txt?visibility=public"), &token, "hello").await.expect(201);
    for (method, params, path) in [
        ("kb_core", json!([]), core.clone()),
        ("kb_usage", json!({}), format!("{core}/-/usage")),
        ("kb_heads", json!([]), format!("{core}/-/heads")),
        ("kb_readOps", json!({"limit": 1}), format!("{core}/-/ops?limit=1")),
        ("kb_state", json!(["content"]), format!("{core}/-/state/content")),
        ("kb_listContent", json!(["a"]), format!("{core}/-/content/a?list")),
        ("kb_contentVersions", json!(["a/b c.txt"]), format!("{core}/-/content/a/b%20c.txt?versions")),
        ("kb_listMembers", json!([]), format!("{core}/-/members")),
        ("kb_listRequests", json!([]), format!("{core}/-/requests")),
        ("kb_listCores", json!([]), format!("{core}/-/cores")),
        ("kb_listPins", json!([]), format!("{core}/-/pins")),
        ("kb_listRemotePins", json!([]), format!("{core}/-/pinning")),
        ("kb_listRemotes", json!([]), format!("{core}/-/remotes")),
        ("kb_listSessions", json!([]), "/-/session".to_owned()),
        ("kb_ownInvites", json!([]), "/-/invites".to_owned()),
        ("kb_roles", json!([]), "/-/roles".to_owned()),
    ] {
        let by_route: Value = node.get(&path, Some(&token)).await.expect(200).json();
        let by_call = node.rpc(&core, &token, method, params).await;
        assert_eq!(*result(&by_call), by_route, "{method}");
    }
    let set = json!({"path": "profile/name", "body": "Ann"});
    let receipt = node.rpc(&core, &token, "kb_setState", set).await;
    assert_eq!(result(&receipt)["effective"], true);
    let state = node.rpc(&core, &token, "kb_state", json!(["profile"])).await;
    assert_eq!(result(&state)["entries"][0]["value"], "Ann");
    let removed = node.rpc(&core, &token, "kb_deleteContent", json!(["a/b c.txt"])).await;
    assert!(result(&removed).get("fate").is_some(), "{removed}");
    node.get(&format!("{core}/a/b%20c.txt"), None).await.expect(404);
    let asked = node.rpc(&core, &token, "kb_putContent", json!(["a.txt", "public"])).await;
    let path = format!("{core}/-/content/a.txt?visibility=public");
    assert_eq!((&result(&asked)["method"], &result(&asked)["path"]), (&json!("PUT"), &json!(path)));
    node.put(&path, &token, "that request").await.expect(201);
}

#[tokio::test]
async fn refusals_carry_the_problem_of_the_route() {
    let (node, person, token) = signed_in().await;
    let core = person.core();
    let call = async |method: &str, params: Value| node.rpc(&core, &token, method, params).await;
    expect_problem(&call("kb_getPin", json!(["nothing"])).await, -32_001, Code::NotFound);
    expect_problem(&call("kb_setState", json!(["../b", 1])).await, -32_602, Code::BadPath);
    expect_problem(&call("kb_listContent", json!(["a", null, 0])).await, -32_602, Code::BadRequest);
    expect_problem(&call("kb_createCore", json!([{}])).await, -32_602, Code::BadRequest);
    // Whose host a sign-in is for, and which page asks, is judged as if it were asked by HTTP.
    let challenge = json!({"account": person.account()});
    let sign_in = json!({"jsonrpc": "2.0", "id": 1, "method": "kb_challenge", "params": [challenge]});
    let (path, page) = (format!("{core}/-/rpc"), [("origin", "https://evil.example")]);
    let foreign = node.call("POST", &path, Some(&token), &page, sign_in.to_string()).await;
    expect_problem(&foreign.expect(200).json(), 4_100, Code::Forbidden);
    assert!(result(&call("kb_challenge", json!([challenge])).await)["message"].is_string());
    let unknown = call("kb_nothing", json!([])).await;
    assert_eq!(unknown["error"]["code"], -32_601);
}

#[tokio::test]
async fn a_session_that_ends_itself_may_nothing_more() {
    let (node, person, token) = signed_in().await;
    let core = person.core();
    let ended = node.rpc(&core, &token, "kb_endThisSession", json!([])).await;
    assert_eq!(*result(&ended), Value::Null);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "kb_heads"});
    let told = |answer: Answer| answer.expect(401);
    told(node.post(&format!("{core}/-/rpc"), Some(&token), &call).await);
}

#[tokio::test]
async fn strangers_find_nothing_whatever_they_call() {
    let (node, person, _token) = signed_in().await;
    let other = node.sign_in(&Person::new(2)).await.token;
    let nobody = Person::new(3).core();
    for method in ["kb_core", "kb_listMembers", "rpc.discover", "eth_accounts"] {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        for token in [None, Some(other.as_str())] {
            let mut told = Vec::new();
            for core in [person.core(), nobody.clone()] {
                let answer = node.post(&format!("{core}/-/rpc"), token, &call).await;
                told.push(answer.expect_problem(Code::NotFound).detail);
            }
            assert_eq!(told[0], told[1]);
        }
    }
}

#[tokio::test]
async fn what_is_described_is_there_and_nothing_else() {
    let (node, person, token) = signed_in().await;
    let core = person.core();
    let described = node.rpc(&core, &token, "rpc.discover", json!([])).await;
    let methods = result(&described)["methods"].as_array().expect("methods").clone();
    for method in &methods {
        let name = method["name"].as_str().expect("a name");
        let answer = node.rpc(&core, &token, name, json!({"nothing": 1})).await;
        // A subscription is for sockets, and says so in the same number.
        let is_there = answer["error"]["code"] != -32_601 || name.contains("subscribe");
        assert!(is_there, "{name}: {answer}");
    }
    let names: Vec<&Value> = methods.iter().map(|method| &method["name"]).collect();
    assert!(names.contains(&&json!("kb_wallet")) && names.contains(&&json!("personal_sign")));
}
