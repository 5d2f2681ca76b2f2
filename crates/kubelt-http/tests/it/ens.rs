//! Cores and accounts given by ENS names: they lead where the account would, and open nothing that it would not.

use std::sync::Arc;

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt, CoreMade, DraftList, EnsView};
use kubelt_core::{Account, BlockRef, EnsName};
use kubelt_node::{Asking, EnsFault, EnsPort};
use parking_lot::Mutex;
use serde_json::json;

use crate::harness::{Person, TestNode};

/// A service that knows `site.eth`, wherever that leads at the moment.
#[derive(Debug)]
struct Service(Mutex<Account>);

impl EnsPort for Service {
    fn account<'a>(&'a self, name: &'a EnsName) -> Asking<'a, Result<(Account, BlockRef), EnsFault>> {
        let account = self.0.lock().clone();
        let block = BlockRef { chain: 1, number: 7, hash: [7; 32] };
        Box::pin(async move {
            match name.as_str() {
                "site.eth" => Ok((account, block)),
                "away.eth" => Err(EnsFault::OffChain(name.clone())),
                _ => Err(EnsFault::Nowhere(name.clone())),
            }
        })
    }

    fn text<'a>(&'a self, name: &'a EnsName, _: &'a str) -> Asking<'a, Result<(String, BlockRef), EnsFault>> {
        Box::pin(async { Err(EnsFault::Nowhere(name.clone())) })
    }
}

struct Scene {
    node: TestNode,
    alice: Person,
    token: String,
    service: Arc<Service>,
}

impl Scene {
    /// Alice has published something, kept something to herself, and has `site.eth`.
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let service = Arc::new(Service(Mutex::new(alice.key.account())));
        node.node.ens.look_up_by(Arc::clone(&service) as Arc<dyn EnsPort>);
        let token = node.sign_in(&alice).await.token;
        let scene = Self { node, alice, token, service };
        scene.publish(&scene.alice, &scene.token, "of alice", "public").await;
        let path = format!("{}/-/content/own.txt", scene.alice.core());
        scene.node.put(&path, &scene.token, "hers").await.expect(201);
        scene
    }

    async fn publish(&self, person: &Person, token: &str, text: &'static str, visibility: &str) {
        let path = format!("{}/-/content/a.txt?visibility={visibility}", person.core());
        self.node.put(&path, token, text).await.expect(201).json::<ContentReceipt>();
    }
}

#[tokio::test]
async fn a_name_leads_where_its_account_does() {
    let Scene { node, alice, token, .. } = Scene::new().await;
    assert_eq!(node.get("/@site.eth/a.txt", None).await.expect(200).text(), "of alice");
    assert_eq!(node.get("/@Site.ETH/a.txt", None).await.expect(200).text(), "of alice");
    let view: EnsView = node.get("/-/ens/Site.eth", None).await.expect(200).json();
    assert_eq!((view.name.as_str(), view.account), ("site.eth", alice.account()));
    assert_eq!((view.chain, view.block), (1, 7));
    // With a session of the account, all of its core; and nothing more of another's.
    assert_eq!(node.get("/@site.eth/-/content/own.txt", Some(&token)).await.expect(200).text(), "hers");
    let path = "/@site.eth/-/content/b.txt";
    node.put(path, &token, "b").await.expect(201);
}

#[tokio::test]
async fn a_name_opens_nothing() {
    let Scene { node, alice, .. } = Scene::new().await;
    let bob = node.sign_in(&Person::new(2)).await.token;
    for (path, is_open) in [
        ("a.txt", true),
        ("own.txt", false),
        ("-/content/own.txt", false),
        // What it takes to check what is public, and nothing else.
        ("-/ops", true),
        ("-/heads", false),
        ("-/requests", false),
    ] {
        for token in [None, Some(bob.as_str())] {
            let named = node.get(&format!("/@site.eth/{path}"), token).await;
            let plain = node.get(&format!("{}/{path}", alice.core()), token).await;
            assert_eq!((named.status, named.status.is_success()), (plain.status, is_open), "{path}");
            if is_open {
                assert_eq!(named.body, plain.body, "{path}");
            } else {
                named.expect_problem(Code::NotFound);
            }
        }
    }
}

