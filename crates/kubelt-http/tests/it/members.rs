//! Cores of several people as clients meet them, and what strangers get of them: nothing.

use axum::body::Body;
use kubelt_api::{
    AcceptedView, Challenge, Code, CoreMade, DraftList, InviteList, MemberList, NamedCoreList, OpReceipts,
    OwnInviteList, RoleList, SessionCreated, SessionEnded, SessionList,
};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Person, TestNode},
    routes::Place,
};

impl TestNode {
    /// Signs in to the own core and to others.
    pub(crate) async fn sign_in_to(
        &self,
        person: &Person,
        token: Option<&str>,
        cores: &[&str],
    ) -> SessionCreated {
        let cores: Vec<Value> = cores.iter().map(|core| json!({ "core": core })).collect();
        let ask = json!({ "account": person.account(), "cores": cores });
        let challenge: Challenge = self.post("/-/session/challenge", token, &ask).await.expect(200).json();
        let signature = person.sign(&challenge.message);
        let answer = json!({ "message": challenge.message, "signature": signature });
        self.post("/-/session", None, &answer).await.expect(201).json()
    }

    /// Has an act drafted, signs it like a wallet in a browser, and posts it.
    pub(crate) async fn act(&self, person: &Person, token: &str, core: &str, act: Value) -> Answer {
        let answer = self.post(&format!("/@{core}/-/drafts"), Some(token), &json!({ "act": act })).await;
        if answer.status != 200 {
            return answer;
        }
        let drafts: DraftList = answer.json();
        let ops: Vec<Value> = drafts
            .drafts
            .iter()
            .map(|draft| {
                json!({ "header": draft.header, "body": draft.body, "signature": person.sign(&draft.text) })
            })
            .collect();
        self.post(&format!("/@{core}/-/ops"), Some(token), &json!({ "ops": ops })).await
    }
}

/// A shared core with people in it.
pub(crate) struct Team {
    pub(crate) node: TestNode,
    pub(crate) core: String,
    pub(crate) root: Person,
    pub(crate) token: String,
}

impl Team {
    pub(crate) async fn new() -> Self {
        let (node, root) = (TestNode::new(), Person::new(1));
        let own = node.sign_in(&root).await.token;
        let ask = json!({ "name": "acme", "title": "Acme Corp" });
        let made: CoreMade =
            node.post(&format!("{}/-/cores", root.core()), Some(&own), &ask).await.expect(201).json();
        let token = node.sign_in_to(&root, Some(&own), &[&made.core]).await.token;
        let name = json!({ "put": { "path": "profile/name", "value": "Acme" } });
        node.act(&root, &token, &made.core, name).await.expect(201);
        Self { node, core: made.core, root, token }
    }

    async fn invite(&self, to: &Person, role: &str) -> String {
        let act = json!({ "grant": { "to": [to.account()], "role": role } });
        let receipts: OpReceipts =
            self.node.act(&self.root, &self.token, &self.core, act).await.expect(201).json();
        receipts.ops[0].id.clone()
    }

    pub(crate) async fn member(&self, person: &Person, role: &str) -> String {
        self.invite(person, role).await;
        let own = self.node.sign_in(person).await.token;
        self.node.sign_in_to(person, Some(&own), &[&self.core]).await.token
    }
}

