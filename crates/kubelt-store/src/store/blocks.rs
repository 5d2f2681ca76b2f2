//! Reading blocks.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::CoreId;

use super::{Store, damaged_row};
use crate::{error::ReadError, keys, values::Location};

impl Store {
    /// A block's bytes, whoever brought it: what the caller may see is for the caller to decide. Blocks in
    /// sealed segments share memory with the page cache and are not copied.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] when the bytes are not those that were stored.
    pub fn block(&self, cid: &Cid) -> Result<Option<Bytes>, ReadError> {
        let Some(mut location) = self.locate(cid)? else { return Ok(None) };
        loop {
            match self.0.log.read(location.payload) {
                Ok(payload) => return Ok(Some(payload.slice(usize::from(location.skip)..))),
                // Its segment may have been compacted since the index was read: then it is elsewhere now.
                Err(error) => match self.locate(cid)? {
                    None => return Ok(None),
                    Some(now) if now != location => location = now,
                    Some(_same) => return Err(error),
                },
            }
        }
    }

    /// A block's size, in bytes, without reading it.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn block_len(&self, cid: &Cid) -> Result<Option<u32>, ReadError> {
        Ok(self.locate(cid)?.map(|location| location.data_len()))
    }

    /// Whether the block is stored.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn has_block(&self, cid: &Cid) -> Result<bool, ReadError> {
        self.has(&keys::block(cid))
    }

    /// Whether `core` possesses the block: it brought it, or read it by right.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn possesses(&self, core: &CoreId, cid: &Cid) -> Result<bool, ReadError> {
        self.has(&keys::possession(core, cid))
    }

    fn locate(&self, cid: &Cid) -> Result<Option<Location>, ReadError> {
        let key = keys::block(cid);
        let Some(row) = self.value(&key)? else { return Ok(None) };
        Location::decode(&row).map(Some).ok_or_else(|| damaged_row(&key))
    }
}
