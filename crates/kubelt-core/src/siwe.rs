//! Sign-in messages: EIP-4361 (Sign-In with Ethereum, <https://eips.ethereum.org/EIPS/eip-4361>) and the
//! same text for Solana accounts and bare keys (CAIP-122, "SIWx").
//!
//! [`Message::parse`] takes exactly the grammar of the specification: RFC 3986 for the domain, URI and
//! resources, RFC 3339 for dates, the statement's characters, the order of the fields, EIP-55 checksums.
//! What it returns borrows from the text, which stays the one thing that signatures are checked over;
//! writing a parsed message gives the same bytes back.

use std::fmt::{self, Write as _};

use crate::{
    account::{Account, PublicKey},
    limits::SIGN_IN_MESSAGE_BYTES_MAX,
    login::Scheme,
    rfc3339, uri,
};

mod lines;

/// What kind of account a message signs in, as its first line says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Namespace {
    /// `… with your Ethereum account:`, an address with its EIP-55 checksum, a decimal chain id (EIP-4361).
    Ethereum,
    /// `… with your Solana account:`, a base58 address, and as chain id the cluster: `mainnet`,
    /// `testnet`, `devnet` or a CAIP-2 reference, with or without `solana:` before it.
    Solana,
    /// `… with your did:key account:`, a `did:key`, and no chain id: a key lives on no chain.
    Key,
}

impl Namespace {
    const ALL: [Self; 3] = [Self::Ethereum, Self::Solana, Self::Key];

    const fn name(self) -> &'static str {
        match self {
            Self::Ethereum => "Ethereum",
            Self::Solana => "Solana",
            Self::Key => "did:key",
        }
    }
}

/// An RFC 3339 date with its exact text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timestamp<'a> {
    text: &'a str,
    ms: i64,
}

impl<'a> Timestamp<'a> {
    /// Reads a date; `None` when `text` is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        Some(Self { text, ms: rfc3339::parse(text)? })
    }

    /// The text it was read from.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Milliseconds since the Unix epoch; negative before it.
    pub const fn ms(&self) -> i64 {
        self.ms
    }
}

/// The fields of a sign-in message, as they stand in its text. The version is always 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Message<'a> {
    /// The kind of account.
    pub namespace: Namespace,
    /// The URI scheme of the asking origin, where the message names one.
    pub scheme: Option<&'a str>,
    /// The RFC 3986 authority that asks for the signature.
    pub domain: &'a str,
    /// The account, in the text form of its namespace.
    pub address: &'a str,
    /// What the signer is told. An empty statement is not the same text as none.
    pub statement: Option<&'a str>,
    /// What the signature is about: for logins, the session's `did:key`.
    pub uri: &'a str,
    /// The chain; absent for bare keys only.
    pub chain_id: Option<&'a str>,
    /// At least 8 letters and digits.
    pub nonce: &'a str,
    /// When the message was made.
    pub issued_at: Timestamp<'a>,
    /// When it stops to count.
    pub expiration_time: Option<Timestamp<'a>>,
    /// When it begins to count.
    pub not_before: Option<Timestamp<'a>>,
    /// An id of the request, for its maker.
    pub request_id: Option<&'a str>,
    /// The URIs listed; a list without entries is not the same text as no list.
    pub resources: Option<Vec<&'a str>>,
}

