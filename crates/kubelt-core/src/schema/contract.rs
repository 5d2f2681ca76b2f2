//! Contracts as names in addresses: `@acme/@31337:0x…` is the core of @acme for whoever holds what the contract gives out.
//!
//! It is a child like any other. What is its own is that everybody makes the same one of the same parent and contract
//! ([`ContractName::genesis`]), and that the gate which its holders come in by follows from the name
//! ([`ContractName::holders`], [`ContractTemplate`]).

use std::{collections::BTreeMap, fmt, str::FromStr};

use ipld_core::ipld::Ipld;
use sha2::{Digest, Sha256};

use super::{
    CORES, SchemaError,
    fields::Fields,
    gate::{Gate, U256},
};
use crate::{
    Principal,
    account::{Account, AccountError},
    genesis::Genesis,
    id::CoreId,
};

/// Kinds of tests of which the contract can be left out in a template.
const TESTS: [&str; 4] = ["erc20", "erc721", "erc1155", "call"];

/// A contract, and perhaps one of its tokens: `31337:0x…`, `31337:0x…:7`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ContractName {
    /// The chain (EIP-155).
    pub chain: u64,
    /// Its address there.
    pub contract: [u8; 20],
    /// One of its tokens.
    pub token: Option<U256>,
}

/// Why text names no contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractNameError {
    /// Not of this form.
    #[error(
        "`{0}` names no contract; write the chain's id and its address, as in `1:0x…`, or `1:0x…:7` for one token"
    )]
    Form(String),
    /// No address.
    #[error(transparent)]
    Address(#[from] AccountError),
}

/// What a contract gives out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// A currency (EIP-20).
    Erc20,
    /// Tokens of which each is one (EIP-721).
    Erc721,
    /// Tokens of which there are several (EIP-1155).
    Erc1155,
}

impl FromStr for ContractName {
    type Err = ContractNameError;

    fn from_str(text: &str) -> Result<Self, ContractNameError> {
        let form = || ContractNameError::Form(text.chars().take(128).collect());
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        let (chain, address, token) = match parts.as_slice() {
            [chain, address] => (chain, address, None),
            [chain, address, token] => (chain, address, Some(token)),
            _ => return Err(form()),
        };
        let is_plain = |digits: &str| {
            let zero = digits.len() > 1 && digits.starts_with('0');
            !digits.is_empty() && !zero && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let number = |digits: &&str| U256::from_str_radix(digits, 10).ok().filter(|_| is_plain(digits));
        let id = chain.parse().ok().filter(|id| *id > 0 && is_plain(chain)).ok_or_else(form)?;
        let token = token.map(|token| number(token).ok_or_else(form)).transpose()?;
        Ok(Self { chain: id, contract: Account::evm_address(address)?, token })
    }
}

impl fmt::Display for ContractName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, contract, token } = self;
        write!(f, "{chain}:0x{}", hex::encode(contract))?;
        token.map_or(Ok(()), |token| write!(f, ":{token}"))
    }
}

impl ContractName {
    /// The name as it stands in the map, for a contract's name in any case.
    pub fn canonical(text: &str) -> Option<String> {
        text.to_ascii_lowercase().parse().ok().map(|name: Self| name.to_string())
    }

    /// Whether text is the name of a contract as it stands in the map.
    pub(super) fn is_canonical(text: &str) -> bool {
        text.parse().is_ok_and(|name: Self| name.to_string() == text)
    }

    /// How the core of this contract begins in a parent whose root is this now. It follows from these alone, so that all
    /// who make it make the same.
    pub fn genesis(&self, parent: CoreId, root: Principal) -> Genesis {
        let digest = Sha256::new()
            .chain_update(b"kubelt core of a contract v1\0")
            .chain_update(parent.digest())
            .chain_update(self.to_string())
            .finalize();
        let name = Self { token: None, ..self.clone() }.to_string();
        let mut nonce = [0; crate::limits::NONCE_BYTES];
        nonce.iter_mut().zip(digest).for_each(|(to, byte)| *to = byte);
        Genesis::Shared { root, parent: Some(parent), name, nonce }
    }

