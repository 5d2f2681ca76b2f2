//! What the log takes in: operations whose signature and login are already checked.

use std::sync::Arc;

use crate::{
    ability::{Ability, Verb},
    account::Account,
    id::{BodyId, CoreId, LoginId, OpId},
    limits::BODY_BYTES_MAX,
    op::{Act, Body, Header, Signed},
    session::CheckedLogin,
    signature::{ContractSignatures, SignatureError, Verdict, verify_signed},
};

/// What the rules need of a checked sign-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginFacts {
    /// The login block's id.
    pub id: LoginId,
    /// Who signed in.
    pub account: Account,
    /// What was handed to the session in this core.
    pub abilities: Vec<Ability>,
    /// When the message was made, in milliseconds since the Unix epoch: the date of its heads.
    pub issued_ms: u64,
    /// From when the session may act, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Until when (exclusive), in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The heads of this core that the message names; empty where it names none.
    pub heads: Vec<OpId>,
}

impl LoginFacts {
    /// What a login says about one core.
    pub fn of(login: &CheckedLogin, core: &CoreId) -> Self {
        Self {
            id: login.id,
            account: login.account.clone(),
            abilities: login.abilities.get(core).cloned().unwrap_or_default(),
            issued_ms: login.issued_at_ms,
            from_ms: login.not_before_ms,
            expires_ms: login.expires_ms,
            heads: login.heads.get(core).into_iter().flatten().copied().collect(),
        }
    }

    /// Whether the session was handed what `act` needs. Ending itself needs nothing.
    pub fn allows(&self, act: &Act) -> bool {
        let allows = |verb, path| self.abilities.iter().any(|ability| ability.allows(verb, path));
        match act {
            Act::Put { path, .. } => allows(Verb::Put, Some(path)),
            Act::Logout { login } => *login == self.id || allows(Verb::Logout, None),
            other => other.verb().session_may() && allows(other.verb(), None),
        }
    }
}

/// Why a header and a body do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The body's hash is not the one in the header.
    #[error("the body is not the one that the header names")]
    Body,
    /// The body is over [`BODY_BYTES_MAX`].
    #[error("a body of {0} bytes is over the limit of {BODY_BYTES_MAX}; put large values into content")]
    TooLarge(usize),
    /// The body breaks a limit of the format.
    #[error("the body is not well-formed: {0}")]
    Shape(String),
    /// The header's verb is not that of the body's act.
    #[error("the header says `{header}` but the body is a `{body}`")]
    Verb {
        /// In the header.
        header: Verb,
        /// Of the body's act.
        body: Verb,
    },
    /// The login given is not the one that the header names.
    #[error("the sign-in given is not the one that the header names")]
    Login,
    /// The signature is not good.
    #[error("the signature of the operation is refused")]
    Signature(#[from] SignatureError),
}

/// An operation whose signature has been verified, and whose login, where it has one, has been checked.
#[derive(Clone, Debug)]
pub struct Entry {
    id: OpId,
    header: Header,
    body: Option<Body>,
    login: Option<Arc<LoginFacts>>,
}

impl Entry {
    /// Checks an operation's signature and puts it together; `None` while a contract wallet's signature waits
    /// for the chain's answer. The login must be the checked one that the header names.
    ///
    /// # Errors
    /// [`EntryError`] when the signature is bad or a part belongs to another header.
    pub fn verify(
        signed: &Signed,
        body: Option<Body>,
        login: Option<&CheckedLogin>,
        contracts: &dyn ContractSignatures,
    ) -> Result<Option<Self>, EntryError> {
        let session = login.map(|login| &login.session);
        let verdict = verify_signed(signed, body.as_ref(), session, contracts)?;
        let facts = login.map(|login| Arc::new(LoginFacts::of(login, &signed.header.core)));
        let entry = Self::new(signed.header.clone(), body, facts)?;
        Ok((verdict == Verdict::Valid).then_some(entry))
    }

    /// Puts an operation together and checks that its parts are the ones that the header names. A body may
    /// be withheld; a login may not.
    ///
    /// # Errors
    /// [`EntryError`] when a part belongs to another header.
    pub fn new(
        header: Header,
        body: Option<Body>,
        login: Option<Arc<LoginFacts>>,
    ) -> Result<Self, EntryError> {
        if let Some(body) = &body {
            check_body(&header, body)?;
        }
        if header.login != login.as_ref().map(|login| login.id) {
            return Err(EntryError::Login);
        }
        Ok(Self { id: header.id(), header, body, login })
    }

    /// An operation that went through [`Entry::new`] before it was stored; nothing is hashed again.
    pub const fn stored(
        id: OpId,
        header: Header,
        body: Option<Body>,
        login: Option<Arc<LoginFacts>>,
    ) -> Self {
        Self { id, header, body, login }
    }

    /// The operation's id.
    pub const fn id(&self) -> OpId {
        self.id
    }

    /// Its header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Its body, unless withheld.
    pub const fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }

    /// The sign-in of the session that signed it.
    pub const fn login(&self) -> Option<&Arc<LoginFacts>> {
        self.login.as_ref()
    }
}

pub(crate) fn check_body(header: &Header, body: &Body) -> Result<(), EntryError> {
    let bytes = body.encode();
    if bytes.len() > BODY_BYTES_MAX {
        return Err(EntryError::TooLarge(bytes.len()));
    }
    if BodyId::of(&bytes) != header.body {
        return Err(EntryError::Body);
    }
    body.check_shape().map_err(|error| EntryError::Shape(error.to_string()))?;
    if body.act.verb() != header.verb {
        return Err(EntryError::Verb { header: header.verb, body: body.act.verb() });
    }
    Ok(())
}
