//! What an operation does, in plain words that a person can judge.
//!
//! The words are part of what a wallet signs ([`Signed::signing_text`], [`crate::typed_data`]), and everybody who
//! checks the signature makes them again from the body: what was shown is what is done. So they are a function of
//! the body alone, the same on every replica and for ever, and have a limit ([`WORDS_BYTES_MAX`]).
//!
//! Whatever somebody else chose (paths, names, values) stands in double quotes in which nothing can pass for the end of
//! the quotes, a new line, or text that runs the other way. Words are one line.
//!
//! Changing a sentence changes the format: signatures over the old one would no longer fit.
//!
//! [`Signed::signing_text`]: crate::op::Signed::signing_text

mod quote;
mod value;

use alloy_primitives::keccak256;
use ipld_core::ipld::Ipld;
use sha2::{Digest as _, Sha256};

pub use self::quote::quoted;
use self::value::value;
use crate::{
    ability::{Ability, PathPattern, Verb},
    account::{Account, Principal},
    hlc::Hlc,
    limits::WORDS_BYTES_MAX,
    op::{Act, Body, Holder},
    path::MapPath,
    rfc3339,
    schema::{ContentEntry, Visibility},
};

/// Why there are no words for an act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// More than anybody would read.
    #[error("in words, the act has {0} bytes, over the limit of {WORDS_BYTES_MAX}; split it into several")]
    TooLong(usize),
    /// A vote that does not carry the words it is on.
    #[error("the vote does not carry the words it is on; sign it as typed data, or put the words into it")]
    VoteWords,
    /// The body that says what is done is not there.
    #[error("what an account itself signs is shown in words, and the body that says it is not here")]
    BodyMissing,
}

/// What an act does.
///
/// # Errors
/// [`WordsError::TooLong`] where nobody would read it, [`WordsError::VoteWords`] for a vote without its words.
pub fn of_act(act: &Act) -> Result<String, WordsError> {
    let words = match act {
        Act::Put { path, value } => put(path, value),
        Act::Grant { to, role, can, wait_ms } => grant(to, role.as_deref(), can, *wait_ms),
        Act::Revoke { grant, from } => match from {
            Some(Holder { to, role }) => {
                let role =
                    role.as_deref().map_or_else(String::new, |role| format!(" the role {}", quoted(role)));
                format!(
                    "Take back from {}{role} what the grant {grant} gave, and everything that hangs on it.",
                    principal(to)
                )
            }
            None => format!("Take back the grant {grant}, and everything that hangs on it."),
        },
        Act::Rotate { root } => {
            format!(
                "Hand this core over: from now on it is owned by {}, and by nobody else.",
                principal(root)
            )
        }
        Act::Logout { login } => format!("End the sign-in {login}."),
        Act::Vote { what: None, .. } => return Err(WordsError::VoteWords),
        Act::Vote { proposal, approve, what: Some(what), expires, .. } => {
            format!("{} until {} the request {proposal}: {what}", decision(*approve), date(*expires))
        }
        Act::Seal { state: None } => {
            "Confirm that everything known of this core up to now was there.".to_owned()
        }
        Act::Seal { state: Some(state) } => {
            format!("Confirm that everything known of this core up to now adds up to the state {state}.")
        }
        Act::Claim { of, wait_ms } => format!(
            "Claim the core of {of} as its heir. It opens to me {} after my first claim, unless that is refused before.",
            days(*wait_ms)
        ),
    };
    bounded(words)
}

/// What a proposal of `by` does, as those who vote on it see it. It ends in a code made of the body's salt, which nobody
/// who does not have the body can guess: a vote keeps the hash of these words for everybody to see, and what is
/// proposed may be private.
///
/// # Errors
/// As [`of_act`].
pub fn of_proposal(by: &Account, body: &Body) -> Result<String, WordsError> {
    let act = of_act(&body.act)?;
    let mut blind = Sha256::new();
    blind.update(b"kubelt request");
    blind.update(body.salt.as_slice());
    let code: [u8; 32] = blind.finalize().into();
    bounded(format!("{act} Proposed by {by}, code {}.", hex::encode(code.split_at(16).0)))
}

