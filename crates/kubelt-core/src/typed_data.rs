//! What an externally owned account signs as typed data (EIP-712, `eth_signTypedData_v4`).
//!
//! The domain is `{ name: "Kubelt", version: "1" }`. It names no chain: the account is one person on every chain,
//! and no chain has anything to do with the log. A message names its core, and its operation's id binds core, author,
//! authority, place in the log and body, so that a signature fits nothing else.
//!
//! | primary type | of | members, all of them `string` |
//! | --- | --- | --- |
//! | `Operation` | what needs a wallet's signature | `what` ([`crate::words`]), `by`, `core`, `operation` |
//! | `Vote` | votes on requests | `decision`, `what` (the words of what is proposed), `until`, `by`, `core`, `request`, `operation` |
//!
//! EIP-712 hashes each string before it hashes the message, so that a vote, which keeps only the hash of `what`, can be
//! checked by who does not know what is proposed.
//!
//! A `put` is not signed like this: its body may be withheld from who checks the signature, and the words with it.

use alloy_primitives::keccak256;
use serde_json::{Value, json};

use crate::{
    ability::Verb,
    op::{Act, Body, Header},
    words::{self, WordsError},
};

/// Name of the domain.
pub const DOMAIN_NAME: &str = "Kubelt";
/// Version of the domain.
pub const DOMAIN_VERSION: &str = "1";

const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version)";

/// Why there is no typed data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypedDataError {
    /// A put.
    #[error(
        "a `put` is not signed as typed data: its body may be withheld; sign its text, or let a session sign it"
    )]
    Put,
    /// What a session signs.
    #[error("what a session signs is not typed data")]
    Session,
    /// The body belongs to another header.
    #[error("the body is not the one that the header names")]
    Body,
    /// The words are not those of the proposal that the vote is on.
    #[error("these are not the words that the vote is on")]
    OtherWords,
    /// There are no words for it.
    #[error(transparent)]
    Words(#[from] WordsError),
}

/// A member of a message: its text, or, where that is not known, the text's hash.
enum Member {
    Text(String),
    Hash([u8; 32]),
}

struct Message {
    primary: &'static str,
    members: Vec<(&'static str, Member)>,
}

/// The hash that a wallet signs.
///
/// # Errors
/// [`TypedDataError`] where an operation is not signed as typed data.
pub fn digest(header: &Header, body: &Body) -> Result<[u8; 32], TypedDataError> {
    let message = Message::of(header, body, None)?;
    let mut domain = keccak256(DOMAIN_TYPE).to_vec();
    domain.extend_from_slice(keccak256(DOMAIN_NAME).as_slice());
    domain.extend_from_slice(keccak256(DOMAIN_VERSION).as_slice());
    let mut bytes = vec![0x19, 0x01];
    bytes.extend_from_slice(keccak256(domain).as_slice());
    bytes.extend_from_slice(&message.hash());
    Ok(keccak256(bytes).0)
}

/// The argument of `eth_signTypedData_v4`. For a vote, `what` is the words of the proposal it is on
/// ([`words::of_proposal`]); everything else brings its own.
///
/// # Errors
/// [`TypedDataError`] where an operation is not signed as typed data, or a vote is on other words.
pub fn json(header: &Header, body: &Body, what: Option<&str>) -> Result<Value, TypedDataError> {
    let message = Message::of(header, body, what)?;
    let member = |name: &str| json!({ "name": name, "type": "string" });
    let mut values = serde_json::Map::new();
    for (name, value) in &message.members {
        match value {
            Member::Text(text) => drop(values.insert((*name).to_owned(), Value::String(text.clone()))),
            Member::Hash(_) => return Err(WordsError::VoteWords.into()),
        }
    }
    let members: Vec<Value> = message.members.iter().map(|(name, _)| member(name)).collect();
    Ok(json!({
        "types": { "EIP712Domain": [member("name"), member("version")], message.primary: members },
        "primaryType": message.primary,
        "domain": { "name": DOMAIN_NAME, "version": DOMAIN_VERSION },
        "message": values,
    }))
}

impl Message {
    fn of(header: &Header, body: &Body, what: Option<&str>) -> Result<Self, TypedDataError> {
        if header.verb == Verb::Put {
            return Err(TypedDataError::Put);
        }
        if header.login.is_some() {
            return Err(TypedDataError::Session);
        }
        if body.id() != header.body || body.act.verb() != header.verb {
            return Err(TypedDataError::Body);
        }
        let text = |value: &dyn ToString| Member::Text(value.to_string());
        let mut members = Vec::with_capacity(7);
        let primary = match &body.act {
            Act::Vote { proposal, approve, shown, what: carried, expires } => {
                let what = match what.or(carried.as_deref()) {
                    Some(what) if words::hash(what) != **shown => return Err(TypedDataError::OtherWords),
                    Some(what) => text(&what),
                    None => Member::Hash(**shown),
                };
                members.push(("decision", text(&words::decision(*approve))));
                members.push(("what", what));
                members.push(("until", text(&words::date(*expires))));
                members.push(("by", text(&header.by)));
                members.push(("core", text(&header.core)));
                members.push(("request", text(proposal)));
                "Vote"
            }
            act => {
                members.push(("what", Member::Text(words::of_act(act)?)));
                members.push(("by", text(&header.by)));
                members.push(("core", text(&header.core)));
                "Operation"
            }
        };
        members.push(("operation", text(&header.id())));
        Ok(Self { primary, members })
    }

    fn hash(&self) -> [u8; 32] {
        let types: Vec<String> = self.members.iter().map(|(name, _)| format!("string {name}")).collect();
        let mut bytes = keccak256(format!("{}({})", self.primary, types.join(","))).to_vec();
        for (_, value) in &self.members {
            match value {
                Member::Text(text) => bytes.extend_from_slice(keccak256(text.as_bytes()).as_slice()),
                Member::Hash(hash) => bytes.extend_from_slice(hash),
            }
        }
        keccak256(bytes).0
    }
}

#[cfg(test)]
mod tests;
