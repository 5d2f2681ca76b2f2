//! Sources that lie to mirrors, and mirrors that ask for more than is published.

use std::collections::BTreeMap;

use bytes::Bytes;
use kubelt_core::{
    Act, Body, Genesis, Header, Hlc, OpId, SessionKey, Signed,
    peer::{Ask, Follow, Hello, Kind, Opened, Published, Shown, ShownParts, Want},
    schema::{ContentEntry, Visibility},
    sync::Message,
};
use serde_bytes::ByteBuf;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    liars::Liar,
    mirrors::{hears, reads, root},
    world::{Fleet, Person, Place, body, wallet},
};
use crate::{ChannelError, Mirrored, PeerFault, content::PREFIX};

/// A source of our own, which the node `b` follows a core at.
struct Source {
    liar: Liar,
    following: JoinHandle<Result<(), ChannelError>>,
    status: watch::Receiver<Mirrored>,
    channel: u32,
}

impl Source {
    /// One that has answered with a core's genesis.
    async fn opened(place: &Place, genesis: &Genesis, seed: u8) -> Self {
        let (stream, here) = tokio::io::duplex(4 * 1_024 * 1_024);
        let (node, key) = (place.node.clone(), SessionKey::from_seed([seed; 32]).public());
        let (status, core) = (watch::Sender::new(Mirrored::default()), genesis.id());
        let heard = status.subscribe();
        let following = tokio::spawn(async move {
            let link = node.replication.connect(here, key).await.expect("they greet each other");
            link.follow(&node.replication, node.mirrors.shelves(), core, true, &status).await
        });
        let mut liar = Liar { stream, ended: tokio::spawn(async { Ok(()) }) };
        liar.send(0, Kind::Hello, &Hello { v: 2, nonce: [3; 32] }.encode()).await;
        let (head, asked) = loop {
            let (head, payload) = liar.hear().await;
            if head.kind == Kind::Follow {
                break (head, payload);
            }
        };
        assert_eq!(Follow::decode(&asked).expect("asks"), Follow { core, live: true });
        let opened = Opened { genesis: ByteBuf::from(genesis.encode()), full: false };
        liar.send(head.channel, Kind::Opened, &opened.encode()).await;
        Self { liar, following, status: heard, channel: head.channel }
    }

    async fn says(&mut self, kind: Kind, payload: &[u8]) {
        self.liar.send(self.channel, kind, payload).await;
    }

    /// Names what is open, and shows what it is asked for.
    async fn shows(&mut self, open: Vec<OpId>, closed: Vec<OpId>, parts: &BTreeMap<OpId, ShownParts>) {
        self.says(Kind::Published, &Published { open, closed, more: false }.encode()).await;
        let asked = Ask::decode(&self.liar.hear_kind(Kind::Ask).await).expect("asks").ops;
        for op in asked {
            let shown = Shown { op, parts: parts.get(&op).cloned() };
            self.says(Kind::Shown, &shown.encode()).await;
        }
    }

    async fn settles(&mut self) -> Mirrored {
        self.status.wait_for(|status| status.settled).await.expect("it goes on").clone()
    }

