//! A login, checked: whose it is, which key acts, where, for how long.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ability::{Ability, PathPattern, Verb},
    account::{Account, PublicKey},
    id::{CoreId, LoginId, OpId},
    limits::{
        ABILITIES_MAX, CONTENT_LOGIN_LIFE_MS_MAX, HELD_LOGIN_LIFE_MS_MAX, LOGIN_BYTES_MAX, LOGIN_LIFE_MS_MAX,
        SIGN_IN_HEADS_MAX,
    },
    login::{BlockRef, Login, Scheme},
    path::MapPath,
    recap::{Recap, RecapError},
    sign_in::read_head,
    signature::{ContractSignatures, SignatureError, Verdict, verify_pinned},
    siwe::{Message, MessageError},
    webauthn::{Assertion, AssertionError, authority_of, challenge_of},
};

/// A login whose message and signature were checked. Its text is kept in the [`Login`] alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedLogin {
    /// The login's id.
    pub id: LoginId,
    /// Who signed in.
    pub account: Account,
    /// The key that acts.
    pub session: PublicKey,
    /// What it may do, by core; sorted.
    pub abilities: BTreeMap<CoreId, Vec<Ability>>,
    /// The heads that the wallet's side knew: the login is a seal of them, dated `issued_at_ms`.
    pub heads: BTreeMap<CoreId, BTreeSet<OpId>>,
    /// When the message was made, in milliseconds since the Unix epoch.
    pub issued_at_ms: u64,
    /// From when it counts, in milliseconds since the Unix epoch; `issued_at_ms` or later.
    pub not_before_ms: u64,
    /// Until when (exclusive), in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The authority that asked for the signature.
    pub domain: String,
    /// The message's nonce.
    pub nonce: String,
    /// Whether a node holds the session's secret key.
    pub held_by_node: bool,
}

/// A login that nothing is wrong with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The account signed it.
    Valid(CheckedLogin),
    /// A contract wallet's login that waits for the chain's answer: nothing may rest on it yet.
    Pending(CheckedLogin),
}

impl Outcome {
    /// The login, if its signature is known to be good.
    pub fn valid(self) -> Option<CheckedLogin> {
        match self {
            Self::Valid(login) => Some(login),
            Self::Pending(_) => None,
        }
    }

    /// The login, for whoever kept it because its signature was found to be good: no chain is asked twice.
    pub fn kept(self) -> CheckedLogin {
        match self {
            Self::Valid(login) | Self::Pending(login) => login,
        }
    }
}

