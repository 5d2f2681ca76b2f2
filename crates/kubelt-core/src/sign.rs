//! Signing with key bytes that the caller holds: session keys of a node or a client, and wallets of tests
//! and of the command line. Nothing here makes or keeps a key.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

use crate::{
    account::{Account, PublicKey},
    login::Scheme,
    op::{Body, Header, Signed},
    signature::{address_of, eip191_hash},
    typed_data::{self, TypedDataError},
    webauthn::{self, Assertion},
    words::WordsError,
};

/// An Ed25519 key pair of a session or a node.
#[derive(Clone)]
pub struct SessionKey(ed25519_dalek::SigningKey);

impl SessionKey {
    /// The key pair of a 32-byte seed (RFC 8032), which must come from a cryptographic generator.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The public key, whose text form is the session's `did:key`.
    pub fn public(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    /// The key as an account.
    pub fn account(&self) -> Account {
        Account::Key(self.public())
    }

    /// The 64-byte signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Signs an operation of a session: its header names the login.
    ///
    /// # Panics
    /// Where the header names no login: accounts are shown what they sign, and this key shows nothing.
    pub fn sign_header(&self, header: Header) -> Signed {
        let text = Signed::signing_text(&header, None).expect("what a session signs needs no words");
        Signed {
            header,
            scheme: Scheme::Ed25519,
            signature: self.sign(text.as_bytes()).to_vec(),
            block: None,
        }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({})", self.public())
    }
}

/// Bytes that are no secp256k1 secret key: zero, or not below the order of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secp256k1 secret key: it must lie between 1 and the order of the curve")]
pub struct SecretError;

/// The secp256k1 key pair of an externally owned account.
#[derive(Clone)]
pub struct EoaKey(k256::ecdsa::SigningKey);

impl EoaKey {
    /// The key pair of a 32-byte secret.
    ///
    /// # Errors
    /// [`SecretError`] when the bytes are no secret key.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, SecretError> {
        k256::ecdsa::SigningKey::from_slice(secret).map(Self).map_err(|_cause| SecretError)
    }

    /// The 20 bytes of its address.
    pub fn address(&self) -> [u8; 20] {
        address_of(self.0.verifying_key())
    }

    /// The account.
    pub fn account(&self) -> Account {
        Account::Eoa(self.address())
    }

    /// Signs a personal message (EIP-191, `personal_sign`): 65 bytes `r ‖ s ‖ v`, low `s`, `v` 27 or 28,
    /// with a nonce that follows from key and message (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> [u8; 65] {
        self.sign_digest(&eip191_hash(message))
    }

    /// Signs a digest, of which whoever holds the key must know what it stands for: of typed data, of a transaction.
    pub fn sign_digest(&self, hash: &[u8; 32]) -> [u8; 65] {
        let (rs, recovery) = self.0.sign_prehash_recoverable(hash);
        let low = rs.normalize_s();
        let odd = recovery.is_y_odd() != (low != rs);
        let mut signature = [0; 65];
        signature[..64].copy_from_slice(&low.to_bytes());
        signature[64] = 27 + u8::from(odd);
        signature
    }

    /// Signs the text of an operation.
    ///
    /// # Errors
    /// [`WordsError`] where there are no words for what it does.
    pub fn sign_op(&self, header: Header, body: &Body) -> Result<Signed, WordsError> {
        let text = Signed::signing_text(&header, Some(body))?;
        Ok(Signed {
            header,
            scheme: Scheme::Eip191,
            signature: self.sign(text.as_bytes()).to_vec(),
            block: None,
        })
    }

    /// Signs the typed data of an operation (EIP-712).
    ///
    /// # Errors
    /// [`TypedDataError`] where an operation is not signed so.
    pub fn sign_typed(&self, header: Header, body: &Body) -> Result<Signed, TypedDataError> {
        let signature = self.sign_digest(&typed_data::digest(&header, body)?).to_vec();
        Ok(Signed { header, scheme: Scheme::Eip712, signature, block: None })
    }
}

/// The P-256 key pair of a passkey, and the answers that an authenticator and a browser would give with it: for tests, and
/// for whoever has no browser.
#[derive(Clone)]
pub struct PasskeyKey(p256::ecdsa::SigningKey);

impl PasskeyKey {
    /// The key pair of a 32-byte secret.
    ///
    /// # Errors
    /// [`SecretError`] when the bytes are no secret key.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, SecretError> {
        p256::ecdsa::SigningKey::from_slice(secret).map(Self).map_err(|_cause| SecretError)
    }

    /// The account.
    pub fn account(&self) -> Account {
        let point = self.0.verifying_key().to_sec1_point(true);
        let key = point.as_bytes().try_into().expect("a compressed point of P-256 has 33 bytes");
        Account::Key(PublicKey::P256(key))
    }

    /// Answers a challenge at a web origin, as a key of the relying party `party`, with its user seen and verified.
    pub fn assert(&self, challenge: &[u8; 32], origin: &str, party: &str) -> Assertion {
        self.assert_with(challenge, origin, party, |_client, _authenticator| ())
    }

    /// The same, after `change` to what browser and authenticator say.
    pub(crate) fn assert_with(
        &self,
        challenge: &[u8; 32],
        origin: &str,
        party: &str,
        change: impl FnOnce(&mut String, &mut Vec<u8>),
    ) -> Assertion {
        use p256::ecdsa::{Signature, signature::Signer as _};

        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        let mut client_data = format!(
            r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#
        );
        let mut authenticator_data = Sha256::digest(party.as_bytes()).to_vec();
        authenticator_data.extend_from_slice(&[0x05, 0, 0, 0, 0]);
        change(&mut client_data, &mut authenticator_data);
        let mut assertion = Assertion { authenticator_data, client_data, signature: [0; 64].into() };
        let signature: Signature = self.0.sign(&assertion.signed_bytes());
        assertion.signature = <[u8; 64]>::from(signature.normalize_s().to_bytes()).into();
        assertion
    }

    /// Signs an operation at a web origin.
    ///
    /// # Errors
    /// [`TypedDataError`] where there are no words for what it does.
    pub fn sign_op(
        &self,
        header: Header,
        body: &Body,
        origin: &str,
        party: &str,
    ) -> Result<Signed, TypedDataError> {
        let challenge = webauthn::challenge_for(&header, Some(body))?;
        let signature = self.assert(&challenge, origin, party).encode();
        Ok(Signed { header, scheme: Scheme::Webauthn, signature, block: None })
    }
}

impl fmt::Debug for PasskeyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasskeyKey({})", self.account())
    }
}

impl fmt::Debug for EoaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EoaKey({})", self.account())
    }
}
