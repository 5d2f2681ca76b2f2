//! Settings written: paths of the map other than content, by a session whose key the node holds.

use std::sync::Arc;

use kubelt_content::Ipld;
use kubelt_core::{Act, CoreId, MapPath};

use super::Exchange;
use crate::{
    content::{PREFIX, UploadError},
    session::Session,
    write::{Write, Written},
};

impl Exchange {
    /// Puts `value` at `path`; null clears it. Content is refused: it has a way of its own, which checks its
    /// blocks.
    ///
    /// # Errors
    /// As [`crate::Content::may_write`]; [`UploadError::Write`] when the value does not fit its path.
    pub async fn set(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        path: MapPath,
        value: Ipld,
    ) -> Result<Written, UploadError> {
        self.content.may_write(session, core, &path).await?;
        if path.prefix() == PREFIX {
            return Err(UploadError::ContentPath);
        }
        let act = Act::Put { path, value };
        Ok(self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?)
    }
}