#[tokio::test]
async fn a_core_is_made_people_are_invited_and_each_step_is_seen() {
    let team = Team::new().await;
    let (node, core, ann) = (&team.node, &team.core, Person::new(2));
    let named: NamedCoreList =
        node.get(&format!("{}/-/cores", team.root.core()), Some(&team.token)).await.expect(200).json();
    assert_eq!((named.cores[0].name.as_str(), &named.cores[0].core), ("acme", core));
    assert_eq!(named.cores[0].roles, ["root"]);
    // The name leads there, for whoever may read it.
    let by_name = format!("{}/@acme", team.root.core());
    let view: Value = node.get(&by_name, Some(&team.token)).await.expect(200).json();
    assert_eq!(
        (&view["core"], &view["kind"], &view["name"]),
        (&json!(core), &json!("shared"), &json!("Acme Corp"))
    );
    for token in [None, Some(node.sign_in(&ann).await.token.as_str())] {
        node.get(&by_name, token).await.expect_problem(Code::NotFound);
    }

    let grant = team.invite(&ann, "developer").await;
    let invites: InviteList =
        node.get(&format!("/@{core}/-/invites"), Some(&team.token)).await.expect(200).json();
    assert_eq!(invites.invites[0].member.grant, grant);
    assert_eq!(invites.invites[0].link, format!("kubelt://{core}?grant={grant}"));
    let own = node.sign_in(&ann).await.token;
    let waiting: OwnInviteList = node.get("/-/invites", Some(&own)).await.expect(200).json();
    assert_eq!(
        (&waiting.invites[0].core, waiting.invites[0].roles.as_slice()),
        (core, &["developer".to_owned()][..])
    );
    let accept = json!({ "core": core });
    let accepted: AcceptedView = node.post("/-/invites", Some(&own), &accept).await.expect(200).json();
    assert_eq!((accepted.name.as_str(), accepted.known), ("acme-corp", false));
    assert!(node.post("/-/invites", Some(&own), &accept).await.expect(200).json::<AcceptedView>().known);
    let eve = node.sign_in(&Person::new(9)).await.token;
    let missing = json!({ "core": "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" });
    let (there, absent) = (
        node.post("/-/invites", Some(&eve), &accept).await,
        node.post("/-/invites", Some(&eve), &missing).await,
    );
    let told = |answer: &Answer| answer.expect_problem(Code::NotFound).detail;
    assert_eq!(told(&there), told(&absent));

    let session = node.sign_in_to(&ann, Some(&own), &[core]).await;
    assert_eq!(session.cores[0].core, *core);
    let handed = session.cores[0].abilities.clone().expect("it says what");
    assert!(
        handed.contains(&"put content/**".to_owned()) && !handed.contains(&"put **".to_owned()),
        "{handed:?}"
    );
    let list: MemberList =
        node.get(&format!("/@{core}/-/members"), Some(&session.token)).await.expect(200).json();
    assert!(list.begun);
    assert_eq!((list.root.of.as_slice(), list.members.len()), (&[team.root.account()][..], 1));
    assert_eq!((list.members[0].by.clone(), &list.members[0].grant), (team.root.account(), &grant));
    assert!(
        list.members[0].may.contains(&"write at \"content\" and below it".to_owned()),
        "{:?}",
        list.members[0].may
    );
    node.put(&format!("/@{core}/-/content/site/a?visibility=members"), &session.token, "a").await.expect(201);
    node.put(&format!("/@{core}/-/state/config/x"), &session.token, "1")
        .await
        .expect_problem(Code::Forbidden);
    let act = json!({ "grant": { "to": [Person::new(3).account()], "role": "reader" } });
    node.act(&ann, &session.token, core, act).await.expect_problem(Code::Forbidden);

    node.act(&team.root, &team.token, core, json!({ "remove": { "account": ann.account() } }))
        .await
        .expect(201);
    node.get(&format!("/@{core}/-/content/site/a"), Some(&session.token))
        .await
        .expect_problem(Code::NotFound);
    node.get(&format!("/@{core}/-/members"), Some(&session.token)).await.expect_problem(Code::NotFound);
}

