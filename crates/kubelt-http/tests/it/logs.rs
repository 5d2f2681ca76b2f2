use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{Challenge, Code, CoreImport, Heads, OpReceipts, OpsPage, SessionCreated, StatePage};
use kubelt_content::{Block, Codec, Ipld};
use kubelt_core::{
    Act, Body as OpBody, CoreId, Header, Hlc, Login, LoginId, OpId, Scheme, SessionKey, Signed,
    schema::{ContentEntry, Visibility},
};
use kubelt_node::exchange::verify;
use kubelt_store::OpsOrder;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

/// A client that holds its own session key.
struct Client {
    alice: Person,
    key: SessionKey,
    login: Login,
    session: SessionCreated,
}

impl Client {
    async fn sign_in(node: &TestNode) -> Self {
        let (alice, key) = (Person::new(1), SessionKey::from_seed([9; 32]));
        let ask = json!({ "account": alice.account(), "session_key": key.public().to_string() });
        let challenge: Challenge = node.post("/-/session/challenge", None, &ask).await.expect(200).json();
        let signature = alice.sign(&challenge.message);
        let answer = json!({ "message": challenge.message, "signature": signature });
        let session = node.post("/-/session", None, &answer).await.expect(201).json();
        let bytes = hex::decode(&signature[2..]).expect("hex");
        let login = Login::new(challenge.message, Scheme::Eip191, bytes, None);
        Self { alice, key, login, session }
    }

    fn core(&self) -> CoreId {
        self.session.core.parse().expect("a core id")
    }

    fn op(&self, node: &TestNode, prev: Vec<OpId>, act: Act) -> (Header, OpBody) {
        let body = OpBody::new([3; 16], act);
        let header = Header {
            v: 1,
            core: self.core(),
            prev,
            by: self.alice.key.account(),
            login: Some(self.login.id()),
            auth: self.core().as_root(),
            at: Hlc::from_ms(node.now_ms() + 1),
            votes: vec![],
            verb: body.act.verb(),
            body: body.id(),
        };
        (header, body)
    }

    async fn post(&self, node: &TestNode, signed: &Signed, body: &OpBody) -> Answer {
        self.post_bytes(node, &signed.encode(), &body.encode()).await
    }

    async fn post_bytes(&self, node: &TestNode, signed: &[u8], body: &[u8]) -> Answer {
        let op = json!({ "signed": STANDARD.encode(signed), "body": STANDARD.encode(body) });
        let path = format!("{}/-/ops", self.alice.core());
        node.post(&path, Some(&self.session.token), &json!({ "ops": [op] })).await
    }
}

fn name(value: &str) -> Act {
    Act::Put { path: "profile/name".parse().expect("a path"), value: Ipld::String(value.to_owned()) }
}

#[tokio::test]
async fn operations_signed_by_the_client_are_taken() {
    let node = TestNode::new();
    let client = Client::sign_in(&node).await;
    let (header, body) = client.op(&node, vec![], name("Alice"));
    let signed = client.key.sign_header(header);
    let receipts: OpReceipts = client.post(&node, &signed, &body).await.expect(201).json();
    assert!(receipts.ops[0].effective);
    assert_eq!(receipts.ops[0].id, signed.id().to_string());
    // Again: it is there already, and nothing changes.
    client.post(&node, &signed, &body).await.expect(201);
    let heads: Heads = node
        .get(&format!("{}/-/heads", client.alice.core()), Some(&client.session.token))
        .await
        .expect(200)
        .json();
    assert_eq!((heads.count, heads.heads), (1, vec![signed.id().to_string()]));
    let state: StatePage = node
        .get(&format!("{}/-/state/profile", client.alice.core()), Some(&client.session.token))
        .await
        .expect(200)
        .json();
    assert_eq!(state.entries[0].value, json!("Alice"));
    assert_eq!(state.entries[0].op, signed.id().to_string());
    // The node cannot sign for this session.
    node.put(&format!("{}/-/content/a", client.alice.core()), &client.session.token, "x")
        .await
        .expect_problem(Code::Forbidden);
}

