//! Signatures: one check for every kind of account.
//!
//! | account | scheme | signature |
//! | --- | --- | --- |
//! | [`Account::Eoa`] | [`Scheme::Eip191`] | 65 bytes `r ‖ s ‖ v`, low `s`, `v` one of 0, 1, 27, 28; by key recovery only |
//! | the same, operations only | [`Scheme::Eip712`] | the same, over [`typed_data`] |
//! | [`Account::Contract`] | [`Scheme::Eip1271`] | whatever the contract takes, asked at a pinned block through [`ContractSignatures`] |
//! | [`Account::Solana`], Ed25519 keys | [`Scheme::Ed25519`] | 64 bytes (RFC 8032), checked strictly |
//! | P-256 keys | [`Scheme::P256`] | 64 bytes `r ‖ s`, low `s`, over SHA-256 |
//! | the same | [`Scheme::Webauthn`] | a passkey's assertion ([`crate::webauthn`]), which is how browsers let such keys sign |
//!
//! An externally owned account may sign the text or the typed data of an operation, whichever its wallet shows better:
//! both say the same words, and nothing else differs. (Some hardware wallets show typed data as two hashes, others
//! show long texts badly.)
//!
//! There is deliberately no batch check. Ed25519 batches are sound only up to small-order components: a
//! signature with such a component fails the strict equation always and a random linear combination of
//! several only sometimes, so a batch and a single check could disagree, and two replicas with them. A
//! verdict here is a function of its arguments, so that every peer comes to the same one.

use std::fmt;

use alloy_primitives::{Address, eip191_hash_message, keccak256};

use crate::{
    account::{Account, PublicKey},
    limits::{BLOCK_DISTANCE_MS_MAX, SIGNATURE_BYTES_MAX},
    login::{BlockRef, Scheme},
    op::{Body, Signed},
    typed_data::{self, TypedDataError},
    webauthn::{self, Assertion, AssertionError, challenge_of},
    words::WordsError,
};

/// What a check found where it found nothing wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The account signed this.
    Valid,
    /// A contract wallet's signature that nobody could ask the chain about yet: neither good nor bad.
    Pending,
}

/// Why a signature is refused, for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The scheme is not the one of this kind of account.
    #[error("`{account}` signs with `{expected}`, not with `{given}`")]
    Scheme {
        /// Who should have signed.
        account: Box<Account>,
        /// The scheme of such accounts.
        expected: Scheme,
        /// The scheme given.
        given: Scheme,
    },
    /// Not the scheme's number of bytes.
    #[error("a `{scheme}` signature has {expected} bytes, not {len}")]
    Length {
        /// The scheme.
        scheme: Scheme,
        /// Bytes given.
        len: usize,
        /// Bytes of the scheme (the most, for contracts).
        expected: usize,
    },
    /// The last byte of an EIP-191 signature says nothing.
    #[error("recovery byte `{0}` is not one of 0, 1, 27, 28")]
    RecoveryByte(u8),
    /// `r` or `s` is zero or not below the order of the curve.
    #[error("`r` or `s` lies outside the curve's scalars")]
    Range,
    /// The twin of a good signature: `s` lies in the upper half.
    #[error("`s` lies in the upper half of the scalars; sign with low `s`")]
    HighS,
    /// The key is no usable point of its curve.
    #[error("`{0}` is not a usable key")]
    Key(Box<Account>),
    /// Recovery led to another address.
    #[error("signed by `0x{}`, not by `{account}`", hex::encode(.recovered))]
    OtherAddress {
        /// Who should have signed.
        account: Box<Account>,
        /// The address that recovery led to.
        recovered: [u8; 20],
    },
    /// The signature is not one of this message under this key.
    #[error("the signature does not fit the message and the key of `{0}`")]
    Mismatch(Box<Account>),
    /// A contract wallet's signature without the block that it was checked at.
    #[error("a contract wallet's signature names the block it was checked at; none was given")]
    BlockMissing,
    /// A block on a signature that no chain has to judge.
    #[error("only a contract wallet's signature names a block; leave it out")]
    BlockUnexpected,
    /// The pinned block is of another chain than the contract.
    #[error("the contract lives on chain {account}, the block is of chain {block}")]
    BlockChain {
        /// The contract's chain.
        account: u64,
        /// The block's chain.
        block: u64,
    },
    /// The pinned block is of another time than what was signed.
    #[error(
        "the block lies {distance_ms} ms from the date of what was signed, over the {BLOCK_DISTANCE_MS_MAX} ms that it may"
    )]
    BlockDistance {
        /// Milliseconds between the two.
        distance_ms: u64,
    },
    /// The contract said no.
    #[error(
        "the contract wallet `{0}` does not accept the signature; what changed there a moment ago counts once its chain has made it final"
    )]
    ContractRefused(Box<Account>),
    /// There are no words for what is signed, or the body that says it is not here.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// A passkey's assertion that does not hold.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// The operation is none that is signed as typed data.
    #[error(transparent)]
    TypedData(#[from] TypedDataError),
    /// A session signed, but its key was not given; or the key was given and no session signed.
    #[error("an operation with a login is checked with that login's session key, and no other with one")]
    Session,
}

