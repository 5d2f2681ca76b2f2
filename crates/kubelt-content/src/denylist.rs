//! Denylists: what an operator does not serve, in the compact denylist format (IPIP-383, version 1).
//!
//! A rule is about a CID (by its multihash, so in every codec), an IPNS key or a DNS name, with a path or the
//! beginning of one; or about the hash of such a text, which names nothing. Of all rules that match, the last one
//! written decides, so a `!` line after a wider rule is an exception to it. Hints are skipped.

use std::collections::{HashMap, HashSet};

use cid::Cid;
use multihash_codetable::{Code, MultihashDigest as _};
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::{
    CidBase, format_cid,
    limits::{DENYLIST_HEADER_BYTES_MAX, DENYLIST_RULES_MAX},
    parse_cid,
};

/// Rules in the order in which they were read; cheap to ask, whatever their number.
#[derive(Debug, Default)]
pub struct Denylist {
    /// By what they are about.
    plain: HashMap<Subject, Vec<Rule>>,
    /// By digest, with the function that makes it.
    hashed: HashMap<(Hash, Box<[u8]>), Verdict>,
    /// Functions that rules use.
    hashes: HashSet<Hash>,
    rules: u32,
}

/// A whole list that was not taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DenylistError {
    /// The header names another version.
    #[error("version `{0}` of the denylist format is not known; convert the list to version 1")]
    Version(String),
    /// Over [`DENYLIST_RULES_MAX`] rules.
    #[error("the denylists hold more than {DENYLIST_RULES_MAX} rules together")]
    TooMany,
}

/// A line that is no rule; it was skipped.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line} is no rule of a denylist; write `/ipfs/CID`, `/ipns/NAME` or `//HASH`")]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    /// The multihash of a CID below `/ipfs/`.
    Content(Box<[u8]>),
    /// The multihash of a key below `/ipns/`.
    Key(Box<[u8]>),
    /// A DNS name below `/ipns/`, in lower case.
    Domain(Box<str>),
}

#[derive(Debug)]
struct Rule {
    path: Box<str>,
    /// Whether every path that begins so matches, too.
    prefix: bool,
    verdict: Verdict,
}

/// What a rule says, and its place among all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Verdict {
    order: u32,
    deny: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hash {
    Sha256,
    Blake3,
    /// SHA-256 of `CID/path`, written in hexadecimal.
    Legacy,
}

impl Denylist {
    /// Takes in the rules of a list behind those that are there; gives the lines that are none.
    ///
    /// # Errors
    /// [`DenylistError`] when the list as a whole is refused; some of its rules may have been taken in.
    pub fn read(&mut self, text: &str) -> Result<Vec<BadLine>, DenylistError> {
        let (header, body, skipped) = split_header(text);
        if let Some(version) = header.and_then(version).filter(|version| version != "1") {
            return Err(DenylistError::Version(version));
        }
        let mut bad = Vec::new();
        for (number, line) in body.lines().enumerate() {
            let rule = line.split_ascii_whitespace().next().unwrap_or_default();
            if rule.is_empty() || rule.starts_with('#') {
                continue;
            }
            if self.rules >= DENYLIST_RULES_MAX {
                return Err(DenylistError::TooMany);
            }
            if self.rule(rule).is_none() {
                bad.push(BadLine { line: skipped + number + 1 });
            }
        }
        Ok(bad)
    }

