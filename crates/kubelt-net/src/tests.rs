mod dht;
mod reach;
mod replicate;
mod sockets;
mod wss;

use std::{sync::Arc, time::Duration};

use kubelt_core::EoaKey;
use kubelt_node::{Ask, Node, NodeKey, Session};

use crate::{Net, NetConfig, NetError};

/// The longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to that");
}

pub(crate) async fn start(seed: u8, config: &NetConfig) -> Net {
    Net::start(&NodeKey::from_seed([seed; 32]), config).await.expect("starts")
}

/// A session of the one wallet of these tests.
pub(crate) async fn sign_in(node: &Node) -> Arc<Session> {
    let wallet = EoaKey::from_secret(&[7; 32]).expect("a key");
    let account = wallet.account();
    let ask = Ask::of(account);
    let made = node.sessions.challenge("localhost", ask).expect("a challenge");
    let signature = wallet.sign(made.message.as_bytes());
    node.sessions.open("localhost", &made.message, &signature).await.expect("a session").session
}

/// Writes a value into the core of a session.
pub(crate) async fn write(node: &Node, session: &Arc<Session>) {
    let act = kubelt_core::Act::Put {
        path: "profile/name".parse().expect("a path"),
        value: kubelt_content::Ipld::String("me".to_owned()),
    };
    let write = kubelt_node::Write::Act { session: Arc::clone(session), act };
    node.cores.write(session.core, write).await.expect("is written");
}

/// Asserts that two nodes have the same log of the core of a session.
pub(crate) async fn assert_equal(a: &Node, b: &Node, session: &Arc<Session>) {
    let reader = kubelt_node::Reader::Session(Arc::clone(session));
    let heads = [
        a.exchange.heads(&reader, &session.core).await.expect("reads"),
        b.exchange.heads(&reader, &session.core).await.expect("reads"),
    ];
    assert_eq!(heads[0], heads[1]);
}

async fn listening(seed: u8) -> Net {
    let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
    let listen = listen.map(|address| address.parse().expect("an address")).to_vec();
    start(seed, &NetConfig { listen, ..NetConfig::default() }).await
}

#[tokio::test]
async fn two_nodes_meet_over_every_transport() {
    let key = NodeKey::from_seed([1; 32]);
    let server = listening(1).await;
    assert_eq!(server.id().to_string(), key.peer_id());
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 2);
    for (seed, address) in (2..).zip(addresses) {
        let client = start(seed, &NetConfig::default()).await;
        let met = client.connect(address).await.expect("connects");
        assert_eq!(met, server.id());
        assert!(client.peers().iter().any(|peer| peer.id == met));
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_nothing_of_others_of_the_same_peer() {
    let (server, client) = (listening(1).await, start(2, &NetConfig::default()).await);
    let good = server.addresses().into_iter().next().expect("it listens");
    // Nobody listens at the one, and who listens at the other says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("is bound").port();
    let dial = |port: u16| {
        let bad = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", server.id());
        client.connect(bad.parse().expect("an address"))
    };
    let (refused, stuck, met) = tokio::join!(dial(1), dial(silent), client.connect(good));
    assert_eq!(met.expect("connects"), server.id());
    assert_eq!(stuck.expect("it is connected by now"), server.id());
    assert!(matches!(refused, Ok(_) | Err(NetError::Connect { .. })), "{refused:?}");
}

#[tokio::test]
async fn who_answers_with_another_key_is_not_connected() {
    let (server, other) = (listening(1).await, NodeKey::from_seed([9; 32]).peer_id());
    let client = start(2, &NetConfig::default()).await;
    for address in server.addresses() {
        let text = address.to_string().replace(&server.id().to_string(), &other);
        let refused = client.connect(text.parse().expect("an address")).await;
        assert!(matches!(refused, Err(NetError::Connect { .. })), "{refused:?}");
        assert!(client.peers().is_empty());
    }
    let nobody = "/ip4/127.0.0.1/tcp/1".parse().expect("an address");
    assert!(matches!(client.connect(nobody).await, Err(NetError::NoPeer(_))));
}
