//! Cores of users, made at their first sign-in through a parent: each isolated from every other, and from the parent in
//! all that its user did not grant. Tried on every route.

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt, CoreMade, CoreView, SessionCreated, SessionList};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Person, TestNode},
    routes::Place,
};

const SECRET: &str = "nobody's business";
const SHARED: &str = "for the parent's eyes";

pub(crate) struct App {
    pub(crate) node: TestNode,
    pub(crate) owner: Person,
    /// A session of the owner over the parent, and over whatever else it was told to name.
    pub(crate) token: String,
    pub(crate) acme: String,
}

impl App {
    pub(crate) async fn new(template: Option<&Value>) -> Self {
        let (node, owner) = (TestNode::new(), Person::new(1));
        let own = node.sign_in(&owner).await.token;
        let path = format!("{}/-/cores", owner.core());
        let made: CoreMade =
            node.post(&path, Some(&own), &json!({ "name": "acme" })).await.expect(201).json();
        let token = node.sign_in_to(&owner, Some(&own), &[&made.core]).await.token;
        let name = json!({ "put": { "path": "profile/name", "value": "Acme" } });
        node.act(&owner, &token, &made.core, name).await.expect(201);
        let app = Self { node, owner, token, acme: made.core };
        if let Some(template) = template {
            app.set("template", Some(template)).await;
        }
        app
    }

    async fn set(&self, setting: &str, value: Option<&Value>) {
        self.put(&format!("config/{setting}"), value).await;
    }

    /// Puts a value into the parent's map.
    pub(crate) async fn put(&self, path: &str, value: Option<&Value>) {
        let path = format!("/@{}/-/state/{path}", self.acme);
        let (method, body) = value.map_or(("DELETE", String::new()), |value| ("PUT", value.to_string()));
        self.node.call(method, &path, Some(&self.token), &[], Body::from(body)).await.expect(200);
    }

    pub(crate) async fn ask(&self, person: &Person, within: &str, cores: &[&str]) -> Answer {
        let cores: Vec<Value> = cores.iter().map(|core| json!({ "core": core })).collect();
        let ask = json!({ "account": person.account(), "within": within, "cores": cores });
        self.node.post("/-/session/challenge", None, &ask).await
    }

    pub(crate) async fn answer(&self, person: &Person, challenge: &Answer) -> Answer {
        let message = challenge.json::<kubelt_api::Challenge>().message;
        let answer = json!({ "message": message, "signature": person.sign(&message) });
        self.node.post("/-/session", None, &answer).await
    }

    /// Signs somebody in through the parent.
    pub(crate) async fn enter(&self, person: &Person) -> SessionCreated {
        let challenge = self.ask(person, &self.acme, &[]).await.expect(200);
        self.answer(person, &challenge).await.expect(201).json()
    }
}

fn template(user: Value) -> Value {
    json!({ "user": user })
}

