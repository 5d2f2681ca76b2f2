//! Operations: what is signed.
//!
//! A [`Header`] says who does what kind of thing after which operations; its hash is the operation's id
//! and what is signed. The [`Body`] says the thing itself and is kept apart, so that it can be withheld
//! (private content) or dropped (void operations) while the header can still be checked.

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use crate::{
    ability::{Ability, Verb},
    account::{Account, Principal},
    codec::{self, DecodeError},
    genesis::VERSION,
    hlc::Hlc,
    id::{BodyId, CoreId, LoginId, OpId},
    limits::{
        ABILITIES_MAX, BODY_BYTES_MAX, NONCE_BYTES, PREV_MAX, ROLE_BYTES_MAX, SIGNATURE_BYTES_MAX,
        SIGNED_BYTES_MAX, VOTES_MAX,
    },
    login::{BlockRef, Scheme},
    path::MapPath,
    words::{self, WordsError},
};

/// The part of an operation that is kept for ever.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Format version, 1.
    pub v: u8,
    /// The core it belongs to.
    pub core: CoreId,
    /// The operations it follows: the heads its maker knew; sorted, distinct, [`PREV_MAX`] at most.
    pub prev: Vec<OpId>,
    /// Who acts.
    pub by: Account,
    /// The sign-in whose session key signed it; absent where the account itself signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginId>,
    /// Why `by` may: a grant, a rotation, or the genesis ([`CoreId::as_root`]) for the root.
    pub auth: OpId,
    /// When.
    pub at: Hlc,
    /// Votes counted towards a threshold; sorted, distinct.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<OpId>,
    /// The kind of act in the body.
    pub verb: Verb,
    /// The body block.
    pub body: BodyId,
}

impl Header {
    /// The operation's id: the CID of the header.
    pub fn id(&self) -> OpId {
        OpId::of(&self.encode())
    }

    /// The canonical bytes of the header.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a header block and checks its own limits.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header: Self = codec::decode(bytes, SIGNED_BYTES_MAX, "header")?;
        header.check_shape()?;
        Ok(header)
    }

    pub(crate) fn check_shape(&self) -> Result<(), DecodeError> {
        let refuse = |reason: &str| Err(DecodeError::Shape { what: "header", reason: reason.to_owned() });
        if self.v != VERSION {
            return refuse("unknown version");
        }
        if self.prev.len() > PREV_MAX || !self.prev.is_sorted_by(|a, b| a < b) {
            return refuse("`prev` must be sorted, distinct and 16 at most");
        }
        if self.votes.len() > VOTES_MAX || !self.votes.is_sorted_by(|a, b| a < b) {
            return refuse("`votes` must be sorted, distinct and 64 at most");
        }
        if self.login.is_some() && !self.verb.session_may() {
            return refuse(
                "`grant`, `revoke`, `seal` and `rotate` are signed by the account itself, with no login",
            );
        }
        Ok(())
    }

    /// Whether its words are part of what is signed: a wallet signs it, and its body is never withheld.
    pub fn is_shown(&self) -> bool {
        self.login.is_none() && self.verb != Verb::Put
    }

    /// What votes on this operation name: the hash of core, authority, proposer and body. The body's
    /// salt is the nonce, so one approval fits one act of one proposer.
    pub fn proposal(&self) -> BodyId {
        proposal_of(self.core, self.auth, &self.by, self.body)
    }
}

/// What votes name on an operation in `core` that `by` is to make by `auth` with `body`.
pub fn proposal_of(core: CoreId, auth: OpId, by: &Account, body: BodyId) -> BodyId {
    #[derive(Serialize)]
    struct Proposal<'a> {
        core: CoreId,
        auth: OpId,
        by: &'a Account,
        body: BodyId,
    }
    BodyId::of(&codec::encode(&Proposal { core, auth, by, body }))
}

/// What an operation does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// Sets the value at a path; null clears it.
    Put {
        /// Where.
        path: MapPath,
        /// What; `Ipld::Null` clears.
        value: Ipld,
    },
    /// Hands abilities to a principal.
    Grant {
        /// To whom.
        to: Principal,
        /// The name of the role, for people; its abilities are copied into `can`.
        #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// What the principal may do.
        can: Vec<Ability>,
        /// How long the principal must wait before the grant counts, in milliseconds; the wait begins with
        /// the principal's first [`Act::Claim`]. An heir's grant has one.
        #[serde(default, rename = "wait", skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Takes a grant back, with all that hangs on it and was not known when it was taken back.
    Revoke {
        /// The grant.
        grant: OpId,
        /// Whom it was given to, so that the words say it; where it is here, it must be true.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Holder>,
    },
    /// Replaces the root.
    Rotate {
        /// The new root.
        root: Principal,
    },
    /// Ends a sign-in.
    Logout {
        /// The sign-in.
        login: LoginId,
    },
    /// Approves or rejects a proposal ([`Header::proposal`]).
    Vote {
        /// The proposal.
        proposal: BodyId,
        /// Yes or no.
        approve: bool,
        /// The hash of the words that the voter was shown ([`words::shown`]). The vote counts only where they are those
        /// of the proposal.
        shown: serde_bytes::ByteArray<32>,
        /// The words themselves, where the voter signs a text that says them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
        /// Until when the vote may be counted.
        expires: Hlc,
    },
    /// Dates everything in its past; with a state, a checkpoint.
    Seal {
        /// The checkpoint block .
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<BodyId>,
    },
    /// Claims what a grant with a wait gives: the first one begins the wait, one that follows it by the wait ends it.
    Claim {
        /// Who made the grant: whose core an heir claims. It must be true.
        of: Account,
        /// The wait of the grant, in milliseconds. It must be true, too.
        #[serde(rename = "wait")]
        wait_ms: u64,
    },
}

