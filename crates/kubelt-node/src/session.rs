//! Sessions: what a bearer token stands for.

use std::{collections::BTreeMap, sync::Arc};

use kubelt_core::{
    Ability, Account, CoreId, LoginId, MapPath, Verb, session::CheckedLogin, sign::SessionKey,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::random;

/// A bearer token: 32 random bytes, written as `kb1_` and 64 hex digits.
///
/// Where the node holds the session's key, the key follows from the token, so that what is on the node's
/// disk signs nothing: the node stores only the token's hash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token([u8; 32]);

const TOKEN_PREFIX: &str = "kb1_";

impl Token {
    pub(crate) fn generate() -> Self {
        Self(random())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix(TOKEN_PREFIX)?, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(crate) fn text(&self) -> String {
        format!("{TOKEN_PREFIX}{}", hex::encode(self.0))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.derive(b"kubelt token hash v1\0")
    }

    pub(crate) fn session_key(&self) -> SessionKey {
        SessionKey::from_seed(self.derive(b"kubelt session key v1\0"))
    }

    fn derive(&self, label: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(label).chain_update(self.0).finalize().into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A session that stands.
#[derive(Debug)]
pub struct Session {
    /// Its sign-in, checked.
    pub login: Arc<CheckedLogin>,
    /// The core that it is at home in: the private core of the account, or its own in the core that it signed in through.
    pub core: CoreId,
    /// The core that it signed in through: it reaches nothing but what lies in that one.
    pub within: Option<CoreId>,
    /// When it began, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    pub(crate) token_hash: [u8; 32],
    /// The session's key, where the node holds it.
    pub(crate) key: Option<SessionKey>,
}

impl Session {
    /// The session's id.
    pub fn id(&self) -> LoginId {
        self.login.id
    }

    /// Who signed in.
    pub fn account(&self) -> &Account {
        &self.login.account
    }

    /// When it ends, in milliseconds since the Unix epoch.
    pub fn expires_ms(&self) -> u64 {
        self.login.expires_ms
    }

    /// Whether it may see and end the other sessions of its account. Ending one is for every session of the account by
    /// the rules of the log; tokens for one program are not let near it here.
    pub fn keeps_sessions(&self) -> bool {
        self.covers(&self.core, Verb::Logout, None)
    }

    /// Whether it may do what is for the account as such, in whatever core: see who invites it, bring cores here, claim.
    pub fn speaks_for_account(&self) -> bool {
        self.within.is_none() && self.keeps_sessions()
    }

    /// Whether it is a whole sign-in to the core, and no token for one part of it: such a one sees who else has a part.
    pub fn is_whole_in(&self, core: &CoreId) -> bool {
        self.covers(core, Verb::Logout, None)
    }

    /// Whether the sign-in handed this session the ability.
    pub fn covers(&self, core: &CoreId, verb: Verb, path: Option<&MapPath>) -> bool {
        self.login.covers(core, verb, path)
    }
}

/// A session as it is stored: the token's hash is the key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionRecord {
    pub(crate) v: u8,
    pub(crate) login: LoginId,
    pub(crate) core: CoreId,
    pub(crate) account: Account,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: u64,
    pub(crate) held_by_node: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) within: Option<CoreId>,
}

/// What a list of sessions shows.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The session's id.
    pub id: LoginId,
    /// When it began, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// Whether the node holds its key.
    pub held_by_node: bool,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Whether it was opened at another node, and is known by what it has done.
    pub elsewhere: bool,
    /// What it may do, by core.
    pub abilities: BTreeMap<CoreId, Vec<Ability>>,
}
