//! Cores inside cores: where addresses lead, and that whatever closes a core closes those below it, on every route, at
//! the very next request.

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt, CoreMade, CoreView, NamedCoreList};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Person, TestNode},
    routes::Place,
};

const PAGE: &str = "a page three cores deep";

/// `@acme/@widget/@part`, all of Alice's, with a page in the innermost one.
struct Tree {
    node: TestNode,
    alice: Person,
    token: String,
    /// The ids, from the outermost.
    cores: Vec<String>,
    page: String,
    name: String,
}

impl Tree {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let mut tree = Self {
            token: node.sign_in(&alice).await.token,
            node,
            alice,
            cores: Vec::new(),
            page: String::new(),
            name: String::new(),
        };
        let own = tree.alice.core();
        tree.make(&own, &json!({ "name": "acme" })).await;
        tree.make(&format!("/@{}", tree.cores[0]), &json!({ "name": "widget" })).await;
        tree.make(&format!("/@{}", tree.cores[1]), &json!({ "name": "part" })).await;
        let at = format!("/@{}/-/content/site/page.html?visibility=public", tree.cores[2]);
        let receipt: ContentReceipt = tree.node.put(&at, &tree.token, PAGE).await.expect(201).json();
        tree.page = receipt.cid;
        let id = tree.cores[2].parse().expect("an id");
        tree.name = tree.node.node.ipns.name_of(&id).await.expect("a name").to_string();
        tree
    }

    /// Makes a core inside another one, signs in to it, and begins it.
    async fn make(&mut self, from: &str, ask: &Value) {
        let made: CoreMade =
            self.node.post(&format!("{from}/-/cores"), Some(&self.token), ask).await.expect(201).json();
        assert!(made.named);
        self.cores.push(made.core.clone());
        let ids: Vec<&str> = self.cores.iter().map(String::as_str).collect();
        self.token = self.node.sign_in_to(&self.alice, Some(&self.token), &ids).await.token;
        let name = json!({ "put": { "path": "profile/name", "value": "x" } });
        self.node.act(&self.alice, &self.token, &made.core, name).await.expect(201);
    }

    async fn set(&self, core: usize, path: &str, value: Option<&Value>) {
        let path = format!("/@{}/-/state/{path}", self.cores[core]);
        let (method, body) = value.map_or(("DELETE", String::new()), |value| ("PUT", value.to_string()));
        self.node.call(method, &path, Some(&self.token), &[], Body::from(body)).await.expect(200);
    }

    /// The addresses of the innermost core.
    fn addresses(&self) -> [String; 3] {
        let [acme, widget, part] = [&self.cores[0], &self.cores[1], &self.cores[2]];
        [format!("/@{part}"), format!("/@{acme}/@widget/@part"), format!("/@{acme}/@{widget}/@{part}")]
    }

    /// Every route on which the page can leave, with its exit.
    fn routes(&self) -> Vec<(&'static str, String)> {
        let mut routes = Vec::new();
        for core in &self.addresses() {
            routes.extend(Place { core, path: "site/page.html", cid: &self.page, name: &self.name }.routes());
        }
        routes.sort();
        routes.dedup();
        routes
    }

    /// Whether a reader gets anything of the page by a route.
    async fn gets(&self, route: &str, reader: Option<&str>) -> bool {
        let answer = self.node.call_at("GET", route, reader, &[]).await;
        let tells = answer.status.is_success()
            && [PAGE, "page.html", "\"site/\"", &self.page].iter().any(|word| answer.text().contains(word));
        // That there is such a core is told where any exit of it is open.
        let is_about_core = self.addresses().iter().any(|address| address == route);
        if !tells && !answer.status.is_success() {
            let expected = if route.contains(&self.name) { 502 } else { 404 };
            assert_eq!(answer.status, expected, "{route} as {reader:?}: {}", answer.text());
        } else {
            assert!(tells || is_about_core, "{route} as {reader:?}: {}", answer.text());
        }
        tells
    }

    /// The value that names a core.
    fn named(&self, core: usize) -> Value {
        json!({ "core": { "/": self.cores[core] } })
    }
}

/// Something that a core above says.
struct Change {
    /// Which one, from the outermost.
    core: usize,
    path: &'static str,
    value: Option<Value>,
    /// The exits that it closes.
    closes: &'static [&'static str],
    /// What it says again afterwards.
    before: Option<Value>,
}

fn exits(network: bool, ipfs: bool, http: bool) -> Value {
    json!({ "network": network, "ipfs": ipfs, "http": http })
}