/// What a chain says of a contract wallet's signature at a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContractVerdict {
    /// The contract accepts it (ERC-1271 magic value).
    Valid {
        /// The date of the block, in milliseconds since the Unix epoch.
        block_ms: u64,
    },
    /// The contract does not.
    Invalid,
    /// Taken for good without asking, by who checks an export that no chain is at hand for, and says so. The date of its
    /// block is not known then. Nothing that keeps or passes on operations may answer this.
    Assumed,
    /// Not known yet.
    Pending,
}

/// What a contract wallet is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ContractQuestion {
    /// Where the contract lives or is to live, on the chain of `block`.
    pub address: [u8; 20],
    /// The EIP-191 hash of the message, or the digest of typed data.
    pub message_hash: [u8; 32],
    /// Whether this is a signature of it.
    pub signature: Vec<u8>,
    /// When it is asked.
    pub block: BlockRef,
}

/// The way to a chain. Answers must depend on the question alone: a block that the chain may still give up is
/// pending, and so is one that it has given up.
pub trait ContractSignatures {
    /// Asks the contract.
    fn check(&self, question: &ContractQuestion) -> ContractVerdict;
}

/// A way to no chain: every answer is "pending".
#[derive(Clone, Copy, Default, Debug)]
pub struct Unchecked;

impl ContractSignatures for Unchecked {
    fn check(&self, _: &ContractQuestion) -> ContractVerdict {
        ContractVerdict::Pending
    }
}