/// Why text is not a sign-in message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Over [`SIGN_IN_MESSAGE_BYTES_MAX`].
    #[error("a sign-in message of {0} bytes is over the limit of {SIGN_IN_MESSAGE_BYTES_MAX}")]
    TooLong(usize),
    /// The first line asks for nothing.
    #[error("the first line must read `<domain> wants you to sign in with your Ethereum account:`")]
    FirstLine,
    /// A line that must be there, and empty, is not.
    #[error("an empty line must stand {0}")]
    Blank(&'static str),
    /// A line is missing, or another stands in its place.
    #[error("the line `{0}` is missing or out of order")]
    Missing(&'static str),
    /// A field's value breaks its grammar.
    #[error("`{value}` is not a valid {field}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value, cut.
        value: String,
    },
    /// Something follows the last field.
    #[error("unexpected line `{0}`; fields stand in the order of EIP-4361, each once")]
    Trailing(String),
    /// Fields that would not read back as they were written (a line break in one, say).
    #[error("these fields do not make a message that reads back as the same fields")]
    Fields,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] names the first rule that is broken.
    pub fn parse(text: &'a str) -> Result<Self, MessageError> {
        lines::parse(text)
    }

    /// Writes the message, and only if it reads back as these very fields.
    ///
    /// # Errors
    /// [`MessageError`] when a field breaks the grammar.
    pub fn build(&self) -> Result<String, MessageError> {
        let text = self.to_string();
        if Message::parse(&text)? == *self { Ok(text) } else { Err(MessageError::Fields) }
    }

    /// The resources, none where there is no list.
    pub fn resources(&self) -> &[&'a str] {
        self.resources.as_deref().unwrap_or_default()
    }

    /// The account that a signature of `scheme` speaks for: an Ethereum address is a plain key's under
    /// [`Scheme::Eip191`], and a contract's on the message's chain under [`Scheme::Eip1271`]. `None` where
    /// the two do not go together.
    pub fn account(&self, scheme: Scheme) -> Option<Account> {
        let account = match (self.namespace, scheme) {
            (Namespace::Ethereum, Scheme::Eip191) => Account::Eoa(Account::evm_address(self.address).ok()?),
            (Namespace::Ethereum, Scheme::Eip1271) => Account::Contract {
                chain: self.chain_id?.parse().ok()?,
                address: Account::evm_address(self.address).ok()?,
            },
            (Namespace::Solana, Scheme::Ed25519) => {
                format!("solana:{}:{}", cluster(self.chain_id?), self.address).parse().ok()?
            }
            (Namespace::Key, Scheme::Ed25519 | Scheme::P256 | Scheme::Webauthn) => {
                Account::Key(self.address.parse::<PublicKey>().ok()?)
            }
            _ => return None,
        };
        crate::signature::signs_with(&account, scheme).then_some(account)
    }
}

/// The CAIP-2 reference of a Solana cluster that wallets call by a name
/// (<https://namespaces.chainagnostic.org/solana/caip2>).
fn cluster(name: &str) -> &str {
    match name.strip_prefix("solana:").unwrap_or(name) {
        "mainnet" => "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        "testnet" => "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z",
        "devnet" => "EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
        reference => reference,
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        writeln!(f, "{} wants you to sign in with your {} account:", self.domain, self.namespace.name())?;
        write!(f, "{}\n\n", self.address)?;
        match (self.statement, self.namespace) {
            (Some(statement), _) => write!(f, "{statement}\n\n")?,
            (None, Namespace::Solana) => (),
            (None, Namespace::Ethereum | Namespace::Key) => f.write_char('\n')?,
        }
        write!(f, "URI: {}\nVersion: 1\n", self.uri)?;
        if let Some(chain_id) = self.chain_id {
            writeln!(f, "Chain ID: {chain_id}")?;
        }
        write!(f, "Nonce: {}\nIssued At: {}", self.nonce, self.issued_at.text)?;
        if let Some(time) = self.expiration_time {
            write!(f, "\nExpiration Time: {}", time.text)?;
        }
        if let Some(time) = self.not_before {
            write!(f, "\nNot Before: {}", time.text)?;
        }
        if let Some(id) = self.request_id {
            write!(f, "\nRequest ID: {id}")?;
        }
        if let Some(resources) = &self.resources {
            f.write_str("\nResources:")?;
            for resource in resources {
                f.write_char('\n')?;
                write!(f, "- {resource}")?;
            }
        }
        Ok(())
    }
}

/// Whether every character may stand in a statement: `reserved`, `unreserved` of RFC 3986, and the space.
pub(crate) fn is_statement(text: &str) -> bool {
    text.bytes().all(|b| b == b' ' || uri::is_reserved(b) || uri::is_unreserved(b))
}

#[cfg(test)]
mod tests;