#[tokio::test]
async fn what_members_see_strangers_do_not_on_any_route() {
    let team = Team::new().await;
    let (node, core) = (&team.node, format!("/@{}", team.core));
    let (reader, press) = (Person::new(2), Person::new(3));
    let reader = team.member(&reader, "reader").await;
    let act =
        json!({ "grant": { "to": [press.account()], "role": "press", "can": ["put content/press/**"] } });
    node.act(&team.root, &team.token, &team.core, act).await.expect(201);
    let press_own = node.sign_in(&press).await.token;
    let press = node.sign_in_to(&press, Some(&press_own), &[&team.core]).await.token;
    // A stranger may name the core in a sign-in as much as they like.
    let eve = node.sign_in_to(&Person::new(9), None, &[&team.core]).await.token;
    let put = format!("{core}/-/content/site/page.html?visibility=members");
    let receipt: kubelt_api::ContentReceipt =
        node.put(&put, &team.token, "for members").await.expect(201).json();
    node.put(&format!("{core}/-/content/secret?visibility=private"), &team.token, "for the root")
        .await
        .expect(201);
    let id = team.core.parse().expect("a core id");
    let name = node.node.ipns.name_of(&id).await.expect("a name").to_string();
    let place = Place { core: &core, path: "site/page.html", cid: &receipt.cid, name: &name };
    for (exit, route) in place.routes() {
        for (who, token) in [("anybody", None), ("eve", Some(&eve)), ("press", Some(&press))] {
            let answer = node.call_at("GET", &route, token.map(String::as_str), &[]).await;
            // Whoever has a part may know that the core is there, but not what it has no part in.
            let knows = who == "press" && route == core;
            // A name without a record is said to lead nowhere, as for any core that publishes nothing.
            let closed = answer.status == 404 || (answer.status == 502 && route.contains("ipns"));
            assert!(knows || closed, "{who} at {exit} {route}: {}", answer.text());
            assert!(
                !answer.text().contains("for members") && !answer.text().contains("page.html"),
                "{route}"
            );
        }
    }
    for token in [&reader, &team.token] {
        let read = node.get(&format!("{core}/site/page.html"), Some(token)).await.expect(200);
        assert_eq!(
            (read.text().as_str(), read.header("cache-control")),
            ("for members", Some("private, no-store"))
        );
        assert_eq!(
            node.get(&format!("/ipfs/{}", receipt.cid), Some(token)).await.expect(200).text(),
            "for members"
        );
        let listed = node.get(&format!("{core}/-/content/?list"), Some(token)).await.expect(200).text();
        assert!(listed.contains("site"), "{listed}");
        assert_eq!(listed.contains("secret"), token == &team.token, "{listed}");
    }
    node.get(&format!("{core}/secret"), Some(&reader)).await.expect_problem(Code::NotFound);
    node.get(&format!("{core}/secret"), Some(&team.token)).await.expect(200);
    // Its log is for those who may hold a copy.
    for route in ["/-/ops", "/-/heads", "/-/car", "/-/usage"] {
        node.get(&format!("{core}{route}"), Some(&reader)).await.expect(404);
        node.get(&format!("{core}{route}"), Some(&team.token)).await.expect(200);
    }
}

#[tokio::test]
async fn what_a_shared_core_says_to_strangers_is_what_a_missing_one_says() {
    let team = Team::new().await;
    let node = &team.node;
    let eve = node.sign_in_to(&Person::new(9), None, &[&team.core]).await.token;
    let nobody = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let act = json!({ "act": { "resign": {} } });
    let new = json!({ "name": "acme" });
    let posts: [(&str, &Value); 4] =
        [("drafts", &act), ("cores", &new), ("members", &act), ("invites", &json!({}))];
    for token in [None, Some(eve.as_str())] {
        for (route, body) in posts {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                let ask = async |core: &str| {
                    let json = [("content-type", "application/json")];
                    let path = format!("/@{core}/-/{route}");
                    let answer = node.call(method, &path, token, &json, Body::from(body.to_string())).await;
                    let problem: kubelt_api::Problem = answer.json();
                    (answer.status, problem.kind, problem.detail)
                };
                assert_eq!(ask(&team.core).await, ask(nobody).await, "{method} {route} as {token:?}");
            }
        }
    }
    // A sign-in of the very account is told nothing before it has signed.
    let ask = |core: &str| json!({ "account": Person::new(1).account(), "cores": [{ "core": core }] });
    let handed = async |core: &str| {
        let made: Challenge = node.post("/-/session/challenge", None, &ask(core)).await.expect(200).json();
        made.message.matches("'core':").count()
    };
    assert_eq!(handed(&team.core).await, handed(nobody).await);
}

