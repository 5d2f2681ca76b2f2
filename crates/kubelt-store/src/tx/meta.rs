//! Writing node-local records: sessions, labels, the node's key.

use bytes::Bytes;

use super::Tx;
use crate::{error::TxError, keys, limits::NAMESPACE_BYTES_MAX};

impl Tx {
    /// Sets or, with `None`, removes a record of this node.
    ///
    /// # Errors
    /// [`TxError`] when the namespace, the key or the transaction is too large.
    pub fn put_meta(&mut self, namespace: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), TxError> {
        if namespace.len() > NAMESPACE_BYTES_MAX {
            return Err(TxError::KeyTooLong { len: namespace.len(), max: NAMESPACE_BYTES_MAX });
        }
        let key = keys::meta(namespace, key);
        match value {
            Some(value) => self.put(&key, value),
            None => self.delete(&key),
        }
    }

    /// A record of this node, as this transaction leaves it.
    ///
    /// # Errors
    /// [`TxError::Read`] when it cannot be read.
    pub fn meta(&self, namespace: &str, key: &[u8]) -> Result<Option<Bytes>, TxError> {
        Ok(self.value(&keys::meta(namespace, key))?)
    }
}