    /// The condition that holders of what the contract gives out pass; none where the name says too little, or too much,
    /// for a contract of this kind.
    pub fn holders(&self, kind: TokenKind) -> Option<Ipld> {
        let (kind, fields) = match (kind, &self.token) {
            (TokenKind::Erc20, None) => ("erc20", BTreeMap::from([text("min", "1")])),
            (TokenKind::Erc721, _) => ("erc721", BTreeMap::new()),
            (TokenKind::Erc1155, Some(_)) => ("erc1155", BTreeMap::new()),
            (TokenKind::Erc20, Some(_)) | (TokenKind::Erc1155, None) => return None,
        };
        Some(self.fill(&Ipld::Map(BTreeMap::from([(kind.to_owned(), Ipld::Map(fields))]))))
    }

    /// A condition in which tests that name no contract are about this one, and this token.
    pub fn fill(&self, condition: &Ipld) -> Ipld {
        let Ipld::Map(map) = condition else { return condition.clone() };
        let filled = map.iter().map(|(kind, value)| {
            let value = match (kind.as_str(), value) {
                ("all" | "any", Ipld::List(parts)) => {
                    Ipld::List(parts.iter().map(|part| self.fill(part)).collect())
                }
                ("not", part) => self.fill(part),
                (test, Ipld::Map(fields)) if TESTS.contains(&test) => Ipld::Map(self.filled(test, fields)),
                (_, other) => other.clone(),
            };
            (kind.clone(), value)
        });
        Ipld::Map(filled.collect())
    }

    fn filled(&self, test: &str, fields: &BTreeMap<String, Ipld>) -> BTreeMap<String, Ipld> {
        let mut fields = fields.clone();
        if fields.contains_key("chain") || fields.contains_key("contract") {
            return fields;
        }
        fields.insert("chain".to_owned(), Ipld::Integer(self.chain.into()));
        fields.extend([text("contract", format!("0x{}", hex::encode(self.contract)))]);
        let counts = test == "erc1155" || (test == "erc721" && !fields.contains_key("min"));
        if let Some(token) = self.token.filter(|_| counts && !fields.contains_key("token")) {
            fields.extend([text("token", token.to_string())]);
        }
        fields
    }
}

/// Who enters the cores of contracts: the fields of a [`Gate`] but `opens`. In `if`, tests may leave `chain` and `contract`
/// out: they are those of the core's name. Without `if` the contract itself is asked what it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ContractTemplate(BTreeMap<String, Ipld>);

impl ContractTemplate {
    pub(super) fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["if", "at", "keep", "shown"])?;
        let Ipld::Map(map) = value else { return Err(SchemaError::NotMap) };
        let template = Self(map.clone());
        // Whether it fits is told by the gate of some contract.
        let some = ContractName { chain: 1, contract: [0; 20], token: Some(U256::ZERO) };
        let condition = template.condition(&some).or_else(|| some.holders(TokenKind::Erc721));
        Gate::from_ipld(&template.gate(&some, condition.unwrap_or(Ipld::Null)))?;
        Ok(template)
    }

    pub(super) fn to_ipld(&self) -> Ipld {
        Ipld::Map(self.0.clone())
    }

    /// The condition for a contract, where the template says one.
    pub fn condition(&self, name: &ContractName) -> Option<Ipld> {
        self.0.get("if").map(|condition| name.fill(condition))
    }

    /// The gate by which those who pass this condition enter the core of a contract.
    pub fn gate(&self, name: &ContractName, condition: Ipld) -> Ipld {
        let mut gate = self.0.clone();
        gate.insert("opens".to_owned(), Ipld::List(vec![Ipld::String(format!("{CORES}/{name}"))]));
        gate.insert("if".to_owned(), condition);
        Ipld::Map(gate)
    }
}

