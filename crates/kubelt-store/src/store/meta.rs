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

    /// The records of a namespace whose keys begin with `prefix`, as key and value, in order of their keys,
    /// from the first after the key `after`.
    pub fn meta_scan(
        &self,
        namespace: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), ReadError>> + Send + use<> {
        let skip = keys::meta(namespace, &[]).len();
        let all = Range::prefix(&keys::meta(namespace, prefix));
        let range = match after.filter(|after| *after >= prefix) {
            Some(after) => all.after(&keys::meta(namespace, after)),
            None => all,
        };
        self.scan(range, false).map(move |row| row.map(|(key, value)| (key.slice(skip..), value)))
    }
}