/// The hash of [`of_proposal`] that votes carry: keccak-256, as in EIP-712.
///
/// # Errors
/// As [`of_act`].
pub fn shown(by: &Account, body: &Body) -> Result<[u8; 32], WordsError> {
    of_proposal(by, body).map(|words| hash(&words))
}

/// The keccak-256 of words.
pub fn hash(words: &str) -> [u8; 32] {
    keccak256(words.as_bytes()).0
}

/// Whether text is one line of which every character can be seen for what it is, as words are.
pub fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= WORDS_BYTES_MAX && text.chars().all(quote::is_plain)
}

/// How a vote decides.
pub(crate) const fn decision(approve: bool) -> &'static str {
    if approve { "Approve" } else { "Reject" }
}

/// A date in words.
pub fn date(at: Hlc) -> String {
    rfc3339::format(at.ms()).unwrap_or_else(|| format!("{} ms after the beginning of 1970", at.ms()))
}

fn bounded(words: String) -> Result<String, WordsError> {
    if words.len() > WORDS_BYTES_MAX { Err(WordsError::TooLong(words.len())) } else { Ok(words) }
}

fn put(path: &MapPath, set: &Ipld) -> String {
    let at = quoted(path.as_str());
    if matches!(set, Ipld::Null) {
        return format!("Clear {at}: nothing is there any more.");
    }
    match ContentEntry::from_ipld(set) {
        Ok(entry) if path.prefix() == "content" => publish(&at, entry),
        _ => format!("Set {at} to {}.", value(set)),
    }
}

fn publish(at: &str, entry: ContentEntry) -> String {
    let seen = match entry.visibility {
        Visibility::Public => "everybody",
        Visibility::Members => "the members of this core",
        Visibility::Private => "its owners alone",
    };
    let ContentEntry { cid, size, media_type, .. } = &entry;
    let mut words = format!(
        "Publish at {at} the content {cid} ({size} bytes, {}), visible to {seen}",
        quoted(media_type)
    );
    if entry.partial {
        words.push_str(", though parts of it may be missing");
    }
    if let Some(encryption) = entry.encryption {
        words.push_str(", encrypted with ");
        words.push_str(&value(&Ipld::Map(encryption)));
    }
    if !entry.metadata.is_empty() {
        words.push_str(", with the notes ");
        words.push_str(&value(&Ipld::Map(entry.metadata)));
    }
    words.push('.');
    words
}

fn grant(to: &Principal, role: Option<&str>, can: &[Ability], wait_ms: Option<u64>) -> String {
    let role = role.map_or_else(|| "these rights".to_owned(), |role| format!("the role {}", quoted(role)));
    let can: Vec<String> = can.iter().map(ability).collect();
    let wait = wait_ms.map_or_else(String::new, |ms| {
        format!(" It counts only after a wait of {} in which it can be taken back.", days(ms))
    });
    format!("Give {} {role}: {}.{wait}", principal(to), can.join("; "))
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn days(ms: u64) -> String {
    format!("{} days ({ms} ms)", ms / DAY_MS)
}

fn principal(principal: &Principal) -> String {
    match principal {
        Principal::One(account) => account.to_string(),
        Principal::Threshold { m, of } => {
            let accounts: Vec<String> = of.iter().map(ToString::to_string).collect();
            format!("any {m} of these {} together ({})", of.len(), accounts.join(", "))
        }
    }
}

/// An ability.
pub fn ability(ability: &Ability) -> String {
    let what = match ability.verb {
        Verb::Read => "read",
        Verb::Put => "write",
        Verb::Grant => "hand on what they may",
        Verb::Revoke => "take back what they or those below them handed on",
        Verb::Rotate => "replace the owners",
        Verb::Logout => "end sign-ins",
        Verb::Vote => "vote",
        Verb::Seal => "confirm what is known",
        Verb::Call => "call functions",
        Verb::Replicate => "hold copies of what is not public",
    };
    match &ability.paths {
        PathPattern::All if matches!(ability.verb, Verb::Read | Verb::Put | Verb::Call) => {
            format!("{what} everything")
        }
        PathPattern::All => what.to_owned(),
        PathPattern::Below(path) => format!("{what} at {} and below it", quoted(path.as_str())),
        PathPattern::Exact(path) => format!("{what} at {} alone", quoted(path.as_str())),
    }
}

#[cfg(test)]
mod tests;
