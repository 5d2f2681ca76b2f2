//! Requests on one node: their limits, who sees them, and what follows from votes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_content::Ipld;
use kubelt_core::{Ability, Act, BodyId, CoreId, EoaKey, MapPath, Verb, words};
use kubelt_store::{Options, Store};

use super::{Finish, NewRequest, Pending, RequestsError, Standing};
use crate::{
    Ask, Clock, NewCore, Node, OpenedSession, Reader, Session,
    exchange::PostedOp,
    limits::{REQUEST_LIFE_MAX, REQUEST_LIFE_MIN, REQUESTS_PER_ACCOUNT_MAX},
    worker::Step,
};

/// A clock that is set by hand.
#[derive(Debug)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A core of three owners, of whom two must agree, and their sessions.
struct World {
    node: Node,
    clock: Arc<Hand>,
    core: CoreId,
    people: Vec<Arc<Session>>,
    tokens: Vec<String>,
}

const START_MS: u64 = 1_800_000_000_000;

fn wallet(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

async fn sign_in(node: &Node, key: &EoaKey, core: Option<CoreId>) -> Arc<Session> {
    open(node, key, core).await.session
}

async fn open(node: &Node, key: &EoaKey, core: Option<CoreId>) -> OpenedSession {
    let all = || Verb::ALL.into_iter().filter(|verb| verb.session_may()).map(Ability::everywhere).collect();
    let cores: BTreeMap<CoreId, Vec<Ability>> = core.into_iter().map(|core| (core, all())).collect();
    let made = node.sessions.challenge("localhost", Ask { cores, ..Ask::of(key.account()) });
    let message = made.expect("a challenge").message;
    let opened = node.sessions.open("localhost", &message, &key.sign(message.as_bytes())).await;
    opened.expect("a session")
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(Hand(AtomicU64::new(START_MS)));
        let node = Node::new(Store::memory(Options::default()), clock.clone());
        let maker = sign_in(&node, &wallet(1), None).await;
        let owners = vec![wallet(2).account(), wallet(3).account()];
        let new = NewCore { owners, threshold: Some(2), ..NewCore::named("acme") };
        let core = node.members.create(&maker, &maker.core, new).await.expect("is made").core;
        let (mut people, mut tokens) = (Vec::new(), Vec::new());
        for secret in 1..=3 {
            let opened = open(&node, &wallet(secret), Some(core)).await;
            people.push(opened.session);
            tokens.push(opened.token);
        }
        Self { node, clock, core, people, tokens }
    }

    async fn file(&self, who: usize, act: Act, life_ms: Option<u64>) -> Result<Pending, RequestsError> {
        let new = NewRequest { act, title: None, life_ms };
        self.node.requests.file(&self.people[who], &self.core, new).await
    }

    async fn list(&self, who: usize) -> Vec<Pending> {
        self.node.requests.list(&self.people[who], &self.core).await.expect("has a part")
    }

    /// `who` signs a vote with their wallet, and it is posted.
    async fn sign_vote(&self, who: usize, id: &BodyId, approve: bool) {
        let session = &self.people[who];
        let draft = self.node.requests.draft_vote(session, &self.core, id, approve).await.expect("may vote");
        let key = wallet(u8::try_from(who + 1).expect("few"));
        let signed = key.sign_typed(draft.header, &draft.body).expect("is typed data");
        let posted =
            PostedOp { signed: signed.encode().into(), body: draft.body.encode().into(), login: None };
        let reader = Reader::Session(Arc::clone(session));
        for result in self.node.exchange.post(&reader, &self.core, &[posted]).await {
            assert!(result.expect("is taken").effective);
        }
    }
}

fn name(value: &str) -> Act {
    Act::Put { path: "profile/name".parse().expect("a path"), value: Ipld::String(value.to_owned()) }
}