#[tokio::test]
async fn acts_that_make_no_sense_are_refused_with_a_remedy() {
    let team = Team::new().await;
    let grant = |value: Value| json!({ "grant": value });
    let ann = Person::new(2).account();
    let cases = [
        (grant(json!({ "to": [ann], "role": "boss" })), Code::BadRequest, "there is no role `boss`"),
        (
            grant(json!({ "to": [ann], "role": "owner", "can": ["read **"] })),
            Code::BadRequest,
            "another name",
        ),
        (grant(json!({ "to": [ann] })), Code::BadRequest, "say which role"),
        (grant(json!({ "to": ["ann.eth"], "role": "reader" })), Code::NotImplemented, "write the address"),
        (grant(json!({ "to": ["0x12"], "role": "reader" })), Code::BadRequest, "40 hex digits"),
        (grant(json!({ "to": [], "role": "reader" })), Code::BadRequest, "1 to 64"),
        (grant(json!({ "to": [ann], "threshold": 2, "role": "reader" })), Code::BadRequest, "choose 1 to 1"),
        (json!({ "rotate": { "owners": [ann], "threshold": 3 } }), Code::BadRequest, "choose 1 to 1"),
        (json!({ "remove": { "account": ann } }), Code::NotFound, "no part of its own"),
        (json!({ "remove": { "account": team.root.account() } }), Code::Conflict, "handed over as a whole"),
        (json!({ "resign": {} }), Code::Conflict, "handed over as a whole"),
        (json!({ "revoke": { "grant": "x" } }), Code::BadRequest, "not an id"),
        (json!({ "put": { "path": "cores/a.b", "value": { "core": "x" } } }), Code::BadOperation, "must be"),
        (json!({ "fly": {} }), Code::BadRequest, "not the JSON expected"),
    ];
    for (act, code, words) in cases {
        let detail =
            team.node.act(&team.root, &team.token, &team.core, act.clone()).await.expect_problem(code).detail;
        assert!(detail.contains(words), "{act}: {detail}");
    }
    let many: Vec<String> = (0..=64).map(|n| format!("0x{n:040x}")).collect();
    let act = grant(json!({ "to": many, "role": "reader" }));
    team.node.act(&team.root, &team.token, &team.core, act).await.expect_problem(Code::BadRequest);
    // A signature of somebody else, and one over another operation.
    let path = format!("/@{}/-/drafts", team.core);
    let ask = json!({ "act": grant(json!({ "to": [ann], "role": "reader" })) });
    let drafts: DraftList = team.node.post(&path, Some(&team.token), &ask).await.expect(200).json();
    let draft = &drafts.drafts[0];
    for signature in [Person::new(5).sign(&draft.text), team.root.sign("another text")] {
        let op = json!({ "header": draft.header, "body": draft.body, "signature": signature });
        let path = format!("/@{}/-/ops", team.core);
        let posted = team.node.post(&path, Some(&team.token), &json!({ "ops": [op] })).await;
        posted.expect_problem(Code::BadOperation);
    }
    let roles: RoleList = team.node.get("/-/roles", None).await.expect(200).json();
    assert_eq!(roles.roles.len(), 5);
}

#[tokio::test]
async fn one_sign_in_covers_several_cores_and_its_end_reaches_all_of_them() {
    let team = Team::new().await;
    let node = &team.node;
    let second: CoreMade = node
        .post(&format!("{}/-/cores", team.root.core()), Some(&team.token), &json!({ "name": "widget" }))
        .await
        .expect(201)
        .json();
    let both = node.sign_in_to(&team.root, Some(&team.token), &[&team.core, &second.core]).await;
    assert_eq!(both.cores.len(), 2);
    for core in [&team.core, &second.core] {
        node.put(&format!("/@{core}/-/content/a"), &both.token, "a").await.expect(201);
        let logged = node.get(&format!("/@{core}/-/ops"), Some(&both.token)).await.expect(200);
        assert!(
            logged.json::<Value>()["ops"]
                .as_array()
                .is_some_and(|ops| ops.iter().any(|op| op["login"].is_string()))
        );
    }
    // A session that was not handed a core is a stranger there, whoever has it.
    let own = node.sign_in(&team.root).await.token;
    node.get(&format!("/@{}/-/members", team.core), Some(&own)).await.expect_problem(Code::NotFound);
    let sessions: SessionList = node.get("/-/session", Some(&own)).await.expect(200).json();
    let shown = sessions.sessions.iter().find(|session| session.id == both.id).expect("it stands");
    assert_eq!(shown.cores.len(), 2);
    let place = format!("/-/session/{}", both.id);
    let ended = node.call("DELETE", &place, Some(&team.token), &[], Body::empty()).await;
    let ended: SessionEnded = ended.expect(200).json();
    assert_eq!(ended.left, [second.core.as_str()], "the session that ends it does not cover this one");
    node.get(&format!("/@{}/-/members", team.core), Some(&both.token))
        .await
        .expect_problem(Code::Unauthorized);
    for core in [&team.core, &second.core] {
        let logged = node.get(&format!("/@{core}/-/ops?order=desc&limit=1"), Some(&team.token)).await;
        if core == &team.core {
            assert_eq!(logged.expect(200).json::<Value>()["ops"][0]["verb"], "logout");
        }
    }
    // The account itself says so in a core's log, too, of any session.
    let end = json!({ "logout": { "session": both.id } });
    node.act(&team.root, &team.token, &team.core, end).await.expect(201);
    // The wallet alone ends it where it has not ended yet, one core after the other, and then nothing is left.
    for rounds in [1, 0] {
        let ask = json!({ "account": team.root.account(), "session": both.id });
        let first: Challenge = node.post("/-/session/end/challenge", None, &ask).await.expect(200).json();
        let mut signed = 0;
        let mut waiting = vec![first];
        while let Some(challenge) = waiting.pop() {
            let signature = team.root.sign(&challenge.message);
            let answer = json!({ "nonce": challenge.nonce, "signature": signature });
            let ended = node.post("/-/session/end", None, &answer).await;
            if ended.status == 200 {
                waiting.extend(ended.json::<SessionEnded>().more);
            }
            signed += 1;
        }
        assert_eq!(signed, 1 + rounds);
    }
    let logged = node.get(&format!("/@{}/-/heads", second.core), None).await;
    assert_ne!(logged.status, 200, "strangers still see nothing of it");
    let whole = node.sign_in_to(&team.root, Some(&team.token), &[&second.core]).await.token;
    let logged = node.get(&format!("/@{}/-/ops?order=desc&limit=1", second.core), Some(&whole)).await;
    assert_eq!(logged.expect(200).json::<Value>()["ops"][0]["verb"], "logout");
}

