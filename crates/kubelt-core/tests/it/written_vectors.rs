//! Vectors that this crate writes for other implementations of the log: `spec/vectors/merge.json` and
//! `spec/vectors/core-log.json`. They are a function of the code; a file that differs fails, and
//! `KUBELT_WRITE_VECTORS=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipld_core::ipld::Ipld;
use kubelt_core::{
    Ability, Act, Body, Entry, EoaKey, Genesis, Header, Hlc, Login, LoginFacts, MapState, Principal,
    PublicKey, Refusal, Scheme, SessionKey, SignIn, Signed, Verb, words,
};
use serde_json::{Value, json};

use crate::{dice::Dice, history::History};

const NOW_MS: u64 = 1_800_000_000_000;
const HISTORIES: u64 = 14;
const STEPS: usize = 56;

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

/// One value a line, so that a change shows where it is.
#[allow(clippy::disallowed_methods, reason = "vectors are files; the crate itself has none")]
fn check_written(name: &str, source: &str, sections: &[(&str, Vec<Value>)]) {
    let mut text = format!("{{\n\"source\": {}", json!(source));
    for (section, cases) in sections {
        let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
        text.push_str(&format!(",\n\"{section}\": [\n{}\n]", lines.join(",\n")));
    }
    text.push_str("\n}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors").join(name);
    if std::env::var_os("KUBELT_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).expect("the vectors can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "`spec/vectors/{name}` differs from what the code says; run `cargo xtask codegen`"
    );
}

fn facts(login: &LoginFacts) -> Value {
    json!({
        "id": login.id.to_string(),
        "account": login.account.to_string(),
        "abilities": texts(&login.abilities),
        "issued_ms": login.issued_ms,
        "from_ms": login.from_ms,
        "expires_ms": login.expires_ms,
        "heads": texts(&login.heads),
    })
}

fn parts(entry: &Entry) -> (String, String) {
    let body = entry.body().expect("bodies are here").encode();
    (base64(&entry.header().encode()), base64(&body))
}

