//! JSON Web Encryption (RFC 7516) for recipients who have nothing of ours.
//!
//! What is written is always the general JSON serialisation: `enc` is `A256GCM`, and each recipient has `ECDH-ES+A256KW`
//! (X25519, P-256) or `RSA-OAEP-256` (RFC 7518, RFC 8037). What is read is any serialisation of those, for an X25519 key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::keys::{Kind, base64};
use crate::limits::{JWE_BYTES_MAX, JWE_HEADER_BYTES_MAX, JWE_PLAIN_BYTES_MAX, JWE_RECIPIENTS_MAX};
use crate::{ContentKey, DeviceSecret, Entropy, PublicKey, ecdh, jwk, rsa};

/// The media type of the JSON serialisations (RFC 7515, section 9.2.1).
pub const MEDIA_TYPE: &str = "application/jose+json";

const ECDH_ES_A256KW: &str = "ECDH-ES+A256KW";
const A256GCM: &str = "A256GCM";
const TAG_BYTES: usize = 16;
/// Bytes of a content key that is wrapped by AES key wrap (RFC 3394).
const WRAPPED_BYTES: usize = 40;

/// An encrypted message, with all who can open it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Jwe {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    protected: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unprotected: Option<Map<String, Value>>,
    recipients: Vec<Recipient>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aad: Option<String>,
    iv: String,
    ciphertext: String,
    tag: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Recipient {
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    header: Map<String, Value>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    encrypted_key: String,
}

/// Why a message is not opened, or not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// Too long.
    #[error(
        "a JWE of ours holds {JWE_PLAIN_BYTES_MAX} bytes at most: all of it must fit into memory to be opened"
    )]
    TooLarge,
    /// Not a JWE.
    #[error("this is no JWE: {0}")]
    Form(String),
    /// Something that is not understood, and must be.
    #[error("the JWE asks for {0}, which is not taken")]
    Unknown(String),
    /// None of its keys is for this device.
    #[error("the JWE is sealed to other keys than this device's")]
    NotForUs,
    /// Changed.
    #[error("the JWE does not open: it was changed")]
    Changed,
}

