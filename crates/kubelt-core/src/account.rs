//! Accounts: who signs.
//!
//! Text forms: an externally owned account is `0x` and 40 lower-case hex digits with no chain id (one
//! person on every EVM chain); contracts and Solana accounts are CAIP-10
//! (<https://chainagnostic.org/CAIPs/caip-10>); keys are `did:key`
//! (<https://w3c-ccg.github.io/did-key-spec/>) of Ed25519 or P-256.

use std::{fmt, str::FromStr};

use alloy_primitives::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::limits::PRINCIPAL_ACCOUNTS_MAX;

/// Multicodec of an Ed25519 public key, as an unsigned varint.
const ED25519_PUB: [u8; 2] = [0xed, 0x01];
/// Multicodec of a compressed P-256 public key, as an unsigned varint.
const P256_PUB: [u8; 2] = [0x80, 0x24];

/// Why text is not an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// None of the known forms.
    #[error(
        "`{0}` is not an account; write `0x…`, `eip155:<chain>:0x…`, `solana:<cluster>:<address>` or `did:key:z…`"
    )]
    Form(String),
    /// An EVM address that is not 40 hex digits.
    #[error("`{0}` is not an EVM address of 40 hex digits")]
    Address(String),
    /// Mixed case that does not match the EIP-55 checksum.
    #[error("`{0}` fails its EIP-55 checksum; copy the address again, or write it in lower case")]
    Checksum(String),
    /// A key that is not on its curve or has a wrong length.
    #[error("`{0}` does not hold an Ed25519 or P-256 public key")]
    Key(String),
}

/// A public key that stands for itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicKey {
    /// Ed25519 (RFC 8032), 32 bytes.
    Ed25519([u8; 32]),
    /// NIST P-256, compressed SEC1 point of 33 bytes.
    P256([u8; 33]),
}

/// Who signs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// An externally owned EVM account: the 20 bytes of its address. Checked only ever by key recovery.
    Eoa([u8; 20]),
    /// A contract wallet (ERC-1271) on one chain.
    Contract {
        /// EIP-155 chain id.
        chain: u64,
        /// The 20 bytes of its address.
        address: [u8; 20],
    },
    /// A Solana account: an Ed25519 key.
    Solana {
        /// CAIP-2 reference of the cluster (the first 32 characters of its genesis hash).
        cluster: String,
        /// The 32 bytes of its key.
        key: [u8; 32],
    },
    /// A bare key: sessions, passkeys, nodes.
    Key(PublicKey),
}

impl Account {
    /// An EVM address with its EIP-55 checksum; `None` for accounts without one.
    pub fn checksummed(&self) -> Option<String> {
        match self {
            Self::Eoa(address) | Self::Contract { address, .. } => {
                Some(Address::from(*address).to_checksum(None))
            }
            Self::Solana { .. } | Self::Key(_) => None,
        }
    }

    /// Whether this is a P-256 key: what passkeys are.
    pub const fn is_passkey(&self) -> bool {
        matches!(self, Self::Key(PublicKey::P256(_)))
    }

    /// The EVM account at `address`, given as hex of any case; mixed case must match EIP-55.
    ///
    /// # Errors
    /// [`AccountError`] when it is no address or fails its checksum.
    pub fn evm_address(address: &str) -> Result<[u8; 20], AccountError> {
        let short = || address.chars().take(64).collect::<String>();
        let digits = address
            .strip_prefix("0x")
            .filter(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(|| AccountError::Address(short()))?;
        let mixed =
            digits.bytes().any(|b| b.is_ascii_uppercase()) && digits.bytes().any(|b| b.is_ascii_lowercase());
        if mixed && Address::parse_checksummed(address, None).is_err() {
            return Err(AccountError::Checksum(short()));
        }
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_cause| AccountError::Address(short()))?;
        Ok(bytes)
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let form = || AccountError::Form(text.chars().take(128).collect());
        if text.starts_with("0x") {
            return Account::evm_address(text).map(Self::Eoa);
        }
        if text.starts_with("did:key:") {
            return text.parse().map(Self::Key);
        }
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("eip155"), Some(chain), Some(address)) => {
                let plain = chain.bytes().all(|b| b.is_ascii_digit()) && !chain.starts_with('0');
                let chain = chain.parse().ok().filter(|_| plain).ok_or_else(form)?;
                Ok(Self::Contract { chain, address: Account::evm_address(address)? })
            }
            (Some("solana"), Some(cluster), Some(address)) => {
                let known =
                    (1..=32).contains(&cluster.len()) && cluster.bytes().all(|b| b.is_ascii_alphanumeric());
                let key = bs58::decode(address).into_vec().ok().and_then(|bytes| bytes.try_into().ok());
                match key {
                    Some(key) if known => Ok(Self::Solana { cluster: cluster.to_owned(), key }),
                    _ => Err(form()),
                }
            }
            _ => Err(form()),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eoa(address) => write!(f, "0x{}", hex::encode(address)),
            Self::Contract { chain, address } => write!(f, "eip155:{chain}:0x{}", hex::encode(address)),
            Self::Solana { cluster, key } => {
                write!(f, "solana:{cluster}:{}", bs58::encode(key).into_string())
            }
            Self::Key(key) => key.fmt(f),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl PublicKey {
    /// An Ed25519 key, checked to be a point of the curve.
    ///
    /// # Errors
    /// [`AccountError::Key`] when it is none, or one of small order.
    pub fn ed25519(bytes: [u8; 32]) -> Result<Self, AccountError> {
        match ed25519_dalek::VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self::Ed25519(bytes)),
            _ => Err(AccountError::Key(hex::encode(bytes))),
        }
    }

    /// A P-256 key from its compressed SEC1 form, which begins with 2 or 3. (There is a compact form of as many bytes, by
    /// which a key would have a second name.)
    ///
    /// # Errors
    /// [`AccountError::Key`] when it is no point of the curve.
    pub fn p256(bytes: [u8; 33]) -> Result<Self, AccountError> {
        let is_compressed = matches!(bytes, [2 | 3, ..]);
        match p256::ecdsa::VerifyingKey::from_sec1_bytes(&bytes) {
            Ok(_) if is_compressed => Ok(Self::P256(bytes)),
            _ => Err(AccountError::Key(hex::encode(bytes))),
        }
    }
}