    /// Whether there is any rule.
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules as usize
    }

    /// Whether a block is denied, wherever it is met.
    pub fn denies_cid(&self, cid: &Cid) -> bool {
        self.denies_path(cid, "")
    }

    /// Whether `/ipfs/{cid}/{path}` is denied; `path` is decoded, with no slash at either end.
    pub fn denies_path(&self, cid: &Cid, path: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        self.denies(&Subject::Content(cid.hash().to_bytes().into()), path, |hash| spelled(cid, hash))
    }

    /// Whether `/ipns/{key}/{path}` is denied.
    pub fn denies_key(&self, key: &Cid, path: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        self.denies(&Subject::Key(key.hash().to_bytes().into()), path, |hash| spelled(key, hash))
    }

    /// Whether `/ipns/{domain}/{path}` is denied.
    pub fn denies_domain(&self, domain: &str, path: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let domain = domain.to_ascii_lowercase();
        self.denies(&Subject::Domain(domain.clone().into()), path, |hash| match hash {
            Hash::Legacy => domain.clone(),
            Hash::Sha256 | Hash::Blake3 => format!("/ipns/{domain}"),
        })
    }

    /// Asks the rules about `subject`; `spelled` is how each kind of hashed rule spells it.
    fn denies(&self, subject: &Subject, path: &str, spelled: impl Fn(Hash) -> String) -> bool {
        let plain = self.plain.get(subject).into_iter().flatten().filter(|rule| rule.matches(path));
        let mut last = plain.map(|rule| rule.verdict).max();
        for hash in &self.hashes {
            let mut text = spelled(*hash);
            if *hash == Hash::Legacy || !path.is_empty() {
                text.push('/');
                text.push_str(path);
            }
            last = last.max(self.hashed.get(&(*hash, hash.digest(&text))).copied());
        }
        last.is_some_and(|verdict| verdict.deny)
    }

    fn rule(&mut self, text: &str) -> Option<()> {
        let (deny, text) = text.strip_prefix('!').map_or((true, text), |text| (false, text));
        let verdict = Verdict { order: self.rules, deny };
        if let Some(digest) = text.strip_prefix("//") {
            for key in hashed_keys(digest)? {
                self.hashes.insert(key.0);
                self.hashed.insert(key, verdict);
            }
        } else {
            let (subject, path) = subject(text)?;
            let (path, prefix) = path.strip_suffix('*').map_or((path, false), |path| (path, true));
            let path = percent_decode_str(path.trim_end_matches('/')).decode_utf8().ok()?;
            self.plain.entry(subject).or_default().push(Rule { path: (*path).into(), prefix, verdict });
        }
        self.rules += 1;
        Some(())
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        if self.prefix { path.starts_with(&*self.path) } else { path == &*self.path }
    }
}

impl Hash {
    fn digest(self, text: &str) -> Box<[u8]> {
        let code = match self {
            Self::Sha256 | Self::Legacy => Code::Sha2_256,
            Self::Blake3 => Code::Blake3_256,
        };
        code.digest(text.as_bytes()).digest().into()
    }
}

/// What a plain rule is about, and its path as it is written.
fn subject(text: &str) -> Option<(Subject, &str)> {
    let (is_content, rest) = match text.strip_prefix("/ipfs/") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("/ipns/")?),
    };
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let multihash = multihash_of(name);
    let subject = match (is_content, multihash) {
        (true, multihash) => Subject::Content(multihash?),
        (false, Some(multihash)) => Subject::Key(multihash),
        (false, None) if name.contains('.') => Subject::Domain(name.to_ascii_lowercase().into()),
        (false, None) => return None,
    };
    Some((subject, path))
}

/// The multihash of a CID, or one that stands alone in base58 (`Qm…`, `12D3Koo…`).
fn multihash_of(name: &str) -> Option<Box<[u8]>> {
    if let Ok(cid) = parse_cid(name) {
        return Some(cid.hash().to_bytes().into());
    }
    let bytes = multibase::Base::Base58Btc.decode(name).ok()?;
    cid::multihash::Multihash::<64>::from_bytes(&bytes).ok()?;
    Some(bytes.into())
}

/// The digests that a double hash may stand for.
fn hashed_keys(text: &str) -> Option<Vec<(Hash, Box<[u8]>)>> {
    let mut keys = Vec::new();
    if text.len() == 64
        && let Ok(digest) = multibase::Base::Base16Lower.decode(text)
    {
        keys.push((Hash::Legacy, digest.into()));
    }
    if let Some(bytes) = multihash_of(text) {
        let multihash = cid::multihash::Multihash::<64>::from_bytes(&bytes).ok()?;
        let hash = match multihash.code() {
            crate::HASH_SHA2_256 => Hash::Sha256,
            crate::HASH_BLAKE3 => Hash::Blake3,
            _ => return None,
        };
        keys.push((hash, multihash.digest().into()));
    }
    (!keys.is_empty()).then_some(keys)
}

/// How rules of a kind spell a CID: the old ones with its codec, the others as a multihash.
fn spelled(cid: &Cid, hash: Hash) -> String {
    match hash {
        Hash::Legacy => format_cid(cid, CidBase::Base32),
        Hash::Sha256 | Hash::Blake3 => multibase::Base::Base58Btc.encode(cid.hash().to_bytes()),
    }
}

/// The header, the rules, and how many lines stand before these.
fn split_header(text: &str) -> (Option<&str>, &str, usize) {
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        at += line.len();
        if at > DENYLIST_HEADER_BYTES_MAX {
            break;
        }
        if line.trim_end() == "---" {
            return (Some(&text[..at - line.len()]), &text[at..], number + 1);
        }
    }
    (None, text, 0)
}

/// The version that a header names: the only field that matters here.
fn version(header: &str) -> Option<String> {
    let value = header.lines().find_map(|line| line.strip_prefix("version:"))?;
    let value = value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    Some(value.chars().take(32).collect())
}

#[cfg(test)]
mod tests;
