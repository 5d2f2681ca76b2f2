//! Strangers who want a private core, by every message there is; and floods.

use std::sync::Arc;

use kubelt_content::{Block, Codec, Ipld};
use kubelt_core::{
    CoreId, Genesis, Principal, PublicKey, SessionKey,
    peer::{Follow, FrameHead, Hello, Kind, Open, Opened, Proof, Statement, Want, read_block},
    schema::Visibility,
    sync::Message,
};
use tokio::time::Instant;

use super::{
    super::effort::Asker,
    liars::{Liar, ask_for_all, hold_open},
    world::{Fleet, Person, body, self_made, wallet, word},
};
use crate::{
    Ask, PeerFault, Session,
    limits::{
        PEER_CHANNELS_MAX, PEER_CHANNELS_OF_CORE_MAX, PEER_GREETINGS_MAX, PEER_IDLE_MAX, PEER_LINKS_MAX,
        PEER_LINKS_OF_PEER_MAX, PEER_PLACE_TIME, PEER_SYNCS_MAX, STRANGERS_EFFORT_MAX,
    },
};

/// Somebody with a private core at `a`, and the same person signed in at `b`, which `a` does not know of.
async fn world() -> (Fleet, Person, Person) {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    a.put("secret", body("secret", 1_000), Visibility::Private).await;
    let b = fleet.at("b").sign_in(&wallet(1)).await;
    (fleet, a, b)
}

fn own(seed: u8) -> PublicKey {
    SessionKey::from_seed([seed; 32]).public()
}

/// One that has connected with the key of this seed, and the nonce that the node gave it.
async fn greeted(a: &Person, seed: u8) -> (Liar, [u8; 32]) {
    let mut liar = Liar::connected(a, seed);
    liar.send(0, Kind::Hello, &Hello { v: 1, nonce: [3; 32] }.encode()).await;
    let (_, hello) = liar.hear().await;
    (liar, Hello::decode(&hello).expect("it greets").nonce)
}

/// What the node answers to an opening, as it stands on the wire.
async fn answer(liar: &mut Liar, channel: u32, core: CoreId, proof: Option<Proof>) -> (Kind, Vec<u8>) {
    liar.send(channel, Kind::Open, &Open { core, live: false, proof }.encode()).await;
    let (head, payload) = liar.hear().await;
    assert_eq!(head.channel, channel);
    (head.kind, payload.to_vec())
}

/// A proof as an honest node makes it, but for what is changed.
struct Forging<'a> {
    session: &'a Session,
    login: Vec<u8>,
    from: PublicKey,
    to: PublicKey,
    nonce: [u8; 32],
    core: CoreId,
    at_ms: u64,
}

impl Forging<'_> {
    fn proof(&self) -> Proof {
        let statement = Statement {
            from: &self.from,
            to: &self.to,
            nonce: &self.nonce,
            core: self.core,
            login: self.session.id(),
            at_ms: self.at_ms,
        };
        Proof::sign(self.login.clone(), self.session.key.as_ref().expect("the node holds it"), &statement)
    }
}

async fn forging<'a>(a: &Person, b: &'a Person, nonce: [u8; 32], at_ms: u64) -> Forging<'a> {
    let to = a.node.identity.key().await.expect("a key").public();
    let login = b.store.login(&b.session.core, &b.session.id()).expect("reads").expect("is there").to_vec();
    Forging { session: &b.session, login, from: own(50), to, nonce, core: a.session.core, at_ms }
}

