//! What a program asks a wallet to sign, read from the parameters of its call.

use kubelt_core::{Account, eip712, signature::eip191_hash};
use serde_json::Value;

use super::{WalletFace, WalletFault, safe::SafeAsk};

/// What is to be signed, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) account: Account,
    pub(super) what: What,
    pub(super) shown: Shown,
}

/// What can be said of it.
#[derive(Debug, Clone, Default)]
pub(super) enum Shown {
    /// A message that is text.
    Text(String),
    /// One that is none.
    Bytes(Vec<u8>),
    /// Typed data: its type, and the name of its domain.
    TypedData {
        /// The type.
        primary: String,
        /// The name.
        domain: String,
    },
    /// Nothing but itself.
    #[default]
    Nothing,
}

/// What is to be signed.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A digest: of a message (EIP-191) or of typed data (EIP-712).
    Digest([u8; 32]),
    /// A transaction, which the signer's own wallet sends.
    Transaction(Value),
    /// Either of them, of a Safe.
    Safe(Box<SafeAsk>),
}

impl Asked {
    /// Reads the parameters of a call.
    pub(super) fn read(face: &WalletFace, method: &str, params: &Value) -> Result<Self, WalletFault> {
        let invalid = |message: &str| WalletFault::new(WalletFault::INVALID_PARAMS, message);
        let (address, what, shown) = match method {
            "personal_sign" => {
                let message = params[0]
                    .as_str()
                    .ok_or_else(|| invalid("`personal_sign` takes a message and an address"))?;
                let message = read_message(message);
                (&params[1], What::Digest(eip191_hash(&message)), Shown::message(message))
            }
            "eth_signTypedData_v4" => {
                let parsed = match &params[1] {
                    Value::String(text) => {
                        serde_json::from_str(text).map_err(|_cause| invalid("the typed data is no JSON"))?
                    }
                    data => data.clone(),
                };
                let digest = eip712::digest(&parsed).map_err(|error| invalid(&error.to_string()))?;
                (&params[0], What::Digest(digest), Shown::typed_data(&parsed))
            }
            _ => (&params[0]["from"], What::Transaction(params[0].clone()), Shown::Nothing),
        };
        let address = address.as_str().unwrap_or_default();
        let account = face.account(address).ok_or_else(|| {
            let message = "the address is none of this core's accounts; `eth_accounts` names them";
            WalletFault::new(WalletFault::UNAUTHORIZED, message)
        })?;
        Ok(Self { account, what, shown })
    }
}

impl Shown {
    fn message(message: Vec<u8>) -> Self {
        String::from_utf8(message).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    fn typed_data(data: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self::TypedData { primary: text(&data["primaryType"]), domain: text(&data["domain"]["name"]) }
    }
}

/// A message as bytes: hex where it is hex, as wallets take it, otherwise its text.
fn read_message(message: &str) -> Vec<u8> {
    let hex = message.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    hex.unwrap_or_else(|| message.as_bytes().to_vec())
}

/// Whether a transaction of the chain is the one that was asked for.
pub(super) fn is_transaction(asked: &Value, found: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or("0x").to_ascii_lowercase();
    let number = |value: &Value| text(value).trim_start_matches("0x").trim_start_matches('0').to_owned();
    let data = if asked["data"].is_null() { &asked["input"] } else { &asked["data"] };
    text(&asked["from"]) == text(&found["from"])
        && text(&asked["to"]) == text(&found["to"])
        && number(&asked["value"]) == number(&found["value"])
        && text(data) == text(&found["input"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_transaction, read_message};

    #[test]
    fn messages_are_hex_or_text() {
        assert_eq!(read_message("0x6869"), b"hi");
        assert_eq!(read_message("hi"), b"hi");
        assert_eq!(read_message("0x686"), b"0x686");
    }

    #[test]
    fn another_transaction_is_none() {
        let asked = json!({"from": "0xAA", "to": "0xBB", "value": "0x00a", "data": "0xCC"});
        let found = json!({"from": "0xaa", "to": "0xbb", "value": "0xa", "input": "0xcc", "nonce": "0x1"});
        assert!(is_transaction(&asked, &found));
        for (member, other) in [("from", "0xab"), ("to", "0xbc"), ("value", "0xb"), ("input", "0x")] {
            let mut changed = found.clone();
            changed[member] = json!(other);
            assert!(!is_transaction(&asked, &changed), "{member}");
        }
        let creation = json!({"from": "0xaa", "input": "0xcc"});
        assert!(is_transaction(
            &creation,
            &json!({"from": "0xaa", "to": null, "value": "0x0", "input": "0xcc"})
        ));
        assert!(!is_transaction(&creation, &found));
    }
}
