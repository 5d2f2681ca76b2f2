//! Passkeys: assertions of WebAuthn (<https://www.w3.org/TR/webauthn-3/>) as signatures of P-256 keys.
//!
//! An authenticator signs what it says itself ([`Assertion::authenticator_data`]) and the hash of what the browser says
//! (`clientDataJSON`), never a message of ours. The message is bound by the *challenge*, which stands in what the browser
//! says: a digest of 32 bytes ([`challenge_of`] a text, [`challenge_for`] an operation).
//!
//! # What is checked
//! * The client data begins as browsers must write it (the specification's [limited verification algorithm]): type
//!   `webauthn.get`, this challenge, an origin, and `crossOrigin` false or absent. Comparing bytes
//!   instead of parsing JSON gives one verdict on every replica and in every version.
//! * The authenticator says that a person was there and that it knows which (user present, user verified), and that a key
//!   which is backed up may be.
//! * Its relying party is the origin's host or a domain above it. Which party that is follows from the key: an
//!   authenticator uses a key for the one party that it was made for, so that whoever invites a passkey invites
//!   it at that place. A sign-in is held to the origin, too ([`crate::CheckedLogin`]).
//! * `r` and `s` are scalars of P-256, `s` in the lower half, and fit the key.
//!
//! Signature counters are not looked at: a verdict depends on its arguments alone.
//!
//! # What it is worth
//! A passkey shows nobody what it signs: the page at its origin does. So passkeys are signers beside others.
//! A root of a shared core for which passkeys alone could act is refused ([`crate::Principal::is_of_passkeys`]).
//!
//! [limited verification algorithm]: https://www.w3.org/TR/webauthn-3/#clientdatajson-verification

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::Signature;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    codec::{self, DecodeError},
    limits::{AUTHENTICATOR_DATA_BYTES_MAX, CLIENT_DATA_BYTES_MAX, SIGNATURE_BYTES_MAX},
    op::{Body, Header, Signed},
    typed_data::{self, TypedDataError},
    words::WordsError,
};

/// Bytes of authenticator data without anything attached: the hash of the relying party's id, flags, and a counter.
const AUTHENTICATOR_DATA_BYTES: usize = 32 + 1 + 4;
/// Flags of authenticator data.
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTACHED: u8 = 0x40 | 0x80;

/// What an authenticator answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// What the authenticator says.
    #[serde(with = "serde_bytes", rename = "auth")]
    pub authenticator_data: Vec<u8>,
    /// What the browser says: JSON, byte for byte.
    #[serde(rename = "client")]
    pub client_data: String,
    /// `r ‖ s`, low `s`.
    #[serde(rename = "sig")]
    pub signature: serde_bytes::ByteArray<64>,
}

/// Why an assertion is refused, for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It is not the canonical encoding of one, or too large.
    #[error("not an assertion in its one encoding: {0}")]
    Form(String),
    /// The signature that the authenticator made is not DER of two scalars of P-256.
    #[error("the authenticator's signature is not one of P-256 (ES256) in DER")]
    Der,
    /// What the browser says is not about an assertion, or not written as browsers must.
    #[error(
        "the client data does not begin with type `webauthn.get`, a challenge and an origin as WebAuthn orders them"
    )]
    ClientData,
    /// It answers another challenge.
    #[error("the assertion answers another challenge than that of what is to be signed")]
    Challenge,
    /// It was made inside of another site's page.
    #[error("the assertion was made across origins, inside of another site's page")]
    CrossOrigin,
    /// The origin is none of a web site, or not one of the key's relying party.
    #[error("the key was not made for the origin `{0}`")]
    Origin(String),
    /// The authenticator's part is cut short, too long, or contradicts itself.
    #[error("the authenticator data is malformed")]
    AuthenticatorData,
    /// Nobody was there.
    #[error("the authenticator did not see that somebody was present")]
    Absent,
    /// It could have been anybody.
    #[error("the authenticator did not verify its user; ask with `userVerification: \"required\"`")]
    Unverified,
}