#[tokio::test]
async fn no_proof_but_a_good_one_opens_a_private_core() {
    let (fleet, a, b) = world().await;
    let core = a.session.core;
    let (mut liar, nonce) = greeted(&a, 50).await;
    let nothing = answer(&mut liar, 1, CoreId::of(b"not here"), None).await;
    assert_eq!(nothing, (Kind::NotFound, Vec::new()));
    let now_ms = 1_800_000_000_500;
    let good = || async { forging(&a, &b, nonce, now_ms).await };
    let other_core = Genesis::Private { root: wallet(2).account() }.id();
    let stranger = {
        let stranger = fleet.at("b").sign_in(&wallet(2)).await;
        let login = stranger.store.login(&stranger.session.core, &stranger.session.id());
        let login = login.expect("reads").expect("is there").to_vec();
        let made = Forging { session: &stranger.session, login, ..good().await };
        made.proof()
    };
    let narrow = {
        let account = wallet(1).account();
        let abilities = Some(vec!["read **".parse().expect("one"), "put **".parse().expect("one")]);
        let ask = Ask { abilities, ..Ask::of(account) };
        let made = b.node.sessions.challenge("localhost", ask).expect("a challenge");
        let signature = wallet(1).sign(made.message.as_bytes());
        b.node.sessions.open("localhost", &made.message, &signature).await.expect("a session").session
    };
    let narrow = {
        let login = b.store.login(&narrow.core, &narrow.id()).expect("reads").expect("is there").to_vec();
        Forging { session: &narrow, login, ..good().await }.proof()
    };
    let mut damaged = good().await.proof();
    damaged.signature[5] ^= 1;
    let bad = [
        ("none", None),
        ("for another core", Some(Forging { core: other_core, ..good().await }.proof())),
        ("for another node that asks", Some(Forging { from: own(51), ..good().await }.proof())),
        ("for another node that is asked", Some(Forging { to: own(51), ..good().await }.proof())),
        ("of another connection", Some(Forging { nonce: [8; 32], ..good().await }.proof())),
        ("too old", Some(Forging { at_ms: now_ms - 3_600_000, ..good().await }.proof())),
        ("of the future", Some(Forging { at_ms: now_ms + 3_600_000, ..good().await }.proof())),
        ("by somebody else", Some(stranger)),
        ("by a sign-in that may not replicate", Some(narrow)),
        ("damaged", Some(damaged)),
    ];
    for (n, (what, proof)) in bad.into_iter().enumerate() {
        let channel = 3 + 2 * u32::try_from(n).expect("few");
        assert_eq!(answer(&mut liar, channel, core, proof).await, nothing, "a proof {what}");
    }
    let proof = good().await.proof();
    assert_eq!(answer(&mut liar, 101, core, Some(proof.clone())).await.0, Kind::Opened, "a good proof");
    // The same proof on another connection, and after the sign-in was ended or has run out.
    let (mut again, _) = greeted(&a, 50).await;
    assert_eq!(answer(&mut again, 1, core, Some(proof.clone())).await, nothing);
    let act = kubelt_core::Act::Logout { login: b.session.id() };
    let write = crate::Write::Act { session: Arc::clone(&a.session), act };
    a.node.cores.write(core, write).await.expect("is written");
    // What it has opened ends with the sign-in, and it opens nothing more.
    liar.send(103, Kind::Open, &Open { core, live: false, proof: Some(proof) }.encode()).await;
    let ended = [liar.hear().await.0, liar.hear().await.0].map(|head| (head.channel, head.kind));
    assert!(ended.contains(&(101, Kind::NotFound)) && ended.contains(&(103, Kind::NotFound)), "{ended:?}");
}

#[tokio::test]
async fn a_sync_that_is_held_open_ends_with_the_sign_in() {
    for by in ["a logout", "the clock"] {
        let (fleet, a, b) = world().await;
        let core = a.session.core;
        let (mut liar, nonce) = greeted(&a, 50).await;
        let proof = forging(&a, &b, nonce, 1_800_000_000_500).await.proof();
        assert_eq!(answer(&mut liar, 1, core, Some(proof)).await.0, Kind::Opened);
        hold_open(&mut liar, core).await;
        match by {
            "the clock" => fleet.clock.tick(25 * 60 * 60 * 1_000),
            _ => {
                let act = kubelt_core::Act::Logout { login: b.session.id() };
                let write = crate::Write::Act { session: Arc::clone(&a.session), act };
                a.node.cores.write(core, write).await.expect("is written");
            }
        }
        ask_for_all(&mut liar, a.store.heads(&core).expect("reads"), root_of(&a, "content/secret")).await;
    }
}

