//! Writing what roots reach and which paths name them.

use cid::Cid;
use kubelt_core::{CoreId, MapPath};

use super::Tx;
use crate::{error::TxError, keys};

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
}
