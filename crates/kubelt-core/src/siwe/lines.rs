//! The parser: one line after another, each where the grammar has it.

use std::{iter::Peekable, str::Split};

use super::{Message, MessageError, Namespace, Timestamp, is_statement};
use crate::{
    account::{Account, PublicKey},
    limits::SIGN_IN_MESSAGE_BYTES_MAX,
    uri,
};

pub(super) fn parse(text: &str) -> Result<Message<'_>, MessageError> {
    if text.len() > SIGN_IN_MESSAGE_BYTES_MAX {
        return Err(MessageError::TooLong(text.len()));
    }
    let mut lines = Lines(text.split('\n').peekable());
    let (scheme, domain, namespace) = first_line(lines.next().unwrap_or_default())?;
    let address = lines.next().unwrap_or_default();
    check("account address", address, is_address(namespace, address))?;
    lines.blank("after the account")?;
    let statement = lines.statement(namespace)?;
    let uri = lines.field("URI", uri::is_uri)?;
    lines.field("Version", |version| version == "1")?;
    let chain_id = match namespace {
        Namespace::Key => None,
        Namespace::Ethereum => Some(lines.field("Chain ID", is_digits)?),
        Namespace::Solana => Some(lines.field("Chain ID", is_cluster)?),
    };
    let nonce = lines.field("Nonce", is_nonce)?;
    let issued_at = lines.optional_time("Issued At")?.ok_or(MessageError::Missing("Issued At"))?;
    let expiration_time = lines.optional_time("Expiration Time")?;
    let not_before = lines.optional_time("Not Before")?;
    let request_id = lines.optional("Request ID");
    if let Some(id) = request_id {
        check("Request ID", id, uri::is_pchars(id))?;
    }
    let resources = lines.resources()?;
    if let Some(line) = lines.next() {
        return Err(MessageError::Trailing(short(line)));
    }
    Ok(Message {
        namespace,
        scheme,
        domain,
        address,
        statement,
        uri,
        chain_id,
        nonce,
        issued_at,
        expiration_time,
        not_before,
        request_id,
        resources,
    })
}

struct Lines<'a>(Peekable<Split<'a, char>>);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn blank(&mut self, place: &'static str) -> Result<(), MessageError> {
        if self.next() == Some("") { Ok(()) } else { Err(MessageError::Blank(place)) }
    }

    /// `[ statement LF ] LF`: a further empty line where there is no statement; a line and an empty one where
    /// there is one, which may be empty itself. (Solana wallets write no further line without a statement.)
    fn statement(&mut self, namespace: Namespace) -> Result<Option<&'a str>, MessageError> {
        let mut ahead = self.0.clone();
        let (line, after) = (ahead.next().unwrap_or_default(), ahead.next());
        if namespace == Namespace::Solana {
            if line.starts_with("URI: ") && after != Some("") {
                return Ok(None);
            }
        } else if line.is_empty() && after != Some("") {
            self.next();
            return Ok(None);
        }
        self.next();
        check("statement", line, is_statement(line))?;
        self.blank("after the statement")?;
        Ok(Some(line))
    }

    /// The value of the next line, where that is `name: value`.
    fn optional(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.0.peek()?.strip_prefix(name)?.strip_prefix(": ")?;
        self.next();
        Some(value)
    }

    fn field(&mut self, name: &'static str, valid: impl Fn(&str) -> bool) -> Result<&'a str, MessageError> {
        let value = self.optional(name).ok_or(MessageError::Missing(name))?;
        check(name, value, valid(value))?;
        Ok(value)
    }

    fn optional_time(&mut self, name: &'static str) -> Result<Option<Timestamp<'a>>, MessageError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        let refused = || MessageError::Field { field: name, value: short(value) };
        Timestamp::parse(value).map(Some).ok_or_else(refused)
    }

    fn resources(&mut self) -> Result<Option<Vec<&'a str>>, MessageError> {
        if self.0.next_if_eq(&"Resources:").is_none() {
            return Ok(None);
        }
        let mut resources = Vec::new();
        for line in self.0.by_ref() {
            let uri = line.strip_prefix("- ").ok_or_else(|| MessageError::Trailing(short(line)))?;
            check("resource", uri, uri::is_uri(uri))?;
            resources.push(uri);
        }
        Ok(Some(resources))
    }
}

fn first_line(line: &str) -> Result<(Option<&str>, &str, Namespace), MessageError> {
    let (origin, rest) =
        line.split_once(" wants you to sign in with your ").ok_or(MessageError::FirstLine)?;
    let named = |namespace: &Namespace| rest.strip_prefix(namespace.name()) == Some(" account:");
    let namespace = Namespace::ALL.into_iter().find(named).ok_or(MessageError::FirstLine)?;
    let (scheme, domain) = match origin.split_once("://") {
        Some((scheme, domain)) => (Some(scheme), domain),
        None => (None, origin),
    };
    if let Some(scheme) = scheme {
        check("scheme", scheme, uri::is_scheme(scheme))?;
    }
    check("domain", domain, !domain.is_empty() && uri::is_authority(domain))?;
    Ok((scheme, domain, namespace))
}

fn is_address(namespace: Namespace, address: &str) -> bool {
    match namespace {
        Namespace::Ethereum => Account::evm_address(address)
            .is_ok_and(|bytes| Account::Eoa(bytes).checksummed().as_deref() == Some(address)),
        Namespace::Solana => {
            address.len() <= 44 && bs58::decode(address).into_vec().is_ok_and(|key| key.len() == 32)
        }
        Namespace::Key => address.parse::<PublicKey>().is_ok(),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_cluster(text: &str) -> bool {
    let text = text.strip_prefix("solana:").unwrap_or(text);
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_nonce(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn check(field: &'static str, value: &str, valid: bool) -> Result<(), MessageError> {
    if valid { Ok(()) } else { Err(MessageError::Field { field, value: short(value) }) }
}

/// The beginning of a value, safe to print.
fn short(value: &str) -> String {
    value.chars().take(64).flat_map(char::escape_default).collect()
}