#[tokio::test]
async fn what_closes_a_core_closes_those_below_it_on_every_route_at_once() {
    let tree = Tree::new().await;
    let eve = tree.node.sign_in_to(&Person::new(9), None, &[&tree.cores[2]]).await.token;
    let (widget, part) = (tree.named(1), tree.named(2));
    let only_for = |mut named: Value, who: &str| {
        named["visibility"] = json!(who);
        named
    };
    let all = ["network", "ipfs", "http"].as_slice();
    let change = |core, path, value, closes, before| Change { core, path, value, closes, before };
    let ways = [
        change(0, "config/exposure", Some(exits(false, false, false)), all, None),
        change(0, "config/exposure", Some(exits(true, false, true)), &["ipfs"], None),
        change(0, "config/exposure", Some(exits(true, true, false)), &["http"], None),
        change(0, "config/exposure", Some(exits(false, true, true)), &["network"], None),
        change(1, "config/exposure", Some(exits(false, false, false)), all, None),
        change(0, "cores/widget", None, all, Some(widget.clone())),
        change(0, "cores/widget", Some(only_for(widget.clone(), "members")), all, Some(widget.clone())),
        change(0, "cores/widget", Some(only_for(widget.clone(), "private")), all, Some(widget.clone())),
        // The name is another core's now.
        change(0, "cores/widget", Some(part.clone()), all, Some(widget)),
        change(1, "cores/part", None, all, Some(part)),
    ];
    for Change { core, path, value, closes, before } in ways {
        for (exit, route) in tree.routes() {
            for reader in [None, Some(eve.as_str())] {
                assert!(tree.gets(&route, reader).await, "it is open: {route} as {reader:?}");
            }
            tree.set(core, path, value.as_ref()).await;
            let is_closed = closes.contains(&exit);
            // Where a name is gone, addresses by that name are gone, whatever their exit.
            for reader in [None, Some(eve.as_str())] {
                let gets = tree.gets(&route, reader).await;
                assert_eq!(gets, !is_closed, "{path} {value:?}: {exit} {route} as {reader:?}");
            }
            if exit == "http" && route.starts_with(&format!("/@{}", tree.cores[2])) {
                assert!(tree.gets(&route, Some(&tree.token)).await, "its own people: {path}: {route}");
            }
            tree.set(core, path, before.as_ref()).await;
        }
    }
}

#[tokio::test]
async fn what_a_parent_keeps_for_its_members_they_pass_to_and_nobody_else() {
    let tree = Tree::new().await;
    let mut named = tree.named(1);
    named["visibility"] = json!("members");
    tree.set(0, "cores/widget", Some(&named)).await;
    let ann = Person::new(2);
    let act =
        json!({ "grant": { "to": [ann.account()], "role": "contract extra", "can": ["read cores/widget"] } });
    tree.node.act(&tree.alice, &tree.token, &tree.cores[0], act).await.expect(201);
    let own = tree.node.sign_in(&ann).await.token;
    let member = tree.node.sign_in_to(&ann, Some(&own), &[&tree.cores[0]]).await.token;
    for address in tree.addresses() {
        let page = format!("{address}/site/page.html");
        let answer = tree.node.get(&page, Some(&member)).await.expect(200);
        assert_eq!(answer.text(), PAGE);
        assert!(answer.header("cache-control").is_some_and(|kept| kept.starts_with("private")));
        assert!(tree.node.get(&format!("{address}/"), Some(&member)).await.text().contains("site"));
        // A sign-in that was not handed the parent passes no more than a stranger.
        for reader in [None, Some(own.as_str())] {
            tree.node.get(&page, reader).await.expect_problem(Code::NotFound);
        }
        // She reads what is public below; she is nobody's member there.
        tree.node.put(&format!("{address}/-/content/x"), &member, "x").await.expect_problem(Code::NotFound);
        tree.node.get(&format!("{address}/-/members"), Some(&member)).await.expect_problem(Code::NotFound);
    }
}

