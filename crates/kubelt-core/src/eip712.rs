//! The digest of typed data of any kind (EIP-712), as `eth_signTypedData_v4` takes it: what programs ask a wallet to
//! sign. (What this system itself has signed as typed data is [`crate::typed_data`].)

use std::collections::{BTreeSet, HashMap};

use alloy_primitives::{U256, keccak256};
use serde_json::Value;

use crate::limits::{TYPED_DATA_DEPTH_MAX, TYPED_DATA_MEMBERS_MAX};

/// Why JSON is no typed data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Eip712Error {
    /// Not an object with `types`, `primaryType`, `domain` and `message`.
    #[error("typed data is an object with `types`, `primaryType`, `domain` and `message`")]
    Form,
    /// More than [`TYPED_DATA_MEMBERS_MAX`] members in all types together.
    #[error("the types have over {TYPED_DATA_MEMBERS_MAX} members")]
    TooMany,
    /// Structs and arrays in one another, deeper than [`TYPED_DATA_DEPTH_MAX`].
    #[error("the message is over {TYPED_DATA_DEPTH_MAX} levels deep")]
    TooDeep,
    /// A type that is neither one of EIP-712 nor described.
    #[error("`{0}` is no type, and is not described")]
    Type(String),
    /// A value that does not fit its type.
    #[error("a value of `{member}` is no `{kind}`")]
    Value {
        /// The member.
        member: String,
        /// Its type.
        kind: String,
    },
}

/// The members of the domain that are known, in their order.
const DOMAIN: [(&str, &str); 5] = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
];
const DOMAIN_TYPE: &str = "EIP712Domain";

/// The digest that is signed.
///
/// # Errors
/// [`Eip712Error`] says what is wrong.
pub fn digest(data: &Value) -> Result<[u8; 32], Eip712Error> {
    let (domain, message) = (&data["domain"], &data["message"]);
    let primary = data["primaryType"].as_str().ok_or(Eip712Error::Form)?;
    if !domain.is_object() || !message.is_object() {
        return Err(Eip712Error::Form);
    }
    let mut types = Types::read(&data["types"], domain)?;
    let domain = types.hash_struct(DOMAIN_TYPE, domain, 0)?;
    let message = match primary {
        // A domain alone may be signed, too.
        DOMAIN_TYPE => Vec::new(),
        primary => types.hash_struct(primary, message, 0)?.to_vec(),
    };
    Ok(keccak256([&[0x19, 0x01][..], &domain, &message].concat()).0)
}

struct Types<'a> {
    /// Name and type of each member, by struct.
    structs: HashMap<&'a str, Vec<(&'a str, &'a str)>>,
    hashes: HashMap<&'a str, [u8; 32]>,
}

impl<'a> Types<'a> {
    fn read(types: &'a Value, domain: &Value) -> Result<Self, Eip712Error> {
        let mut structs = HashMap::new();
        let mut count = 0;
        for (name, members) in types.as_object().ok_or(Eip712Error::Form)? {
            let members = members.as_array().ok_or(Eip712Error::Form)?;
            count += members.len();
            if count > TYPED_DATA_MEMBERS_MAX || structs.len() >= TYPED_DATA_MEMBERS_MAX {
                return Err(Eip712Error::TooMany);
            }
            let member = |member: &'a Value| Some((member["name"].as_str()?, member["type"].as_str()?));
            let members: Option<Vec<_>> = members.iter().map(member).collect();
            structs.insert(name.as_str(), members.ok_or(Eip712Error::Form)?);
        }
        structs
            .entry(DOMAIN_TYPE)
            .or_insert_with(|| DOMAIN.into_iter().filter(|(name, _)| !domain[*name].is_null()).collect());
        Ok(Self { structs, hashes: HashMap::new() })
    }

