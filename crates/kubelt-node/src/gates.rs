//! Gates: what chains say of an account opens what a core has for its members.
//!
//! A core's map says what a gate asks and what it opens (`kubelt_core::schema::gate`). Whoever signed in is asked about
//! at the contracts, all tests of one chain at one block; what was found holds for as long as the gate says, and for
//! nobody else. Where a chain or a contract gives no answer, nothing is open.
//!
//! It is one mechanism for whatever a path names: `Trials::lets_in` is asked where readers are judged
//! (`Access::sees`), and wherever else something depends on it.

mod guard;
mod kind;
mod table;
mod trial;
mod trials;

use std::sync::Arc;

use kubelt_core::{
    Account, CoreId,
    schema::{Exit, Gate, Visibility},
};

pub use guard::Barred;
pub(crate) use kind::kind_of;
pub(crate) use table::GateTable;
pub use trial::{Tested, Trial, Unasked};
pub(crate) use trials::Trials;

use crate::{Reader, StoreError, access::Access, cores::LoadError};

/// The gates of cores, as people see them; cheap to clone.
#[derive(Debug, Clone)]
pub struct Gates {
    access: Arc<Access>,
    trials: Trials,
}

/// A gate, and the name under which it stands in the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedGate {
    /// The name.
    pub name: String,
    /// The gate.
    pub gate: Arc<Gate>,
}

/// Why nobody was tried.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// No such gate, or none that the reader may know of.
    #[error("there is no such gate")]
    NotFound,
    /// Whoever is no member learns about their own account alone.
    #[error("sign in to see how your own account fares; how others fare is for members of the core")]
    NotYours,
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// What a reader may know of a gate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knows {
    Nothing,
    /// The gate, and how the own account fares.
    Own,
    /// And how others do.
    All,
}

impl Gates {
    pub(crate) fn new(access: Arc<Access>, trials: Trials) -> Self {
        Self { access, trials }
    }

    /// The gates of a core that `reader` may know of, in the order of their names.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list(&self, reader: &Reader, core: &CoreId) -> Result<Vec<NamedGate>, GateError> {
        let mut known = Vec::new();
        for named in self.trials.table.of(core)?.iter() {
            if self.knows(reader, core, named).await? != Knows::Nothing {
                known.push(named.clone());
            }
        }
        Ok(known)
    }

    /// How an account fares at a gate; the reader's own, where none is named.
    ///
    /// # Errors
    /// [`GateError::NotFound`] alike for a gate that is missing and for one that the reader may not know of.
    pub async fn check(
        &self,
        reader: &Reader,
        core: &CoreId,
        name: &str,
        account: Option<Account>,
    ) -> Result<(NamedGate, Account, Arc<Trial>), GateError> {
        let gates = self.trials.table.of(core)?;
        let named = gates.iter().find(|named| named.name == name).ok_or(GateError::NotFound)?;
        let knows = self.knows(reader, core, named).await?;
        let own = reader.session().map(|session| session.account().clone());
        let account = match (knows, account.or(own.clone())) {
            (Knows::Nothing, _) => return Err(GateError::NotFound),
            (Knows::All, Some(account)) => account,
            (Knows::Own, Some(account)) if Some(&account) == own.as_ref() => account,
            (Knows::Own | Knows::All, _) => return Err(GateError::NotYours),
        };
        let trial = self.trials.try_at(&named.gate, &account).await;
        Ok((named.clone(), account, trial))
    }

    async fn knows(&self, reader: &Reader, core: &CoreId, named: &NamedGate) -> Result<Knows, GateError> {
        if let Some(path) = Gate::path(&named.name)
            && self.access.sees_within(reader, core, &path, Visibility::Members).await?.is_some()
        {
            return Ok(Knows::All);
        }
        let is_shown = named.gate.shown && !self.access.door_for(reader, core, Exit::Http).await?.is_shut();
        Ok(if is_shown { Knows::Own } else { Knows::Nothing })
    }
}

#[cfg(test)]
mod tests;