#[tokio::test]
async fn bad_operations_are_refused_and_leave_nothing() {
    let node = TestNode::new();
    let client = Client::sign_in(&node).await;
    let (header, body) = client.op(&node, vec![], name("Alice"));
    let good = client.key.sign_header(header.clone());
    // Any changed byte of the signed header.
    let bytes = good.encode();
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let answer = client.post_bytes(&node, &changed, &body.encode()).await;
        assert!(answer.status.is_client_error(), "byte {at}: {}", answer.text());
    }
    let mut changed = body.encode();
    *changed.last_mut().expect("not empty") ^= 1;
    client.post_bytes(&node, &bytes, &changed).await.expect_problem(Code::BadOperation);
    // An unknown predecessor, a date far ahead, another's key, a path without a schema, an act not for sessions.
    let sign = |header: Header| client.key.sign_header(header);
    let unknown = Header { prev: vec![OpId::from_digest([7; 32])], ..header.clone() };
    client.post(&node, &sign(unknown), &body).await.expect_problem(Code::Conflict);
    let ahead = Header { at: Hlc::from_ms(node.now_ms() + 3 * 60 * 1_000), ..header.clone() };
    client.post(&node, &sign(ahead), &body).await.expect_problem(Code::Pending);
    let foreign = SessionKey::from_seed([8; 32]).sign_header(header.clone());
    client.post(&node, &foreign, &body).await.expect_problem(Code::BadOperation);
    let (odd, odd_body) = client.op(
        &node,
        vec![],
        Act::Put { path: "odd/path".parse().expect("a path"), value: Ipld::Bool(true) },
    );
    client.post(&node, &sign(odd), &odd_body).await.expect_problem(Code::BadOperation);
    let eve = Person::new(2);
    let stranger = Header { by: eve.key.account(), login: None, ..header.clone() };
    client
        .post(&node, &eve.key.sign_op(stranger, &body).expect("has words"), &body)
        .await
        .expect_problem(Code::BadOperation);
    let heads: Answer =
        node.get(&format!("{}/-/heads", client.alice.core()), Some(&client.session.token)).await;
    assert_eq!(heads.expect(200).json::<Heads>().count, 0);
    client.post(&node, &good, &body).await.expect(201);
}

#[tokio::test]
async fn content_named_by_a_client_opens_when_it_is_whole() {
    let node = TestNode::new();
    let client = Client::sign_in(&node).await;
    let eve = Person::new(2);
    let eve_token = node.sign_in(&eve).await.token;
    let secret: kubelt_api::ContentReceipt =
        node.put(&format!("{}/-/content/s", eve.core()), &eve_token, "eve's secret").await.expect(201).json();
    let entry = ContentEntry::new(secret.cid.parse().expect("a CID"), 12, "text/plain", Visibility::Public);
    let act = Act::Put { path: "content/stolen".parse().expect("a path"), value: entry.to_ipld() };
    let (header, body) = client.op(&node, vec![], act);
    client.post(&node, &client.key.sign_header(header), &body).await.expect(201);
    // The operation counts, and opens nothing that this core has not uploaded.
    for path in [format!("{}/stolen", client.alice.core()), format!("/ipfs/{}", secret.cid)] {
        node.get(&path, None).await.expect_problem(Code::NotFound);
        node.get(&path, Some(&client.session.token)).await.expect_problem(Code::NotFound);
    }
}

#[tokio::test]
async fn a_logout_in_the_log_ends_the_session() {
    let node = TestNode::new();
    let client = Client::sign_in(&node).await;
    let login: LoginId = client.session.id.parse().expect("a login id");
    let (header, body) = client.op(&node, vec![], Act::Logout { login });
    client.post(&node, &client.key.sign_header(header), &body).await.expect(201);
    node.get("/-/session", Some(&client.session.token)).await.expect_problem(Code::Unauthorized);
}