#[tokio::test]
async fn addresses_lead_down_and_nowhere_else() {
    let tree = Tree::new().await;
    let (node, [acme, widget, part]) = (&tree.node, [&tree.cores[0], &tree.cores[1], &tree.cores[2]]);
    let view = async |address: &str| -> CoreView { node.get(address, None).await.expect(200).json() };
    for address in tree.addresses() {
        let found = view(&address).await;
        assert_eq!((&found.core, found.parent.as_ref()), (part, Some(widget)), "{address}");
    }
    // A label of the node, and the name by which a private core knows its owner's shared one.
    node.node.cores.label([("corp".to_owned(), acme.parse().expect("an id"))].into());
    assert_eq!(view("/@corp/@widget/@part").await.core, *part);
    let own = format!("{}/@acme/@widget/@part", tree.alice.core());
    assert_eq!(node.get(&own, Some(&tree.token)).await.expect(200).json::<CoreView>().core, *part);
    node.get(&own, None).await.expect_problem(Code::NotFound);
    // A parent links to one of its own parents: nobody walks in circles, nor out of a core by an id that is not in it.
    tree.set(2, "cores/up", Some(&tree.named(0))).await;
    let circle = format!("/@{acme}/@widget/@part/@up");
    for (address, reader) in [
        (circle.as_str(), Some(tree.token.as_str())),
        (&format!("/@{acme}/@part"), None),
        (&format!("/@{acme}/@{part}"), None),
        (&format!("/@{part}/@{widget}"), None),
        (&format!("/@{acme}/@nothing/@part"), None),
        ("/@nolabel/@widget", None),
    ] {
        node.get(address, reader).await.expect_problem(Code::NotFound);
    }
    node.get(&format!("/@{acme}{}", "/@widget".repeat(8)), None).await.expect_problem(Code::BadPath);
    // A link that is no circle leads on for who may read it.
    let from_part = format!("/@{part}/@up");
    assert_eq!(node.get(&from_part, Some(&tree.token)).await.expect(200).json::<CoreView>().core, *acme);

    // Strangers see children that publish something, and no links.
    tree.set(2, "cores/up", None).await;
    let list = |answer: Answer| -> Vec<(String, bool)> {
        let list: NamedCoreList = answer.expect(200).json();
        list.cores.into_iter().map(|core| (core.name, core.child)).collect()
    };
    assert_eq!(list(node.get(&format!("/@{widget}/-/cores"), None).await), [("part".to_owned(), true)]);
    let own = node.get(&format!("{}/-/cores", tree.alice.core()), Some(&tree.token)).await;
    assert_eq!(list(own), [("acme".to_owned(), false)]);
    node.get(&format!("{}/-/cores", tree.alice.core()), None).await.expect_problem(Code::NotFound);
}

#[tokio::test]
async fn a_core_lies_so_deep_and_no_deeper() {
    let mut tree = Tree::new().await;
    for depth in 3..=7 {
        let from = format!("/@{}", tree.cores[depth - 1]);
        tree.make(&from, &json!({ "name": "next" })).await;
    }
    let at = format!("/@{}", tree.cores[7]);
    tree.node.put(&format!("{at}/-/content/a?visibility=public"), &tree.token, "deep").await.expect(201);
    let by_name = format!("/@{}/@widget/@part{}", tree.cores[0], "/@next".repeat(5));
    for address in [&at, &by_name] {
        assert_eq!(tree.node.get(&format!("{address}/a"), None).await.expect(200).text(), "deep");
    }
    let refused =
        tree.node.post(&format!("{at}/-/cores"), Some(&tree.token), &json!({ "name": "next" })).await;
    refused.expect_problem(Code::BadRequest);
    // From the very top a change is felt at the very bottom.
    tree.set(0, "config/exposure", Some(&exits(true, true, false))).await;
    tree.node.get(&format!("{at}/a"), None).await.expect_problem(Code::NotFound);
}

#[tokio::test]
async fn a_name_is_given_once_and_by_who_may() {
    let tree = Tree::new().await;
    let ask = json!({ "name": "widget" });
    let path = format!("/@{}/-/cores", tree.cores[0]);
    tree.node.post(&path, Some(&tree.token), &ask).await.expect_problem(Code::Conflict);
    let eve = tree.node.sign_in_to(&Person::new(9), None, &[&tree.cores[0]]).await.token;
    for reader in [None, Some(eve.as_str())] {
        let refused = tree.node.post(&path, reader, &json!({ "name": "new" })).await;
        refused.expect_problem(Code::NotFound);
    }
    // Who is a member and may not write the core's map makes no children either.
    let ann = Person::new(2);
    let act = json!({ "grant": { "to": [ann.account()], "role": "reader" } });
    tree.node.act(&tree.alice, &tree.token, &tree.cores[0], act).await.expect(201);
    let token = tree.node.sign_in_to(&ann, None, &[&tree.cores[0]]).await.token;
    let refused = tree.node.post(&path, Some(&token), &json!({ "name": "new" })).await;
    refused.expect_problem(Code::Forbidden);
    for name in ["", "0xabc", "a/b", "me", "-"] {
        let refused = tree.node.post(&path, Some(&tree.token), &json!({ "name": name })).await;
        refused.expect_problem(Code::BadRequest);
    }
}
