//! Cores of contracts: made of the parent and the contract alone, open to whoever holds what that gives out, and to nobody
//! else by any route. And gates that guard the making of cores.

use kubelt_api::{Code, ContentReceipt, CoreMade, CoreView};
use kubelt_core::{CoreId, Genesis, Principal, schema::ContractName};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Person, TestNode},
    routes::Place,
    token_chain::{COIN, ITEMS, NFT, OTHER, TokenChain},
    users::App,
};

const PAGE: &str = "for holders";
/// Longer than a gate keeps what was found.
const A_WHILE_MS: u64 = 16_000;

async fn post(app: &App, token: Option<&str>, name: &str) -> Answer {
    app.node.post(&format!("/@{}/-/cores", app.acme), token, &json!({ "name": name })).await
}

/// A parent that has cores of contracts, with one that has a page.
struct Club {
    app: App,
    chain: std::sync::Arc<TokenChain>,
    core: String,
    page: String,
    name: String,
}

impl Club {
    async fn new(contract: &str, template: Value) -> Self {
        let app = App::new(Some(&json!({ "contract": template }))).await;
        let chain = TokenChain::of(&app.node.node);
        let made: CoreMade = post(&app, Some(&app.token), contract).await.expect(201).json();
        assert!(made.named && made.puts.is_empty());
        let token = app.node.sign_in_to(&app.owner, Some(&app.token), &[&app.acme, &made.core]).await.token;
        let begin = json!({ "put": { "path": "profile/name", "value": "x" } });
        app.node.act(&app.owner, &token, &made.core, begin).await.expect(201);
        let at = format!("/@{}/-/content/site/page.html?visibility=public", made.core);
        let page = app.node.put(&at, &token, PAGE).await.expect(201).json::<ContentReceipt>().cid;
        let secret = format!("/@{}/-/content/site/draft.html?visibility=members", made.core);
        app.node.put(&secret, &token, "a draft").await.expect(201);
        let id = made.core.parse().expect("an id");
        let name = app.node.node.ipns.name_of(&id).await.expect("a name").to_string();
        Self { app: App { token, ..app }, chain, core: made.core, page, name }
    }

    fn addresses(&self, contract: &str) -> [String; 4] {
        let (acme, core) = (&self.app.acme, &self.core);
        let loud = contract.to_uppercase();
        [
            format!("/@{acme}/@{contract}"),
            format!("/@{acme}/@{loud}"),
            format!("/@{acme}/@{core}"),
            format!("/@{core}"),
        ]
    }

    async fn reader(&self, person: &Person) -> String {
        self.app.node.sign_in(person).await.token
    }

    /// Whether a reader gets the page where it is.
    async fn reads(&self, token: Option<&str>) -> bool {
        let answer = self.app.node.get(&format!("/@{}/site/page.html", self.core), token).await;
        assert!(answer.status == 200 || answer.status == 404, "{}", answer.text());
        answer.status == 200
    }

    /// The routes of one exit, or of all but it, by which a reader gets anything of what is for holders.
    async fn open_routes(&self, contract: &str, token: Option<&str>) -> Vec<(&'static str, String)> {
        let mut open = Vec::new();
        for core in &self.addresses(contract) {
            let place = Place { core, path: "site/page.html", cid: &self.page, name: &self.name };
            for (exit, route) in place.routes() {
                let answer = self.app.node.call_at("GET", &route, token, &[]).await;
                let told = answer.text();
                assert!(!told.contains("draft"), "{route}: {told}");
                let tells =
                    [PAGE, "page.html", "\"site/\"", &self.page].iter().any(|word| told.contains(word));
                if answer.status.is_success() && tells {
                    open.push((exit, route));
                }
            }
        }
        open
    }
}