#[tokio::test]
async fn a_core_moves_to_another_node_as_one_file() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let base = format!("{}/-/content", alice.core());
    node.put(&format!("{base}/site/index.html?visibility=public"), &token, "hello").await.expect(201);
    node.put(&format!("{base}/notes/secret.txt"), &token, vec![5; 2_500_000]).await.expect(201);
    node.put(&format!("{base}/old"), &token, "one").await.expect(201);
    node.put(&format!("{base}/old"), &token, "two").await.expect(201);
    let car = node.get(&format!("{}/-/car", alice.core()), Some(&token)).await.expect(200).body;

    let report = verify(&car[..], node.now_ms()).expect("a sound file");
    assert_eq!((report.ops, report.ops_effective, report.partial), (4, 4, false));
    assert!(report.incomplete.is_empty());
    for at in (0..car.len()).step_by(997) {
        let mut changed = car.clone();
        changed[at] ^= 0x10;
        assert!(verify(&changed[..], node.now_ms()).is_err(), "a changed byte at {at} passes");
    }
    assert!(verify(&car[..car.len() - 1], node.now_ms()).is_err());
    assert!(verify(&b""[..], node.now_ms()).is_err());

    let other = TestNode::new();
    let kind = [("content-type", "application/vnd.ipld.car")];
    other.call("POST", "/-/car", None, &kind, car.clone()).await.expect_problem(Code::Unauthorized);
    let eve = other.sign_in(&Person::new(2)).await.token;
    other.call("POST", "/-/car", Some(&eve), &kind, car.clone()).await.expect_problem(Code::Forbidden);
    let there = other.sign_in(&alice).await.token;
    let done: CoreImport =
        other.call("POST", "/-/car", Some(&there), &kind, car.clone()).await.expect(201).json();
    assert_eq!((done.ops, done.ops_new, done.ops_effective), (4, 4, 4));
    assert!(done.incomplete.is_empty());
    assert_eq!(
        other.get(&format!("{}/site/index.html", alice.core()), None).await.expect(200).text(),
        "hello"
    );
    other.get(&format!("{}/notes/secret.txt", alice.core()), None).await.expect_problem(Code::NotFound);
    assert_eq!(
        other.get(&format!("{}/notes/secret.txt", alice.core()), Some(&there)).await.expect(200).body,
        vec![5; 2_500_000]
    );
    let again: CoreImport = other.call("POST", "/-/car", Some(&there), &kind, car).await.expect(201).json();
    assert_eq!(again.ops_new, 0);
    let heads = async |node: &TestNode, token: &str| -> Heads {
        node.get(&format!("{}/-/heads", alice.core()), Some(token)).await.expect(200).json()
    };
    assert_eq!(heads(&node, &token).await.heads, heads(&other, &there).await.heads);

    // The public part alone is a sound file too, and holds nothing private.
    let public = node.get(&format!("{}/-/car", alice.core()), None).await.expect(200).body;
    let report = verify(&public[..], node.now_ms()).expect("a sound file");
    assert!(report.partial && report.ops == 1, "{report:?}");
    assert!(!public.windows(64).any(|window| window == [5; 64]));
}