impl FromStr for PublicKey {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let refused = || AccountError::Key(text.chars().take(128).collect());
        let base58 = text.strip_prefix("did:key:z").filter(|key| key.len() <= 64).ok_or_else(refused)?;
        let bytes = bs58::decode(base58).into_vec().map_err(|_cause| refused())?;
        if let Some(key) = bytes.strip_prefix(&ED25519_PUB) {
            return Self::ed25519(key.try_into().map_err(|_cause| refused())?).map_err(|_cause| refused());
        }
        if let Some(key) = bytes.strip_prefix(&P256_PUB) {
            return Self::p256(key.try_into().map_err(|_cause| refused())?).map_err(|_cause| refused());
        }
        Err(refused())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match self {
            Self::Ed25519(key) => [&ED25519_PUB[..], key].concat(),
            Self::P256(key) => [&P256_PUB[..], key].concat(),
        };
        write!(f, "did:key:z{}", bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One account, or m of several: a threshold is a property of a principal.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(untagged)]
pub enum Principal {
    /// One account.
    One(Account),
    /// `m` distinct accounts of `of`.
    Threshold {
        /// How many must agree; 1 ≤ m ≤ `of.len()`.
        m: u8,
        /// The accounts, sorted by their text, none twice.
        of: Vec<Account>,
    },
}

/// Why accounts and a number make no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// `m` is 0 or greater than the number of accounts.
    #[error("a threshold of {m} does not fit {of} accounts; choose 1 to {of}")]
    Threshold {
        /// The threshold given.
        m: u8,
        /// Accounts given.
        of: usize,
    },
    /// No account, too many, one twice, or not in order.
    #[error("the accounts of a threshold must be 1 to {PRINCIPAL_ACCOUNTS_MAX}, sorted and distinct")]
    Accounts,
}

impl Principal {
    /// `m` of `accounts`, which are sorted here.
    ///
    /// # Errors
    /// [`PrincipalError`] when `m` does not fit or an account stands twice.
    pub fn threshold(m: u8, mut accounts: Vec<Account>) -> Result<Self, PrincipalError> {
        accounts.sort_by_key(ToString::to_string);
        Self::checked(m, accounts)
    }

    fn checked(m: u8, of: Vec<Account>) -> Result<Self, PrincipalError> {
        let texts: Vec<String> = of.iter().map(ToString::to_string).collect();
        if of.is_empty() || of.len() > PRINCIPAL_ACCOUNTS_MAX || !texts.is_sorted_by(|a, b| a < b) {
            return Err(PrincipalError::Accounts);
        }
        if m == 0 || usize::from(m) > of.len() {
            return Err(PrincipalError::Threshold { m, of: of.len() });
        }
        Ok(Self::Threshold { m, of })
    }

    /// How many accounts must agree.
    pub fn m(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Threshold { m, .. } => usize::from(*m),
        }
    }

    /// Whether passkeys alone could act for it. A passkey shows nobody what it signs, and is lost with the service that
    /// keeps it, so no core of several people may rest on passkeys alone.
    pub fn is_of_passkeys(&self) -> bool {
        self.accounts().iter().filter(|account| account.is_passkey()).count() >= self.m()
    }

    /// Its accounts.
    pub fn accounts(&self) -> &[Account] {
        match self {
            Self::One(account) => std::slice::from_ref(account),
            Self::Threshold { of, .. } => of,
        }
    }

    /// Whether `account` is one of them.
    pub fn contains(&self, account: &Account) -> bool {
        self.accounts().contains(account)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Several {
            m: u8,
            of: Vec<Account>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            One(Account),
            Several(Several),
        }
        match Wire::deserialize(from)? {
            Wire::One(account) => Ok(Self::One(account)),
            Wire::Several(Several { m, of }) => Self::checked(m, of).map_err(D::Error::custom),
        }
    }
}
