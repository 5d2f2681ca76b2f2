//! What the log takes in: operations whose signature and login are already checked.

use std::sync::Arc;

use crate::{
    ability::{Ability, Verb},
    account::Account,
    id::{LoginId, OpId},
    op::{Act, Body, Header},
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
    /// From when the session may act, in milliseconds since the Unix epoch.
    pub issued_ms: u64,
    /// Until when, in milliseconds since the Unix epoch, inclusive.
    pub expires_ms: u64,
    /// The heads of this core that the message names; empty where it names none.
    pub heads: Vec<OpId>,
}

impl LoginFacts {
    /// Whether the session was handed what `act` needs. Ending a sign-in needs nothing.
    pub fn allows(&self, act: &Act) -> bool {
        let allows = |verb, path| self.abilities.iter().any(|ability| ability.allows(verb, path));
        match act {
            Act::Put { path, .. } => allows(Verb::Put, Some(path)),
            Act::Logout { .. } => true,
            other => other.verb().session_may() && allows(other.verb(), None),
        }
    }
}

/// Why a header and a body do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The body's hash is not the one in the header.
    #[error("the body is not the one that the header names")]
    Body,
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
    if body.id() != header.body {
        return Err(EntryError::Body);
    }
    if body.act.verb() != header.verb {
        return Err(EntryError::Verb { header: header.verb, body: body.act.verb() });
    }
    Ok(())
}
