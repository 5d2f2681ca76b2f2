//! Web3 Secret Storage, version 3: how a private key is encrypted with a passphrase in a JSON file.
//!
//! The passphrase is stretched by scrypt (PBKDF2 is read, too) to 32 bytes; the first 16 encrypt the key with
//! AES-128 in counter mode, the last 16 go with the ciphertext into a Keccak-256 checksum.
//! <https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage/>

use aes::Aes128;
use alloy_primitives::Keccak256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Passphrase, Wallet};

const VERSION: u64 = 3;
const CIPHER: &str = "aes-128-ctr";
const PRF: &str = "hmac-sha256";
const DERIVED_KEY_BYTES: usize = 32;

/// Most memory that scrypt may take for a file that somebody hands over.
const SCRYPT_MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most work of scrypt, in salsa20/8 core calls divided by two (`n · r · p`); the usual is 2^20 to 2^21.
const SCRYPT_BLOCKS_MAX: u64 = 1 << 24;
/// Most rounds of PBKDF2; the usual is 2^18.
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;
/// Longest salt, in bytes; the usual is 32.
const SALT_BYTES_MAX: usize = 1_024;

/// What stretching a passphrase costs whoever guesses: `n = 2^log_n`, with `r = 8` and `p = 1`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScryptCost {
    log_n: u8,
}

impl ScryptCost {
    /// 128 MiB and about half a second.
    pub(super) const DEFAULT: Self = Self { log_n: 17 };
    /// For tests, which open hundreds of files.
    #[cfg(test)]
    pub(super) const WEAK: Self = Self { log_n: 8 };

    const R: u32 = 8;
    const P: u32 = 1;
}

/// An encrypted key as its file says it. Top-level members that this program does not know stay
/// as they are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SecretStorage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    version: u64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    #[serde(flatten)]
    kdf: Kdf,
    mac: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kdf", content = "kdfparams", rename_all = "lowercase")]