    /// What the mirror blames it for.
    async fn fault(self) -> PeerFault {
        match self.following.await.expect("does not panic") {
            Err(ChannelError::Peer(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}

/// What decides a path of somebody's content, as a source shows it.
fn shown(person: &Person, path: &str) -> (OpId, ShownParts) {
    let path = format!("{PREFIX}/{path}").parse().expect("a path");
    let op = person.store.state(&person.session.core, &path).expect("reads").expect("is there").id;
    let record = person.store.op(&person.session.core, &op).expect("reads").expect("is there");
    let login = Signed::decode(&record.signed).expect("an operation").header.login.expect("of a session");
    let login = person.store.login(&person.session.core, &login).expect("reads").expect("is there");
    let part = |bytes: &[u8]| ByteBuf::from(bytes.to_vec());
    let body = record.body.expect("it has one");
    (op, ShownParts { signed: part(&record.signed), body: part(&body), login: Some(part(&login)) })
}

#[tokio::test]
async fn nothing_is_served_that_does_not_prove_itself() {
    let fleet = Fleet::new(&["a", "b", "other"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let genesis = Genesis::Private { root: wallet(1).account() };
    a.put("page", body("page", 10), Visibility::Public).await;
    a.put("secret", body("secret", 10), Visibility::Private).await;
    // Written by hand, by somebody else: the right core, a good signature, and no part in it.
    let cid = root(&a, "page");
    let value = ContentEntry::new(cid, 10, "text/plain", Visibility::Public).to_ipld();
    let forged = Body::new([5; 16], Act::Put { path: "content/forged".parse().expect("a path"), value });
    let header = Header {
        v: 1,
        core: genesis.id(),
        prev: Vec::new(),
        by: wallet(9).account(),
        login: None,
        auth: genesis.id().as_root(),
        at: Hlc::from_ms(1_800_000_000_000),
        votes: Vec::new(),
        verb: forged.act.verb(),
        body: forged.id(),
    };
    let signed = wallet(9).sign_op(header, &forged).expect("has words");
    let of_stranger = ShownParts {
        signed: ByteBuf::from(signed.encode()),
        body: ByteBuf::from(forged.encode()),
        login: None,
    };
    let (private, private_parts) = shown(&a, "secret");
    let parts = BTreeMap::from([(signed.header.id(), of_stranger), (private, private_parts)]);
    let mut source = Source::opened(fleet.at("b"), &genesis, 40).await;
    let nowhere = OpId::from_digest([8; 32]);
    source.shows(vec![signed.header.id(), private, nowhere], Vec::new(), &parts).await;
    let status = source.settles().await;
    assert_eq!((status.paths, status.lacking), (0, 3), "{status:?}");
    for path in ["forged", "secret"] {
        assert_eq!(reads(&fleet.at("b").node, &genesis.id(), path).await, None, "{path}");
    }
    assert_eq!(
        fleet.at("b").store.meta_scan("mirrored-entry", &[], None).count(),
        0,
        "nothing of it is kept"
    );

    // An operation of another core, one with another body, and one that was not asked for are faults.
    let other = fleet.at("other").sign_in(&wallet(3)).await;
    other.put("page", body("page", 10), Visibility::Public).await;
    let (foreign, foreign_parts) = shown(&other, "page");
    let (page, page_parts) = shown(&a, "page");
    let swapped = ShownParts { body: ByteBuf::from(forged.encode()), ..page_parts.clone() };
    for (seed, op, parts) in [(41, foreign, foreign_parts), (42, page, swapped)] {
        let mut source = Source::opened(fleet.at("b"), &genesis, seed).await;
        source.shows(vec![op], Vec::new(), &BTreeMap::from([(op, parts)])).await;
        match seed {
            41 => assert!(matches!(source.fault().await, PeerFault::Forged(_))),
            // A body that is not the header's says nothing about who signed it.
            _ => assert_eq!(source.settles().await.paths, 0),
        }
    }
    let mut source = Source::opened(fleet.at("b"), &genesis, 43).await;
    let unasked = Shown { op: page, parts: Some(page_parts) };
    source.says(Kind::Shown, &unasked.encode()).await;
    assert!(matches!(source.fault().await, PeerFault::Unexpected(Kind::Shown)));
}

#[tokio::test]
async fn a_source_can_withhold_and_go_back_and_no_more() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let (genesis, b) = (Genesis::Private { root: wallet(1).account() }, fleet.at("b"));
    a.put("page", body("old", 20), Visibility::Public).await;
    let (old, old_parts) = shown(&a, "page");
    a.put("page", body("new", 20), Visibility::Public).await;
    let (new, new_parts) = shown(&a, "page");
    let parts = BTreeMap::from([(old, old_parts), (new, new_parts)]);
    let block = |path: &str, body: &Bytes| {
        let cid = root(&a, path);
        assert!(a.store.has_block(&cid).expect("reads"));
        [cid.to_bytes(), body.to_vec()].concat()
    };
    // Both versions at once: the newer one counts.
    let mut source = Source::opened(b, &genesis, 50).await;
    source.shows(vec![old, new], Vec::new(), &parts).await;
    source.liar.hear_kind(Kind::Want).await;
    source.says(Kind::Block, &block("page", &body("new", 20))).await;
    assert_eq!(source.settles().await.paths, 1);
    assert_eq!(reads(&b.node, &genesis.id(), "page").await, Some(body("new", 20)));
    // An old set again: what the owner once published is all that it can bring back; the new version goes.
    source
        .says(Kind::Published, &Published { open: Vec::new(), closed: vec![new], more: false }.encode())
        .await;
    hears(b, &mut source.status, &genesis.id(), "page", None).await;
    // What is withheld is missing, and the mirror says so.
    source.liar.hear_kind(Kind::Ask).await;
    source.says(Kind::Shown, &Shown { op: old, parts: None }.encode()).await;
    let status = source.settles().await;
    assert_eq!((status.paths, status.lacking), (0, 1));
    // And a block that is not the one asked for is a fault, as everywhere.
    source.says(Kind::Block, &block("page", &body("new", 20))).await;
    assert!(matches!(source.fault().await, PeerFault::Unasked));
}

#[tokio::test]
async fn a_mirror_gets_nothing_but_what_is_published_whatever_it_asks() {
    let fleet = Fleet::new(&["a"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let core = a.session.core;
    a.put("page", body("page", 10), Visibility::Public).await;
    a.put("secret", body("secret", 10), Visibility::Private).await;
    a.profile("nobody's business").await;
    let profile = "profile/name".parse().expect("a path");
    let profile = a.store.state(&core, &profile).expect("reads").expect("is there").id;
    let (page, page_parts) = shown(&a, "page");
    let (secret, _) = shown(&a, "secret");
    let mut liar = Liar::greeted(&a, 60).await;
    liar.send(1, Kind::Follow, &Follow { core, live: true }.encode()).await;
    liar.hear_kind(Kind::Opened).await;
    let told = Published::decode(&liar.hear_kind(Kind::Published).await).expect("is told");
    assert_eq!(told, Published { open: vec![page], closed: Vec::new(), more: false });
    let ops = vec![page, secret, profile];
    liar.send(1, Kind::Ask, &Ask { ops: ops.clone() }.encode()).await;
    for op in ops {
        let answer = Shown::decode(&liar.hear_kind(Kind::Shown).await).expect("is shown");
        assert_eq!(answer, Shown { op, parts: (op == page).then(|| page_parts.clone()) });
    }
    let (open, closed) = (root(&a, "page"), root(&a, "secret"));
    liar.send(1, Kind::Want, &Want { cids: vec![closed, open] }.encode()).await;
    assert_eq!(liar.hear_kind(Kind::NotHere).await, closed.to_bytes());
    liar.hear_kind(Kind::Block).await;
    // What is made private a moment before it is asked for is not given any more.
    a.put("other", body("other", 10), Visibility::Public).await;
    a.put("page", body("page", 10), Visibility::Private).await;
    liar.send(1, Kind::Ask, &Ask { ops: vec![page] }.encode()).await;
    let answer = Shown::decode(&liar.hear_kind(Kind::Shown).await).expect("is shown");
    assert_eq!(answer.parts, None);
    // A private core has no log for strangers.
    let hello = Message::Hello { core, heads: Vec::new(), count: 0, knows: false, wants: true };
    liar.send(1, Kind::Sync, &hello.encode()).await;
    drop(liar.ended.await);
    assert_eq!(a.node.replication.faults(&SessionKey::from_seed([60; 32]).public()), 1);
}
