//! How channels begin: opened by this side, or answered; and that the other side hears of their end.

use bytes::Bytes;
use kubelt_core::{
    CoreId, Genesis,
    peer::{Follow, Kind, Open, Opened, Proof, Statement},
    sync::Sync,
};
use serde_bytes::ByteBuf;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    ChannelError, Exchanged, PeerFault, Replication,
    channel::{Channel, Role},
    effort::Asker,
    gate::Standing,
    link::{Incoming, Link},
    publish,
};
use crate::{
    limits::{PEER_EFFORT_OF_OPEN, PEER_NOT_FOUND_AFTER, PEER_OPEN_TIME},
    session::Session,
};

impl Link {
    /// Replicates a core with the peer: until both have all that the other may give, or, where it is to be live, until
    /// the connection or the peer's consent ends. A core that is not here is taken in.
    ///
    /// # Errors
    /// [`ChannelError::NotFound`] where the peer has no such core for this node.
    pub(crate) async fn replicate(
        &self,
        replication: &Replication,
        core: CoreId,
        session: Option<&Session>,
        live: bool,
        status: watch::Sender<Exchanged>,
    ) -> Result<(), ChannelError> {
        let proof = session.and_then(|session| self.prove(replication, core, session));
        self.exchange(replication, core, Wish { proof, live, all: false }, status).await
    }

    /// Takes a core in that the peer brings, until both have the same. It must let this node have all of it.
    pub(super) async fn carry(&self, replication: &Replication, core: CoreId) -> Result<(), ChannelError> {
        let wish = Wish { proof: None, live: false, all: true };
        self.exchange(replication, core, wish, watch::Sender::default()).await
    }

    async fn exchange(
        &self,
        replication: &Replication,
        core: CoreId,
        wish: Wish,
        status: watch::Sender<Exchanged>,
    ) -> Result<(), ChannelError> {
        let Wish { proof, live, all } = wish;
        let (id, incoming) = self.channel().ok_or(ChannelError::Closed)?;
        let _closing = Closing { link: self, id };
        self.out().say(id, Kind::Open, &Open { core, live, proof }.encode());
        // Of operations that are here nothing is said before the peer has shown that it has the core.
        let begun = replication.0.store.heads(&core)?.is_empty().then(|| {
            let (sync, hello) = Sync::start_empty(core);
            self.out().say(id, Kind::Sync, &hello.encode());
            sync
        });
        let mut incoming = incoming;
        let answer = timeout(PEER_OPEN_TIME, incoming.recv()).await.map_err(|_late| PeerFault::Silent)?;
        let Incoming { kind, payload, .. } = answer.ok_or(ChannelError::Closed)?;
        match kind {
            Kind::Opened => {}
            Kind::NotFound => return Err(ChannelError::NotFound),
            other => return Err(PeerFault::Unexpected(other).into()),
        }
        let opened = Opened::decode(&payload).map_err(PeerFault::Message)?;
        if all && !opened.full {
            return Err(ChannelError::NotFound);
        }
        replication.take_genesis(&core, &opened.genesis).await?;
        let mut channel = Channel::new(
            replication,
            self,
            id,
            core,
            Role::Opener,
            live,
            incoming,
            Standing::Stranger,
            status,
        )
        .await?;
        channel.begin_at_once(begun);
        channel.run().await
    }

    /// The proof that `session` lets this node have `core`, for this connection; none where the node does not hold the
    /// session's key.
    pub(super) fn prove(&self, replication: &Replication, core: CoreId, session: &Session) -> Option<Proof> {
        let key = session.key.as_ref()?;
        let login = replication.0.store.login(&session.core, &session.id()).ok()??;
        let statement = Statement {
            from: self.own(),
            to: self.peer(),
            nonce: self.peer_nonce(),
            core,
            login: session.id(),
            at_ms: replication.0.clock.now_ms(),
        };
        Some(Proof::sign(login.to_vec(), key, &statement))
    }
}

/// How a core is asked for.
struct Wish {
    proof: Option<Proof>,
    live: bool,
    /// Whether all of it is wanted or nothing.
    all: bool,
}

/// What a peer opens a channel for.
enum Asked {
    Open(Open),
    Follow(Follow),
}