/// The name of a refusal.
fn code(refusal: &Refusal) -> String {
    let name = format!("{refusal:?}");
    name.chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn history(seed: u64) -> Value {
    let history = History::generate(&mut Dice::seeded(seed), STEPS);
    let mut state = MapState::new();
    let mut ops = Vec::new();
    let mut logins: BTreeMap<_, _> = BTreeMap::new();
    for entry in &history.entries {
        let effective = history.log.is_effective(&entry.id());
        state.enter(entry, effective);
        let (header, body) = parts(entry);
        ops.push(json!([header, body, effective]));
    }
    let mut refused = Vec::new();
    for (entry, refusal) in &history.refused {
        let (header, body) = parts(entry);
        refused.push(json!([header, body, code(refusal)]));
    }
    let all = history.entries.iter().chain(history.refused.iter().map(|(entry, _)| entry));
    for login in all.filter_map(Entry::login) {
        logins.insert(login.id, facts(login));
    }
    let root = match history.log.root() {
        Principal::One(account) => json!(account.to_string()),
        Principal::Threshold { m, of } => json!({ "m": m, "of": texts(of) }),
    };
    json!({
        "seed": seed,
        "genesis": base64(&history.genesis.encode()),
        "logins": logins.into_values().collect::<Vec<_>>(),
        "ops": ops,
        "refused": refused,
        "heads": texts(history.log.heads()),
        "root": root,
        "grants": texts(history.log.grants().map(|grant| grant.id).collect::<BTreeSet<_>>()),
        "state": state.winners().map(|(path, winner)| json!([path.to_string(), winner.id.to_string()])).collect::<Vec<_>>(),
    })
}

#[test]
fn merge_vectors_are_current() {
    let source = "Random histories of this project's property tests, judged by its log. An operation is [header, body, \
        whether it counts], a refused one [header, body, why]; blocks are base64 of dag-cbor.";
    check_written("merge.json", source, &[("histories", (0..HISTORIES).map(history).collect())]);
}

struct Signers {
    wallet: EoaKey,
    session: SessionKey,
    login: Login,
    genesis: Genesis,
}

fn signers() -> Signers {
    let wallet = EoaKey::from_secret(&[7; 32]).expect("a secret key");
    let session = SessionKey::from_seed([9; 32]);
    let genesis = Genesis::Private { root: wallet.account() };
    let abilities = ["put content/gr\u{fc}n/**", "put profile/name", "vote **", "logout **"];
    let abilities = abilities.map(|text| text.parse::<Ability>().expect("an ability")).to_vec();
    let head =
        Header { prev: Vec::new(), ..header(&genesis, &body(Act::Seal { state: None }), &wallet) }.id();
    let sign_in = SignIn {
        scheme: None,
        domain: "127.0.0.1:4747".to_owned(),
        account: wallet.account(),
        chain_id: 1,
        session: session.public(),
        nonce: "abcdefgh12345678".to_owned(),
        issued_at_ms: NOW_MS,
        expires_ms: NOW_MS + 86_400_000,
        abilities: BTreeMap::from([(genesis.id(), abilities)]),
        heads: BTreeMap::from([(genesis.id(), BTreeSet::from([head]))]),
        held_by_node: false,
    };
    let message = sign_in.message().expect("good fields");
    let signature = wallet.sign(message.as_bytes()).to_vec();
    let login = Login::new(message, Scheme::Eip191, signature, None);
    Signers { wallet, session, login, genesis }
}

fn body(act: Act) -> Body {
    Body::new([3; 16], act)
}

fn header(genesis: &Genesis, body: &Body, by: &EoaKey) -> Header {
    Header {
        v: 1,
        core: genesis.id(),
        prev: Vec::new(),
        by: by.account(),
        login: None,
        auth: genesis.id().as_root(),
        at: Hlc::from_ms(NOW_MS + 1),
        votes: Vec::new(),
        verb: body.act.verb(),
        body: body.id(),
    }
}

fn put(path: &str, value: Ipld) -> Act {
    Act::Put { path: path.parse().expect("a path"), value }
}

fn map(fields: &[(&str, Ipld)]) -> Ipld {
    Ipld::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// One act of each kind, and values that are hard to write.
fn acts(signers: &Signers) -> Vec<Act> {
    let (account, core) = (signers.wallet.account(), signers.genesis.id());
    let two = Principal::threshold(2, (1..=3).map(|n| kubelt_core::Account::Eoa([n; 20])).collect());
    let two = two.expect("fits");
    let can =
        vec!["read **".parse().expect("an ability"), "put content/site/**".parse().expect("an ability")];
    let grant = Act::Grant { to: two.clone(), role: Some("writer \u{202e}x".to_owned()), can, wait_ms: None };
    let what = words::of_proposal(&account, &body(grant.clone())).expect("has words");
    let values = [0.0, 1.0, 1.5, -2.25, 1e-5, 0.0001, 123_456.789, 1e15, 1e16, 1.5e300, f64::MIN_POSITIVE];
    let floats = values.map(Ipld::Float).to_vec();
    let integers = [
        0,
        23,
        24,
        255,
        256,
        65_536,
        1 << 32,
        (1 << 53) - 1,
        1 << 53,
        i128::from(u64::MAX),
        -1,
        -(1 << 53),
        -(1 << 63),
    ];
    let content = |media_type: &str| {
        map(&[
            ("cid", Ipld::Link(core.cid())),
            ("size", Ipld::Integer(12)),
            ("media_type", Ipld::String(media_type.to_owned())),
            ("visibility", Ipld::String("members".to_owned())),
            ("partial", Ipld::Bool(true)),
            (
                "metadata",
                map(&[("title", Ipld::String("\"a\"\n".to_owned())), ("n", Ipld::Bytes(vec![0, 255]))]),
            ),
        ])
    };
    vec![
        put("content/a", Ipld::Null),
        put("content/gr\u{fc}n/a", content("text/plain; charset=utf-8")),
        put("content/b", content("text")),
        put("profile/name", Ipld::String("x".repeat(600))),
        put("keys/floats", Ipld::List(floats)),
        put("keys/integers", Ipld::List(integers.map(Ipld::Integer).to_vec())),
        put(
            "keys/__proto__",
            map(&[
                ("__proto__", Ipld::Bool(false)),
                ("constructor", Ipld::Null),
                ("10", map(&[])),
                ("9", Ipld::List(vec![])),
            ]),
        ),
        grant.clone(),
        Act::Grant {
            to: Principal::One(account.clone()),
            role: None,
            can: vec![Ability::everywhere(Verb::Seal)],
            wait_ms: Some(700_000_000),
        },
        Act::Revoke { grant: core.as_root(), from: None },
        Act::Revoke {
            grant: core.as_root(),
            from: Some(kubelt_core::Holder { to: two.clone(), role: Some("x".to_owned()) }),
        },
        Act::Rotate { root: two },
        Act::Logout { login: signers.login.id() },
        Act::Vote {
            proposal: body(grant.clone()).id(),
            approve: true,
            shown: words::hash(&what).into(),
            what: Some(what),
            expires: Hlc::from_ms(NOW_MS),
        },
        Act::Claim { of: account, wait_ms: 700_000_000 },
        Act::Seal { state: None },
        Act::Seal { state: Some(body(grant).id()) },
    ]
}

fn signed_case(signers: &Signers, act: Act, how: Scheme) -> Option<Value> {
    let body = body(act);
    let mut header = header(&signers.genesis, &body, &signers.wallet);
    let signed = match how {
        Scheme::Ed25519 if !header.verb.session_may() => return None,
        Scheme::Ed25519 => {
            header.login = Some(signers.login.id());
            signers.session.sign_header(header)
        }
        Scheme::Eip712 => signers.wallet.sign_typed(header, &body).ok()?,
        _ => signers.wallet.sign_op(header, &body).ok()?,
    };
    let login = signed.header.login.map(|_| base64(&signers.login.encode()));
    Some(json!({
        "id": signed.id().to_string(),
        "proposal": signed.header.proposal().to_string(),
        "signed": base64(&signed.encode()),
        "body": base64(&body.encode()),
        "login": login,
        "words": words::of_act(&body.act).ok(),
        "proposal_words": words::of_proposal(&signed.header.by, &body).ok(),
        "text": Signed::signing_text(&signed.header, Some(&body)).ok(),
    }))
}

fn genesis_cases(signers: &Signers) -> Vec<Value> {
    let parent = signers.genesis.id();
    let Genesis::Private { root } = &signers.genesis else { unreachable!("a private core") };
    let key = kubelt_core::Account::Key(
        PublicKey::ed25519([0x66; 32]).unwrap_or_else(|_| signers.session.public()),
    );
    let solana = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";
    let contract = "eip155:8453:0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let parse = |text: &str| text.parse::<kubelt_core::Account>().expect("an account");
    let several = Principal::threshold(3, vec![root.clone(), key, parse(solana), parse(contract)]);
    let shared = |parent| Genesis::Shared {
        root: several.clone().expect("fits"),
        parent,
        name: "acm\u{e9}".to_owned(),
        nonce: [5; 16],
    };
    let all = [
        signers.genesis.clone(),
        Genesis::User { root: root.clone(), parent },
        shared(None),
        shared(Some(parent)),
    ];
    all.iter().map(|genesis| json!([genesis.id().to_string(), base64(&genesis.encode())])).collect()
}

#[test]
fn block_vectors_are_current() {
    let signers = signers();
    let schemes = [Scheme::Eip191, Scheme::Eip712, Scheme::Ed25519];
    let signed =
        acts(&signers).into_iter().flat_map(|act| schemes.map(|how| signed_case(&signers, act.clone(), how)));
    let checked =
        kubelt_core::CheckedLogin::check(&signers.login, &kubelt_core::Unchecked).expect("good").kept();
    let login = json!({
        "block": base64(&signers.login.encode()),
        "session": checked.session.to_string(),
        "facts": facts(&LoginFacts::of(&checked, &signers.genesis.id())),
    });
    let source = "Written by this project; blocks are base64 of dag-cbor. Genesis: [id, block].";
    let sections = [
        ("genesis", genesis_cases(&signers)),
        ("logins", vec![login]),
        ("signed", signed.flatten().collect()),
    ];
    check_written("core-log.json", source, &sections);
}