#[tokio::test]
async fn a_name_that_changed_hands_is_followed_and_nothing_is_answered_from_memory() {
    let scene = Scene::new().await;
    let Scene { node, service, .. } = &scene;
    let bob = Person::new(2);
    let token = node.sign_in(&bob).await.token;
    scene.publish(&bob, &token, "of bob", "public").await;
    // Twice: what may be kept would be answered from memory the second time.
    for _ in 0..2 {
        assert_eq!(node.get("/@site.eth/a.txt", None).await.expect(200).text(), "of alice");
    }
    *service.0.lock() = bob.key.account();
    assert_eq!(node.get("/@site.eth/a.txt", None).await.expect(200).text(), "of alice");
    node.pass(60_000);
    assert_eq!(node.get("/@site.eth/a.txt", None).await.expect(200).text(), "of bob");
}

#[tokio::test]
async fn below_a_name_that_changed_hands_lie_the_cores_of_its_new_owner_and_the_old_one_keeps_nothing_there()
{
    let Scene { node, alice, token, service } = Scene::new().await;
    let bob = Person::new(2);
    let bobs = node.sign_in(&bob).await.token;
    let mut tokens = Vec::new();
    for (person, own, text) in [(&alice, &token, "shop of alice"), (&bob, &bobs, "shop of bob")] {
        let ask = json!({ "name": "shop", "child": true });
        let path = format!("{}/-/cores", person.core());
        let made: CoreMade = node.post(&path, Some(own), &ask).await.expect(201).json();
        let token = node.sign_in_to(person, Some(own), &[&made.core]).await.token;
        let begin = json!({ "put": { "path": "profile/name", "value": "Shop" } });
        node.act(person, &token, &made.core, begin).await.expect(201);
        let at = format!("/@{}/-/content/page?visibility=public", made.core);
        node.put(&at, &token, text).await.expect(201);
        tokens.push(token);
    }
    let [alices, bobs] = tokens.as_slice() else { panic!("two") };
    let (page, put) = ("/@site.eth/@shop/page", "/@site.eth/@shop/-/content/new");
    for _ in 0..2 {
        assert_eq!(node.get(page, None).await.expect(200).text(), "shop of alice");
    }
    node.put(put, alices, "hers").await.expect(201);
    *service.0.lock() = bob.key.account();
    node.pass(60_000);
    for reader in [None, Some(alices.as_str())] {
        assert_eq!(node.get(page, reader).await.expect(200).text(), "shop of bob");
    }
    node.put(put, alices, "not hers any more").await.expect_problem(Code::NotFound);
    node.put(put, bobs, "his").await.expect(201);
    // What she wrote is where it was, under her own address.
    let own = format!("{}/@shop/-/content/new", alice.core());
    assert_eq!(node.get(&own, Some(alices)).await.expect(200).text(), "hers");
}

#[tokio::test]
async fn what_is_granted_is_granted_to_the_account() {
    let Scene { node, token, alice, service } = Scene::new().await;
    let bob = Person::new(2);
    *service.0.lock() = bob.key.account();
    let ask = json!({ "name": "acme", "owners": ["site.eth"] });
    let made: CoreMade =
        node.post(&format!("{}/-/cores", alice.core()), Some(&token), &ask).await.expect(201).json();
    let cores = json!({ "account": alice.account(), "cores": [{ "core": made.core }] });
    let challenge: kubelt_api::Challenge =
        node.post("/-/session/challenge", Some(&token), &cores).await.expect(200).json();
    let answer = json!({ "message": challenge.message, "signature": alice.sign(&challenge.message) });
    let opened: kubelt_api::SessionCreated = node.post("/-/session", None, &answer).await.expect(201).json();
    let act = json!({ "act": { "grant": { "to": ["site.eth"], "role": "developer" } } });
    let path = format!("/@{}/-/drafts", made.core);
    let drafts: DraftList = node.post(&path, Some(&opened.token), &act).await.expect(200).json();
    let text = &drafts.drafts[0].text;
    assert!(text.contains(&bob.account()) && !text.contains("site.eth"), "{text}");
}

#[tokio::test]
async fn what_leads_nowhere_says_why() {
    let Scene { node, .. } = Scene::new().await;
    let why = async |name: &str| node.get(&format!("/@{name}/a.txt"), None).await;
    why("nobody.eth").await.expect_problem(Code::NotFound);
    why("away.eth").await.expect_problem(Code::NotImplemented);
    why("a..eth").await.expect_problem(Code::BadRequest);
    let bare = TestNode::new();
    let answer = bare.call("GET", "/@site.eth", None, &[], Body::empty()).await;
    let problem = answer.expect_problem(Code::NotImplemented);
    assert!(problem.detail.contains("[chains.1]"), "{}", problem.detail);
}