    /// The hash of a struct's description, with those of all structs that it is made of.
    fn type_hash(&mut self, name: &str) -> Result<[u8; 32], Eip712Error> {
        let unknown = || Eip712Error::Type(name.chars().take(64).collect());
        let (name, _) = self.structs.get_key_value(name).ok_or_else(unknown)?;
        let name: &'a str = name;
        if let Some(hash) = self.hashes.get(name) {
            return Ok(*hash);
        }
        let mut parts = BTreeSet::new();
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            if !parts.insert(next) {
                continue;
            }
            let members = self.structs.get(next).map(Vec::as_slice).unwrap_or_default();
            let bases = members.iter().map(|(_, kind)| kind.split('[').next().unwrap_or_default());
            open.extend(bases.filter(|base| self.structs.contains_key(base)));
        }
        parts.remove(name);
        let describe = |name: &str| {
            let members = self.structs.get(name).map(Vec::as_slice).unwrap_or_default();
            let members: Vec<_> = members.iter().map(|(name, kind)| format!("{kind} {name}")).collect();
            format!("{name}({})", members.join(","))
        };
        let text: String = std::iter::once(name).chain(parts).map(describe).collect();
        let hash = keccak256(text).0;
        self.hashes.insert(name, hash);
        Ok(hash)
    }

    fn hash_struct(&mut self, name: &str, value: &Value, depth: usize) -> Result<[u8; 32], Eip712Error> {
        if depth > TYPED_DATA_DEPTH_MAX {
            return Err(Eip712Error::TooDeep);
        }
        let mut words = self.type_hash(name)?.to_vec();
        let members = self.structs.get(name).cloned().unwrap_or_default();
        for (member, kind) in members {
            words.extend(self.encode(member, kind, &value[member], depth)?);
        }
        Ok(keccak256(words).0)
    }

    /// A value as a word.
    fn encode(
        &mut self,
        member: &str,
        kind: &str,
        value: &Value,
        depth: usize,
    ) -> Result<[u8; 32], Eip712Error> {
        let short = |text: &str| text.chars().take(64).collect::<String>();
        let refused = || Eip712Error::Value { member: short(member), kind: short(kind) };
        if let Some((base, len)) = kind.strip_suffix(']').and_then(|kind| kind.rsplit_once('[')) {
            if depth > TYPED_DATA_DEPTH_MAX {
                return Err(Eip712Error::TooDeep);
            }
            let items = value.as_array().ok_or_else(refused)?;
            if !len.is_empty() && len.parse() != Ok(items.len()) {
                return Err(refused());
            }
            let mut words = Vec::new();
            for item in items {
                words.extend(self.encode(member, base, item, depth + 1)?);
            }
            return Ok(keccak256(words).0);
        }
        if self.structs.contains_key(kind) {
            return if value.is_object() { self.hash_struct(kind, value, depth + 1) } else { Err(refused()) };
        }
        match kind {
            "string" => value.as_str().map(|text| keccak256(text).0).ok_or_else(refused),
            "bytes" => read_bytes(value).map(|bytes| keccak256(bytes).0).ok_or_else(refused),
            "bool" => value.as_bool().map(|yes| U256::from(yes).to_be_bytes()).ok_or_else(refused),
            "address" => {
                let bytes = read_bytes(value).filter(|bytes| bytes.len() == 20).ok_or_else(refused)?;
                Ok(U256::from_be_slice(&bytes).to_be_bytes())
            }
            _ => match Atom::of(kind).ok_or_else(|| Eip712Error::Type(short(kind)))? {
                Atom::Bytes(len) => {
                    let bytes = read_bytes(value).filter(|bytes| bytes.len() == len).ok_or_else(refused)?;
                    let mut word = [0; 32];
                    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
                    Ok(word)
                }
                Atom::Number { bits, signed } => read_number(value, bits, signed).ok_or_else(refused),
            },
        }
    }
}

/// A type with a width.
enum Atom {
    Bytes(usize),
    Number { bits: usize, signed: bool },
}

impl Atom {
    fn of(kind: &str) -> Option<Self> {
        let width = |text: &str| text.parse::<usize>().ok().filter(|_| !text.starts_with(['0', '+']));
        if let Some(len) = kind.strip_prefix("bytes") {
            return width(len).filter(|len| (1..=32).contains(len)).map(Self::Bytes);
        }
        let (signed, bits) = match kind.strip_prefix("uint") {
            Some(bits) => (false, bits),
            None => (true, kind.strip_prefix("int")?),
        };
        let bits = if bits.is_empty() { 256 } else { width(bits)? };
        (bits % 8 == 0 && (8..=256).contains(&bits)).then_some(Self::Number { bits, signed })
    }
}

fn read_bytes(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?.strip_prefix("0x")?).ok()
}

/// A whole number, given as one or as text (decimal, or hex with `0x`), as a word.
fn read_number(value: &Value, bits: usize, signed: bool) -> Option<[u8; 32]> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let size = U256::from_str_radix(digits, radix).ok()?;
    let half = || U256::from(1) << (bits - 1);
    let fits = match (signed, negative) {
        (false, false) => size.bit_len() <= bits,
        (false, true) => size.is_zero(),
        (true, false) => size < half(),
        (true, true) => size <= half(),
    };
    let number = if negative { size.wrapping_neg() } else { size };
    fits.then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests;
