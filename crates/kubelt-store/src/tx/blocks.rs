//! Writing blocks and who possesses them.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::CoreId;

use super::Tx;
use crate::{
    error::TxError,
    keys,
    limits::BLOCK_BYTES_MAX,
    mutation::Count,
    segment::record::Record,
    values::{decode_possession, encode_possession},
};

impl Tx {
    /// Stores a block that `core` brought, and that `core` possesses it. The bytes are stored once for all
    /// cores; bytes that turn out damaged are stored again. The caller has checked `data` against `cid`.
    ///
    /// # Errors
    /// [`TxError`] when the block or the transaction is too large, or the index cannot be read.
    pub fn put_block(&mut self, core: &CoreId, cid: &Cid, data: Bytes) -> Result<(), TxError> {
        if data.len() > BLOCK_BYTES_MAX {
            return Err(TxError::BlockTooLarge { len: data.len(), max: BLOCK_BYTES_MAX });
        }
        let len = data.len();
        self.store_block(cid, data)?;
        self.count_possession(core, cid, len)
    }

    /// `core` possesses a block that is stored already: it has read it by right. `false`, and nothing
    /// happens, when the block is not stored.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn possess(&mut self, core: &CoreId, cid: &Cid) -> Result<bool, TxError> {
        let key = keys::block(cid);
        let len = match self.block_lens.get(&key) {
            Some(len) => Some(*len),
            None => self.store.block_len(cid)?.map(|len| len as usize),
        };
        let Some(len) = len else { return Ok(false) };
        self.need(key);
        self.count_possession(core, cid, len)?;
        Ok(true)
    }

    /// `core` does not possess the block any more.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn dispossess(&mut self, core: &CoreId, cid: &Cid) -> Result<(), TxError> {
        let key = keys::possession(core, cid);
        let Some(len) = self.value(&key)? else { return Ok(()) };
        let len = decode_possession(&len).map_or(0, |(len, _stamp)| len);
        self.delete(&keys::owner(core, cid))?;
        let count = Count { key: keys::usage(core).into(), add: [0, 0, -1, -i64::from(len)] };
        self.remove(&key, &count)
    }

    /// Forgets a block's bytes, for all cores. Its space comes back when its segment is compacted.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn forget_block(&mut self, cid: &Cid) -> Result<(), TxError> {
        let Some(len) = self.store.block_len(cid)? else { return Ok(()) };
        let key = Bytes::from_static(keys::TOTAL_BLOCKS);
        self.remove(&keys::block(cid), &Count { key, add: [-1, -i64::from(len), 0, 0] })
    }

    fn store_block(&mut self, cid: &Cid, data: Bytes) -> Result<(), TxError> {
        let key = keys::block(cid);
        if self.block_lens.contains_key(&key) {
            return Ok(());
        }
        // Read, not only looked up: a stored copy that is damaged is replaced by this one.
        if self.store.block(cid).is_ok_and(|stored| stored.is_some_and(|stored| stored == data)) {
            self.need(key);
            return Ok(());
        }
        let len = data.len();
        let record = Record::block(cid, data);
        let bytes = usize::try_from(record.stride()).unwrap_or(usize::MAX);
        self.check_size(bytes)?;
        self.block_bytes += bytes;
        self.blocks.push(record);
        self.block_lens.insert(key, len);
        Ok(())
    }

    fn need(&mut self, key: Vec<u8>) {
        if !self.block_lens.contains_key(&key) {
            self.needs.push(key);
        }
    }

    fn count_possession(&mut self, core: &CoreId, cid: &Cid, len: usize) -> Result<(), TxError> {
        let len = u32::try_from(len).expect("blocks are under `BLOCK_BYTES_MAX`");
        let count = Count { key: keys::usage(core).into(), add: [0, 0, 1, i64::from(len)] };
        self.put(&keys::owner(core, cid), &[])?;
        self.upsert(&keys::possession(core, cid), &encode_possession(len, self.stamp), &count)
    }
}
