//! Reading node-local records.

use bytes::Bytes;

use super::Store;
use crate::{error::ReadError, index::Range, keys};

impl Store {
    /// A record of this node.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn meta(&self, namespace: &str, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.value(&keys::meta(namespace, key))
    }

    /// The records of a namespace whose keys begin with `prefix`, as key and value, in order of their keys.
    pub fn meta_scan(
        &self,
        namespace: &str,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), ReadError>> + Send + use<> {
        let skip = keys::meta(namespace, &[]).len();
        let range = Range::prefix(&keys::meta(namespace, prefix));
        self.scan(range, false).map(move |row| row.map(|(key, value)| (key.slice(skip..), value)))
    }
}