#[tokio::test]
async fn holders_enter_by_http_and_nobody_else_by_any_route() {
    let club = Box::pin(Club::new(NFT, json!({}))).await;
    let (ann, eve) = (Person::new(2), Person::new(3));
    club.chain.give(NFT, 7, &ann, 1);
    let [first, second] = [club.reader(&ann).await, club.reader(&eve).await];
    let by_http = 4 * 7;
    for turn in 0..2 {
        let (holder, stranger) = if turn == 0 { (&first, &second) } else { (&second, &first) };
        let open = club.open_routes(NFT, Some(holder)).await;
        assert!(open.iter().filter(|(exit, _)| *exit == "http").count() >= by_http, "{open:?}");
        assert!(open.iter().all(|(exit, _)| *exit != "ipfs"), "{open:?}");
        for nobody in [None, Some(stranger.as_str())] {
            assert_eq!(club.open_routes(NFT, nobody).await, [], "{turn}");
            for core in &club.addresses(NFT) {
                club.app.node.get(core, nobody).await.expect_problem(Code::NotFound);
            }
        }
        // She is nobody's member there.
        for rest in ["/-/members", "/-/requests", "/-/gates", "/-/cores"] {
            let answer = club.app.node.get(&format!("/@{}{rest}", club.core), Some(holder)).await;
            assert!(
                !answer.status.is_success() || !answer.text().contains("0x"),
                "{rest}: {}",
                answer.text()
            );
        }
        let put = format!("/@{}/-/content/x", club.core);
        club.app.node.put(&put, holder, "x").await.expect_problem(Code::NotFound);
        // A transfer.
        club.chain.give(NFT, 7, &ann, 0);
        club.chain.give(NFT, 7, &eve, 1);
        club.app.node.pass(A_WHILE_MS);
    }
    // What closes the parent closes it to holders, too.
    assert!(club.reads(Some(&second)).await);
    club.app.put("config/exposure", Some(&json!({ "http": false }))).await;
    assert!(!club.reads(Some(&second)).await);
    club.app.put("config/exposure", Some(&json!({ "network": false, "ipfs": false }))).await;
    assert!(club.reads(Some(&second)).await);
    club.app.put(&format!("gates/{NFT}"), None).await;
    assert!(!club.reads(Some(&second)).await);
}

#[tokio::test]
async fn each_kind_of_contract_has_its_holders() {
    let one = |contract: &str, token: u64| format!("{contract}:{token}");
    let cases = [
        (NFT.to_owned(), NFT, 9, 1, json!({})),
        (one(NFT, 9), NFT, 9, 1, json!({})),
        (COIN.to_owned(), COIN, 0, 1, json!({ "keep": 1 })),
        (COIN.to_owned(), COIN, 0, 100, json!({ "if": { "erc20": { "min": "100" } } })),
        (one(ITEMS, 5), ITEMS, 5, 1, json!({})),
        (one(ITEMS, 5), ITEMS, 5, 3, json!({ "if": { "erc1155": { "min": "3" } } })),
        (ITEMS.to_owned(), ITEMS, 6, 1, json!({ "if": { "erc1155": { "token": "6" } } })),
    ];
    for (name, contract, token, amount, template) in cases {
        let club = Box::pin(Club::new(&name, template)).await;
        let (ann, eve) = (Person::new(2), Person::new(3));
        club.chain.give(contract, token, &ann, amount);
        club.chain.give(contract, token, &eve, amount - 1);
        // Another token opens it where every token does.
        club.chain.give(contract, 1_000, &eve, u64::from(name != *NFT && contract != COIN));
        let (holder, stranger) = (club.reader(&ann).await, club.reader(&eve).await);
        assert!(club.reads(Some(&holder)).await, "{name}");
        assert!(!club.reads(Some(&stranger)).await && !club.reads(None).await, "{name}");
    }
}

#[tokio::test]
async fn two_nodes_make_the_same_core_and_who_makes_it_again_finds_it() {
    let alice = Person::new(1);
    let mut made = Vec::new();
    for name in [NFT.to_owned(), NFT.to_uppercase()] {
        let node = TestNode::new();
        TokenChain::of(&node.node);
        let token = node.sign_in(&alice).await.token;
        let template = format!("{}/-/state/config/template", alice.core());
        node.put(&template, &token, json!({ "contract": {} }).to_string()).await.expect(200);
        let ask = json!({ "name": name, "child": true });
        let path = format!("{}/-/cores", alice.core());
        let first: CoreMade = node.post(&path, Some(&token), &ask).await.expect(201).json();
        let view: CoreView = node.get(&alice.core(), Some(&token)).await.expect(200).json();
        let again: CoreMade = node.post(&path, Some(&token), &ask).await.expect(201).json();
        assert_eq!(again, first);
        let after: CoreView = node.get(&alice.core(), Some(&token)).await.expect(200).json();
        assert_eq!(after.usage, view.usage, "nothing was written");
        made.push(first);
    }
    assert_eq!(made[0], made[1]);
}

