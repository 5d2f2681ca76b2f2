//! Requests by HTTP alone: what others must agree to, what programs asked to be signed, and what is no vote.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{
    Code, CoreMade, DecidedView, RequestDetail, RequestList, RequestStanding, RequestView, Waiting,
};
use kubelt_core::{Body, Header, Signed};
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

/// Two cores of three owners, of whom two must agree.
struct World {
    node: TestNode,
    cores: [String; 2],
    people: Vec<(Person, String)>,
}

impl World {
    async fn new() -> Self {
        let node = TestNode::new();
        let people: Vec<Person> = (1..=3).map(Person::new).collect();
        let own = node.sign_in(&people[0]).await.token;
        let owners: Vec<String> = people[1..].iter().map(Person::account).collect();
        let mut cores = Vec::new();
        for name in ["acme", "other"] {
            let ask = json!({"name": name, "owners": owners, "threshold": 2});
            let made = node.post(&format!("{}/-/cores", people[0].core()), Some(&own), &ask).await;
            cores.push(made.expect(201).json::<CoreMade>().core);
        }
        let cores: [String; 2] = cores.try_into().expect("two");
        let mut signed_in = Vec::new();
        for person in people {
            let own = node.sign_in(&person).await.token;
            let session = node.sign_in_to(&person, Some(&own), &[&cores[0], &cores[1]]).await;
            signed_in.push((person, session.token));
        }
        Self { node, cores, people: signed_in }
    }

    fn at(&self, core: usize, below: &str) -> String {
        format!("/@{}/-/requests{below}", self.cores[core])
    }

    async fn ask(&self, who: usize, core: usize, body: &Value) -> Answer {
        self.node.post(&self.at(core, ""), Some(&self.people[who].1), body).await
    }

    /// Files a request to set the core's name.
    async fn file(&self, who: usize, core: usize, name: &str) -> RequestView {
        let act = json!({"act": {"put": {"path": "profile/name", "value": name}}});
        let filed: RequestList = self.ask(who, core, &json!({ "act": act })).await.expect(201).json();
        let Some(Waiting::Vote(request)) = filed.requests.into_iter().next() else { panic!("is filed") };
        request
    }

    async fn list(&self, who: usize, core: usize) -> Vec<Waiting> {
        let list = self.node.get(&self.at(core, ""), Some(&self.people[who].1)).await;
        list.expect(200).json::<RequestList>().requests
    }

    /// A vote as `who`'s wallet signs it.
    async fn signed(&self, who: usize, core: usize, id: &str, approve: bool) -> Value {
        let (person, token) = &self.people[who];
        let detail = self.node.get(&self.at(core, &format!("/{id}")), Some(token)).await.expect(200);
        let detail: RequestDetail = detail.json();
        let draft = if approve { detail.approve } else { detail.reject }.expect("may vote");
        let bytes = |text: &str| STANDARD.decode(text).expect("base64");
        let (header, body) = (bytes(&draft.header), bytes(&draft.body));
        let body = Body::decode(&body).expect("a body");
        let signed =
            person.key.sign_typed(Header::decode(&header).expect("a header"), &body).expect("is typed");
        json!({"signed": STANDARD.encode(signed.encode()), "body": draft.body})
    }

    async fn decide(&self, who: usize, core: usize, id: &str, word: &str, body: &Value) -> Answer {
        self.node.post(&self.at(core, &format!("/{id}/{word}")), Some(&self.people[who].1), body).await
    }
}

#[tokio::test]
async fn two_of_three_agree_and_it_is_done() {
    let world = World::new().await;
    let request = world.file(0, 0, "Acme").await;
    assert_eq!((request.agree, request.missing.len()), (1, 2));
    assert_eq!(world.list(1, 0).await, [Waiting::Vote(request.clone())]);
    assert!(world.list(1, 1).await.is_empty());
    world.decide(0, 0, &request.id, "finish", &json!({})).await.expect_problem(Code::VotesNeeded);
    world.decide(1, 0, &request.id, "finish", &json!({})).await.expect_problem(Code::Forbidden);
    world.decide(0, 0, &request.id, "approve", &json!({})).await.expect_problem(Code::Conflict);
    let one = world.at(0, &format!("/{}", request.id));
    let withdrawn = world.node.call("DELETE", &one, Some(&world.people[1].1), &[], "").await;
    withdrawn.expect_problem(Code::Forbidden);
    let vote = world.signed(1, 0, &request.id, true).await;
    let decided = world.decide(1, 0, &request.id, "approve", &json!({ "vote": vote })).await.expect(200);
    assert!(decided.json::<DecidedView>().done.is_some(), "{}", decided.text());
    assert!(world.list(0, 0).await.is_empty());
    let state: Value = world
        .node
        .get(&format!("/@{}/-/state/profile", world.cores[0]), Some(&world.people[2].1))
        .await
        .json();
    assert_eq!(state["entries"][0]["value"], "Acme");
    world.decide(2, 0, &request.id, "approve", &json!({})).await.expect_problem(Code::NotFound);
}

