//! A shared core made from inside a private one.

use std::sync::Arc;

use kubelt_core::{Account, CoreId, Genesis, Principal, limits::NAME_BYTES_MAX};

use super::{Members, MembersError};
use crate::{clock::random, session::Session};

/// A shared core that somebody wants.
#[derive(Debug, Clone)]
pub struct NewCore {
    /// Under which name the maker's private core knows it.
    pub name: String,
    /// What its makers call it; the name where absent.
    pub title: Option<String>,
    /// Who else is of its root.
    pub owners: Vec<Account>,
    /// How many of the root must agree; one where absent.
    pub threshold: Option<u8>,
}

impl Members {
    /// Makes a shared core whose root is the session's account and `owners`, and names it in the account's private
    /// core. It is dead until its root has signed a first operation.
    ///
    /// # Errors
    /// [`MembersError`] when the name is taken, the threshold does not fit, or the account has too many cores here.
    pub async fn create(
        &self,
        session: &Arc<Session>,
        new: NewCore,
    ) -> Result<(CoreId, Genesis), MembersError> {
        let path = self.free_path(session, &new.name, None)?;
        let title = new.title.unwrap_or(new.name);
        let plain = (1..=NAME_BYTES_MAX).contains(&title.len()) && !title.chars().any(char::is_control);
        if !plain {
            return Err(MembersError::Title);
        }
        let mut accounts = new.owners;
        accounts.insert(0, session.account().clone());
        let root = principal(accounts, new.threshold)?;
        let genesis = Genesis::Shared { root, parent: None, name: title, nonce: random() };
        self.cores.bring(session.account(), &genesis).await?;
        let core = genesis.id();
        self.enter(session, path, core).await?;
        Ok((core, genesis))
    }
}

/// One account, or `m` of several; each counts once, however often it is named.
pub(super) fn principal(mut accounts: Vec<Account>, m: Option<u8>) -> Result<Principal, MembersError> {
    accounts.sort_by_key(ToString::to_string);
    accounts.dedup();
    match (accounts.as_slice(), m.unwrap_or(1)) {
        ([one], 1) => Ok(Principal::One(one.clone())),
        (_, m) => Ok(Principal::threshold(m, accounts)?),
    }
}