#[tokio::test]
async fn the_last_vote_does_what_the_open_session_of_who_asked_may() {
    let world = World::new().await;
    let pending = world.file(0, name("Acme"), None).await.expect("is filed");
    assert_eq!((pending.standing, pending.have(), pending.missing.len()), (Standing::Waiting, 1, 2));
    assert_eq!(pending.words, words::of_proposal(&pending.by, &pending.request.body).expect("has words"));
    let requests = &world.node.requests;
    let early = requests.finish(&world.people[0], &world.core, &pending.id).await;
    assert!(matches!(early, Err(RequestsError::TooFew { have: 1, need: 2 })), "{early:?}");
    let own = requests.vote(&world.people[0], &world.core, &pending.id, true).await;
    assert!(matches!(own, Err(RequestsError::Own)), "{own:?}");
    let stolen = requests.finish(&world.people[1], &world.core, &pending.id).await;
    assert!(matches!(stolen, Err(RequestsError::NotProposer(_))), "{stolen:?}");
    // A vote of a session is enough for what sessions may do, and the session of who asked is open here.
    let decided = requests.vote(&world.people[1], &world.core, &pending.id, true).await.expect("votes");
    let done = decided.done.expect("is done");
    let doing = world.node.cores.with_log(&world.core, |log| log.is_effective(&done)).await;
    assert!(doing.expect("is read"));
    assert!(world.list(1).await.is_empty(), "what is done does not wait");
}

#[tokio::test]
async fn what_changes_authority_takes_wallets() {
    let world = World::new().await;
    let (role, can) = kubelt_core::role::choose::<&str>(Some("reader"), &[]).expect("a role");
    let to = kubelt_core::Principal::One(wallet(9).account());
    let pending = world.file(0, Act::Grant { to, role, can, wait_ms: None }, None).await.expect("is filed");
    let requests = &world.node.requests;
    let by_session = requests.vote(&world.people[1], &world.core, &pending.id, true).await;
    assert!(matches!(by_session, Err(RequestsError::WalletOnly)), "{by_session:?}");
    world.sign_vote(2, &pending.id, true).await;
    let worker = world.node.workers.get("requests").expect("is there");
    while worker.step().await.expect("is read") == Step::More {}
    assert_eq!(world.list(2).await[0].standing, Standing::Ready, "no session may do it");
    let finish = requests.finish(&world.people[0], &world.core, &pending.id).await.expect("enough agree");
    let Finish::Sign { header, body } = finish else { panic!("no session may grant") };
    assert_eq!(*body, pending.request.body);
    let signed = wallet(1).sign_typed(*header, &body).expect("has words");
    let posted = PostedOp { signed: signed.encode().into(), body: body.encode().into(), login: None };
    let reader = Reader::Session(Arc::clone(&world.people[0]));
    for result in world.node.exchange.post(&reader, &world.core, &[posted]).await {
        assert!(result.expect("is taken").effective);
    }
    requests.withdraw(&world.people[0], &world.core, &pending.id).await.expect("is theirs");
    let gone = requests.get(&world.people[1], &world.core, &pending.id).await;
    assert!(matches!(gone, Err(RequestsError::NotFound)));
}

#[tokio::test]
async fn rejected_and_expired_requests_are_over_and_make_room() {
    let world = World::new().await;
    let limits = (REQUEST_LIFE_MIN.as_millis(), REQUEST_LIFE_MAX.as_millis());
    let (least, most) = (u64::try_from(limits.0).expect("fits"), u64::try_from(limits.1).expect("fits"));
    for (life_ms, fits) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
        assert_eq!(world.file(0, name("Acme"), Some(life_ms)).await.is_ok(), fits, "{life_ms}");
    }
    world.clock.0.fetch_add(least, Ordering::Relaxed);
    assert_eq!(world.list(1).await.len(), 1, "one has expired");
    let pending = world.list(1).await.remove(0);
    world.sign_vote(1, &pending.id, false).await;
    assert_eq!(world.list(2).await[0].standing, Standing::Waiting);
    world.sign_vote(2, &pending.id, false).await;
    assert!(world.list(0).await.is_empty(), "two of three are against it");
    for n in 0..REQUESTS_PER_ACCOUNT_MAX {
        world.file(0, name(&n.to_string()), None).await.expect("is filed");
    }
    let more = world.file(0, name("Acme"), None).await;
    assert!(matches!(more, Err(RequestsError::TooMany)), "{more:?}");
    assert!(world.file(1, name("Acme"), None).await.is_ok(), "each account for itself");
    let cleared = world.node.requests.of_account(&world.core, &wallet(1).account()).await.expect("is read");
    assert_eq!(cleared.len(), REQUESTS_PER_ACCOUNT_MAX, "what was over is cleared");
}

