//! Operations from outside: blocks whose signature and login are still to be checked.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::Arc,
};

use kubelt_core::{
    Body, CheckedLogin, CoreId, DecodeError, Login, LoginError, LoginId, Scheme, SignatureError, Signed,
    Unchecked, Verdict, log::LoginFacts, signature::verify_signed,
};

use crate::{
    StoreError,
    chains::{Answers, Chains, Questions},
    write::SignedOp,
};

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
    /// A contract wallet's signature that its chain does not answer for now.
    #[error(
        "the contract's chain gives no answer at the moment, or has not made the block final; send it again in a while"
    )]
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

/// A login that an operation names.
#[derive(Debug)]
pub(crate) enum FoundLogin {
    /// The store has it: it was checked before.
    Kept(Login),
    /// It came with the operation.
    Brought(Login),
}

/// Checks operations of one core; each login is checked once.
#[derive(Debug)]
pub(crate) struct Checker {
    core: CoreId,
    logins: HashMap<LoginId, Known>,
    /// What contract wallets said of signatures; those that were not asked are pending.
    answers: Answers,
}

impl Checker {
    pub(crate) fn new(core: CoreId) -> Self {
        Self { core, logins: HashMap::new(), answers: Answers::default() }
    }

    /// Asks contract wallets about their signatures in these operations, and in the logins that came with them.
    pub(crate) async fn ask(&mut self, chains: &Chains, questions: Questions) {
        self.answers.add(chains.answer(questions).await);
    }

    /// Checks an operation; `find` brings the login that it names.
    pub(crate) fn check(
        &mut self,
        signed: Signed,
        body: Option<Body>,
        find: impl FnOnce(&LoginId) -> Result<Option<FoundLogin>, CheckError>,
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
        find: impl FnOnce() -> Result<Option<FoundLogin>, CheckError>,
    ) -> Result<(), CheckError> {
        if let Slot::Vacant(slot) = self.logins.entry(*id) {
            let (login, checked) = match find()?.ok_or(CheckError::UnknownLogin(*id))? {
                FoundLogin::Kept(login) => {
                    let checked = CheckedLogin::check(&login, &Unchecked)?.kept();
                    (login, checked)
                }
                FoundLogin::Brought(login) => {
                    let outcome = CheckedLogin::check(&login, &self.answers)?;
                    (login, outcome.valid().ok_or(CheckError::Pending)?)
                }
            };
            if checked.id != *id {
                return Err(CheckError::UnknownLogin(*id));
            }
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
        let session = known.map(|known| &known.checked.session);
        match verify_signed(&signed, body.as_ref(), session, &self.answers)? {
            Verdict::Valid => {}
            Verdict::Pending => return Err(CheckError::Pending),
        }
        let facts = known.map(|known| Arc::clone(&known.facts));
        Ok(SignedOp::verified(signed, body, facts, known.map(|known| known.login.clone())))
    }
}

impl Questions {
    /// Notes what an operation, and a login that came with it, ask of contract wallets. What is wrong with them is said
    /// when they are checked.
    pub(crate) fn of(&self, signed: &Signed, body: Option<&Body>, brought: Option<&Login>) {
        if signed.scheme == Scheme::Eip1271 {
            let _ = verify_signed(signed, body, None, self);
        }
        if let Some(login) = brought.filter(|login| login.scheme == Scheme::Eip1271) {
            let _ = CheckedLogin::check(login, self);
        }
    }
}
