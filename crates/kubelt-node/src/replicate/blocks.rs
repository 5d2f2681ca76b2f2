//! Single blocks of a core, asked of a peer that holds it: a channel like any other, on which no logs are compared.

use std::collections::HashSet;

use kubelt_content::{Block, Cid};
use kubelt_core::{
    CoreId,
    peer::{Kind, Open, Want, read_block},
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    ChannelError, PeerFault, Replication,
    link::{Incoming, Link},
};
use crate::{limits::PEER_OPEN_TIME, session::Session};

/// A peer that is asked for blocks of one core.
pub(crate) struct BlocksOf {
    replication: Replication,
    link: Link,
    id: u32,
    incoming: mpsc::Receiver<Incoming>,
    asked: HashSet<Cid>,
}

impl Link {
    /// Asks for a core whose blocks are to be asked for, by the word of `session` where there is one.
    ///
    /// # Errors
    /// [`ChannelError::NotFound`] where the peer has no such core for this node.
    pub(crate) async fn blocks(
        &self,
        replication: &Replication,
        core: CoreId,
        session: Option<&Session>,
    ) -> Result<BlocksOf, ChannelError> {
        let proof = session.and_then(|session| self.prove(replication, core, session));
        let (id, incoming) = self.channel().ok_or(ChannelError::Closed)?;
        let (replication, link) = (replication.clone(), self.clone());
        let mut blocks = BlocksOf { replication, link, id, incoming, asked: HashSet::new() };
        self.out().say(id, Kind::Open, &Open { core, live: false, proof }.encode());
        let answer =
            timeout(PEER_OPEN_TIME, blocks.incoming.recv()).await.map_err(|_late| PeerFault::Silent)?;
        match answer.ok_or(ChannelError::Closed)?.kind {
            Kind::Opened => Ok(blocks),
            Kind::NotFound => Err(ChannelError::NotFound),
            other => Err(PeerFault::Unexpected(other).into()),
        }
    }
}

impl BlocksOf {
    /// Asks for these, too; for a few at a time.
    pub(crate) fn want(&mut self, cids: Vec<Cid>) {
        self.asked.extend(&cids);
        self.link.out().say(self.id, Kind::Want, &Want { cids }.encode());
    }

    /// The next block that comes, or that is not there.
    ///
    /// # Errors
    /// [`ChannelError`] when nothing comes any more.
    pub(crate) async fn next(&mut self) -> Result<(Cid, Option<Block>), ChannelError> {
        let next = self.hear().await;
        if let Err(ChannelError::Peer(fault)) = &next {
            self.replication.strike(self.link.peer(), fault);
            self.link.end();
        }
        next
    }

    async fn hear(&mut self) -> Result<(Cid, Option<Block>), ChannelError> {
        loop {
            let Incoming { kind, payload, .. } = self.incoming.recv().await.ok_or(ChannelError::Closed)?;
            let is_here = match kind {
                Kind::Block => true,
                Kind::NotHere => false,
                Kind::NotFound => return Err(ChannelError::NotFound),
                Kind::Close => return Err(ChannelError::Closed),
                // News of the core, which do not matter here.
                _ => continue,
            };
            let (cid, data) = read_block(&payload).map_err(PeerFault::Frame)?;
            if !self.asked.remove(&cid) {
                return Err(PeerFault::Unasked.into());
            }
            if !is_here {
                return Ok((cid, None));
            }
            let block = Block::checked(cid, payload.slice_ref(data));
            return Ok((cid, Some(block.map_err(|_cause| PeerFault::BadBlock(Box::new(cid)))?)));
        }
    }
}

impl Drop for BlocksOf {
    fn drop(&mut self) {
        self.link.out().say(self.id, Kind::Close, &[]);
        self.link.close(self.id);
    }
}