#[tokio::test]
async fn where_there_can_be_no_core_of_a_contract_none_is_made_and_it_is_said_why() {
    let app = App::new(Some(&json!({ "user": {} }))).await;
    TokenChain::of(&app.node.node);
    let refused = async |name: &str, code: Code, says: &str| {
        let problem = post(&app, Some(&app.token), name).await.expect_problem(code);
        assert!(problem.detail.contains(says), "{name}: {}", problem.detail);
    };
    refused(NFT, Code::Conflict, "config/template").await;
    app.put("config/template", Some(&json!({ "contract": {} }))).await;
    refused(OTHER, Code::BadRequest, "no ERC-20").await;
    refused(ITEMS, Code::BadRequest, &format!("{ITEMS}:7")).await;
    refused(&format!("{COIN}:7"), Code::BadRequest, "no tokens with numbers").await;
    refused(&NFT.replace("1:0x", "10:0x"), Code::Unavailable, "chain 10").await;
    refused("1:0xab", Code::BadRequest, "no name for a core").await;
    let path = format!("/@{}/-/cores", app.acme);
    for more in
        [json!({ "owners": [app.owner.account()] }), json!({ "threshold": 1 }), json!({ "title": "x" })]
    {
        let mut ask = json!({ "name": NFT });
        ask.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        app.node.post(&path, Some(&app.token), &ask).await.expect_problem(Code::BadRequest);
    }
    // Strangers, and members who may not write what names it.
    let eve = app.node.sign_in_to(&Person::new(9), None, &[&app.acme]).await.token;
    post(&app, Some(&eve), NFT).await.expect_problem(Code::NotFound);
    let ann = Person::new(2);
    let act = json!({ "grant": { "to": [ann.account()], "role": "namer", "can": ["put cores/**"] } });
    app.node.act(&app.owner, &app.token, &app.acme, act).await.expect(201);
    let own = app.node.sign_in(&ann).await.token;
    let namer = app.node.sign_in_to(&ann, Some(&own), &[&app.acme]).await.token;
    post(&app, Some(&namer), NFT).await.expect_problem(Code::Forbidden);
    let list = app.node.get(&format!("{path}?"), Some(&app.token)).await.expect(200).text();
    assert!(!list.contains("0x"), "{list}");
}

#[tokio::test]
async fn who_does_not_pass_the_gate_gets_no_core_of_a_user_and_learns_why() {
    let app = App::new(Some(&json!({ "user": { "gate": "club" } }))).await;
    let chain = TokenChain::of(&app.node.node);
    let (ann, eve) = (Person::new(2), Person::new(3));
    let acme: CoreId = app.acme.parse().expect("an id");
    let is_made = |person: &Person| {
        let id = Genesis::User { root: person.key.account(), parent: acme }.id();
        app.node.store.genesis(&id).expect("reads").is_some()
    };
    let enters = async |person: &Person| {
        let challenge = app.ask(person, &app.acme, &[]).await.expect(200);
        app.answer(person, &challenge).await
    };
    let refused = enters(&ann).await.expect_problem(Code::Forbidden);
    assert!(refused.detail.contains("`club`") && refused.detail.contains("not there"), "{}", refused.detail);
    let contract = NFT.split_once(':').expect("has a chain").1;
    let mut gate =
        json!({ "opens": ["content/club/**"], "if": { "erc721": { "chain": 1, "contract": contract } } });
    app.put("gates/club", Some(&gate)).await;
    chain.give(NFT, 7, &ann, 1);
    let refused = enters(&eve).await.expect_problem(Code::Forbidden);
    assert!(!refused.detail.contains(contract), "the gate is not shown: {}", refused.detail);
    gate["shown"] = json!(true);
    app.put("gates/club", Some(&gate)).await;
    let refused = enters(&eve).await.expect_problem(Code::Forbidden);
    assert!(refused.detail.contains(contract) && refused.detail.contains("it has 0"), "{}", refused.detail);
    assert!(!is_made(&eve), "nothing was made");
    let sessions = app.node.get("/-/session", None).await;
    assert!(!sessions.status.is_success());
    enters(&ann).await.expect(201);
    assert!(is_made(&ann));
    // Whoever has a core keeps it, and reaches it by another sign-in, once the token is somebody else's.
    let user = Genesis::User { root: ann.key.account(), parent: acme }.id().to_string();
    chain.give(NFT, 7, &ann, 0);
    chain.give(NFT, 7, &eve, 1);
    app.node.pass(A_WHILE_MS);
    enters(&ann).await.expect_problem(Code::Forbidden);
    enters(&eve).await.expect(201);
    let token = app.node.sign_in_to(&ann, None, &[&user]).await.token;
    app.node.put(&format!("/@{user}/-/content/a"), &token, "mine").await.expect(201);
}

