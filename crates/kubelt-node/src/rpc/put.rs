//! Blocks put and let go.

use cid::Cid;
use kubelt_content::Block;
use kubelt_core::CoreId;
use kubelt_store::{CommitError, Took};

use super::{Rpc, RpcError};
use crate::session::Session;

impl Rpc {
    /// Stores blocks that the core then possesses; no path opens them. They are let go after a while, unless one
    /// does then.
    ///
    /// # Errors
    /// [`RpcError::Upload`] where the session may not upload, or the quota is used up.
    pub async fn put(&self, session: &Session, core: &CoreId, blocks: Vec<Block>) -> Result<(), RpcError> {
        self.content.may_upload(session, core).await?;
        let mut sink = crate::content::BlockSink::new(self.content.clone(), *core);
        for block in blocks {
            sink.put(block).await?;
        }
        Ok(sink.flush().await?)
    }

    /// Lets go of a block that nothing of this core needs.
    ///
    /// # Errors
    /// [`RpcError::Needed`] where content of the core reaches the block, or an upload may, [`RpcError::Missing`] where the core does
    /// not possess it.
    pub async fn remove(&self, session: &Session, core: &CoreId, cid: &Cid) -> Result<(), RpcError> {
        self.may_read(session, core).await?;
        self.content.may_upload(session, core).await?;
        let leases = self.content.leases.clone();
        let mut taking = self.store.begin_collection(core, &[*cid]);
        match taking.take(cid, |stamp| leases.oldest(core).is_none_or(|since| stamp < since))? {
            Took::Nothing => return Err(RpcError::Missing(Box::new(*cid))),
            Took::Reached | Took::Wanted => return Err(RpcError::Needed),
            Took::Possession | Took::Bytes => {}
        }
        match taking.hand_in().await {
            // Somebody came to need it meanwhile.
            Err(CommitError::Conflict) => return Err(RpcError::Needed),
            other => other?,
        }
        Ok(())
    }
}