/// Why a login is refused, for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Over [`LOGIN_BYTES_MAX`] bytes, message and signature together.
    #[error("a login of {0} bytes is over the limit of {LOGIN_BYTES_MAX}")]
    TooLong(usize),
    /// The message is not one.
    #[error("the sign-in message is malformed")]
    Message(#[source] MessageError),
    /// The scheme cannot be one of the account that the message names.
    #[error("a `{scheme}` signature cannot be one of `{address}`")]
    Account {
        /// The scheme of the login.
        scheme: Scheme,
        /// The account line of the message.
        address: String,
    },
    /// A contract account's chain differs from the one that it was asked on, or a like fault.
    #[error("the signature of the sign-in message is refused")]
    Signature(#[source] SignatureError),
    /// An EIP-191 signature with `v` 0 or 1: good, but a login has one form ([`Login::new`] writes it).
    #[error("recovery byte `{0}` of a login; write 27 for 0 and 28 for 1")]
    RecoveryByte(u8),
    /// A passkey's assertion that was made at another place than the message is for.
    #[error("the passkey was asked at `{origin}`, and the message is for `{domain}`")]
    Origin {
        /// The origin that the browser wrote down.
        origin: String,
        /// The message's domain.
        domain: String,
    },
    /// The URI names no session key.
    #[error("`{0}` is not the `did:key` of a session; it must stand as the message's URI")]
    Session(String),
    /// The message never ends.
    #[error("a sign-in message needs an `Expiration Time`")]
    NoExpiry,
    /// A date before 1970, or an end that does not come after the beginning.
    #[error("the dates of the message leave no time in which it counts")]
    Dates,
    /// It would count too long.
    #[error("a life of {life_ms} ms is over the {max_ms} ms that such a sign-in may have")]
    Life {
        /// From issue to expiry.
        life_ms: u64,
        /// The limit.
        max_ms: u64,
    },
    /// The ReCap is not one, or says what this system does not know.
    #[error("the ReCap of the message is refused")]
    Recap(#[source] RecapError),
    /// A ReCap that is not the one last resource.
    #[error("a ReCap must be the last resource, and the only one")]
    RecapPlace,
    /// An ability that only the account itself may use.
    #[error("`{0}` is not for sessions; the account itself signs such acts")]
    Ability(Ability),
    /// Over [`ABILITIES_MAX`].
    #[error("{0} abilities are over the limit of {ABILITIES_MAX} for one sign-in")]
    Abilities(usize),
    /// A resource of this system that names no head.
    #[error("the resource `{0}` is none; write `kubelt://<core id>?head=<operation id>`")]
    Head(String),
    /// Over [`SIGN_IN_HEADS_MAX`].
    #[error("{0} heads are over the limit of {SIGN_IN_HEADS_MAX} for one sign-in")]
    Heads(usize),
}

impl CheckedLogin {
    /// Checks a login's message and its signature. What changes with time (expiry, logout) is not judged
    /// here: see [`CheckedLogin::valid_at`].
    ///
    /// # Errors
    /// [`LoginError`] names the first rule that is broken.
    pub fn check(login: &Login, contracts: &dyn ContractSignatures) -> Result<Outcome, LoginError> {
        let bytes = login.message.len() + login.signature.len();
        if bytes > LOGIN_BYTES_MAX {
            return Err(LoginError::TooLong(bytes));
        }
        let message = Message::parse(&login.message).map_err(LoginError::Message)?;
        let checked = Self::read(login, &message)?;
        if let (Scheme::Eip191, Some(v @ (0 | 1))) = (login.scheme, login.signature.get(64)) {
            return Err(LoginError::RecoveryByte(*v));
        }
        let verdict = verify_pinned(
            &checked.account,
            login.scheme,
            login.message.as_bytes(),
            &login.signature,
            login.block.as_ref(),
            checked.issued_at_ms,
            contracts,
        )
        .map_err(LoginError::Signature)?;
        if login.scheme == Scheme::Webauthn {
            check_origin(login, &checked.domain)?;
        }
        Ok(match verdict {
            Verdict::Valid => Outcome::Valid(checked),
            Verdict::Pending => Outcome::Pending(checked),
        })
    }

    /// Whether the login counts at a time, in milliseconds since the Unix epoch.
    pub const fn valid_at(&self, ms: u64) -> bool {
        self.not_before_ms <= ms && ms < self.expires_ms
    }

    /// Whether the session was handed `verb` at `path` in `core`; acts without a path need the verb over
    /// all paths. What the account itself may do is another question.
    pub fn covers(&self, core: &CoreId, verb: Verb, path: Option<&MapPath>) -> bool {
        verb.session_may()
            && self
                .abilities
                .get(core)
                .is_some_and(|abilities| abilities.iter().any(|ability| ability.allows(verb, path)))
    }

    /// All but the signature.
    fn read(login: &Login, message: &Message<'_>) -> Result<Self, LoginError> {
        let account = message.account(login.scheme).ok_or_else(|| LoginError::Account {
            scheme: login.scheme,
            address: message.address.to_owned(),
        })?;
        let session = message
            .uri
            .parse()
            .map_err(|_cause| LoginError::Session(message.uri.chars().take(128).collect()))?;
        let (recap, heads) = read_resources(message)?;
        let abilities = read_abilities(&recap)?;
        let held_by_node = recap.held_by_node();
        let (issued_at_ms, not_before_ms, expires_ms) =
            read_dates(message, life_ms_max(abilities.values().flatten(), held_by_node))?;
        Ok(Self {
            id: login.id(),
            account,
            session,
            abilities,
            heads,
            issued_at_ms,
            not_before_ms,
            expires_ms,
            domain: message.domain.to_owned(),
            nonce: message.nonce.to_owned(),
            held_by_node,
        })
    }
}

impl Login {
    /// A login from what a wallet returned, in the one form that is taken: the recovery byte of an EIP-191
    /// signature is written as 27 or 28. (A login's id covers its signature, and a logout names that id, so
    /// a good signature must not have a second spelling.)
    pub fn new(message: String, scheme: Scheme, mut signature: Vec<u8>, block: Option<BlockRef>) -> Self {
        if let (Scheme::Eip191, Some(v @ (0 | 1))) = (scheme, signature.get_mut(64)) {
            *v += 27;
        }
        Self { message, scheme, signature, block }
    }
}

/// A passkey signs in where it was asked to, and nowhere else.
fn check_origin(login: &Login, domain: &str) -> Result<(), LoginError> {
    let refused = |error: AssertionError| LoginError::Signature(error.into());
    let assertion = Assertion::decode(&login.signature).map_err(refused)?;
    let origin = assertion.check(&challenge_of(login.message.as_bytes())).map_err(refused)?;
    match authority_of(origin).is_some_and(|authority| authority.eq_ignore_ascii_case(domain)) {
        true => Ok(()),
        false => Err(LoginError::Origin { origin: origin.to_owned(), domain: domain.to_owned() }),
    }
}

fn read_resources(message: &Message<'_>) -> Result<(Recap, BTreeMap<CoreId, BTreeSet<OpId>>), LoginError> {
    let mut heads: BTreeMap<CoreId, BTreeSet<OpId>> = BTreeMap::new();
    let mut recap = Recap::default();
    let (last, others) = match message.resources().split_last() {
        Some((last, others)) if Recap::is_recap(last) => (Some(last), others),
        _ => (None, message.resources()),
    };
    if let Some(resource) = last {
        recap = resource.parse().map_err(LoginError::Recap)?;
        recap.check_statement(message.statement).map_err(LoginError::Recap)?;
    }
    for resource in others {
        if Recap::is_recap(resource) {
            return Err(LoginError::RecapPlace);
        }
        if resource.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("kubelt")) {
            let refused = || LoginError::Head(resource.chars().take(256).collect());
            let (core, head) = read_head(resource).ok_or_else(refused)?;
            heads.entry(core).or_default().insert(head);
        }
    }
    match heads.values().map(BTreeSet::len).sum() {
        0..=SIGN_IN_HEADS_MAX => Ok((recap, heads)),
        count => Err(LoginError::Heads(count)),
    }
}

fn read_abilities(recap: &Recap) -> Result<BTreeMap<CoreId, Vec<Ability>>, LoginError> {
    let abilities = recap.abilities().map_err(LoginError::Recap)?;
    let count = abilities.values().map(Vec::len).sum();
    if count > ABILITIES_MAX {
        return Err(LoginError::Abilities(count));
    }
    match abilities.values().flatten().find(|ability| !ability.verb.session_may()) {
        None => Ok(abilities),
        Some(ability) => Err(LoginError::Ability(ability.clone())),
    }
}

/// How long a sign-in with these abilities may live, in milliseconds. One that may only read and write content lives
/// long; one that may do nothing, as any other.
pub fn life_ms_max<'a>(abilities: impl IntoIterator<Item = &'a Ability>, held_by_node: bool) -> u64 {
    let is_content = |ability: &Ability| {
        let (PathPattern::Below(path) | PathPattern::Exact(path)) = &ability.paths else { return false };
        matches!(ability.verb, Verb::Read | Verb::Put) && path.prefix() == "content"
    };
    let mut abilities = abilities.into_iter().peekable();
    match (abilities.peek().is_some() && abilities.all(is_content), held_by_node) {
        (true, _) => CONTENT_LOGIN_LIFE_MS_MAX,
        (false, true) => HELD_LOGIN_LIFE_MS_MAX,
        (false, false) => LOGIN_LIFE_MS_MAX,
    }
}

/// Issue, begin and end, in milliseconds.
fn read_dates(message: &Message<'_>, max_ms: u64) -> Result<(u64, u64, u64), LoginError> {
    let ms = |ms: i64| u64::try_from(ms).map_err(|_cause| LoginError::Dates);
    let issued_at = ms(message.issued_at.ms())?;
    let expires = ms(message.expiration_time.ok_or(LoginError::NoExpiry)?.ms())?;
    let not_before = match message.not_before {
        Some(time) => ms(time.ms())?.max(issued_at),
        None => issued_at,
    };
    if expires <= not_before {
        return Err(LoginError::Dates);
    }
    let life_ms = expires - issued_at;
    if life_ms > max_ms {
        return Err(LoginError::Life { life_ms, max_ms });
    }
    Ok((issued_at, not_before, expires))
}

#[cfg(test)]
mod tests;