#[tokio::test]
async fn children_are_made_by_who_passes_the_gate_of_their_name() {
    let app = App::new(Some(&json!({ "children": { "free": "all", "*": "makers" }, "contract": {} }))).await;
    let chain = TokenChain::of(&app.node.node);
    let contract = COIN.split_once(':').expect("has a chain").1;
    let coins = json!({ "erc20": { "chain": 1, "contract": contract, "min": "5" } });
    let gate = |condition: Value| json!({ "opens": ["cores/**"], "if": condition, "shown": true });
    app.put("gates/makers", Some(&gate(coins.clone()))).await;
    app.put("gates/all", Some(&gate(json!({ "not": coins })))).await;
    for name in ["club", NFT] {
        let refused = post(&app, Some(&app.token), name).await.expect_problem(Code::Forbidden);
        assert!(
            refused.detail.contains("`makers`") && refused.detail.contains("it has 0"),
            "{}",
            refused.detail
        );
    }
    post(&app, Some(&app.token), "free").await.expect(201);
    chain.give(COIN, 0, &app.owner, 5);
    app.node.pass(A_WHILE_MS);
    for name in ["club", NFT] {
        post(&app, Some(&app.token), name).await.expect(201);
    }
}

#[tokio::test]
async fn who_claims_a_parent_that_does_not_name_it_is_nobodys_child() {
    let club = Club::new(NFT, json!({})).await;
    let (app, mallory) = (&club.app, Person::new(9));
    let (acme, root) = (app.acme.parse().expect("an id"), Principal::One(mallory.key.account()));
    let contract = |name: &str| -> ContractName { name.parse().expect("names one") };
    let plain =
        Genesis::Shared { root: root.clone(), parent: Some(acme), name: "widget".to_owned(), nonce: [7; 16] };
    let claims = [
        plain,
        // The core of a contract that has one there, and of one that has none.
        contract(NFT).genesis(acme, root.clone()),
        contract(COIN).genesis(acme, root),
    ];
    for genesis in claims {
        let core = genesis.id();
        // As if it had come from another node.
        let mut tx = app.node.store.begin();
        tx.put_core(&core, &genesis.encode()).expect("is stored");
        tx.commit().await.expect("is stored");
        let id = core.to_string();
        let token = app.node.sign_in_to(&mallory, None, &[&id]).await.token;
        let begin = json!({ "put": { "path": "profile/name", "value": "hers" } });
        app.node.act(&mallory, &token, &id, begin).await.expect(201);
        let at = format!("/@{id}/-/content/site/page.html?visibility=public");
        let page = app.node.put(&at, &token, "trust me").await.expect(201).json::<ContentReceipt>().cid;
        assert_eq!(app.node.get(&format!("/@{id}/site/page.html"), Some(&token)).await.text(), "trust me");
        let name = app.node.node.ipns.name_of(&core).await.expect("a name").to_string();
        for address in [format!("/@{id}"), format!("/@{acme}/@{id}")] {
            let place = Place { core: &address, path: "site/page.html", cid: &page, name: &name };
            for (_exit, route) in place.routes() {
                for reader in [None, Some(app.token.as_str())] {
                    let answer = app.node.call_at("GET", &route, reader, &[]).await;
                    let told = answer.text();
                    assert!(!told.contains("trust me") && !told.contains("page.html"), "{route}: {told}");
                    assert!(!answer.status.is_success(), "{route}: {told}");
                }
            }
        }
        let by_contract = format!("/@{acme}/@{COIN}/site/page.html");
        app.node.get(&by_contract, Some(&token)).await.expect_problem(Code::NotFound);
        // She cannot have the parent name it.
        let naming = format!("/@{acme}/-/state/cores/widget");
        let value = json!({ "core": { "/": id } }).to_string();
        app.node.put(&naming, &token, value).await.expect_problem(Code::NotFound);
        let list = app.node.get(&format!("/@{acme}/-/cores"), Some(&app.token)).await.expect(200).text();
        assert!(!list.contains(&id), "{list}");
    }
}