#[tokio::test]
async fn a_vote_counts_for_what_was_shown_and_nothing_else() {
    let world = World::new().await;
    let (one, two) = (world.file(0, 0, "Acme").await, world.file(0, 0, "Evil").await);
    let elsewhere = world.file(0, 1, "Acme").await;
    let vote = world.signed(1, 0, &one.id, true).await;
    let body = json!({ "vote": vote });
    // On another act, the other way round, and in another core.
    world.decide(1, 0, &two.id, "approve", &body).await.expect_problem(Code::BadOperation);
    world.decide(1, 0, &one.id, "reject", &body).await.expect_problem(Code::BadOperation);
    world.decide(1, 1, &elsewhere.id, "approve", &body).await.expect_problem(Code::BadOperation);
    world.decide(1, 1, &one.id, "approve", &body).await.expect_problem(Code::NotFound);
    let ops = json!({ "ops": [vote] });
    let posted =
        world.node.post(&format!("/@{}/-/ops", world.cores[1]), Some(&world.people[1].1), &ops).await;
    posted.expect_problem(Code::BadOperation);
    // With another proposal, or by somebody else, the signature is none.
    let bytes = |value: &Value| STANDARD.decode(value.as_str().expect("text")).expect("base64");
    let signed = Signed::decode(&bytes(&vote["signed"])).expect("is signed");
    let other = world.signed(1, 0, &two.id, true).await;
    let other_header = Signed::decode(&bytes(&other["signed"])).expect("is signed").header;
    let forged = Signed { header: other_header, ..signed.clone() };
    let forged = json!({"signed": STANDARD.encode(forged.encode()), "body": other["body"]});
    world
        .decide(1, 0, &two.id, "approve", &json!({ "vote": forged }))
        .await
        .expect_problem(Code::BadOperation);
    let header = Header { by: world.people[2].0.key.account(), ..signed.header.clone() };
    let stolen = Signed { header, ..signed };
    let stolen = json!({"signed": STANDARD.encode(stolen.encode()), "body": vote["body"]});
    world
        .decide(2, 0, &one.id, "approve", &json!({ "vote": stolen }))
        .await
        .expect_problem(Code::BadOperation);
    // Whoever posts it, the vote is the voter's; and twice is once.
    for who in [2, 1] {
        if let Some(Waiting::Vote(request)) =
            world.list(1, 0).await.into_iter().find(|waiting| waiting.id() == one.id)
        {
            assert_eq!(request.standing, RequestStanding::Waiting);
            world.decide(who, 0, &one.id, "approve", &body).await.expect(200);
        }
    }
    assert!(world.list(1, 0).await.iter().all(|waiting| waiting.id() == two.id));
    assert_eq!(world.list(1, 1).await.len(), 1, "nothing was decided elsewhere");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let world = World::new().await;
    let grant = |threshold: u8| {
        let to: Vec<String> = (8..10).map(|seed| Person::new(seed).account()).collect();
        json!({"act": {"act": {"grant": {"to": to, "threshold": threshold, "role": "developer"}}}})
    };
    for (threshold, fits) in [(0, false), (1, true), (2, true), (3, false)] {
        let answer = world.ask(0, 0, &grant(threshold)).await;
        match fits {
            true => drop(answer.expect(201)),
            false => drop(answer.expect_problem(Code::BadRequest)),
        }
    }
    let (person, token) = &world.people[0];
    let owners = [world.people[1].0.account()];
    let made = json!({"name": "large", "owners": owners, "threshold": 3});
    let answer = world.node.post(&format!("{}/-/cores", person.core()), Some(token), &made).await;
    answer.expect_problem(Code::BadRequest);
    let put = json!({"act": {"put": {"path": "profile/name", "value": "Acme"}}});
    for (lives_s, fits) in [(59, false), (60, true), (30 * 86_400, true), (30 * 86_400 + 1, false)] {
        let status = world.ask(0, 0, &json!({"act": put, "lives_s": lives_s})).await.status;
        assert_eq!(status.is_success(), fits, "{lives_s}");
    }
    world
        .ask(0, 0, &json!({"act": {"act": {"put": {"path": "..", "value": 1}}}}))
        .await
        .expect_problem(Code::BadPath);
    world.ask(0, 0, &json!({"act": {"publish": {}}})).await.expect_problem(Code::BadRequest);
    // In one's own core nobody else has to agree.
    let own =
        world.node.post(&format!("{}/-/requests", person.core()), Some(token), &json!({ "act": put })).await;
    own.expect_problem(Code::Conflict);
}

