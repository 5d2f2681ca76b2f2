//! A core brought by an invite, and what whoever was not invited gets from it.

mod heirs;

use std::{collections::BTreeMap, sync::Arc};

use kubelt_content::Ipld;
use kubelt_core::{Ability, Body, CoreId, EoaKey, PublicKey, Signed, Verb};
use kubelt_store::{Options, Store};

use super::{JoinError, Members, MembersError, NewCore, Wish};
use crate::{
    Ask, DialError, Dialer, Dialling, Node, NodeAddress, PeerStream, Reader, Replication, Session,
    SystemClock, Written,
    exchange::{OpsError, PostedOp},
    limits::CORES_BROUGHT_MAX,
    peer_id,
};

/// The way to one node.
#[derive(Debug)]
struct Pipe {
    from: PublicKey,
    to: Replication,
}

impl Dialer for Pipe {
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(async {
            if address.text.contains("192.0.2.9") {
                return Err(DialError("nobody is there".to_owned()));
            }
            let (here, there) = tokio::io::duplex(64 * 1_024);
            let (to, from) = (self.to.clone(), self.from);
            tokio::spawn(async move { to.accept(there, from).await });
            Ok(Box::new(here) as Box<dyn PeerStream>)
        })
    }

    fn reached_at(&self) -> Vec<String> {
        Vec::new()
    }
}