#[tokio::test]
async fn a_vote_that_comes_by_another_way_does_it_and_what_is_over_is_cleared() {
    let world = World::new().await;
    let worker = world.node.workers.get("requests").expect("is there");
    let work = async || while worker.step().await.expect("is read") == Step::More {};
    let done = world.file(0, name("Acme"), None).await.expect("is filed");
    let least = u64::try_from(REQUEST_LIFE_MIN.as_millis()).expect("fits");
    world.file(0, name("Late"), Some(least)).await.expect("is filed");
    work().await;
    // As it comes with the core from another node: nobody there looks what follows from it.
    world.sign_vote(1, &done.id, true).await;
    assert_eq!(world.list(0).await.len(), 2);
    work().await;
    assert_eq!(world.list(0).await.len(), 1, "what enough agree to is done");
    let path: MapPath = "profile/name".parse().expect("a path");
    let state = world.node.cores.store.state(&world.core, &path).expect("is read").expect("is set");
    let value: Ipld = kubelt_core::codec::decode(&state.value, 1_024, "value").expect("a value");
    assert_eq!(value, Ipld::String("Acme".to_owned()));
    let own = async || {
        world.node.requests.of_account(&world.core, &wallet(1).account()).await.expect("is read").len()
    };
    assert_eq!(own().await, 1);
    world.clock.0.fetch_add(least, Ordering::Relaxed);
    work().await;
    assert_eq!(own().await, 0, "what is over is cleared");
}

#[tokio::test]
async fn what_waited_for_its_maker_is_done_when_they_are_back() {
    let world = World::new().await;
    let done = world.file(0, name("Acme"), None).await.expect("is filed");
    // The node starts anew: nobody's session has been used, so nobody can do it.
    let node = Node::new(world.node.cores.store.clone(), world.clock.clone());
    let vote =
        node.requests.draft_vote(&world.people[1], &world.core, &done.id, true).await.expect("may vote");
    let signed = wallet(2).sign_typed(vote.header, &vote.body).expect("is typed data");
    let posted = PostedOp { signed: signed.encode().into(), body: vote.body.encode().into(), login: None };
    let decided = node.requests.take_vote(&world.people[1], &world.core, &done.id, true, posted).await;
    let standing = decided.expect("is taken").pending.map(|pending| pending.standing);
    assert_eq!(standing, Some(Standing::Ready));
    let worker = node.workers.get("requests").expect("is there");
    let work = async || while worker.step().await.expect("is read") == Step::More {};
    work().await;
    assert_eq!(node.requests.list(&world.people[1], &world.core).await.expect("has a part").len(), 1);
    assert!(node.sessions.authenticate(&world.tokens[0]).expect("is read").is_some());
    work().await;
    assert!(node.requests.list(&world.people[1], &world.core).await.expect("has a part").is_empty());
}

#[tokio::test]
async fn strangers_see_nothing_and_nobody_asks_in_vain() {
    let world = World::new().await;
    let pending = world.file(0, name("Acme"), None).await.expect("is filed");
    let stranger = sign_in(&world.node, &wallet(7), Some(world.core)).await;
    let requests = &world.node.requests;
    for result in [
        requests.list(&stranger, &world.core).await.map(drop),
        requests.get(&stranger, &world.core, &pending.id).await.map(drop),
        requests.vote(&stranger, &world.core, &pending.id, true).await.map(drop),
        requests.withdraw(&stranger, &world.core, &pending.id).await,
    ] {
        assert!(matches!(result, Err(RequestsError::NotFound)), "{result:?}");
    }
    // In one's own core nobody else has to agree.
    let own = &world.people[0];
    let new = NewRequest { act: name("Ann"), title: None, life_ms: None };
    let alone = requests.file(own, &own.core, new).await;
    assert!(matches!(alone, Err(RequestsError::Alone)), "{alone:?}");
}
