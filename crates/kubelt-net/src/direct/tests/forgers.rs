//! Hosts that forge, over real connections: each proves its own key, passes on what an honest node says, and changes
//! some of it on the way.

use std::sync::Arc;

use kubelt_core::{
    PublicKey, Signed, Visibility,
    peer::{FRAME_HEAD_BYTES, FrameHead, Kind},
    sync::Message,
};
use kubelt_node::{Node, NodeAddress, Reader, Session, Target, content_path};
use serde_bytes::ByteBuf;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{Direct, direct_address, listening, sign_in};
use crate::{NodeDialer, tests::assert_equal};

/// What a forger changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forgery {
    Block,
    Operation,
}

/// The next frame; none at the end.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Option<(FrameHead, Vec<u8>)> {
    let mut head = [0; FRAME_HEAD_BYTES];
    from.read_exact(&mut head).await.ok()?;
    let head = FrameHead::decode(&head).expect("a frame");
    let mut payload = vec![0; head.len];
    from.read_exact(&mut payload).await.ok()?;
    Some((head, payload))
}

/// Another block in the place of one, or an operation with another signature.
fn forge(kind: Kind, mut payload: Vec<u8>, forgery: Forgery) -> Vec<u8> {
    match (kind, forgery) {
        (Kind::Block, Forgery::Block) => {
            let last = payload.len() - 1;
            payload[last] ^= 1;
            payload
        }
        (Kind::Sync, Forgery::Operation) => match Message::decode(&payload).expect("a message") {
            Message::Headers { ops, logins } => {
                let forged = |op: ByteBuf| {
                    let mut signed = Signed::decode(&op).expect("an operation");
                    signed.signature[10] ^= 1;
                    ByteBuf::from(signed.encode())
                };
                Message::Headers { ops: ops.into_iter().map(forged).collect(), logins }.encode()
            }
            _ => payload,
        },
        _ => payload,
    }
}

/// Passes frames on, changed.
async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    forgery: Option<Forgery>,
) {
    while let Some((head, payload)) = frame(&mut from).await {
        let payload = match forgery {
            Some(forgery) => forge(head.kind, payload, forgery),
            None => payload,
        };
        let head = FrameHead { len: payload.len(), ..head }.encode();
        if to.write_all(&[head.as_slice(), &payload].concat()).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// A node that says what `honest` does, but for the forgery, under its key.
async fn forger(honest: &Node, forgery: Forgery) -> NodeAddress {
    let key = honest.identity.key().await.expect("a key").clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let (direct, replication) = (Direct::new(&key).expect("a certificate"), honest.replication.clone());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (stream, peer) = direct.accept(tcp).await.expect("a handshake");
            let (here, there) = tokio::io::duplex(1 << 20);
            let replication = replication.clone();
            tokio::spawn(async move { replication.accept(there, peer).await });
            let ((victim, to_victim), (honest, to_honest)) =
                (tokio::io::split(stream), tokio::io::split(here));
            tokio::spawn(pass_on(victim, to_honest, None));
            tokio::spawn(pass_on(honest, to_victim, Some(forgery)));
        }
    });
    direct_address(at, &key.public()).expect("an Ed25519 key").parse().expect("an address")
}

async fn put(node: &Node, session: &Arc<Session>) {
    let path = content_path(&["big".to_owned()]).expect("a path");
    let target = Target { path, visibility: Visibility::Private, partial: false, media_type: None };
    let mut upload = node.content.upload(Arc::clone(session), session.core, target).await;
    upload.write(vec![7; 3_000_000].into()).await.expect("is taken");
    upload.finish().await.expect("is stored");
}

async fn key_of(node: &Node) -> PublicKey {
    node.identity.key().await.expect("a key").public()
}

#[tokio::test]
async fn who_forges_is_dropped_and_remembered_and_an_honest_host_gives_the_same() {
    for forgery in [Forgery::Block, Forgery::Operation] {
        let (one, straight) = listening().await;
        let (other, honest) = listening().await;
        let (victim, _) = listening().await;
        let sessions = [sign_in(&one).await, sign_in(&other).await, sign_in(&victim).await];
        put(&one, &sessions[0]).await;
        let dialer = |key| Arc::new(NodeDialer::new(Direct::new(key).expect("a certificate"), Vec::new()));
        for (node, session) in [(&other, &sessions[1]), (&victim, &sessions[2])] {
            node.remotes.dial_by(dialer(node.identity.key().await.expect("a key")));
            assert_eq!(session.core, sessions[0].core);
        }
        let [_, own, session] = &sessions;
        let reader = Reader::Session(Arc::clone(session));
        let before = victim.exchange.heads(&reader, &session.core).await.expect("reads");

        let forged = forger(&one, forgery).await;
        let refused = victim.remotes.add(session, session.core, forged, false).await;
        refused.expect_err("what it gives is forged");
        assert!(victim.replication.faults(&key_of(&one).await) > 0, "{forgery:?} is counted");
        let path = ["big".to_owned()];
        victim.content.find(&reader, &session.core, &path).await.expect_err("nothing of it is shown");
        if forgery == Forgery::Operation {
            let heads = victim.exchange.heads(&reader, &session.core).await.expect("reads");
            assert_eq!(heads, before, "nothing of it was taken in");
        }

        // Another node has the same by an honest connection.
        other.remotes.add(own, own.core, straight, false).await.expect("is added");
        let added = victim.remotes.add(session, session.core, honest, false).await.expect("is added");
        assert!(added.exchanged.settled && added.exchanged.incomplete == 0, "{added:?}");
        victim.content.find(&reader, &session.core, &path).await.expect("it is whole");
        assert_equal(&other, &victim, session).await;
    }
}