#[tokio::test]
async fn a_core_is_made_from_the_template_and_found_at_its_address() {
    let app = App::new(Some(&template(json!({
        "config": { "exposure": { "ipfs": false } },
        "block_bytes_max": 1_000_000, "ops_max": 3,
    }))))
    .await;
    let ann = Person::new(2);
    let first = app.enter(&ann).await;
    assert!(first.created && first.asks.is_none());
    assert_eq!(first.within.as_ref(), Some(&app.acme));
    let address = format!("/@{}/@{}", app.acme, ann.account());
    assert_eq!(first.path, address);
    let again = app.enter(&ann).await;
    assert_eq!((again.core, again.created), (first.core.clone(), false));
    let view: CoreView = app.node.get(&address, Some(&first.token)).await.expect(200).json();
    assert_eq!(
        (view.kind.as_str(), &view.core, view.parent.as_ref()),
        ("user", &first.core, Some(&app.acme))
    );
    let usage = view.usage.expect("it is theirs");
    assert_eq!((usage.ops_max, usage.block_bytes_max, usage.ops), (3, 1_000_000, 1));
    let set = app.node.get(&format!("{address}/-/state/config/exposure"), Some(&first.token)).await;
    assert!(set.expect(200).text().contains(r#"{"ipfs":false}"#), "it was preset");
    // What a user publishes is open as far as the parent is.
    let at = format!("{address}/-/content/page?visibility=public");
    app.node.put(&at, &first.token, "hello").await.expect(201);
    let (by_address, by_id) = (format!("{address}/page"), format!("/@{}/page", first.core));
    for path in [&by_address, &by_id] {
        assert_eq!(app.node.get(path, None).await.expect(200).text(), "hello");
    }
    app.set("exposure", Some(&json!({ "http": false }))).await;
    app.node.get(&by_id, None).await.expect_problem(Code::NotFound);
    app.set("exposure", None).await;
    app.set("template", None).await;
    for path in [&by_address, &by_id] {
        app.node.get(path, None).await.expect_problem(Code::NotFound);
        assert_eq!(app.node.get(path, Some(&first.token)).await.expect(200).text(), "hello");
    }
    // The quota of the template holds.
    app.node.put(&at, &first.token, "hello again").await.expect(201);
    app.node.put(&at, &first.token, "and again").await.expect_problem(Code::QuotaExceeded);
}

#[tokio::test]
async fn each_user_is_isolated_from_every_other_and_from_what_the_template_does_not_give() {
    let app = App::new(Some(&template(json!({ "asks": ["read content/shared/**"] })))).await;
    let (ann, bob) = (Person::new(2), Person::new(3));
    let (user, other) = (app.enter(&ann).await, app.enter(&bob).await);
    let asks = user.asks.clone().expect("the template asks");
    assert_eq!(
        (asks.to.of, asks.can),
        (vec![app.owner.account()], vec!["read content/shared/**".to_owned()])
    );
    let mut places = Vec::new();
    for (path, visibility, text) in [
        ("mine/secret.txt", "private", SECRET),
        ("mine/draft.txt", "members", SECRET),
        ("shared/note.txt", "members", SHARED),
    ] {
        let at = format!("{}/-/content/{path}?visibility={visibility}", user.path);
        let receipt: ContentReceipt = app.node.put(&at, &user.token, text).await.expect(201).json();
        places.push((path, receipt.cid, text));
    }
    let id = user.core.parse().expect("an id");
    let name = app.node.node.ipns.name_of(&id).await.expect("a name").to_string();
    // The owner's sessions name the user's core, and those of a stranger and of another user do, too.
    let owner = app.node.sign_in_to(&app.owner, None, &[&app.acme, &user.core]).await.token;
    let eve = app.node.sign_in_to(&Person::new(9), None, &[&app.acme, &user.core]).await.token;
    let bob_plainly = app.node.sign_in_to(&bob, None, &[&app.acme, &user.core]).await.token;
    let readers = [
        ("nobody", None),
        ("a stranger", Some(eve.as_str())),
        ("another user", Some(other.token.as_str())),
        ("another user, signed in plainly", Some(bob_plainly.as_str())),
        ("the owner", Some(owner.as_str())),
    ];
    let check = async |granted: bool| {
        let mut refused = 0;
        for (path, cid, text) in &places {
            for core in [user.path.clone(), format!("/@{}", user.core)] {
                let place = Place { core: &core, path, cid, name: &name };
                let more = ["/-/heads", "/-/members", "/-/usage", "/-/cores", "/-/requests", "/-/remotes"];
                let routes = place.routes().into_iter().map(|(_exit, route)| route);
                for route in routes.chain(more.iter().map(|rest| format!("{core}{rest}"))) {
                    for (who, reader) in readers {
                        let answer = app.node.call_at("GET", &route, reader, &[]).await;
                        let told = answer.text();
                        let is_given = granted && who == "the owner" && *text == SHARED;
                        assert!(!told.contains(SECRET), "{who}: {route}: {told}");
                        assert!(is_given || !told.contains(text), "{who}: {route}: {told}");
                        refused += usize::from(!answer.status.is_success());
                        if who != "the owner" {
                            assert!(!answer.status.is_success(), "{who}: {route}: {told}");
                        }
                    }
                }
            }
        }
        refused
    };
    assert!(check(false).await > 300, "nothing was granted yet");
    let act = json!({ "grant": { "to": [app.owner.account()], "role": "parent", "can": ["read content/shared/**"] } });
    app.node.act(&ann, &user.token, &user.core, act).await.expect(201);
    check(true).await;
    let note = format!("{}/shared/note.txt", user.path);
    assert_eq!(app.node.get(&note, Some(&owner)).await.expect(200).text(), SHARED);
    assert!(app.enter(&ann).await.asks.is_none(), "it was granted");
    // Nobody writes there but the user.
    for (who, reader) in readers {
        let Some(token) = reader else { continue };
        for rest in ["/-/content/x", "/-/state/config/exposure", "/-/content/shared/x"] {
            let answer = app.node.put(&format!("{}{rest}", user.path), token, "{}").await;
            assert!(!answer.status.is_success(), "{who}: {rest}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_session_through_a_core_reaches_nothing_else() {
    let app = App::new(Some(&template(json!({})))).await;
    let ann = Person::new(2);
    // She has a private core with content, a shared core, and a session of her own.
    let own = app.node.sign_in(&ann).await;
    app.node.put(&format!("{}/-/content/diary", ann.core()), &own.token, SECRET).await.expect(201);
    let path = format!("{}/-/cores", ann.core());
    let shared: CoreMade =
        app.node.post(&path, Some(&own.token), &json!({ "name": "team" })).await.expect(201).json();
    let within = app.enter(&ann).await;
    for route in
        ["/diary", "/-/state", "/-/ops", "/-/car", "/-/cores", "/-/usage", "/-/members", "/-/requests"]
    {
        for core in [ann.core(), format!("/@{}", shared.core)] {
            let answer = app.node.get(&format!("{core}{route}"), Some(&within.token)).await;
            assert!(!answer.status.is_success(), "{core}{route}: {}", answer.text());
        }
    }
    let rpc = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_accounts" });
    for core in [ann.core(), format!("/@{}", shared.core)] {
        let answer = app.node.post(&format!("{core}/-/rpc"), Some(&within.token), &rpc).await;
        assert!(!answer.text().contains(&ann.account()), "{}", answer.text());
    }
    // Other sign-ins of hers are none of its business: it neither lists nor ends them.
    let sessions: SessionList = app.node.get("/-/session", Some(&within.token)).await.expect(200).json();
    assert_eq!(sessions.sessions.iter().map(|session| &session.id).collect::<Vec<_>>(), [&within.id]);
    let end = format!("/-/session/{}", own.id);
    app.node.call("DELETE", &end, Some(&within.token), &[], "").await.expect_problem(Code::NotFound);
    assert!(!app.node.get("/-/invites", Some(&within.token)).await.status.is_success());
    let sessions: SessionList = app.node.get("/-/session", Some(&own.token)).await.expect(200).json();
    assert_eq!(sessions.sessions.len(), 2, "her own lists both");
    // It cannot be asked to name what lies elsewhere, and makes no core outside of the parent.
    for core in [&own.core, &shared.core] {
        app.ask(&ann, &app.acme, &[core]).await.expect_problem(Code::BadRequest);
    }
    let (path, ask) = (format!("{}/-/cores", within.path), json!({ "name": "mine" }));
    let made: CoreMade = app.node.post(&path, Some(&within.token), &ask).await.expect(201).json();
    let challenge = app.ask(&ann, &app.acme, &[&app.acme, &made.core]).await.expect(200);
    let wider: SessionCreated = app.answer(&ann, &challenge).await.expect(201).json();
    assert_eq!(wider.cores.len(), 2);
    // Its end is written where it is at home.
    app.node.call("DELETE", "/-/session", Some(&within.token), &[], "").await.expect(204);
    app.node
        .get(&format!("{}/-/state", within.path), Some(&within.token))
        .await
        .expect_problem(Code::Unauthorized);
}

#[tokio::test]
async fn who_admits_nobody_reads_like_who_is_not_there() {
    let app = App::new(None).await;
    let ann = Person::new(2);
    let missing = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let told = |answer: &Answer| answer.expect_problem(Code::NotFound).detail;
    let none = told(&app.ask(&ann, missing, &[]).await);
    assert_eq!(told(&app.ask(&ann, &app.acme, &[]).await), none);
    for closed in [json!({}), json!({ "users": {} }), json!({ "user": { "asks": ["grant **"] } })] {
        let path = format!("/@{}/-/state/config/template", app.acme);
        let answer = app.node.put(&path, &app.token, closed.to_string()).await;
        assert!(answer.status.is_success() == (closed == json!({})), "{closed}: {}", answer.text());
        assert_eq!(told(&app.ask(&ann, &app.acme, &[]).await), none);
    }
    // Closed between the question and the answer.
    app.set("template", Some(&template(json!({})))).await;
    let challenge = app.ask(&ann, &app.acme, &[]).await.expect(200);
    app.set("exposure", Some(&json!({ "http": false }))).await;
    app.answer(&ann, &challenge).await.expect_problem(Code::NotFound);
    assert_eq!(told(&app.ask(&ann, &app.acme, &[]).await), none);
    let id: kubelt_core::CoreId = app.acme.parse().expect("an id");
    let user = kubelt_core::Genesis::User { root: ann.key.account(), parent: id }.id();
    assert!(app.node.store.genesis(&user).expect("reads").is_none(), "nothing was made");
}

#[tokio::test]
async fn a_template_asks_for_no_more_than_its_author_may() {
    let app = App::new(None).await;
    let (dan, ann) = (Person::new(4), Person::new(2));
    let can = ["put config/template", "read content/shared/**"];
    let act = json!({ "grant": { "to": [dan.account()], "role": "onboarding", "can": can } });
    app.node.act(&app.owner, &app.token, &app.acme, act).await.expect(201);
    let own = app.node.sign_in(&dan).await.token;
    let token = app.node.sign_in_to(&dan, Some(&own), &[&app.acme]).await.token;
    let wide =
        template(json!({ "asks": ["read content/shared/**", "read **", "put content/**", "replicate **"] }));
    let path = format!("/@{}/-/state/config/template", app.acme);
    app.node.put(&path, &token, wide.to_string()).await.expect(200);
    assert_eq!(app.enter(&ann).await.asks.expect("it asks").can, ["read content/shared/**"]);
    // The same by somebody who may all of it.
    app.set("template", Some(&wide)).await;
    assert_eq!(app.enter(&ann).await.asks.expect("it asks").can.len(), 4);
}