fn wallet(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

fn node() -> (Node, Store) {
    let store = Store::memory(Options::default());
    (Node::new(store.clone(), Arc::new(SystemClock)), store)
}

async fn sign_in(node: &Node, key: &EoaKey, core: Option<CoreId>) -> Arc<Session> {
    let all = || Verb::ALL.into_iter().filter(|verb| verb.session_may()).map(Ability::everywhere).collect();
    let cores: BTreeMap<CoreId, Vec<Ability>> = core.into_iter().map(|core| (core, all())).collect();
    let made = node.sessions.challenge("localhost", Ask { cores, ..Ask::of(key.account()) });
    let message = made.expect("a challenge").message;
    let opened = node.sessions.open("localhost", &message, &key.sign(message.as_bytes())).await;
    opened.expect("a session").session
}

async fn act(node: &Node, session: &Arc<Session>, key: &EoaKey, core: &CoreId, wish: Wish) {
    for drafted in node.members.draft(session, core, wish).await.expect("may") {
        let signed = key.sign_op(drafted.header, &drafted.body).expect("has words");
        assert!(
            post(node, session, core, signed, &drafted.body).await.is_ok_and(|written| written.effective)
        );
    }
}

async fn post(
    node: &Node,
    session: &Arc<Session>,
    core: &CoreId,
    signed: Signed,
    body: &Body,
) -> Result<Written, OpsError> {
    let posted = PostedOp { signed: signed.encode().into(), body: body.encode().into(), login: None };
    let mut results = node.exchange.post(&Reader::Session(Arc::clone(session)), core, &[posted]).await;
    results.pop().expect("one was posted")
}

fn grant(to: &EoaKey, role: &str) -> Wish {
    let (role, can) = kubelt_core::role::choose::<&str>(Some(role), &[]).expect("a role");
    Wish::Grant { to: vec![to.account()], m: None, role, can }
}

/// A node with a shared core that has a developer and a reader, another one that can reach it, and where that is.
async fn world() -> (Node, CoreId, Node, Store, NodeAddress) {
    let ((home, _), (away, store)) = (node(), node());
    let root = wallet(1);
    let maker = sign_in(&home, &root, None).await;
    let new = NewCore { title: Some("Acme Corp".to_owned()), ..NewCore::named("acme") };
    let core = home.members.create(&maker, &maker.core, new).await.expect("is made").core;
    let session = sign_in(&home, &root, Some(core)).await;
    let path = "profile/name".parse().expect("a path");
    act(&home, &session, &root, &core, Wish::Put { path, value: Ipld::String("Acme".to_owned()) }).await;
    act(&home, &session, &root, &core, grant(&wallet(2), "developer")).await;
    act(&home, &session, &root, &core, grant(&wallet(3), "reader")).await;
    let address = connect(&home, &away).await;
    (home, core, away, store, address)
}

/// Lets `away` reach `home`; gives where that is.
async fn connect(home: &Node, away: &Node) -> NodeAddress {
    let own = home.identity.key().await.expect("a key").public();
    let from = away.identity.key().await.expect("a key").public();
    away.remotes.dial_by(Arc::new(Pipe { from, to: home.replication.clone() }));
    let id = peer_id(&own).expect("an Ed25519 key");
    format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{id}").parse().expect("an address")
}

#[tokio::test]
async fn an_invite_is_seen_accepted_and_changes_nothing_the_second_time() {
    let (home, core, ..) = world().await;
    let ann = sign_in(&home, &wallet(2), None).await;
    let waiting = home.members.invites(&ann).await.expect("lists");
    assert_eq!((waiting.len(), waiting[0].core, waiting[0].title.as_deref()), (1, core, Some("Acme Corp")));
    assert_eq!(waiting[0].roles, ["developer"]);
    let accepted = home.members.accept(&ann, core, None, None).await.expect("is hers");
    assert_eq!((accepted.name.as_str(), accepted.known), ("acme-corp", false));
    assert!(home.members.invites(&ann).await.expect("lists").is_empty());
    let again = home.members.accept(&ann, core, None, None).await.expect("is hers");
    assert_eq!((again.name.as_str(), again.known), ("acme-corp", true));
    let named = home.members.names(&Reader::Session(Arc::clone(&ann)), &ann.core).await.expect("lists");
    assert_eq!((named.len(), named[0].name.as_str(), named[0].core), (1, "acme-corp", core));

    // Nobody else gets in by the same link, and nobody learns from it whether there is such a core.
    let eve = sign_in(&home, &wallet(9), Some(core)).await;
    for id in [core, CoreId::of(b"no such core")] {
        let refused = home.members.accept(&eve, id, None, None).await;
        assert!(matches!(refused, Err(MembersError::NotFound)), "{refused:?}");
    }
    assert!(home.members.invites(&eve).await.expect("lists").is_empty());
    // A name that is given to another core is not taken over.
    home.members.create(&ann, &ann.core, NewCore::named("mine")).await.expect("is made");
    let refused = home.members.accept(&ann, core, Some("mine".to_owned()), None).await;
    assert!(matches!(refused, Err(MembersError::NameTaken(_))), "{refused:?}");
}

#[tokio::test]
async fn a_core_comes_from_another_node_for_who_may_hold_a_copy_and_leaves_no_trace_for_others() {
    let (_home, core, away, store, address) = world().await;
    let ann = sign_in(&away, &wallet(2), Some(core)).await;
    let nobody = address.text.replace("192.0.2.1", "192.0.2.9").parse().expect("an address");
    let refused = away.members.accept(&ann, core, None, Some(nobody)).await;
    assert!(matches!(refused, Err(MembersError::Join(JoinError::Unreached(_)))), "{refused:?}");
    for (secret, handed) in [(3, true), (9, true), (2, false)] {
        let session = sign_in(&away, &wallet(secret), handed.then_some(core)).await;
        let refused = away.members.accept(&session, core, None, Some(address.clone())).await;
        match handed {
            true => assert!(matches!(refused, Err(MembersError::Join(JoinError::NotFound))), "{refused:?}"),
            false => assert!(matches!(refused, Err(MembersError::Join(JoinError::Session))), "{refused:?}"),
        }
        assert!(store.genesis(&core).expect("reads").is_none(), "nothing was stored");
        let reader = Reader::Session(Arc::clone(&session));
        assert!(away.members.names(&reader, &session.core).await.expect("lists").is_empty());
    }
    let accepted = away.members.accept(&ann, core, None, Some(address.clone())).await.expect("is hers");
    assert!(accepted.remote.is_some_and(|remote| remote.exchanged.equal));
    let list = away.members.list(&ann, &core).await.expect("she is in it");
    assert_eq!(list.members.len(), 2);
    // Now it is here, and still nobody else gets it.
    let eve = sign_in(&away, &wallet(9), Some(core)).await;
    let refused = away.members.accept(&eve, core, None, Some(address)).await;
    assert!(matches!(refused, Err(MembersError::Join(JoinError::NotFound))), "{refused:?}");
    assert!(matches!(away.members.list(&eve, &core).await, Err(MembersError::NotFound)));
}

#[tokio::test]
async fn an_account_brings_so_many_cores_and_no_more() {
    let (node, _store) = node();
    let ann = sign_in(&node, &wallet(1), None).await;
    let make = async |members: &Members, n: usize| {
        members.create(&ann, &ann.core, NewCore::named(format!("core-{n}"))).await
    };
    for n in 0..CORES_BROUGHT_MAX {
        make(&node.members, n).await.expect("is made");
    }
    let refused = make(&node.members, CORES_BROUGHT_MAX).await;
    assert!(matches!(refused, Err(MembersError::Bring(crate::BringError::TooMany))), "{refused:?}");
    let bob = sign_in(&node, &wallet(2), None).await;
    node.members
        .create(&bob, &bob.core, NewCore::named("one"))
        .await
        .expect("others are not counted with her");
}

/// A client that holds its session's key makes cores like any other, and names them itself.
#[tokio::test]
async fn a_client_with_a_key_of_its_own_makes_and_joins_cores() {
    let (node, _store) = node();
    let (ann, key) = (wallet(31), kubelt_core::SessionKey::from_seed([32; 32]));
    let ask = Ask { session_key: Some(key.public()), ..Ask::of(ann.account()) };
    let message = node.sessions.challenge("localhost", ask).expect("a challenge").message;
    let opened = node.sessions.open("localhost", &message, &ann.sign(message.as_bytes())).await;
    let session = opened.expect("a session").session;
    let made = node.members.create(&session, &session.core, NewCore::named("acme")).await.expect("made");
    assert!(!made.is_named && made.genesis.id() == made.core);
    let core = made.core;
    let reader = Reader::Session(Arc::clone(&session));
    let named = node.members.names(&reader, &session.core).await.expect("may");
    assert!(named.is_empty(), "it is for the client to name");
    let path = "profile/name".parse().expect("a path");
    let acting = sign_in(&node, &ann, Some(core)).await;
    act(&node, &acting, &ann, &core, Wish::Put { path, value: Ipld::String("Acme".to_owned()) }).await;
    let accepted = node.members.accept(&session, core, None, None).await.expect("has a part");
    assert!(!accepted.known, "nor does the node name what is accepted");
}
