//! Tests: one call of one contract, and what its answer is compared with.

use std::{borrow::Cow, fmt};

use alloy_primitives::{Address, I256, U256};
use ipld_core::ipld::Ipld;

use super::Outcome;
use crate::{
    limits::{GATE_CALL_BYTES_MAX, GATE_WORD_MAX},
    schema::{
        SchemaError,
        fields::{self, Fields},
    },
};

/// Stands in the data of a call for the address that is tested, as a word of the contract ABI.
const HOLDER: &str = "{holder}";

/// A question to one contract about one account.
///
/// All tests have `chain` (an EIP-155 id) and `contract` (an address). Numbers are text, decimal or hex with `0x`, in
/// the token's smallest unit.
///
/// | kind | further fields | holds where |
/// | --- | --- | --- |
/// | `erc20` | `min` | the balance is `min` or more (EIP-20) |
/// | `erc721` | `token`, or `min` (1) | the account owns the token, or so many (EIP-721) |
/// | `erc1155` | `token`, `min` (1) | the account has so many of the token (EIP-1155) |
/// | `call` | `data`, `is`, `value`, `word` (0), `signed` (false) | the answer compares so |
///
/// `data` is hex, with `{holder}` where the account's address goes; `is` one of `eq`, `ne`, `lt`, `le`, `gt`, `ge`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Test {
    /// The chain.
    pub chain: u64,
    /// The contract.
    pub contract: [u8; 20],
    /// What it is asked.
    pub ask: Ask,
}

/// What a contract is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ask {
    /// `balanceOf(address)` is so much or more: ERC-20, and tokens of ERC-721.
    Balance(U256),
    /// `ownerOf(uint256)` is the account.
    Owner(U256),
    /// `balanceOf(address,uint256)`, of this token, is so much or more: ERC-1155.
    Multi {
        /// The token's id.
        token: U256,
        /// The least that is enough.
        min: U256,
    },
    /// Whatever the call answers.
    Call {
        /// Pieces of the call's data; between them stands the account's address.
        data: Vec<Vec<u8>>,
        /// Which word of the answer is compared.
        word: usize,
        /// How it must compare with the value.
        is: Comparison,
        /// The value.
        value: U256,
        /// Whether both are numbers with a sign (two's complement).
        signed: bool,
    },
}

/// How a number compares with another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Comparison {
    /// It is the same.
    Eq,
    /// It is another.
    Ne,
    /// It is less.
    Lt,
    /// It is less, or the same.
    Le,
    /// It is more.
    Gt,
    /// It is more, or the same.
    Ge,
}

impl Comparison {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
    ];

    fn holds<T: Ord>(self, found: &T, value: &T) -> bool {
        match self {
            Self::Eq => found == value,
            Self::Ne => found != value,
            Self::Lt => found < value,
            Self::Le => found <= value,
            Self::Gt => found > value,
            Self::Ge => found >= value,
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Eq => "exactly",
            Self::Ne => "other than",
            Self::Lt => "less than",
            Self::Le => "at most",
            Self::Gt => "more than",
            Self::Ge => "at least",
        }
    }
}

/// Reads a test of this kind.
pub(super) fn read(kind: &str, fields: &Fields<'_>) -> Result<Test, SchemaError> {
    let chain = fields.required("chain", "the id of a chain (EIP-155)", |value| match value {
        Ipld::Integer(id) => u64::try_from(*id).ok().filter(|id| *id > 0),
        _ => None,
    })?;
    let expected = "an address: `0x` and 40 hex digits";
    let contract = fields.required("contract", expected, |value| {
        let digits = fields::text(value)?.strip_prefix("0x")?;
        hex::decode(digits).ok()?.try_into().ok()
    })?;
    let number = |field| fields.optional(field, "a number as text, decimal or hex with `0x`", number);
    let needed = |field| number(field)?.ok_or(SchemaError::Missing(field));
    let one = U256::from(1);
    let known = |known: &[&str]| fields.only(&[&["chain", "contract"], known].concat());
    let ask = match kind {
        "erc20" => {
            known(&["min"])?;
            Ask::Balance(needed("min")?)
        }
        "erc721" => match number("token")? {
            Some(token) => {
                known(&["token"])?;
                Ask::Owner(token)
            }
            None => {
                known(&["min"])?;
                Ask::Balance(number("min")?.unwrap_or(one))
            }
        },
        "erc1155" => {
            known(&["token", "min"])?;
            Ask::Multi { token: needed("token")?, min: number("min")?.unwrap_or(one) }
        }
        "call" => {
            known(&["data", "word", "is", "value", "signed"])?;
            read_call(fields, needed("value")?)?
        }
        _ => return Err(SchemaError::Unknown(kind.chars().take(64).collect())),
    };
    let is_void = match &ask {
        Ask::Balance(min) | Ask::Multi { min, .. } => min.is_zero(),
        Ask::Owner(_) | Ask::Call { .. } => false,
    };
    if is_void {
        return Err(SchemaError::Field { field: "min", expected: "1 or more: everybody has nothing" });
    }
    Ok(Test { chain, contract, ask })
}

