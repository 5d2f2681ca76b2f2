//! Operations from outside: blocks whose signature and login are still to be checked.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::Arc,
};

use kubelt_core::{
    Body, CheckedLogin, CoreId, DecodeError, Login, LoginError, LoginId, SignatureError, Signed, Unchecked,
    Verdict, log::LoginFacts, signature::verify_signed,
};

use crate::{StoreError, write::SignedOp};

/// Why an operation from outside is refused before the log is asked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A block is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The operation belongs to another core.
    #[error("the operation belongs to another core than the one in the address")]
    OtherCore,
    /// The login is not there.
    #[error("the sign-in `{0}` is not known here; send it with the operation")]
    UnknownLogin(LoginId),
    /// The login is not good.
    #[error("the sign-in is not good")]
    Login(#[from] LoginError),
    /// The signature is wrong.
    #[error("the signature is refused")]
    Signature(#[from] SignatureError),
    /// The signature cannot be checked without a chain.
    #[error("signatures of contract accounts cannot be checked here yet")]
    Pending,
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// A login that was checked.
#[derive(Debug)]
struct Known {
    checked: CheckedLogin,
    facts: Arc<LoginFacts>,
    login: Login,
}

/// Checks operations of one core; each login is checked once.
#[derive(Debug)]
pub(crate) struct Checker {
    core: CoreId,
    logins: HashMap<LoginId, Known>,
}

impl Checker {
    pub(crate) fn new(core: CoreId) -> Self {
        Self { core, logins: HashMap::new() }
    }

    /// Checks an operation; `find` brings the login that it names.
    pub(crate) fn check(
        &mut self,
        signed: Signed,
        body: Option<Body>,
        find: impl FnOnce(&LoginId) -> Result<Option<Login>, CheckError>,
    ) -> Result<SignedOp, CheckError> {
        if let Some(id) = signed.header.login {
            self.know(&id, || find(&id))?;
        }
        self.verify(signed, body)
    }

    /// Checks a login; `find` brings it where it was not checked before.
    pub(crate) fn know(
        &mut self,
        id: &LoginId,
        find: impl FnOnce() -> Result<Option<Login>, CheckError>,
    ) -> Result<(), CheckError> {
        if let Slot::Vacant(slot) = self.logins.entry(*id) {
            let login = find()?.filter(|login| login.id() == *id).ok_or(CheckError::UnknownLogin(*id))?;
            let checked = CheckedLogin::check(&login, &Unchecked)?.valid().ok_or(CheckError::Pending)?;
            let facts = Arc::new(LoginFacts::of(&checked, &self.core));
            slot.insert(Known { checked, facts, login });
        }
        Ok(())
    }

    /// Checks an operation whose login is known.
    pub(crate) fn verify(&self, signed: Signed, body: Option<Body>) -> Result<SignedOp, CheckError> {
        if signed.header.core != self.core {
            return Err(CheckError::OtherCore);
        }
        let known = match signed.header.login {
            None => None,
            Some(id) => Some(self.logins.get(&id).ok_or(CheckError::UnknownLogin(id))?),
        };
        match verify_signed(&signed, body.as_ref(), known.map(|known| &known.checked.session), &Unchecked)? {
            Verdict::Valid => {}
            Verdict::Pending => return Err(CheckError::Pending),
        }
        let facts = known.map(|known| Arc::clone(&known.facts));
        Ok(SignedOp::verified(signed, body, facts, known.map(|known| known.login.clone())))
    }
}