enum Kdf {
    Scrypt { dklen: u64, n: u64, r: u32, p: u32, salt: String },
    Pbkdf2 { dklen: u64, c: u32, prf: String, salt: String },
}

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretStorageError {
    /// Not a keystore at all, or a truncated one.
    #[error("this is not a Web3 Secret Storage file")]
    Json(#[from] serde_json::Error),
    /// Longer than any keystore.
    #[error("the file is over {bytes_max} bytes long, which no keystore is")]
    TooLarge { bytes_max: u64 },
    /// Another version of the format.
    #[error("the file is of version {0}; only version 3 can be read")]
    Version(u64),
    /// A cipher or pseudo-random function that the format does not have.
    #[error("the file uses `{0}`; only `aes-128-ctr` and `hmac-sha256` can be read")]
    Algorithm(String),
    /// A member that is no hex or has a wrong length.
    #[error("`{0}` is not hex of the right length; the file is damaged")]
    Field(&'static str),
    /// Parameters that make no sense or would take too much memory or time.
    #[error("the parameters of `{0}` are out of bounds; the file is damaged or hostile")]
    Cost(&'static str),
    /// The checksum does not match.
    #[error("the passphrase is wrong, or the file was changed; try the passphrase again")]
    Passphrase,
    /// The passphrase fits, but what came out is not the key of the file's address.
    #[error("the key does not belong to the address in the file; the file was changed")]
    Altered,
}

impl SecretStorage {
    /// Encrypts a wallet's key.
    pub(super) fn seal(
        wallet: &Wallet,
        passphrase: &Passphrase,
        cost: ScryptCost,
    ) -> Result<Self, getrandom::Error> {
        let mut sealed = Self::seal_secret(wallet.secret(), passphrase, cost)?;
        sealed.set_address(wallet.address());
        Ok(sealed)
    }

    /// Encrypts any secret of 32 bytes; it has no address.
    pub(super) fn seal_secret(
        secret: &[u8; 32],
        passphrase: &Passphrase,
        cost: ScryptCost,
    ) -> Result<Self, getrandom::Error> {
        let (mut salt, mut iv, mut id) = ([0; 32], [0; 16], [0; 16]);
        for random in [&mut salt[..], &mut iv[..], &mut id[..]] {
            getrandom::fill(random)?;
        }
        let (n, r, p) = (1 << cost.log_n, ScryptCost::R, ScryptCost::P);
        let kdf = Kdf::Scrypt { dklen: DERIVED_KEY_BYTES as u64, n, r, p, salt: hex::encode(salt) };
        let derived = kdf.derive(passphrase).expect("our own parameters are within bounds");
        let ciphertext = apply_cipher(&derived, iv, secret);
        let mac = checksum(&derived, &ciphertext[..]);
        Ok(Self {
            address: None,
            crypto: Crypto {
                cipher: CIPHER.to_owned(),
                cipherparams: CipherParams { iv: hex::encode(iv) },
                ciphertext: hex::encode(&ciphertext[..]),
                kdf,
                mac: hex::encode(mac),
            },
            version: VERSION,
            others: Map::from_iter([("id".to_owned(), Value::String(uuid(id)))]),
        })
    }

    /// Decrypts the key and checks it against the file's checksum and address.
    pub(super) fn open(&self, passphrase: &Passphrase) -> Result<Wallet, SecretStorageError> {
        let key = self.open_secret(passphrase)?;
        let wallet = Wallet::from_secret(&key).map_err(|_no_key| SecretStorageError::Altered)?;
        // The checksum covers neither the address nor what the counter starts from.
        match &self.address {
            Some(address) if address_bytes(address) != Some(wallet.address()) => {
                Err(SecretStorageError::Altered)
            }
            _ => Ok(wallet),
        }
    }

    /// Decrypts the secret and checks it against the file's checksum, which does not cover what the counter starts from.
    pub(super) fn open_secret(
        &self,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<[u8; 32]>, SecretStorageError> {
        let crypto = &self.crypto;
        if crypto.cipher != CIPHER {
            return Err(SecretStorageError::Algorithm(shortened(&crypto.cipher)));
        }
        let iv = bytes("iv", &crypto.cipherparams.iv)?;
        let ciphertext: [u8; 32] = bytes("ciphertext", &crypto.ciphertext)?;
        let mac: [u8; 32] = bytes("mac", &crypto.mac)?;

        let derived = crypto.kdf.derive(passphrase)?;
        if !bool::from(checksum(&derived, &ciphertext).ct_eq(&mac)) {
            return Err(SecretStorageError::Passphrase);
        }
        Ok(apply_cipher(&derived, iv, &ciphertext))
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, SecretStorageError> {
        let keystore: Self = serde_json::from_slice(json)?;
        if keystore.version == VERSION {
            Ok(keystore)
        } else {
            Err(SecretStorageError::Version(keystore.version))
        }
    }

    pub(super) fn to_json(&self) -> String {
        let mut json =
            serde_json::to_string_pretty(self).expect("strings and numbers always have a JSON form");
        json.push('\n');
        json
    }

    /// Something beside the secret, which no passphrase protects.
    pub(super) fn note(&self, name: &str) -> Option<&Value> {
        self.others.get(name)
    }

    pub(super) fn set_note(&mut self, name: &str, note: Value) {
        self.others.insert(name.to_owned(), note);
    }

    /// The address that the file claims.
    pub(super) fn address(&self) -> Option<[u8; 20]> {
        address_bytes(self.address.as_deref()?)
    }

    pub(super) fn set_address(&mut self, address: [u8; 20]) {
        self.address = Some(hex::encode(address));
    }
}

impl Kdf {
    /// Stretches a passphrase, once it is clear that this takes bounded memory and time.
    fn derive(
        &self,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<[u8; DERIVED_KEY_BYTES]>, SecretStorageError> {
        let mut derived = Zeroizing::new([0; DERIVED_KEY_BYTES]);
        match self {
            Self::Scrypt { dklen, n, r, p, salt } => {
                let salt = salt_bytes(salt)?;
                let params = scrypt_params(*dklen, *n, *r, *p).ok_or(SecretStorageError::Cost("scrypt"))?;
                scrypt::scrypt(passphrase.as_bytes(), &salt, &params, &mut derived[..])
                    .expect("32 bytes are a length that scrypt gives");
            }
            Self::Pbkdf2 { dklen, c, prf, salt } => {
                let salt = salt_bytes(salt)?;
                if prf != PRF {
                    return Err(SecretStorageError::Algorithm(shortened(prf)));
                }
                if *dklen != DERIVED_KEY_BYTES as u64 || !(1..=PBKDF2_ROUNDS_MAX).contains(c) {
                    return Err(SecretStorageError::Cost("pbkdf2"));
                }
                pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.as_bytes(), &salt, *c, &mut derived[..]);
            }
        }
        Ok(derived)
    }
}

/// Parameters of scrypt within bounds; `None` for all others.
fn scrypt_params(dklen: u64, n: u64, r: u32, p: u32) -> Option<scrypt::Params> {
    let (r_wide, p_wide) = (u64::from(r), u64::from(p));
    let memory = n.checked_add(p_wide)?.checked_mul(r_wide)?.checked_mul(128)?;
    let blocks = n.checked_mul(r_wide)?.checked_mul(p_wide)?;
    let bounded = memory <= SCRYPT_MEMORY_BYTES_MAX && (1..=SCRYPT_BLOCKS_MAX).contains(&blocks);
    if dklen != DERIVED_KEY_BYTES as u64 || !bounded || n == 1 || !n.is_power_of_two() {
        return None;
    }
    scrypt::Params::new(u8::try_from(n.ilog2()).ok()?, r, p).ok()
}

/// Encrypts and decrypts alike.
fn apply_cipher(derived: &[u8; DERIVED_KEY_BYTES], iv: [u8; 16], key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new(*key);
    let cipher_key: [u8; 16] = derived[..16].try_into().expect("the first half of 32 bytes");
    Ctr128BE::<Aes128>::new(&cipher_key.into(), &iv.into()).apply_keystream(&mut bytes[..]);
    bytes
}

fn checksum(derived: &[u8; DERIVED_KEY_BYTES], ciphertext: &[u8]) -> [u8; 32] {
    let mut hash = Keccak256::new();
    hash.update(&derived[16..]);
    hash.update(ciphertext);
    hash.finalize().0
}

fn bytes<const N: usize>(name: &'static str, text: &str) -> Result<[u8; N], SecretStorageError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_source_says_no_more| SecretStorageError::Field(name))?;
    Ok(bytes)
}

fn salt_bytes(text: &str) -> Result<Vec<u8>, SecretStorageError> {
    let salt = hex::decode(text).ok().filter(|salt| salt.len() <= SALT_BYTES_MAX);
    salt.ok_or(SecretStorageError::Field("salt"))
}

fn address_bytes(text: &str) -> Option<[u8; 20]> {
    bytes("address", text.strip_prefix("0x").unwrap_or(text)).ok()
}

/// Enough of an unknown name to recognise it.
fn shortened(name: &str) -> String {
    name.chars().take(32).collect()
}

/// A random UUID (RFC 9562, version 4), which the format asks for and nothing reads.
fn uuid(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let digits = hex::encode(random);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