/// Checks that `account` signed `message`; a contract wallet's signature is pending here
/// ([`verify_pinned`] asks the chain).
///
/// # Errors
/// [`SignatureError`] says what is wrong.
pub fn verify(
    account: &Account,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<Verdict, SignatureError> {
    check_scheme(account, scheme, signature)?;
    match account {
        _ if scheme == Scheme::Webauthn => verify_assertion(account, &challenge_of(message), signature),
        Account::Eoa(address) => verify_recovered(account, address, &eip191_hash(message), signature),
        Account::Contract { .. } => Ok(Verdict::Pending),
        Account::Solana { key, .. } | Account::Key(PublicKey::Ed25519(key)) => {
            verify_ed25519(account, key, message, signature)
        }
        Account::Key(PublicKey::P256(key)) => verify_p256(account, key, message, signature),
    }
}

/// Checks that `account` signed `message`; a contract wallet is asked through `contracts` at `block`,
/// which such a signature must have and no other may. The block must be of the time of what was signed, `at_ms`
/// milliseconds since the Unix epoch: a wallet changes hands, and who had it once must not sign for ever.
///
/// # Errors
/// [`SignatureError`] says what is wrong.
pub fn verify_pinned(
    account: &Account,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
    block: Option<&BlockRef>,
    at_ms: u64,
    contracts: &dyn ContractSignatures,
) -> Result<Verdict, SignatureError> {
    let verdict = verify(account, scheme, message, signature)?;
    match account {
        Account::Contract { .. } => {
            ask_contract(account, &eip191_hash(message), signature, block, at_ms, contracts)
        }
        _ if block.is_some() => Err(SignatureError::BlockUnexpected),
        _ => Ok(verdict),
    }
}

/// Checks that an EVM account signed a digest, as [`verify_pinned`] does for messages: by key recovery, or by asking the
/// contract.
///
/// # Errors
/// [`SignatureError`] says what is wrong.
pub fn verify_digest(
    account: &Account,
    digest: &[u8; 32],
    signature: &[u8],
    block: Option<&BlockRef>,
    at_ms: u64,
    contracts: &dyn ContractSignatures,
) -> Result<Verdict, SignatureError> {
    check_length(scheme_of(account), signature)?;
    match account {
        Account::Eoa(_) if block.is_some() => Err(SignatureError::BlockUnexpected),
        Account::Eoa(address) => verify_recovered(account, address, digest, signature),
        Account::Contract { .. } => ask_contract(account, digest, signature, block, at_ms, contracts),
        Account::Solana { .. } | Account::Key(_) => Err(other_scheme(account, Scheme::Eip191)),
    }
}

/// Checks a passkey's assertion over a challenge.
///
/// # Errors
/// [`SignatureError`] says what is wrong.
pub fn verify_assertion(
    account: &Account,
    challenge: &[u8; 32],
    signature: &[u8],
) -> Result<Verdict, SignatureError> {
    let Account::Key(PublicKey::P256(key)) = account else {
        return Err(other_scheme(account, Scheme::Webauthn));
    };
    let assertion = Assertion::decode(signature)?;
    assertion.check(challenge)?;
    verify_p256(account, key, &assertion.signed_bytes(), assertion.signature.as_slice())
}

fn ask_contract(
    account: &Account,
    digest: &[u8; 32],
    signature: &[u8],
    block: Option<&BlockRef>,
    at_ms: u64,
    contracts: &dyn ContractSignatures,
) -> Result<Verdict, SignatureError> {
    let Account::Contract { chain, address } = account else {
        return Err(SignatureError::BlockUnexpected);
    };
    let block = block.ok_or(SignatureError::BlockMissing)?;
    if block.chain != *chain {
        return Err(SignatureError::BlockChain { account: *chain, block: block.chain });
    }
    let question = ContractQuestion {
        address: *address,
        message_hash: *digest,
        signature: signature.to_vec(),
        block: block.clone(),
    };
    match contracts.check(&question) {
        ContractVerdict::Valid { block_ms } => match block_ms.abs_diff(at_ms) {
            0..=BLOCK_DISTANCE_MS_MAX => Ok(Verdict::Valid),
            distance_ms => Err(SignatureError::BlockDistance { distance_ms }),
        },
        ContractVerdict::Assumed => Ok(Verdict::Valid),
        ContractVerdict::Pending => Ok(Verdict::Pending),
        ContractVerdict::Invalid => Err(SignatureError::ContractRefused(Box::new(account.clone()))),
    }
}

/// Checks the signature of an operation over [`Signed::signing_text`] or its [`typed_data`]. The signer is
/// `header.by`, or, where the header names a login, that login's `session` key. What an account signs itself
/// says in words what the `body` does, so that the body must be here ([`crate::Header::is_shown`]).
///
/// # Errors
/// [`SignatureError`] says what is wrong.
pub fn verify_signed(
    signed: &Signed,
    body: Option<&Body>,
    session: Option<&PublicKey>,
    contracts: &dyn ContractSignatures,
) -> Result<Verdict, SignatureError> {
    if signed.scheme == Scheme::Eip712 {
        return match session {
            None => verify_typed(signed, body),
            Some(_) => Err(SignatureError::TypedData(TypedDataError::Session)),
        };
    }
    if signed.scheme == Scheme::Webauthn {
        return verify_by_passkey(signed, body, session);
    }
    let text = Signed::signing_text(&signed.header, body)?;
    let check = |signer: &Account| {
        verify_pinned(
            signer,
            signed.scheme,
            text.as_bytes(),
            &signed.signature,
            signed.block.as_ref(),
            signed.header.at.ms(),
            contracts,
        )
    };
    match (&signed.header.login, session) {
        (None, None) => check(&signed.header.by),
        (Some(_), Some(key)) => check(&Account::Key(*key)),
        _ => Err(SignatureError::Session),
    }
}

/// Checks a passkey's assertion over its own operation. What a session signs, its key signs itself.
fn verify_by_passkey(
    signed: &Signed,
    body: Option<&Body>,
    session: Option<&PublicKey>,
) -> Result<Verdict, SignatureError> {
    if session.is_some() || signed.header.login.is_some() {
        return Err(SignatureError::Session);
    }
    if signed.block.is_some() {
        return Err(SignatureError::BlockUnexpected);
    }
    let challenge = webauthn::challenge_for(&signed.header, body)?;
    verify_assertion(&signed.header.by, &challenge, &signed.signature)
}

/// Checks an externally owned account's signature over the typed data of its own operation.
fn verify_typed(signed: &Signed, body: Option<&Body>) -> Result<Verdict, SignatureError> {
    let account = &signed.header.by;
    let Account::Eoa(address) = account else {
        return Err(other_scheme(account, signed.scheme));
    };
    if signed.block.is_some() {
        return Err(SignatureError::BlockUnexpected);
    }
    check_length(signed.scheme, &signed.signature)?;
    // A `put` is refused whether its body is here or not.
    let digest = match body {
        None if signed.header.is_shown() => return Err(WordsError::BodyMissing.into()),
        None => return Err(TypedDataError::Put.into()),
        Some(body) => typed_data::digest(&signed.header, body)?,
    };
    verify_recovered(account, address, &digest, &signed.signature)
}

/// The scheme that an account signs messages with: each kind has exactly one, but that P-256 keys may be a browser's
/// ([`Scheme::Webauthn`]). Operations of an externally owned account may be signed with [`Scheme::Eip712`], too.
pub const fn scheme_of(account: &Account) -> Scheme {
    match account {
        Account::Eoa(_) => Scheme::Eip191,
        Account::Contract { .. } => Scheme::Eip1271,
        Account::Solana { .. } | Account::Key(PublicKey::Ed25519(_)) => Scheme::Ed25519,
        Account::Key(PublicKey::P256(_)) => Scheme::P256,
    }
}

/// Whether an account may sign messages with a scheme.
pub fn signs_with(account: &Account, scheme: Scheme) -> bool {
    scheme == scheme_of(account) || (scheme == Scheme::Webauthn && account.is_passkey())
}

/// The scheme of what an account has signed: an assertion is never as short as a signature of P-256.
pub fn scheme_by(account: &Account, signature: &[u8]) -> Scheme {
    match scheme_of(account) {
        Scheme::P256 if signature.len() != 64 => Scheme::Webauthn,
        scheme => scheme,
    }
}

fn other_scheme(account: &Account, given: Scheme) -> SignatureError {
    SignatureError::Scheme { account: Box::new(account.clone()), expected: scheme_of(account), given }
}

/// The hash that a wallet signs for a personal message (EIP-191, version `0x45`).
pub fn eip191_hash(message: &[u8]) -> [u8; 32] {
    eip191_hash_message(message).0
}

/// The EVM address of a secp256k1 key: the last 20 bytes of the keccak-256 of its uncompressed point.
pub(crate) fn address_of(key: &k256::ecdsa::VerifyingKey) -> [u8; 20] {
    let point = key.to_sec1_point(false);
    let hash = keccak256(point.as_bytes().strip_prefix(&[4]).expect("an uncompressed point begins with 4"));
    Address::from_word(hash).into_array()
}

fn check_scheme(account: &Account, scheme: Scheme, signature: &[u8]) -> Result<(), SignatureError> {
    if !signs_with(account, scheme) {
        return Err(other_scheme(account, scheme));
    }
    check_length(scheme, signature)
}

fn check_length(scheme: Scheme, signature: &[u8]) -> Result<(), SignatureError> {
    let (fits, bytes) = match scheme {
        Scheme::Eip191 | Scheme::Eip712 => (signature.len() == 65, 65),
        Scheme::Ed25519 | Scheme::P256 => (signature.len() == 64, 64),
        Scheme::Eip1271 | Scheme::Webauthn => (signature.len() <= SIGNATURE_BYTES_MAX, SIGNATURE_BYTES_MAX),
    };
    if fits { Ok(()) } else { Err(SignatureError::Length { scheme, len: signature.len(), expected: bytes }) }
}

/// The address whose key made an EVM signature of a digest; none where no key could have, and of malleated ones.
pub fn recovered(digest: &[u8; 32], signature: &[u8; 65]) -> Option<[u8; 20]> {
    recover(digest, signature).ok().flatten()
}

fn verify_recovered(
    account: &Account,
    address: &[u8; 20],
    hash: &[u8; 32],
    signature: &[u8],
) -> Result<Verdict, SignatureError> {
    let recovered =
        recover(hash, signature)?.ok_or_else(|| SignatureError::Mismatch(Box::new(account.clone())))?;
    if recovered == *address {
        Ok(Verdict::Valid)
    } else {
        Err(SignatureError::OtherAddress { account: Box::new(account.clone()), recovered })
    }
}

/// The address whose key made 65 bytes `r ‖ s ‖ v` over a hash; `None` where no key could have.
fn recover(hash: &[u8; 32], signature: &[u8]) -> Result<Option<[u8; 20]>, SignatureError> {
    use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

    let (v, rs) = signature.split_last().expect("65 bytes were checked");
    let recovery = match v {
        0 | 27 => RecoveryId::new(false, false),
        1 | 28 => RecoveryId::new(true, false),
        other => return Err(SignatureError::RecoveryByte(*other)),
    };
    let rs = Signature::from_slice(rs).map_err(|_cause| SignatureError::Range)?;
    if rs.normalize_s() != rs {
        return Err(SignatureError::HighS);
    }
    let key = VerifyingKey::recover_from_prehash(hash, &rs, recovery);
    Ok(key.ok().map(|key| address_of(&key)))
}

fn verify_ed25519(
    account: &Account,
    key: &[u8; 32],
    message: &[u8],
    signature: &[u8],
) -> Result<Verdict, SignatureError> {
    use ed25519_dalek::{Signature, VerifyingKey};

    let key = VerifyingKey::from_bytes(key)
        .ok()
        .filter(|key| !key.is_weak())
        .ok_or_else(|| SignatureError::Key(Box::new(account.clone())))?;
    let bytes = signature.try_into().expect("64 bytes were checked");
    key.verify_strict(message, &Signature::from_bytes(bytes))
        .map(|()| Verdict::Valid)
        .map_err(|_cause| SignatureError::Mismatch(Box::new(account.clone())))
}

fn verify_p256(
    account: &Account,
    key: &[u8; 33],
    message: &[u8],
    signature: &[u8],
) -> Result<Verdict, SignatureError> {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};

    let key = VerifyingKey::from_sec1_bytes(key)
        .map_err(|_cause| SignatureError::Key(Box::new(account.clone())))?;
    let rs = Signature::from_slice(signature).map_err(|_cause| SignatureError::Range)?;
    if rs.normalize_s() != rs {
        return Err(SignatureError::HighS);
    }
    key.verify(message, &rs)
        .map(|()| Verdict::Valid)
        .map_err(|_cause| SignatureError::Mismatch(Box::new(account.clone())))
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eip191 => "eip191",
            Self::Eip712 => "eip712",
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Webauthn => "webauthn",
            Self::Eip1271 => "eip1271",
        })
    }
}

#[cfg(test)]
mod tests;
