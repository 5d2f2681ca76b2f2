//! Writing what roots reach and which paths name them.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::{CoreId, MapPath};

use super::Tx;
use crate::{error::TxError, keys, mutation::Count};

impl Tx {
    /// Notes that `root` reaches `blocks`. A large root is linked in several transactions: none of this
    /// has an effect before a path names the root.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn link<'a>(&mut self, root: &Cid, blocks: impl IntoIterator<Item = &'a Cid>) -> Result<(), TxError> {
        blocks.into_iter().try_for_each(|block| self.put(&keys::reach(block, root), &[]))
    }

    /// Notes that all that `root` reaches has been linked, itself included.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn set_linked(&mut self, root: &Cid) -> Result<(), TxError> {
        self.put(&keys::linked(root), &[1])
    }

    /// Notes that a path of a core names `root`, and how visible that makes it.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn name_root(
        &mut self,
        root: &Cid,
        core: &CoreId,
        path: &MapPath,
        visibility: u8,
    ) -> Result<(), TxError> {
        self.put(&keys::name(root, core, path), &[visibility])
    }

    /// Notes that a path of a core does not name `root` any more. This alone takes all its blocks out of
    /// sight, as far as no other path shows them.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn unname_root(&mut self, root: &Cid, core: &CoreId, path: &MapPath) -> Result<(), TxError> {
        self.delete(&keys::name(root, core, path))
    }

    /// Sets or, with `None`, removes a record of this node that stands for notes of what a root of `core` reaches, so
    /// many of them: they count for the core as long as the record is there. `before` says for how many the record
    /// stands that is there now, if one is.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn put_reach_mark(
        &mut self,
        namespace: &str,
        key: &[u8],
        core: &CoreId,
        before: u64,
        mark: Option<(&[u8], u64)>,
    ) -> Result<(), TxError> {
        let key = keys::meta(namespace, key);
        let counter = Bytes::from(keys::reach_notes(core));
        let count = |notes: i64| Count { key: counter.clone(), add: [notes, 0, 0, 0] };
        self.remove(&key, &count(i64::try_from(before).unwrap_or(i64::MAX).saturating_neg()))?;
        match mark {
            Some((value, notes)) => {
                self.upsert(&key, value, &count(i64::try_from(notes).unwrap_or(i64::MAX)))
            }
            None => Ok(()),
        }
    }
}