fn read_call(fields: &Fields<'_>, value: U256) -> Result<Ask, SchemaError> {
    let expected = "`0x` and hex digits, 1,024 bytes at most, with `{holder}` for the address";
    let data = fields.required("data", expected, |value| {
        let digits = fields::text(value)?.strip_prefix("0x")?;
        let pieces: Vec<Vec<u8>> =
            digits.split(HOLDER).map(|piece| hex::decode(piece).ok()).collect::<Option<_>>()?;
        let bytes = pieces.iter().map(Vec::len).sum::<usize>() + (pieces.len() - 1) * 32;
        (bytes <= GATE_CALL_BYTES_MAX).then_some(pieces)
    })?;
    let word = fields.optional("word", "the number of a word, from 0 to 31", |value| match value {
        Ipld::Integer(word) => usize::try_from(*word).ok().filter(|word| *word <= GATE_WORD_MAX),
        _ => None,
    })?;
    let is = fields.required("is", "`eq`, `ne`, `lt`, `le`, `gt` or `ge`", |value| {
        let text = fields::text(value)?;
        Comparison::ALL.into_iter().find(|(_, word)| *word == text).map(|(is, _)| is)
    })?;
    let signed = fields.optional("signed", "true or false", |value| match value {
        Ipld::Bool(signed) => Some(*signed),
        _ => None,
    })?;
    Ok(Ask::Call { data, word: word.unwrap_or_default(), is, value, signed: signed.unwrap_or_default() })
}

fn number(value: &Ipld) -> Option<U256> {
    let text = fields::text(value)?;
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| U256::from_str_radix(digits, radix).ok())?
}

impl Test {
    /// The data of the call that asks about an address.
    pub fn call_data(&self, holder: &[u8; 20]) -> Vec<u8> {
        let mut word = [0; 32];
        word[12..].copy_from_slice(holder);
        match &self.ask {
            Ask::Balance(_) => [&[0x70, 0xa0, 0x82, 0x31][..], &word].concat(),
            Ask::Owner(token) => [&[0x63, 0x52, 0x21, 0x1e][..], &token.to_be_bytes::<32>()].concat(),
            Ask::Multi { token, .. } => {
                [&[0x00, 0xfd, 0xd5, 0x8e][..], &word, &token.to_be_bytes::<32>()].concat()
            }
            Ask::Call { data, .. } => data.join(&word[..]),
        }
    }

    /// Which word of the answer counts.
    pub const fn word(&self) -> usize {
        match self.ask {
            Ask::Call { word, .. } => word,
            _ => 0,
        }
    }

    /// What the answer's word says of an address; none is a contract that gave no answer of that length.
    pub fn judge(&self, holder: &[u8; 20], found: Option<U256>) -> Outcome {
        let Some(found) = found else { return Outcome::Unknown };
        let holds = match &self.ask {
            Ask::Balance(min) | Ask::Multi { min, .. } => found >= *min,
            Ask::Owner(_) => found == U256::from_be_slice(holder),
            Ask::Call { is, value, signed: false, .. } => is.holds(&found, value),
            Ask::Call { is, value, signed: true, .. } => {
                is.holds(&I256::from_raw(found), &I256::from_raw(*value))
            }
        };
        if holds { Outcome::Yes } else { Outcome::No }
    }

    /// What was found, in words.
    pub fn says_found(&self, found: U256) -> String {
        match &self.ask {
            Ask::Owner(_) => format!("its owner is {}", Address::from_word(found.into())),
            Ask::Balance(_) | Ask::Multi { .. } => format!("it has {found}"),
            Ask::Call { signed: true, .. } => format!("it answers {}", I256::from_raw(found)),
            Ask::Call { .. } => format!("it answers {found}"),
        }
    }
}

/// What must hold, in words.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, contract, ask } = self;
        let contract = Address::from(contract);
        match ask {
            Ask::Balance(min) => write!(f, "has at least {min} of {contract}")?,
            Ask::Owner(token) => write!(f, "owns token {token} of {contract}")?,
            Ask::Multi { token, min } => write!(f, "has at least {min} of token {token} of {contract}")?,
            Ask::Call { data, word, is, value, signed } => {
                let data: Vec<String> = data.iter().map(hex::encode).collect();
                let value: Cow<'_, str> = if *signed {
                    I256::from_raw(*value).to_string().into()
                } else {
                    value.to_string().into()
                };
                let data = data.join(HOLDER);
                write!(f, "word {word} of the answer of {contract} to 0x{data} is {} {value}", is.says())?;
            }
        }
        write!(f, " on chain {chain}")
    }
}