impl Act {
    /// The verb that a header of this act carries.
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Put { .. } => Verb::Put,
            Self::Grant { .. } => Verb::Grant,
            Self::Revoke { .. } => Verb::Revoke,
            Self::Rotate { .. } => Verb::Rotate,
            Self::Logout { .. } => Verb::Logout,
            Self::Vote { .. } => Verb::Vote,
            // It dates itself, as a seal dates what it follows.
            Self::Seal { .. } | Self::Claim { .. } => Verb::Seal,
        }
    }
}

/// Whom a grant was given to, as what takes it back says it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The principal.
    pub to: Principal,
    /// The name of the role.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// An act with a salt: 16 random bytes that keep a withheld body from being guessed by its hash, and make
/// two equal proposals distinct.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// 16 random bytes.
    pub salt: serde_bytes::ByteArray<NONCE_BYTES>,
    /// The act.
    pub act: Act,
}

impl Body {
    /// An act and its salt.
    pub fn new(salt: [u8; NONCE_BYTES], act: Act) -> Self {
        Self { salt: salt.into(), act }
    }

    /// The body's id.
    pub fn id(&self) -> BodyId {
        BodyId::of(&self.encode())
    }

    /// The canonical bytes of the body block.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a body block and checks its own limits.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body: Self = codec::decode(bytes, BODY_BYTES_MAX, "body")?;
        body.check_shape()?;
        Ok(body)
    }

    pub(crate) fn check_shape(&self) -> Result<(), DecodeError> {
        let refuse = |reason: &str| Err(DecodeError::Shape { what: "body", reason: reason.to_owned() });
        if let Act::Grant { can, .. } = &self.act
            && (can.is_empty() || can.len() > ABILITIES_MAX || !can.is_sorted_by(|a, b| a < b))
        {
            return refuse("a grant has 1 to 64 abilities, sorted and distinct");
        }
        match &self.act {
            Act::Grant { role: Some(role), .. }
            | Act::Revoke { from: Some(Holder { role: Some(role), .. }), .. }
                if role.is_empty() || role.len() > ROLE_BYTES_MAX =>
            {
                refuse("a role name has 1 to 64 bytes")
            }
            Act::Vote { shown, what: Some(what), .. }
                if !words::is_line(what) || words::hash(what) != **shown =>
            {
                refuse("the words of a vote are one line, and those of which it has the hash")
            }
            _ => Ok(()),
        }
    }
}

/// A header and the signature over its id.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// What is signed.
    pub header: Header,
    /// How.
    pub scheme: Scheme,
    /// The signature over [`Signed::signing_text`].
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
    /// Contract wallets: where the signature was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockRef>,
}

impl Signed {
    /// The operation's id.
    pub fn id(&self) -> OpId {
        self.header.id()
    }

    /// The canonical bytes of the signed operation.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a signed operation and checks its own limits; the signature is *not* checked here.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let signed: Self = codec::decode(bytes, SIGNED_BYTES_MAX, "operation")?;
        signed.header.check_shape()?;
        if signed.signature.len() > SIGNATURE_BYTES_MAX {
            return Err(DecodeError::Shape {
                what: "operation",
                reason: "the signature is too long".to_owned(),
            });
        }
        Ok(signed)
    }

    /// The text that a signer signs, whatever the scheme but typed data, ending in the operation's id, which binds every
    /// byte of the header and, through it, of the body. What an account signs itself says in [`words`] what it
    /// does, so that its wallet shows them, except a `put`, of which the body may be withheld from who checks the
    /// signature. A session's key shows nothing to anybody.
    ///
    /// # Errors
    /// [`WordsError`] where words are needed and cannot be had.
    pub fn signing_text(header: &Header, body: Option<&Body>) -> Result<String, WordsError> {
        let words = if header.is_shown() {
            let act = &body.filter(|body| body.id() == header.body).ok_or(WordsError::BodyMissing)?.act;
            format!("{}\n\n", words::of_act(act)?)
        } else {
            String::new()
        };
        let Header { core, by, verb, .. } = header;
        let id = header.id();
        Ok(format!("Kubelt operation\n\n{words}Core: {core}\nBy: {by}\nAct: {verb}\nOperation: {id}"))
    }
}

#[cfg(test)]
mod tests;
