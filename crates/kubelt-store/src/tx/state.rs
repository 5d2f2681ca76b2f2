//! Reading the state as a transaction leaves it.

use kubelt_core::{CoreId, MapPath};

use super::{Tx, ops::read_put};
use crate::{
    error::TxError,
    keys,
    store::{StateEntry, damaged_row},
};

impl Tx {
    /// The value at a path, as this transaction leaves it; `None` where nothing was put or the last put
    /// cleared it.
    ///
    /// # Errors
    /// [`TxError::Read`] when it cannot be read.
    pub fn state(&self, core: &CoreId, path: &MapPath) -> Result<Option<StateEntry>, TxError> {
        let Some((key, row)) = self.last(&keys::puts_of_path(true, core, path))? else { return Ok(None) };
        let (_path, at, id) = keys::parse_put(&key).ok_or_else(|| damaged_row(&key))?;
        let (cleared, value) = read_put(&row)?;
        Ok((!cleared).then_some(StateEntry { value, at, id }))
    }
}