#[tokio::test]
async fn the_log_pages_both_ways() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    for n in 0..7 {
        node.put(&format!("{}/-/content/f{n}", alice.core()), &token, format!("{n}")).await.expect(201);
    }
    for order in ["asc", "desc"] {
        let (mut paths, mut cursor) = (Vec::new(), String::new());
        loop {
            let url = format!("{}/-/ops?order={order}&limit=3{cursor}", alice.core());
            let page: OpsPage = node.get(&url, Some(&token)).await.expect(200).json();
            paths.extend(page.ops.into_iter().filter_map(|op| op.path));
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut expected: Vec<_> = (0..7).map(|n| format!("content/f{n}")).collect();
        if order == "desc" {
            expected.reverse();
        }
        assert_eq!(paths, expected);
    }
    for bad in ["limit=0", "limit=x", "limit=100000", "cursor=zzz", "order=up", "limit=1&limit=2"] {
        node.get(&format!("{}/-/ops?{bad}", alice.core()), Some(&token))
            .await
            .expect_problem(Code::BadRequest);
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    let node = TestNode::new();
    let document: Value = node.get("/openapi.json", None).await.expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for path in
        ["/-/session", "/-/session/challenge", "/@{core}/-/content/{path}", "/@{core}/-/ops", "/ipfs/{cid}"]
    {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    assert_eq!(node.get("/", None).await.expect(302).header("location"), Some("/_/"));
    node.get("/healthz", None).await.expect(200);
    node.get("/readyz", None).await.expect(200);
    assert!(node.get("/metrics", None).await.expect(200).text().contains("kubelt_http_requests_total"));
    node.call("POST", "/healthz", None, &[], Body::empty()).await.expect_problem(Code::MethodNotAllowed);
    node.get("/nothing", None).await.expect_problem(Code::NotFound);
}

/// What a stolen session wrote, however much it is, goes with one logout by the wallet.
#[tokio::test]
async fn a_logout_takes_back_more_than_one_transaction_holds() {
    let node = TestNode::new();
    let client = Client::sign_in(&node).await;
    let core = client.alice.core();
    let large = Ipld::String("x".repeat(31 * 1_024));
    let leaf = Block::new(Codec::Raw, b"x".to_vec().into()).expect("a small block");
    let mut value = ContentEntry::new(*leaf.cid(), 1, "text/plain", Visibility::Private).to_ipld();
    if let Ipld::Map(fields) = &mut value {
        fields.insert("metadata".to_owned(), Ipld::Map([("note".to_owned(), large)].into()));
    }
    for page in 0..30 {
        let ops: Vec<Value> = (0..20)
            .map(|n| {
                let path = format!("content/x/{page}/{n}").parse().expect("a path");
                let (header, body) = client.op(&node, vec![], Act::Put { path, value: value.clone() });
                let signed = client.key.sign_header(header).encode();
                json!({ "signed": STANDARD.encode(signed), "body": STANDARD.encode(body.encode()) })
            })
            .collect();
        let page = json!({ "ops": ops });
        node.post(&format!("{core}/-/ops"), Some(&client.session.token), &page).await.expect(201);
    }
    let count = async |token: &str| {
        let state = node.get(&format!("{core}/-/state/content?limit=1000"), Some(token)).await.expect(200);
        state.json::<StatePage>().entries.len()
    };
    assert_eq!(count(&client.session.token).await, 600);
    let other = node.sign_in(&client.alice).await.token;
    // Made elsewhere, where nothing of it was known.
    let (header, body) = client.op(&node, vec![], Act::Logout { login: client.login.id() });
    let header = Header { by: client.alice.key.account(), login: None, ..header };
    let signed = client.alice.key.sign_op(header, &body).expect("words");
    client.post(&node, &signed, &body).await.expect(201);
    assert_eq!(count(&other).await, 0);
    // A kill between two of the transactions that this took: some still count, and the core is noted as owing.
    let (id, mut tx) = (client.core(), node.store.begin());
    let some: Vec<_> =
        node.store.ops(&id, None, OpsOrder::Forward).take(5).map(|op| op.expect("reads").id).collect();
    some.iter().for_each(|op| tx.set_effective(&id, op, true).expect("fits"));
    tx.put_meta("effects-owed", id.digest(), Some(&[])).expect("fits");
    tx.commit().await.expect("commits");
    assert_eq!(count(&other).await, 5);
    node.node.cores.settle().await.expect("settles");
    assert_eq!(count(&other).await, 0);
}

/// Who was handed one path ends no other sign-ins, and says only once that it ends itself.
#[tokio::test]
async fn a_session_ends_others_only_where_it_was_handed_that() {
    let node = TestNode::new();
    let (mut client, other) = (Client::sign_in(&node).await, LoginId::from_digest([7; 32]));
    let ask = json!({
        "account": client.alice.account(),
        "session_key": client.key.public().to_string(),
        "abilities": ["put content/x/**"],
    });
    let challenge: Challenge = node.post("/-/session/challenge", None, &ask).await.expect(200).json();
    let signature = client.alice.sign(&challenge.message);
    let answer = json!({ "message": challenge.message, "signature": signature });
    client.session = node.post("/-/session", None, &answer).await.expect(201).json();
    let bytes = hex::decode(&signature[2..]).expect("hex");
    client.login = Login::new(challenge.message, Scheme::Eip191, bytes, None);
    let end = |login, prev| {
        let (header, body) = client.op(&node, prev, Act::Logout { login });
        (client.key.sign_header(header), body)
    };
    let (signed, body) = end(other, vec![]);
    client.post(&node, &signed, &body).await.expect_problem(Code::BadOperation);
    let (own, body) = end(client.login.id(), vec![]);
    client.post(&node, &own, &body).await.expect(201);
    node.pass(1_000);
    let (again, body) = end(client.login.id(), vec![own.id()]);
    let token = node.sign_in(&client.alice).await.token;
    client.session.token = token;
    client.post(&node, &again, &body).await.expect_problem(Code::BadOperation);
}