impl Jwe {
    /// Seals `plain` to nobody yet.
    ///
    /// # Errors
    /// [`JweError::TooLarge`].
    pub fn seal(plain: &[u8], content: &ContentKey, entropy: &mut Entropy) -> Result<Self, JweError> {
        if plain.len() > JWE_PLAIN_BYTES_MAX {
            return Err(JweError::TooLarge);
        }
        let protected = base64(json!({ "enc": A256GCM }).to_string().as_bytes());
        let (iv, mut sealed) = (entropy.bytes::<12>(), plain.to_vec());
        let tag = cipher(content)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(&protected), &mut sealed)
            .expect("a message is far below what the cipher takes");
        Ok(Self {
            protected,
            unprotected: None,
            recipients: Vec::new(),
            aad: None,
            iv: base64(&iv),
            ciphertext: base64(&sealed),
            tag: base64(tag.as_ref()),
        })
    }

    /// Adds somebody who can open it; `kid` is what they call their key.
    pub fn add(&mut self, content: &ContentKey, key: &PublicKey, kid: Option<&str>, entropy: &mut Entropy) {
        let kid = kid.map_or_else(|| key.thumbprint().to_string(), str::to_owned);
        let mut header =
            Map::from_iter([("alg".to_owned(), json!(key.algorithm())), ("kid".to_owned(), json!(kid))]);
        let encrypted = match key.kind() {
            Kind::X25519(x) => {
                let agreed = ecdh::with_x25519(x, entropy);
                let ephemeral = PublicKey::x25519(agreed.ephemeral).expect("a new key is a usable one");
                header.insert("epk".to_owned(), Value::Object(jwk::bare(&ephemeral)));
                wrap(&agreed.secret, content)
            }
            Kind::P256(point) => {
                let agreed = ecdh::with_p256(point, entropy);
                let (x, y) = agreed.ephemeral.split_at(32);
                let epk = json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) });
                header.insert("epk".to_owned(), epk);
                wrap(&agreed.secret, content)
            }
            Kind::Rsa { n, e } => rsa::encrypt(n, e, content.as_bytes()),
        };
        self.recipients.push(Recipient { header, encrypted_key: base64(&encrypted) });
    }

    /// Reads the compact, the flattened or the general serialisation.
    ///
    /// # Errors
    /// [`JweError`] when it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, JweError> {
        if bytes.len() > JWE_BYTES_MAX {
            return Err(JweError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| JweError::Form(error.to_string()))?.trim();
        let message = if text.starts_with('{') { read_json(text)? } else { read_compact(text)? };
        if !(1..=JWE_RECIPIENTS_MAX).contains(&message.recipients.len()) {
            return Err(JweError::Form(format!("it has not 1 to {JWE_RECIPIENTS_MAX} recipients")));
        }
        Ok(message)
    }

    /// The general JSON serialisation.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and maps are always JSON")
    }

    /// The content key, for a device that it is sealed to.
    ///
    /// # Errors
    /// [`JweError`]; [`JweError::NotForUs`] where no key of it is the device's.
    pub fn content_key(&self, device: &DeviceSecret) -> Result<ContentKey, JweError> {
        let protected = self.protected_header()?;
        self.check_headers(&protected)?;
        let mut found = Err(JweError::NotForUs);
        for recipient in &self.recipients {
            let member = |name: &str| {
                let unprotected = self.unprotected.as_ref().and_then(|header| header.get(name));
                protected.get(name).or(unprotected).or_else(|| recipient.header.get(name))
            };
            match unwrap(&member, &recipient.encrypted_key, device) {
                Ok(key) => return Ok(key),
                // What it asks for is worth more than that another one is not ours.
                Err(error @ JweError::Unknown(_)) if self.recipients.len() == 1 => found = Err(error),
                Err(_) => {}
            }
        }
        found
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`JweError::Changed`] when it was.
    pub fn open(&self, content: &ContentKey) -> Result<Zeroizing<Vec<u8>>, JweError> {
        self.check_headers(&self.protected_header()?)?;
        let iv: [u8; 12] = decoded("iv", &self.iv)?.try_into().map_err(|_length| JweError::Changed)?;
        let mut plain = Zeroizing::new(decoded("ciphertext", &self.ciphertext)?);
        let tag = decoded("tag", &self.tag)?;
        if tag.len() != TAG_BYTES {
            return Err(JweError::Changed);
        }
        let aad = match &self.aad {
            Some(aad) => format!("{}.{aad}", self.protected),
            None => self.protected.clone(),
        };
        let length = plain.len();
        plain.extend(tag);
        cipher(content)
            .open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(aad.as_bytes()), &mut plain)
            .map_err(|_says_no_more| JweError::Changed)?;
        plain.truncate(length);
        Ok(plain)
    }

    /// What recipients call their keys.
    pub fn key_ids(&self) -> Vec<&str> {
        self.recipients.iter().filter_map(|to| to.header.get("kid").and_then(Value::as_str)).collect()
    }

    fn protected_header(&self) -> Result<Map<String, Value>, JweError> {
        if self.protected.is_empty() {
            return Ok(Map::new());
        }
        if self.protected.len() > JWE_HEADER_BYTES_MAX {
            return Err(JweError::Form("its header is too long".to_owned()));
        }
        let json = decoded("protected", &self.protected)?;
        serde_json::from_slice(&json).map_err(|error| JweError::Form(error.to_string()))
    }

    /// What must be understood is, and no member stands in two headers.
    fn check_headers(&self, protected: &Map<String, Value>) -> Result<(), JweError> {
        let unprotected = self.unprotected.iter().flatten().map(|(name, _)| name);
        let shared: Vec<&String> = protected.keys().chain(unprotected).collect();
        let own = self.recipients.iter().flat_map(|recipient| recipient.header.keys());
        let is_twice = |name: &String| shared.iter().filter(|other| **other == name).count() > 1;
        if shared.iter().any(|name| is_twice(name)) || own.clone().any(|name| shared.contains(&name)) {
            return Err(JweError::Form("a member stands in two headers".to_owned()));
        }
        if shared.iter().copied().chain(own).any(|name| name == "crit" || name == "zip") {
            return Err(JweError::Unknown("extensions or compression".to_owned()));
        }
        let enc = protected.get("enc").or_else(|| self.unprotected.as_ref()?.get("enc"));
        match enc.and_then(Value::as_str) {
            Some(A256GCM) => Ok(()),
            Some(other) => Err(JweError::Unknown(format!("`{}`", short(other)))),
            None => Err(JweError::Form("it has no `enc`".to_owned())),
        }
    }
}

