//! Reading cores, logins, usage and quotas.

use bytes::Bytes;
use kubelt_core::{CoreId, LoginId};

use super::{Store, damaged_row};
use crate::{
    error::ReadError,
    index::Range,
    keys,
    options::{Quota, Usage},
    values::Counters,
};

impl Store {
    /// A core's genesis block.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn genesis(&self, core: &CoreId) -> Result<Option<Bytes>, ReadError> {
        self.value(&keys::core(core))
    }

    /// All cores, or those after `after`, in order of their ids.
    pub fn cores(
        &self,
        after: Option<&CoreId>,
    ) -> impl Iterator<Item = Result<CoreId, ReadError>> + Send + use<> {
        let all = Range::prefix(keys::cores());
        let range = match after {
            Some(core) => all.after(&keys::core(core)),
            None => all,
        };
        self.0.index.scan(range, false).map(|row| {
            let (key, _genesis) = row?;
            keys::core_in_key(&key).ok_or_else(|| damaged_row(&key))
        })
    }

    /// How many cores there are.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn core_count(&self) -> Result<u64, ReadError> {
        Ok(self.counters(keys::TOTAL_CORES)?.0[0])
    }

    /// A login block that operations of `core` name.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn login(&self, core: &CoreId, login: &LoginId) -> Result<Option<Bytes>, ReadError> {
        self.value(&keys::login(core, login))
    }

    /// What a core uses.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn usage(&self, core: &CoreId) -> Result<Usage, ReadError> {
        Ok(Usage::from_array(self.counters(&keys::usage(core))?.0))
    }

    /// What a core may use.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn quota(&self, core: &CoreId) -> Result<Quota, ReadError> {
        let key = keys::quota(core);
        let Some(row) = self.value(&key)? else { return Ok(self.0.options.quota) };
        let counters = Counters::decode(&row).ok_or_else(|| damaged_row(&key))?;
        Ok(Quota::from_array(counters.0))
    }

    pub(crate) fn counters(&self, key: &[u8]) -> Result<Counters, ReadError> {
        let Some(row) = self.value(key)? else { return Ok(Counters::default()) };
        Counters::decode(&row).ok_or_else(|| damaged_row(key))
    }
}
