//! Sets of public keys that others publish (RFC 7517), and our own keys in that form.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::keys::{Kind, base64};
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
use crate::{KeyError, PublicKey};

/// A key of a set that content can be sealed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedKey {
    /// The key.
    pub key: PublicKey,
    /// What the set calls it.
    pub kid: Option<String>,
}

/// A set of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySet {
    /// Keys to seal to.
    pub keys: Vec<NamedKey>,
    /// All others: their `kid` or place, and why nothing is sealed to them.
    pub others: Vec<(String, String)>,
}

/// Why nothing is sealed to a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Too much to be one.
    #[error("a set of keys has {JWKS_BYTES_MAX} bytes and {JWKS_KEYS_MAX} keys at most")]
    TooLarge,
    /// Not JSON, or without a list of keys.
    #[error("this is no JSON Web Key Set: {0}")]
    Form(String),
    /// A secret key in public.
    #[error(
        "key `{0}` of the set has private parts: it is nobody's secret any more; nothing is sealed to such a set, tell its owner"
    )]
    Private(String),
    /// There is nothing to seal to.
    #[error("no key of the set can be sealed to{}", said(.0))]
    NoneUsable(Vec<(String, String)>),
    /// The key that was asked for.
    #[error("the set has no key `{0}` that can be sealed to")]
    NoSuchKey(String),
}

/// Members that only secret keys have (RFC 7518, section 6).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Reads a set, or a single key.
///
/// # Errors
/// [`JwksError`]; a set without a key to seal to is one, too.
pub fn read_set(json: &[u8]) -> Result<KeySet, JwksError> {
    if json.len() > JWKS_BYTES_MAX {
        return Err(JwksError::TooLarge);
    }
    let value: Value = serde_json::from_slice(json).map_err(|error| JwksError::Form(error.to_string()))?;
    let listed = match value.get("keys") {
        Some(Value::Array(keys)) => keys.as_slice(),
        Some(_) => return Err(JwksError::Form("`keys` is no list".to_owned())),
        None if value.get("kty").is_some() => std::slice::from_ref(&value),
        None => return Err(JwksError::Form("there are no `keys`".to_owned())),
    };
    if listed.len() > JWKS_KEYS_MAX {
        return Err(JwksError::TooLarge);
    }
    let mut set = KeySet { keys: Vec::new(), others: Vec::new() };
    for (place, key) in listed.iter().enumerate() {
        let kid = text(key, "kid").map(|kid| kid.chars().take(128).collect::<String>());
        let name = kid.clone().unwrap_or_else(|| format!("number {}", place + 1));
        let Value::Object(members) = key else {
            set.others.push((name, "it is no JSON object".to_owned()));
            continue;
        };
        // An octet sequence is a secret whatever it is called.
        if PRIVATE.iter().any(|private| members.contains_key(*private)) {
            return Err(JwksError::Private(name));
        }
        match read_key(members) {
            Ok(key) if set.keys.iter().any(|known| known.key == key) => {}
            Ok(key) => set.keys.push(NamedKey { key, kid }),
            Err(reason) => set.others.push((name, reason)),
        }
    }
    if set.keys.is_empty() { Err(JwksError::NoneUsable(set.others)) } else { Ok(set) }
}

impl KeySet {
    /// The set with one of its keys only.
    ///
    /// # Errors
    /// [`JwksError::NoSuchKey`].
    pub fn only(mut self, kid: &str) -> Result<Self, JwksError> {
        self.keys.retain(|key| key.kid.as_deref() == Some(kid));
        if self.keys.is_empty() {
            Err(JwksError::NoSuchKey(kid.chars().take(128).collect()))
        } else {
            Ok(self)
        }
    }
}

/// A key as others read it.
pub fn to_jwk(key: &PublicKey, kid: Option<&str>) -> Map<String, Value> {
    let mut members = bare(key);
    members.insert("use".to_owned(), json!("enc"));
    members.insert("alg".to_owned(), json!(key.algorithm()));
    members
        .insert("kid".to_owned(), kid.map_or_else(|| json!(key.thumbprint().to_string()), |kid| json!(kid)));
    members
}

/// The numbers of a key.
pub(crate) fn bare(key: &PublicKey) -> Map<String, Value> {
    let members = match key.kind() {
        Kind::X25519(x) => json!({ "kty": "OKP", "crv": "X25519", "x": base64(x) }),
        Kind::P256(point) => {
            let (x, y) = point.split_at(32);
            json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) })
        }
        Kind::Rsa { n, e } => json!({ "kty": "RSA", "n": base64(n), "e": base64(e) }),
    };
    match members {
        Value::Object(members) => members,
        _ => unreachable!("an object was written"),
    }
}

/// A key to seal to, or why it is none.
fn read_key(members: &Map<String, Value>) -> Result<PublicKey, String> {
    let member = |name: &str| members.get(name).and_then(Value::as_str);
    if let Some(purpose) = members.get("use").filter(|purpose| **purpose != json!("enc")) {
        return Err(format!("its use is {}, not `enc`", shortened(purpose)));
    }
    if let Some(Value::Array(uses)) = members.get("key_ops") {
        let seals = ["deriveKey", "deriveBits", "wrapKey", "encrypt"];
        if !uses.is_empty() && !uses.iter().any(|op| seals.iter().any(|seal| op == seal)) {
            return Err("its `key_ops` allow no encryption".to_owned());
        }
    }
    let key = match (member("kty"), member("crv")) {
        (Some("OKP"), Some("X25519")) => PublicKey::x25519(bytes(members, "x")?),
        (Some("EC"), Some("P-256")) => PublicKey::p256(&bytes(members, "x")?, &bytes(members, "y")?),
        (Some("RSA"), _) => PublicKey::rsa(&octets(members, "n")?, &octets(members, "e")?),
        (Some(kty), crv) => {
            let crv = crv.map_or_else(String::new, |crv| format!(" on the curve `{}`", short(crv)));
            let kty = short(kty);
            return Err(format!("it is of kind `{kty}`{crv}; X25519, P-256 and RSA are taken"));
        }
        (None, _) => return Err("it has no `kty`".to_owned()),
    };
    let key = key.map_err(|error: KeyError| error.to_string())?;
    match members.get("alg") {
        Some(alg) if *alg != json!(key.algorithm()) => {
            Err(format!("it is for {}; for such a key, {} is taken", shortened(alg), key.algorithm()))
        }
        _ => Ok(key),
    }
}

fn text<'a>(key: &'a Value, name: &str) -> Option<&'a str> {
    key.get(name).and_then(Value::as_str)
}

fn octets(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = members.get(name).and_then(Value::as_str).ok_or_else(|| format!("it has no `{name}`"))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("its `{name}` is not base64url: {error}"))
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<[u8; 32], String> {
    octets(members, name)?.try_into().map_err(|_length| format!("its `{name}` has not 32 bytes"))
}

fn shortened(value: &Value) -> String {
    value.as_str().map_or_else(|| "something else".to_owned(), |text| format!("`{}`", short(text)))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(32).collect()
}

fn said(others: &[(String, String)]) -> String {
    let said: Vec<String> =
        others.iter().take(8).map(|(name, reason)| format!("`{name}`: {reason}")).collect();
    if said.is_empty() { "; it is empty".to_owned() } else { format!("; {}", said.join("; ")) }
}

#[cfg(test)]
mod tests;