#[tokio::test]
async fn a_sign_in_that_has_run_out_opens_nothing() {
    let (fleet, a, b) = world().await;
    fleet.clock.tick(25 * 60 * 60 * 1_000);
    let (mut liar, nonce) = greeted(&a, 50).await;
    let proof = forging(&a, &b, nonce, 1_800_000_000_000 + 25 * 60 * 60 * 1_000 + 100).await.proof();
    assert_eq!(answer(&mut liar, 1, a.session.core, Some(proof)).await, (Kind::NotFound, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_yours_is_answered_as_late_as_what_is_not_here() {
    let (_fleet, a, _b) = world().await;
    for n in 0..50 {
        a.profile(&format!("name {n}")).await;
    }
    let (mut liar, nonce) = greeted(&a, 50).await;
    // Somebody's own sign-in that names this core: its log has to be asked.
    let intruder = wallet(9);
    let (login, key) = self_made(&intruder, a.session.core);
    let to = a.node.identity.key().await.expect("a key").public();
    let mut took = Vec::new();
    for (n, core) in [a.session.core, CoreId::of(b"not here")].into_iter().enumerate() {
        let (from, at_ms) = (own(50), 1_800_000_000_500);
        let statement = Statement { from: &from, to: &to, nonce: &nonce, core, login: login.id(), at_ms };
        let proof = Proof::sign(login.encode(), &key, &statement);
        let before = Instant::now();
        let said = answer(&mut liar, 1 + 2 * u32::try_from(n).expect("few"), core, Some(proof)).await;
        assert_eq!(said, (Kind::NotFound, Vec::new()));
        took.push(before.elapsed().as_millis());
    }
    assert!(took[0] >= 100 && took[0].abs_diff(took[1]) <= 1, "{took:?}");
}

/// A shared core with something public in it, at the node where `a` is.
async fn public_core(a: &Person) -> CoreId {
    let root = Principal::One(wallet(5).account());
    let genesis = Genesis::Shared { root, parent: None, name: "open".to_owned(), nonce: [1; 16] };
    let core = genesis.id();
    let mut tx = a.store.begin();
    tx.put_core(&core, &genesis.encode()).expect("is put");
    tx.commit().await.expect("is stored");
    let mut sink = crate::content::BlockSink::new(a.node.content.clone(), core);
    let block = Block::new(Codec::Raw, "for all".into()).expect("short");
    let cid = *block.cid();
    sink.put(block).await.expect("is taken");
    sink.flush().await.expect("is stored");
    a.node.content.make_whole(&core, &cid).await.expect("is whole");
    let entry = kubelt_core::schema::ContentEntry::new(cid, 7, "text/plain", Visibility::Public);
    let hidden = Ipld::String("hidden".to_owned());
    put(a, core, "profile/name", hidden, [3; 16]).await;
    put(a, core, "content/open", entry.to_ipld(), [4; 16]).await;
    // The public index is written behind the writers' backs.
    a.node.workers.get("collector").expect("there is one").step().await.expect("works");
    core
}

/// The owner of the shared core sets a path.
async fn put(a: &Person, core: CoreId, path: &str, value: Ipld, salt: [u8; 16]) {
    let act = kubelt_core::Act::Put { path: path.parse().expect("a path"), value };
    let intent = kubelt_core::log::Intent::new(wallet(5).account(), None, act);
    let draft = |log: &kubelt_core::Log| log.draft(intent, salt, 1_800_000_000_900).expect("may");
    let (header, body) = a.node.cores.with_log(&core, draft).await.expect("is here");
    let signed = wallet(5).sign_op(header, &body).expect("has words");
    let op = crate::SignedOp::verified(signed, Some(body), None, None);
    a.node.cores.write(core, crate::Write::Op(Box::new(op))).await.expect("is written");
}

fn root_of(a: &Person, path: &str) -> cid::Cid {
    let state = a.store.state(&a.session.core, &path.parse().expect("a path")).expect("reads");
    crate::write::content_entry(&state.expect("is there").value).expect("content").cid
}

#[tokio::test]
async fn blocks_of_a_private_core_are_not_had_over_a_public_one() {
    let (_fleet, a, _b) = world().await;
    let core = public_core(&a).await;
    let secret = root_of(&a, "content/secret");
    let open = *Block::new(Codec::Raw, "for all".into()).expect("short").cid();
    let missing = *Block::new(Codec::Raw, "nobody has this".into()).expect("short").cid();
    let (mut liar, _) = greeted(&a, 50).await;
    let (kind, opened) = answer(&mut liar, 1, core, None).await;
    assert_eq!(kind, Kind::Opened);
    assert!(!Opened::decode(&opened).expect("an answer").full);
    liar.send(1, Kind::Want, &Want { cids: vec![secret, missing, open] }.encode()).await;
    for (cid, kind) in [(secret, Kind::NotHere), (missing, Kind::NotHere), (open, Kind::Block)] {
        let (head, payload) = liar.hear().await;
        assert_eq!((head.kind, read_block(&payload).expect("names a block").0), (kind, cid));
    }
    // Nor on the channel of a core of which the stranger may have everything.
    a.node.replication.trust(core, own(50), word(&wallet(5), core));
    let (kind, opened) = answer(&mut liar, 3, core, None).await;
    assert!(kind == Kind::Opened && Opened::decode(&opened).expect("an answer").full);
    liar.send(3, Kind::Want, &Want { cids: vec![secret] }.encode()).await;
    assert_eq!(liar.hear().await.0.kind, Kind::NotHere);
}

#[tokio::test]
async fn a_sign_in_that_was_ended_in_its_own_core_opens_no_other() {
    let (fleet, a, _b) = world().await;
    let core = public_core(&a).await;
    let owner = fleet.at("a").sign_in(&wallet(5)).await;
    let (login, key) = self_made(&wallet(5), core);
    let (mut liar, nonce) = greeted(&a, 50).await;
    let (from, to, at_ms) =
        (own(50), a.node.identity.key().await.expect("a key").public(), 1_800_000_000_500);
    let statement = Statement { from: &from, to: &to, nonce: &nonce, core, login: login.id(), at_ms };
    let proof = Proof::sign(login.encode(), &key, &statement);
    for (channel, full) in [(1, true), (3, false)] {
        let (kind, opened) = answer(&mut liar, channel, core, Some(proof.clone())).await;
        assert_eq!(kind, Kind::Opened);
        assert_eq!(Opened::decode(&opened).expect("an answer").full, full);
        // It can be ended once.
        if full {
            let act = kubelt_core::Act::Logout { login: login.id() };
            let write = crate::Write::Act { session: Arc::clone(&owner.session), act };
            a.node.cores.write(owner.session.core, write).await.expect("is written");
        }
    }
}

#[tokio::test]
async fn strangers_get_headers_of_a_public_core_and_no_hidden_bodies() {
    let (_fleet, a, _b) = world().await;
    let core = public_core(&a).await;
    let (mut liar, _) = greeted(&a, 50).await;
    assert_eq!(answer(&mut liar, 1, core, None).await.0, Kind::Opened);
    let ops: Vec<_> = {
        let ops = a.store.ops(&core, None, kubelt_store::OpsOrder::Forward);
        ops.map(|op| op.expect("reads")).collect()
    };
    let hello = Message::Hello { core, heads: Vec::new(), count: 0, knows: false, wants: true };
    liar.send(1, Kind::Sync, &hello.encode()).await;
    // The bodies are asked for by name, too.
    let all = ops.iter().map(|op| op.id).collect();
    let want = Message::Want { ops: Vec::new(), bodies: all, more: false };
    liar.send(1, Kind::Sync, &want.encode()).await;
    liar.send(1, Kind::Sync, &Message::Sent.encode()).await;
    let (mut headers, mut bodies) = (0, Vec::new());
    loop {
        match Message::decode(&liar.hear_kind(Kind::Sync).await).expect("a message") {
            Message::Headers { ops, .. } => headers += ops.len(),
            Message::Bodies { bodies: some, .. } => bodies.extend(some),
            Message::Sent => break,
            _ => {}
        }
    }
    assert_eq!(headers, ops.len());
    assert!(!bodies.is_empty(), "the public one is told");
    let hidden = b"hidden".as_slice();
    assert!(!bodies.iter().any(|body| body.windows(hidden.len()).any(|part| part == hidden)));
}

#[tokio::test]
async fn what_is_made_private_is_not_had_by_a_sync_that_is_held_open() {
    let (_fleet, a, _b) = world().await;
    let core = public_core(&a).await;
    let path = "content/open".parse().expect("a path");
    let state = a.store.state(&core, &path).expect("reads").expect("is there");
    let (open, entry) = (state.id, crate::write::content_entry(&state.value).expect("content"));
    put(&a, core, "content/other", entry.to_ipld(), [6; 16]).await;
    let (mut liar, _) = greeted(&a, 50).await;
    assert_eq!(answer(&mut liar, 1, core, None).await.0, Kind::Opened);
    hold_open(&mut liar, core).await;
    let want = |ops: Vec<_>| Message::Want { ops: Vec::new(), bodies: ops, more: false }.encode();
    put(&a, core, "content/open", Ipld::Null, [5; 16]).await;
    liar.send(1, Kind::Sync, &want(vec![open])).await;
    loop {
        if let Message::Bodies { bodies, last } =
            Message::decode(&liar.hear_kind(Kind::Sync).await).expect("a message")
        {
            assert!(bodies.is_empty(), "the body of what is private now");
            if last {
                break;
            }
        }
    }
}

#[tokio::test]
async fn one_core_has_a_few_channels_of_a_connection_and_the_oldest_gives_way() {
    let (_fleet, a, _b) = world().await;
    let core = public_core(&a).await;
    let mut liar = Liar::greeted(&a, 60).await;
    for n in 0..u32::try_from(PEER_CHANNELS_OF_CORE_MAX).expect("few") {
        assert_eq!(answer(&mut liar, 1 + 2 * n, core, None).await.0, Kind::Opened);
    }
    liar.send(101, Kind::Open, &Open { core, live: false, proof: None }.encode()).await;
    let ended = [liar.hear().await.0, liar.hear().await.0].map(|head| (head.channel, head.kind));
    assert_eq!(ended, [(1, Kind::Close), (101, Kind::Opened)]);
}

#[tokio::test]
async fn a_few_syncs_of_a_connection_are_answered_at_once() {
    let (_fleet, a, _b) = world().await;
    let open = public_core(&a).await;
    let (mut liar, _) = greeted(&a, 50).await;
    a.node.replication.trust(a.session.core, own(50), Arc::clone(&a.session.login));
    let heads = vec![kubelt_core::OpId::from_digest([9; 32])];
    let count = u32::try_from(PEER_SYNCS_MAX).expect("few");
    for n in 0..=count {
        let core = if n % 2 == 0 { open } else { a.session.core };
        assert_eq!(answer(&mut liar, 1 + 2 * n, core, None).await.0, Kind::Opened);
        let hello = Message::Hello { core, heads: heads.clone(), count: 1, knows: false, wants: false };
        liar.send(1 + 2 * n, Kind::Sync, &hello.encode()).await;
        if n < count {
            assert_eq!(liar.hear().await.0.kind, Kind::Sync);
        }
    }
    // The last is answered once another has ended; what is asked for otherwise is answered at once.
    liar.send(0, Kind::Ping, &[]).await;
    assert_eq!(liar.hear().await.0.kind, Kind::Pong);
    liar.send(1, Kind::Close, &[]).await;
    let (head, _) = liar.hear().await;
    assert_eq!((head.channel, head.kind), (1 + 2 * count, Kind::Sync));
}

#[tokio::test]
async fn a_frame_of_four_gigabytes_is_not_waited_for() {
    let (_fleet, a, _b) = world().await;
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let mut liar = Liar::greeted(&a, 100 + u8::try_from(n).expect("few")).await;
        let channel = u32::from(!matches!(kind, Kind::Hello | Kind::Ping | Kind::Pong));
        let mut head = FrameHead { len: 0, channel, kind }.encode();
        head[..4].fill(0xff);
        tokio::io::AsyncWriteExt::write_all(&mut liar.stream, &head).await.expect("is sent");
        assert!(matches!(liar.fault().await, PeerFault::Frame(_)), "{kind:?}");
    }
}

#[tokio::test]
async fn more_channels_than_may_be_are_a_fault_and_others_go_on() {
    let (fleet, a, b) = world().await;
    public_core(&a).await;
    let mut liar = Liar::greeted(&a, 60).await;
    for n in 0..1_000_000_u32 {
        if liar.ended.is_finished() {
            assert!(n as usize > PEER_CHANNELS_MAX);
            break;
        }
        let core = CoreId::of(&n.to_be_bytes());
        let reading = Open { core, live: true, proof: None }.encode();
        liar.send(1 + 2 * n, Kind::Open, &reading).await;
        tokio::task::yield_now().await;
    }
    assert!(matches!(liar.fault().await, PeerFault::Channel(_)));
    let link = fleet.connect("b", "a").await;
    b.pull(&link, false).await.expect("others go on");
}

#[tokio::test(start_paused = true)]
async fn connections_about_nothing_are_ended_and_give_way() {
    let (_fleet, a, _b) = world().await;
    // One peer has a few at most; its oldest goes.
    let mut of_one = Vec::new();
    for _ in 0..=PEER_LINKS_OF_PEER_MAX {
        of_one.push(Liar::greeted(&a, 70).await);
    }
    let oldest = of_one.remove(0);
    oldest.ended.await.expect("does not panic").expect("ends well");
    assert!(of_one.iter().all(|liar| !liar.ended.is_finished()));
    // Many peers fill all places; whoever comes then gets one all the same.
    let mut many = Vec::new();
    for n in 0..PEER_LINKS_MAX - PEER_LINKS_OF_PEER_MAX {
        many.push(keyed(&a, n).await);
    }
    let mut late = Liar::greeted(&a, 71).await;
    assert_eq!(answer(&mut late, 1, CoreId::of(b"not here"), None).await.0, Kind::NotFound);
    // And all end by themselves, though they go on saying that they are there.
    let until = Instant::now() + 3 * PEER_IDLE_MAX;
    while Instant::now() < until {
        for liar in &mut many {
            liar.send(0, Kind::Ping, &[]).await;
        }
        tokio::time::sleep(PEER_IDLE_MAX / 4).await;
    }
    assert!(many.iter().all(|liar| liar.ended.is_finished()));
}

/// Names a host of the core at `a`.
async fn name_host(a: &Person, seed: u8) {
    let key = own(seed);
    let host = kubelt_core::schema::Host { peer: key, addresses: Default::default(), spare: false };
    a.set(kubelt_core::schema::Host::path(&key).as_str(), host.to_ipld()).await;
}

/// A host of the core at `a` that has opened it, live.
async fn host(a: &Person, seed: u8) -> Liar {
    let mut liar = Liar::greeted(a, seed).await;
    liar.send(1, Kind::Open, &Open { core: a.session.core, live: true, proof: None }.encode()).await;
    assert!(Opened::decode(&liar.hear_kind(Kind::Opened).await).expect("is answered").full);
    liar
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_keeps_no_host_out() {
    let (_fleet, a, _b) = world().await;
    name_host(&a, 72).await;
    let mut silent = Vec::new();
    for n in 0..PEER_LINKS_MAX + PEER_GREETINGS_MAX {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        silent.push(Liar::connected_as(&a, SessionKey::from_seed(seed).public()));
        tokio::task::yield_now().await;
    }
    host(&a, 72).await;
    let waiting = silent.iter().filter(|liar| !liar.ended.is_finished()).count();
    assert!(waiting <= PEER_GREETINGS_MAX, "{waiting} still wait");
}

#[tokio::test]
async fn strangers_with_many_keys_keep_no_host_out_and_push_none_away() {
    let (_fleet, a, _b) = world().await;
    let core = public_core(&a).await;
    let follow = Follow { core, live: true }.encode();
    name_host(&a, 73).await;
    name_host(&a, 74).await;
    let first = host(&a, 73).await;
    let mut strangers = Vec::new();
    for n in 0..PEER_LINKS_MAX {
        let mut stranger = keyed(&a, n).await;
        stranger.send(1, Kind::Follow, &follow).await;
        stranger.hear_kind(Kind::Opened).await;
        strangers.push(stranger);
    }
    let second = host(&a, 74).await;
    // One gave way to the last stranger, one to the host.
    for stranger in &mut strangers[..2] {
        (&mut stranger.ended).await.expect("does not panic").expect("ends well");
    }
    assert!(!strangers[2].ended.is_finished(), "the oldest give way, and no more than must");
    assert!(!first.ended.is_finished() && !second.ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_host_does_not_wait_for_what_strangers_have_taken() {
    let (_fleet, a, _b) = world().await;
    name_host(&a, 76).await;
    let stranger = own(75);
    let asker = Asker { peer: &stranger, is_stranger: true };
    let over = std::time::Duration::from_secs(10);
    a.node.replication.0.efforts.put_down(asker, STRANGERS_EFFORT_MAX + over, 0);
    let began = Instant::now();
    host(&a, 76).await;
    assert!(began.elapsed() < PEER_PLACE_TIME, "{:?}", began.elapsed());
    let (mut another, _) = greeted(&a, 77).await;
    assert_eq!(answer(&mut another, 1, CoreId::of(b"not here"), None).await.0, Kind::NotFound);
    assert!(began.elapsed() >= over, "strangers do");
}

#[tokio::test]
async fn no_log_is_loaded_for_who_has_no_part_in_a_private_core() {
    let (fleet, a, _b) = world().await;
    let fresh = crate::Node::new(a.store.clone(), Arc::clone(&fleet.clock) as Arc<dyn crate::Clock>);
    let core = a.session.core;
    for verb in [kubelt_core::Verb::Replicate, kubelt_core::Verb::Read] {
        assert!(!fresh.cores.may(&core, &wallet(2).account(), verb, None).await.expect("reads"));
    }
    assert!(!fresh.cores.is_loaded(&core), "how long it takes would tell that there is such a core");
    fresh.cores.with_log(&core, |_log| ()).await.expect("reads");
    assert!(fresh.cores.is_loaded(&core));
}

/// One of many peers.
async fn keyed(a: &Person, n: usize) -> Liar {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(n as u64 + 1_000_000).to_le_bytes());
    let mut liar = Liar::connected_as(a, SessionKey::from_seed(seed).public());
    liar.send(0, Kind::Hello, &Hello { v: 1, nonce: [3; 32] }.encode()).await;
    assert_eq!(liar.hear().await.0.kind, Kind::Hello);
    liar
}
