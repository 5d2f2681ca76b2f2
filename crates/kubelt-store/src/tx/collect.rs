//! What transactions say for the sake of taking away: what they rest on, and what is wanted still.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::{CoreId, MapPath};

use super::{Tx, read_put};
use crate::{
    error::{ReadError, TxError},
    keys,
    mutation::Count,
    values::{Stored, decode_possession, encode_possession},
};

impl Tx {
    /// What possessions that this transaction writes are stamped with: a number that grows. By it whoever
    /// takes possessions away knows which were brought or asked for since.
    pub const fn set_stamp(&mut self, stamp: u64) {
        self.stamp = stamp;
    }

    /// Notes that `root` reaches `blocks` in `core`, all of which the core possesses: where one is taken away before
    /// the commit, that fails.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn reach<'a>(
        &mut self,
        core: &CoreId,
        root: &Cid,
        blocks: impl IntoIterator<Item = &'a Cid>,
    ) -> Result<(), TxError> {
        for block in blocks {
            let key = keys::possession(core, block);
            if !self.overlay.get(key.as_slice()).is_some_and(Option::is_some) {
                self.needs.push(key);
            }
            self.put(&keys::reacher(core, block, root), &[])?;
        }
        Ok(())
    }

    /// Stamps a possession anew; `false` where there is none.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn touch(&mut self, core: &CoreId, cid: &Cid) -> Result<bool, TxError> {
        let key = keys::possession(core, cid);
        let Some((len, _old)) = self.value(&key)?.and_then(|row| decode_possession(&row)) else {
            return Ok(false);
        };
        self.needs.push(key.clone());
        // It is there; but once what put it there was compacted away, a rebuild finds it here first, and counts it.
        let count = Count { key: keys::usage(core).into(), add: [0, 0, 1, i64::from(len)] };
        self.upsert(&key, &encode_possession(len, self.stamp), &count)?;
        Ok(true)
    }

    /// The public index of what `root` reaches loses the block.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn unlink(&mut self, root: &Cid, block: &Cid) -> Result<(), TxError> {
        self.delete_blindly(&keys::reach(block, root))
    }

    /// The transaction happens only if a record of this node has this value, or is not there, until then.
    pub fn expect_meta(&mut self, namespace: &str, key: &[u8], value: Option<&[u8]>) {
        self.expects.before.push((keys::meta(namespace, key), value.map(Stored::inline)));
    }

    /// The transaction happens only if no path of any core names `root` then.
    pub fn expect_unnamed(&mut self, root: &Cid) {
        self.expects.empty_after.push(keys::names(root));
    }

    /// The puts that count at a path, newest first, as the transaction leaves them: the values of the newest
    /// `count`, none for those that cleared it.
    ///
    /// # Errors
    /// [`TxError::Read`] when they cannot be read.
    pub fn newest_puts(
        &self,
        core: &CoreId,
        path: &MapPath,
        count: usize,
    ) -> Result<Vec<Option<Bytes>>, TxError> {
        let rows = self.last_rows(&keys::puts_of_path(true, core, path), count)?;
        let value = |(_key, row): &(Bytes, Bytes)| -> Result<Option<Bytes>, ReadError> {
            let (cleared, value) = read_put(row)?;
            Ok((!cleared).then_some(value))
        };
        Ok(rows.iter().map(value).collect::<Result<_, _>>()?)
    }
}