/// The challenge by which a passkey signs a text.
pub fn challenge_of(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The challenge by which a passkey signs an operation of its own: the digest of its typed data, which binds the words
/// that it says, so that a vote need not tell them to strangers; of a `put`, which has none, that of its text.
///
/// # Errors
/// [`TypedDataError`] where there are no words, or a session signs.
pub fn challenge_for(header: &Header, body: Option<&Body>) -> Result<[u8; 32], TypedDataError> {
    match body {
        _ if header.login.is_some() => Err(TypedDataError::Session),
        None if header.is_shown() => Err(WordsError::BodyMissing.into()),
        Some(body) if header.is_shown() => typed_data::digest(header, body),
        _ => Ok(challenge_of(Signed::signing_text(header, None)?.as_bytes())),
    }
}

impl Assertion {
    /// An assertion as browsers give it: the signature is DER, with `s` as it came. Its twin with low `s` is kept, so that
    /// there is one spelling of it.
    ///
    /// # Errors
    /// [`AssertionError`] where it cannot be one of a P-256 key.
    pub fn from_browser(
        authenticator_data: Vec<u8>,
        client_data: Vec<u8>,
        der: &[u8],
    ) -> Result<Self, AssertionError> {
        let client_data = String::from_utf8(client_data).map_err(|_cause| AssertionError::ClientData)?;
        let signature = Signature::from_der(der).map_err(|_cause| AssertionError::Der)?;
        let signature: [u8; 64] = signature.normalize_s().to_bytes().into();
        Ok(Self { authenticator_data, client_data, signature: signature.into() })
    }

    /// Its canonical bytes: what stands as the signature.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`AssertionError::Form`] when they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, AssertionError> {
        let form = |error: DecodeError| AssertionError::Form(error.to_string());
        codec::decode(bytes, SIGNATURE_BYTES_MAX, "assertion").map_err(form)
    }

    /// What the key has signed.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        let hash = Sha256::digest(self.client_data.as_bytes());
        [self.authenticator_data.as_slice(), &hash[..]].concat()
    }

    /// Checks everything but the signature; gives the origin.
    ///
    /// # Errors
    /// [`AssertionError`] names the first rule that is broken.
    pub fn check(&self, challenge: &[u8; 32]) -> Result<&str, AssertionError> {
        let origin = self.check_client_data(challenge)?;
        let party = self.check_authenticator_data()?;
        let refused = || AssertionError::Origin(origin.chars().take(128).collect());
        let host = host_of(origin).ok_or_else(refused)?;
        let mut domains = std::iter::successors(Some(host), |host| Some(host.split_once('.')?.1));
        match domains.any(|domain| Sha256::digest(domain.as_bytes())[..] == *party) {
            true => Ok(origin),
            false => Err(refused()),
        }
    }

    fn check_client_data(&self, challenge: &[u8; 32]) -> Result<&str, AssertionError> {
        if self.client_data.len() > CLIENT_DATA_BYTES_MAX {
            return Err(AssertionError::ClientData);
        }
        let rest = self.client_data.strip_prefix(r#"{"type":"webauthn.get","challenge":""#);
        let (given, rest) =
            rest.and_then(|rest| rest.split_once(r#"","origin":""#)).ok_or(AssertionError::ClientData)?;
        if given != URL_SAFE_NO_PAD.encode(challenge) {
            return Err(AssertionError::Challenge);
        }
        let (origin, rest) = rest.split_once('"').ok_or(AssertionError::ClientData)?;
        let rest = match rest.strip_prefix(r#","crossOrigin":"#) {
            Some(rest) if rest.starts_with("true") => return Err(AssertionError::CrossOrigin),
            Some(rest) => rest.strip_prefix("false"),
            None => Some(rest),
        };
        let ends = rest.is_some_and(|rest| rest == "}" || (rest.starts_with(',') && rest.ends_with('}')));
        if ends { Ok(origin) } else { Err(AssertionError::ClientData) }
    }

    /// Gives the hash of the relying party's id.
    fn check_authenticator_data(&self) -> Result<&[u8; 32], AssertionError> {
        let data = self.authenticator_data.as_slice();
        let (party, rest) = data.split_first_chunk::<32>().ok_or(AssertionError::AuthenticatorData)?;
        let flags = *rest.first().ok_or(AssertionError::AuthenticatorData)?;
        let length = match flags & ATTACHED {
            0 => AUTHENTICATOR_DATA_BYTES..=AUTHENTICATOR_DATA_BYTES,
            _ => AUTHENTICATOR_DATA_BYTES + 1..=AUTHENTICATOR_DATA_BYTES_MAX,
        };
        let contradicts = flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0;
        if !length.contains(&data.len()) || contradicts {
            return Err(AssertionError::AuthenticatorData);
        }
        match (flags & USER_PRESENT != 0, flags & USER_VERIFIED != 0) {
            (true, true) => Ok(party),
            (true, false) => Err(AssertionError::Unverified),
            (false, _) => Err(AssertionError::Absent),
        }
    }
}

/// The host of a web origin.
fn host_of(origin: &str) -> Option<&str> {
    let authority = authority_of(origin)?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    (!host.is_empty() && host.bytes().all(plain)).then_some(host)
}

/// Host and port of a web origin.
pub(crate) fn authority_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
}

#[cfg(test)]
mod tests;
