//! Writing cores, logins and quotas.

use bytes::Bytes;
use kubelt_core::{CoreId, LoginId};

use super::Tx;
use crate::{error::TxError, keys, mutation::Count, options::Quota, values::Counters};

impl Tx {
    /// Stores a core's genesis block. A core that is there stays as it is.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn put_core(&mut self, core: &CoreId, genesis: &[u8]) -> Result<(), TxError> {
        let count = Count { key: Bytes::from_static(keys::TOTAL_CORES), add: [1, 0, 0, 0] };
        self.insert(&keys::core(core), genesis, &count)
    }

    /// A core's genesis block, as this transaction leaves it.
    ///
    /// # Errors
    /// [`TxError::Read`] when it cannot be read.
    pub fn genesis(&self, core: &CoreId) -> Result<Option<Bytes>, TxError> {
        Ok(self.value(&keys::core(core))?)
    }

    /// Stores a login block that operations of `core` name.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn put_login(&mut self, core: &CoreId, login: &LoginId, block: &[u8]) -> Result<(), TxError> {
        self.put(&keys::login(core, login), block)
    }

    /// Sets what a core may use; `None` goes back to the default of [`crate::Options::quota`].
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large.
    pub fn set_quota(&mut self, core: &CoreId, quota: Option<Quota>) -> Result<(), TxError> {
        match quota {
            Some(quota) => self.put(&keys::quota(core), &Counters(quota.as_array()).encode()),
            None => self.delete(&keys::quota(core)),
        }
    }
}