fn read_json(text: &str) -> Result<Jwe, JweError> {
    let form = |error: serde_json::Error| JweError::Form(error.to_string());
    let value: Value = serde_json::from_str(text).map_err(form)?;
    if value.get("recipients").is_some() {
        return serde_json::from_value(value).map_err(form);
    }
    let one: Recipient = serde_json::from_value(value.clone()).map_err(form)?;
    let Value::Object(mut members) = value else { return Err(JweError::Form("no object".to_owned())) };
    members.insert("recipients".to_owned(), json!([]));
    let mut message: Jwe = serde_json::from_value(Value::Object(members)).map_err(form)?;
    message.recipients.push(one);
    Ok(message)
}

fn read_compact(text: &str) -> Result<Jwe, JweError> {
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    let [protected, encrypted_key, iv, ciphertext, tag] = parts.as_slice() else {
        return Err(JweError::Form("neither JSON nor five parts with dots between them".to_owned()));
    };
    let recipient = Recipient { header: Map::new(), encrypted_key: (*encrypted_key).to_owned() };
    Ok(Jwe {
        protected: (*protected).to_owned(),
        unprotected: None,
        recipients: vec![recipient],
        aad: None,
        iv: (*iv).to_owned(),
        ciphertext: (*ciphertext).to_owned(),
        tag: (*tag).to_owned(),
    })
}

fn cipher(content: &ContentKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, content.as_bytes()).expect("32 bytes"))
}

fn wrap(secret: &[u8; 32], content: &ContentKey) -> Vec<u8> {
    let kek = AesKek::new(&AES_256, &ecdh::concat_kdf(secret, &[], &[])[..]).expect("32 bytes");
    let mut wrapped = [0; WRAPPED_BYTES];
    kek.wrap(content.as_bytes(), &mut wrapped).expect("a key of 32 bytes, and room for 8 more").to_vec()
}

/// The content key, where this recipient is the device.
fn unwrap<'a>(
    member: &dyn Fn(&str) -> Option<&'a Value>,
    encrypted_key: &str,
    device: &DeviceSecret,
) -> Result<ContentKey, JweError> {
    match member("alg").and_then(Value::as_str) {
        Some(ECDH_ES_A256KW) => {}
        Some(other) => return Err(JweError::Unknown(format!("`{}`", short(other)))),
        None => return Err(JweError::Form("it has no `alg`".to_owned())),
    }
    let epk =
        member("epk").and_then(Value::as_object).ok_or_else(|| JweError::Form("it has no `epk`".into()))?;
    let part = |name: &str| epk.get(name).and_then(Value::as_str);
    if (part("kty"), part("crv")) != (Some("OKP"), Some("X25519")) {
        return Err(JweError::NotForUs);
    }
    let x: [u8; 32] =
        decoded("x", part("x").unwrap_or_default())?.try_into().map_err(|_length| JweError::NotForUs)?;
    let party =
        |name: &str| member(name).map_or(Ok(Vec::new()), |v| decoded(name, v.as_str().unwrap_or("=")));
    let (apu, apv) = (party("apu")?, party("apv")?);
    // A point of small order agrees with nobody.
    let secret = ecdh::x25519(device.as_bytes(), &x).ok_or(JweError::NotForUs)?;
    let kek = AesKek::new(&AES_256, &ecdh::concat_kdf(&secret, &apu, &apv)[..]).expect("32 bytes");
    let wrapped = decoded("encrypted_key", encrypted_key)?;
    if wrapped.len() != WRAPPED_BYTES {
        return Err(JweError::NotForUs);
    }
    let mut key = Zeroizing::new([0; 32]);
    kek.unwrap(&wrapped, &mut key[..]).map_err(|_says_no_more| JweError::NotForUs)?;
    Ok(ContentKey::from_bytes(*key))
}

fn decoded(name: &str, text: &str) -> Result<Vec<u8>, JweError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| JweError::Form(format!("its `{name}` is not base64url: {error}")))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(32).collect()
}

#[cfg(test)]
mod tests;