fn text(field: &str, value: impl Into<String>) -> (String, Ipld) {
    (field.to_owned(), Ipld::String(value.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ContractName, ContractTemplate, Ipld, TokenKind};
    use crate::{Account, CoreId, Genesis, Principal, schema::Gate};

    const NFT: &str = "0x00000000000000000000000000000000000000c0";

    fn name(text: &str) -> ContractName {
        text.parse().expect("names a contract")
    }

    fn ipld(json: &Value) -> Ipld {
        serde_ipld_dagcbor::from_slice(&serde_ipld_dagcbor::to_vec(json).expect("plain")).expect("plain")
    }

    #[test]
    fn contracts_are_named_by_chain_and_address() {
        for text in [format!("1:{NFT}"), format!("31337:{NFT}:0"), format!("1:{NFT}:{}", super::U256::MAX)] {
            assert_eq!(name(&text).to_string(), text);
            assert_eq!(ContractName::canonical(&text.to_uppercase()), Some(text));
        }
        for text in [
            NFT.to_owned(),
            format!("0:{NFT}"),
            format!("01:{NFT}"),
            format!("+1:{NFT}"),
            format!("eip155:1:{NFT}"),
            format!("1:{NFT}:"),
            format!("1:{NFT}:07"),
            format!("1:{NFT}:0x7"),
            format!("1:{NFT}:7:1"),
            format!("1:{NFT}:{}0", super::U256::MAX),
            "1:0xc0".to_owned(),
            // An EIP-55 checksum that fails.
            "1:0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned(),
        ] {
            assert!(text.parse::<ContractName>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_make_the_same_core_of_the_same_parent_and_contract_and_no_other() {
        let (acme, other) = (CoreId::of(b"acme"), CoreId::of(b"other"));
        let root = |byte| Principal::One(Account::Eoa([byte; 20]));
        let (one, token) = (name(&format!("1:{NFT}")), name(&format!("1:{NFT}:{}", super::U256::MAX)));
        let id = one.genesis(acme, root(1)).id();
        assert_eq!(id, one.genesis(acme, root(1)).id());
        let others = [one.genesis(other, root(1)), one.genesis(acme, root(2)), token.genesis(acme, root(1))];
        for genesis in others {
            assert_ne!(genesis.id(), id);
            assert_eq!(Genesis::decode(&genesis.encode()).ok(), Some(genesis), "everybody takes it");
        }
    }

    #[test]
    fn holders_are_told_by_the_kind_of_contract() {
        let (all, one) = (name(&format!("1:{NFT}")), name(&format!("1:{NFT}:7")));
        let test = |kind: &str, mut fields: Value| {
            (fields["chain"], fields["contract"]) = (json!(1), json!(NFT));
            Some(ipld(&json!({ kind: fields })))
        };
        for (name, kind, expected) in [
            (&all, TokenKind::Erc20, test("erc20", json!({ "min": "1" }))),
            (&all, TokenKind::Erc721, test("erc721", json!({}))),
            (&one, TokenKind::Erc721, test("erc721", json!({ "token": "7" }))),
            (&one, TokenKind::Erc1155, test("erc1155", json!({ "token": "7" }))),
            (&all, TokenKind::Erc1155, None),
            (&one, TokenKind::Erc20, None),
        ] {
            assert_eq!(name.holders(kind), expected, "{name} {kind:?}");
        }
    }

    #[test]
    fn a_template_says_what_the_name_does_not() {
        let other = "0x00000000000000000000000000000000000000dd";
        let template = json!({
            "if": { "any": [
                { "erc1155": { "min": "2" } }, { "not": { "erc721": { "min": "3" } } },
                { "erc20": { "chain": 5, "contract": other, "min": "9" } },
            ] },
            "keep": 3, "shown": true,
        });
        let template = ContractTemplate::from_ipld(&ipld(&template)).expect("fits");
        let one = name(&format!("1:{NFT}:7"));
        let condition = template.condition(&one).expect("it says one");
        assert_eq!(
            condition,
            ipld(&json!({ "any": [
                { "erc1155": { "chain": 1, "contract": NFT, "min": "2", "token": "7" } },
                { "not": { "erc721": { "chain": 1, "contract": NFT, "min": "3" } } },
                { "erc20": { "chain": 5, "contract": other, "min": "9" } },
            ] }))
        );
        let gate = Gate::from_ipld(&template.gate(&one, condition)).expect("is a gate");
        let path = |text: String| crate::MapPath::new(text).expect("a path");
        assert!(gate.opens(&path(format!("cores/{one}"))) && !gate.opens(&path(format!("cores/1:{NFT}"))));
        assert_eq!((gate.keep_s, gate.shown), (3, true));
        for bad in [
            json!({ "opens": ["content/**"] }),
            json!({ "if": { "erc20": {} } }),
            json!({ "if": { "erc721": { "chain": 1 } } }),
            json!({ "if": {} }),
            json!({ "keep": 0 }),
            json!([]),
        ] {
            assert!(ContractTemplate::from_ipld(&ipld(&bad)).is_err(), "{bad}");
        }
    }
}