#[tokio::test]
async fn a_token_for_a_shared_core_does_one_thing_and_sees_nobody() {
    let team = Team::new().await;
    let (node, core) = (&team.node, &team.core);
    let ask = json!({
        "account": team.root.account(), "abilities": [], "life_seconds": 31_536_000,
        "cores": [{ "core": core, "abilities": ["put content/site/**", "read content/site/**"] }],
    });
    let challenge: Challenge = node.post("/-/session/challenge", None, &ask).await.expect(200).json();
    let answer = json!({ "message": challenge.message, "signature": team.root.sign(&challenge.message) });
    let token = node.post("/-/session", None, &answer).await.expect(201).json::<SessionCreated>().token;
    node.put(&format!("/@{core}/-/content/site/a"), &token, "a").await.expect(201);
    node.put(&format!("/@{core}/-/content/b"), &token, "b").await.expect_problem(Code::Forbidden);
    node.put(&format!("{}/-/content/a", team.root.core()), &token, "a").await.expect_problem(Code::NotFound);
    for route in ["members", "invites", "ops", "cores"] {
        node.get(&format!("/@{core}/-/{route}"), Some(&token)).await.expect_problem(Code::NotFound);
    }
    node.get("/-/invites", Some(&token)).await.expect_problem(Code::Forbidden);
    let too_many: Vec<Value> = (0..65).map(|_| json!({ "core": core, "abilities": ["read **"] })).collect();
    let ask = json!({ "account": team.root.account(), "cores": too_many });
    node.post("/-/session/challenge", None, &ask).await.expect_problem(Code::BadRequest);
    let ask =
        json!({ "account": team.root.account(), "cores": [{ "core": core, "abilities": ["grant **"] }] });
    let refused = node.post("/-/session/challenge", None, &ask).await.expect_problem(Code::BadRequest);
    assert!(refused.detail.contains("not for sessions"), "{}", refused.detail);
}

#[tokio::test]
async fn a_shared_core_pays_for_itself() {
    let team = Team::new().await;
    let (node, core, ann) = (&team.node, &team.core, Person::new(2));
    let ann_token = team.member(&ann, "developer").await;
    let used = async |core: &str, token: &str| {
        let view: Value = node.get(core, Some(token)).await.expect(200).json();
        view["usage"]["block_bytes"].as_u64().expect("for its people")
    };
    let (shared, own) = (format!("/@{core}"), ann.core());
    let (before, own_before) = (used(&shared, &team.token).await, used(&own, &ann_token).await);
    node.put(&format!("{shared}/-/content/site/a"), &ann_token, vec![7; 5_000]).await.expect(201);
    assert!(used(&shared, &team.token).await >= before + 5_000);
    assert_eq!(used(&own, &ann_token).await, own_before, "her own core pays nothing");
}
