//! The log of a core, looked at in memory: what a peer would give, whatever this node itself holds of it.

use kubelt_core::{
    CoreId, Genesis, Replica,
    peer::{Kind, Open, Opened},
    sync::{Allowed, Message, Output, Received, Sync},
};
use tokio::time::timeout;

use super::{
    ChannelError, PeerFault, Replication,
    link::{Incoming, Link},
    open::Closing,
};
use crate::{
    limits::{JOIN_BYTES_MAX, JOIN_OPS_MAX, PEER_OPEN_TIME},
    session::Session,
};

/// A core's operations as they came, each after everything it follows; nothing about them is checked.
#[derive(Debug)]
pub(crate) struct Peeked {
    pub(crate) genesis: Genesis,
    pub(crate) ops: Vec<Received>,
}

impl Link {
    /// Asks the peer for a core's whole log by the word of `session`, and keeps nothing. The peer learns no more of this
    /// node than that somebody asks.
    ///
    /// # Errors
    /// [`ChannelError::NotFound`] where the peer has no such core for this session.
    pub(crate) async fn peek(
        &self,
        replication: &Replication,
        core: CoreId,
        session: &Session,
    ) -> Result<Peeked, ChannelError> {
        let (id, mut incoming) = self.channel().ok_or(ChannelError::Closed)?;
        let _closing = Closing { link: self, id };
        let proof = self.prove(replication, core, session);
        self.out().say(id, Kind::Open, &Open { core, live: false, proof }.encode());
        let answer = timeout(PEER_OPEN_TIME, incoming.recv()).await.map_err(|_late| PeerFault::Silent)?;
        let Incoming { kind, payload, .. } = answer.ok_or(ChannelError::Closed)?;
        let opened = match kind {
            Kind::Opened => Opened::decode(&payload).map_err(PeerFault::Message)?,
            Kind::NotFound => return Err(ChannelError::NotFound),
            other => return Err(PeerFault::Unexpected(other).into()),
        };
        let genesis = Genesis::decode(&opened.genesis).map_err(PeerFault::Message)?;
        if genesis.id() != core {
            return Err(PeerFault::OtherCore.into());
        }
        let nothing = Replica::new(genesis.clone());
        let (mut sync, hello) = Sync::start(&nothing, Allowed::Nothing);
        self.out().say(id, Kind::Sync, &hello.encode());
        let (mut ops, mut bytes) = (Vec::new(), 0_usize);
        while let Some(Incoming { kind, payload, .. }) = incoming.recv().await {
            match kind {
                Kind::Sync => {}
                Kind::NotFound => return Err(ChannelError::NotFound),
                Kind::Close => break,
                // Of content, which does not matter here.
                _ => continue,
            }
            bytes = bytes.saturating_add(payload.len());
            let message = Message::decode(&payload).map_err(PeerFault::Message)?;
            let step = sync.step(message, &nothing).map_err(PeerFault::Sync)?;
            for message in step.send {
                self.out().say(id, Kind::Sync, &message.encode());
            }
            let mut done = false;
            for output in step.outputs {
                match output {
                    Output::Received(received) => ops.extend(received),
                    Output::Bodies(_) => {}
                    Output::NotFound => return Err(ChannelError::NotFound),
                    Output::AllCame | Output::Finished { .. } => done = true,
                }
            }
            if ops.len() > JOIN_OPS_MAX || bytes > JOIN_BYTES_MAX {
                return Err(ChannelError::TooMuch);
            }
            if done {
                self.out().say(id, Kind::Close, &[]);
                return Ok(Peeked { genesis, ops });
            }
        }
        Err(ChannelError::Closed)
    }
}