#[tokio::test]
async fn strangers_cannot_tell_a_request_from_none() {
    let world = World::new().await;
    let request = world.file(0, 0, "Acme").await;
    let stranger = world.node.sign_in(&Person::new(7)).await.token;
    let missing = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    for token in [None, Some(stranger.as_str())] {
        for below in [String::new(), format!("/{}", request.id), format!("/{missing}"), "/00".to_owned()] {
            let mut told = Vec::new();
            for core in [world.cores[0].as_str(), missing] {
                let path = format!("/@{core}/-/requests{below}");
                told.push(world.node.get(&path, token).await.expect_problem(Code::NotFound).detail);
            }
            assert_eq!(told[0], told[1], "{below}");
        }
        for word in ["approve", "reject", "finish"] {
            let path = world.at(0, &format!("/{}/{word}", request.id));
            world.node.post(&path, token, &json!({})).await.expect_problem(Code::NotFound);
        }
    }
    let vote = world.signed(1, 0, &request.id, true).await;
    let path = world.at(0, &format!("/{}/approve", request.id));
    world.node.post(&path, Some(&stranger), &json!({ "vote": vote })).await.expect_problem(Code::NotFound);
    assert_eq!(world.list(0, 0).await.len(), 1, "nothing has changed");
}

#[tokio::test]
async fn what_a_program_asked_for_stands_in_the_same_list() {
    let (node, person) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&person).await.token;
    let requests = format!("{}/-/requests", person.core());
    let sign =
        json!({"jsonrpc": "2.0", "id": 1, "method": "personal_sign", "params": ["hi", person.account()]});
    let rpc = format!("{}/-/rpc", person.core());
    for approves in [true, false] {
        let asking = node.post(&rpc, Some(&token), &sign);
        let answering = async {
            let request = loop {
                let list: RequestList = node.get(&requests, Some(&token)).await.expect(200).json();
                match list.requests.into_iter().next() {
                    Some(Waiting::Sign(request)) => break request,
                    Some(other) => panic!("{other:?}"),
                    None => tokio::task::yield_now().await,
                }
            };
            assert_eq!((request.method.as_str(), &request.params[0]), ("personal_sign", &json!("hi")));
            let one = format!("{requests}/{}", request.id);
            let detail: RequestDetail = node.get(&one, Some(&token)).await.expect(200).json();
            assert_eq!(detail.request, Waiting::Sign(request));
            if !approves {
                return node.post(&format!("{one}/reject"), Some(&token), &json!({})).await.expect(200);
            }
            let approve = format!("{one}/approve");
            node.post(&approve, Some(&token), &json!({})).await.expect_problem(Code::BadRequest);
            let wrong = json!({"result": person.sign("other")});
            node.post(&approve, Some(&token), &wrong).await.expect_problem(Code::Unprocessable);
            let other = node.sign_in(&Person::new(2)).await.token;
            let right = json!({"result": person.sign("hi")});
            node.post(&approve, Some(&other), &right).await.expect_problem(Code::NotFound);
            node.post(&approve, Some(&token), &right).await.expect(200)
        };
        let (asked, _answered) = tokio::join!(asking, answering);
        let asked: Value = asked.json();
        match approves {
            true => assert_eq!(asked["result"], person.sign("hi")),
            false => assert_eq!(asked["error"]["code"], 4_001),
        }
    }
}
