//! Sealed content: the entry says who can open it, and nothing here can.

use kubelt_core::{
    CoreId, MapPath, OpId,
    schema::{ContentEntry, Encryption},
};

use super::{Content, ContentError, content_path};
use crate::access::Reader;

/// A path with sealed content.
#[derive(Debug, Clone)]
pub struct SealedEntry {
    /// What the map says of it.
    pub entry: ContentEntry,
    /// Who can open it, and in which form it is.
    pub encryption: Encryption,
    /// The operation that put it there.
    pub op: OpId,
}

impl Content {
    /// The operation that put what stands at exactly `path`, where the reader may see it.
    pub(crate) async fn entry_op(
        &self,
        reader: &Reader,
        core: &CoreId,
        path: &MapPath,
    ) -> Result<Option<OpId>, ContentError> {
        let found = self.entry(reader, core, path).await?;
        if let Some(found) = &found {
            self.permit(&found.value.cid, &[])?;
        }
        Ok(found.map(|found| found.op))
    }

    /// The sealed content at exactly these segments, for whoever may read them.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing, for what the reader may not see, and for what is not sealed.
    pub async fn sealed(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
    ) -> Result<SealedEntry, ContentError> {
        let found =
            self.entry(reader, core, &content_path(segments)?).await?.ok_or(ContentError::NotFound)?;
        self.permit(&found.value.cid, &[])?;
        let fields = found.value.encryption.as_ref().ok_or(ContentError::NotFound)?;
        let encryption = Encryption::from_fields(fields).map_err(|_other_form| ContentError::NotFound)?;
        Ok(SealedEntry { encryption, op: found.op, entry: found.value })
    }
}