impl Asked {
    const fn core(&self) -> CoreId {
        match self {
            Self::Open(open) => open.core,
            Self::Follow(follow) => follow.core,
        }
    }
}

/// Ends a channel that this side has opened, and tells the peer, however its task ends.
pub(super) struct Closing<'a> {
    pub(super) link: &'a Link,
    pub(super) id: u32,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.link.out().say(self.id, Kind::Close, &[]);
        self.link.close(self.id);
    }
}

/// Forgets a channel that the peer has opened.
struct Answering<'a> {
    link: &'a Link,
    id: u32,
    core: CoreId,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.link.answered(&self.core, self.id);
        self.link.close(self.id);
    }
}

/// Answers a channel that the peer opens, in a task of its own.
pub(super) fn answer(
    replication: &Replication,
    link: &Link,
    id: u32,
    incoming: mpsc::Receiver<Incoming>,
    kind: Kind,
    payload: Bytes,
) {
    let (replication, link) = (replication.clone(), link.clone());
    tokio::spawn(async move {
        let not_before = Instant::now() + PEER_NOT_FOUND_AFTER;
        let asked = match kind {
            Kind::Follow => Follow::decode(&payload).map(Asked::Follow),
            _ => Open::decode(&payload).map(Asked::Open),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => {
                replication.strike(link.peer(), &PeerFault::Message(error));
                return link.end();
            }
        };
        let core = asked.core();
        link.answers(core, id);
        let _answering = Answering { link: &link, id, core };
        let ended = match asked {
            Asked::Open(open) => answered(&replication, &link, id, incoming, open).await,
            Asked::Follow(follow) => publish::publish(&replication, &link, id, incoming, follow).await,
        };
        match ended {
            Ok(()) | Err(ChannelError::Closed) => {}
            Err(ChannelError::NotFound) => {
                link.out().close(id);
                sleep_until(not_before).await;
                link.out().say(id, Kind::NotFound, &[]);
            }
            Err(ChannelError::Peer(fault)) => {
                replication.strike(link.peer(), &fault);
                link.end();
            }
            Err(error) => {
                tracing::warn!(peer = %link.peer(), error = &error as &dyn std::error::Error, "a core is not replicated");
                link.out().say(id, Kind::Close, &[]);
            }
        }
    });
}

async fn answered(
    replication: &Replication,
    link: &Link,
    id: u32,
    incoming: mpsc::Receiver<Incoming>,
    open: Open,
) -> Result<(), ChannelError> {
    let Open { core, live, proof } = open;
    // Who is a host here waits on no strangers.
    let is_stranger = !replication.is_known(&core, link.peer())?;
    let asker = Asker { peer: link.peer(), is_stranger };
    replication.0.efforts.turn(asker).await;
    replication.0.efforts.put_down(asker, PEER_EFFORT_OF_OPEN, 0);
    let standing = replication.standing(core, link, proof.as_ref()).await;
    let status = watch::Sender::new(Exchanged::default());
    let watching = status.subscribe();
    let channel =
        Channel::new(replication, link, id, core, Role::Answerer, live, incoming, standing, status).await?;
    if !channel.gate().is_open() {
        replication.take_what_is_brought(link, core);
        return Err(ChannelError::NotFound);
    }
    let genesis = replication.0.store.genesis(&core)?.ok_or(ChannelError::NotFound)?;
    let opened = Opened { genesis: ByteBuf::from(genesis.to_vec()), full: channel.gate().is_full() };
    link.out().say(id, Kind::Opened, &opened.encode());
    let _full = channel.gate().is_full().then(|| link.give_all());
    if channel.gate().is_full() {
        replication.note_answered(core, link.peer(), watching.clone());
    }
    let ended = channel.run().await;
    replication.forget_answered(core, link.peer(), &watching);
    ended
}

impl Replication {
    /// Keeps the genesis of a core that somebody of this node asked for.
    async fn take_genesis(&self, core: &CoreId, genesis: &[u8]) -> Result<(), ChannelError> {
        let found = Genesis::decode(genesis).map_err(PeerFault::Message)?;
        if found.id() != *core {
            return Err(PeerFault::OtherCore.into());
        }
        if self.0.store.genesis(core)?.is_none() {
            let mut tx = self.0.store.begin();
            tx.put_core(core, genesis)?;
            tx.commit().await?;
        }
        Ok(())
    }
}
