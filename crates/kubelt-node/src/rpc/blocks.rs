//! The blocks that a session may have of a DAG.

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{inline_content, read::Blocks};
use kubelt_core::{CoreId, MapPath, Verb};
use kubelt_store::Store;

use super::{Rpc, RpcError};
use crate::{
    access::Reader,
    blocks::{BlockError, PossessedBlocks, ReachedBlocks},
    content::PREFIX,
    denylists::Denylists,
    session::Session,
};

/// The blocks below one root that a session may have. Only CIDs that were read below this root may be asked for.
#[derive(Debug, Clone)]
pub struct RpcBlocks {
    store: Store,
    denylists: Denylists,
    /// The core whose possessions the session may all read.
    own: Option<CoreId>,
    /// What some path opens to the session.
    reached: Option<ReachedBlocks>,
}

impl Blocks for RpcBlocks {
    type Error = BlockError;

    fn block(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        if self.denylists.now().denies_cid(cid) {
            return Err(BlockError::Denied(Box::new(*cid)));
        }
        if let Some(core) = self.own {
            match (PossessedBlocks { store: &self.store, core }).block(cid) {
                Err(BlockError::Missing(_)) => {}
                had => return had,
            }
        }
        match &self.reached {
            Some(reached) => reached.block(cid),
            None => Err(BlockError::Missing(Box::new(*cid))),
        }
    }
}

impl Rpc {
    /// The blocks that `session` may have below `root`.
    ///
    /// # Errors
    /// [`RpcError::Missing`] alike for a root that is not here and for one that the session may not know of.
    pub async fn blocks(
        &self,
        session: &std::sync::Arc<Session>,
        core: &CoreId,
        root: &Cid,
    ) -> Result<RpcBlocks, RpcError> {
        let own = self.reads_all(session, core).await?.then_some(*core);
        let reader = Reader::Session(std::sync::Arc::clone(session));
        let let_in = self.content.let_in(&reader, root).await;
        let let_in = let_in.map_err(|error| RpcError::finding(error, root))?;
        let reached = let_in.map(|(_, within)| self.content.blocks(&within));
        let blocks = RpcBlocks {
            store: self.store.clone(),
            denylists: self.content.denylists().clone(),
            own,
            reached,
        };
        if inline_content(root).is_none() {
            blocks.block(root)?;
        }
        Ok(blocks)
    }

    /// Whether the session may read all content of the core, what is private included.
    async fn reads_all(&self, session: &Session, core: &CoreId) -> Result<bool, RpcError> {
        let content = MapPath::new(PREFIX).expect("a plain word is a path");
        Ok(session.covers(core, Verb::Read, Some(&content))
            && self.cores.reads_private(core, session.account()).await?)
    }
}
