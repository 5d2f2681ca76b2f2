//! What the owners of a Safe (<https://github.com/safe-global/safe-smart-account>, from version 1.3.0) sign one by one, and
//! what becomes of it: one signature of the Safe (ERC-1271), or one transaction.
//!
//! Owners sign typed data (EIP-712) whose domain is the Safe on its chain: `SafeMessage` around the digest of what the Safe
//! is to sign, or `SafeTx`. The digests are made of the same JSON that wallets are shown, so what is shown is what is signed.
//! Signatures are put together in the order of the owners' addresses, as the contract takes them.

use std::collections::BTreeMap;

use alloy_primitives::keccak256;
use serde_json::{Value, json};

use crate::{
    abi::{self, Argument},
    eip712,
    signature::{eip191_hash, recovered},
};

/// A Safe: its chain (EIP-155 id) and address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Safe {
    /// The chain.
    pub chain: u64,
    /// The address.
    pub address: [u8; 20],
}

/// One call, which a Safe is to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafeCall {
    /// Whom it calls.
    pub to: [u8; 20],
    /// What it sends along, in wei.
    pub value: [u8; 32],
    /// The call.
    pub data: Vec<u8>,
}

/// A transaction of a Safe. It pays nobody back: whoever sends it pays for its gas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafeTx {
    /// The call.
    pub call: SafeCall,
    /// Whether the code that is called runs as the Safe's own, as [`multi_send`] needs it.
    pub delegate: bool,
    /// Which of the Safe's transactions it is.
    pub nonce: u64,
}

/// Signatures of owners, by their addresses.
pub type OwnerSignatures = BTreeMap<[u8; 20], [u8; 65]>;

/// What the contracts are called with.
const MULTI_SEND: &str = "multiSend(bytes)";
const EXEC: &str =
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)";
const ZERO: [u8; 20] = [0; 20];

impl Safe {
    /// What an owner signs so that the Safe has signed a digest (EIP-191 or EIP-712).
    pub fn message(&self, digest: &[u8; 32]) -> Value {
        let member = [("message", "bytes")];
        self.typed_data("SafeMessage", &member, json!({ "message": hex(digest) }))
    }

    /// What an owner signs so that the Safe makes a transaction.
    pub fn transaction(&self, tx: &SafeTx) -> Value {
        let members = [
            ("to", "address"),
            ("value", "uint256"),
            ("data", "bytes"),
            ("operation", "uint8"),
            ("safeTxGas", "uint256"),
            ("baseGas", "uint256"),
            ("gasPrice", "uint256"),
            ("gasToken", "address"),
            ("refundReceiver", "address"),
            ("nonce", "uint256"),
        ];
        let SafeTx { call: SafeCall { to, value, data }, delegate, nonce } = tx;
        let message = json!({
            "to": hex(to), "value": quantity(value), "data": hex(data), "operation": u8::from(*delegate),
            "safeTxGas": "0", "baseGas": "0", "gasPrice": "0", "gasToken": hex(&ZERO), "refundReceiver": hex(&ZERO),
            "nonce": nonce.to_string(),
        });
        self.typed_data("SafeTx", &members, message)
    }

    fn typed_data(&self, primary: &str, members: &[(&str, &str)], message: Value) -> Value {
        let describe = |members: &[(&str, &str)]| -> Value {
            members.iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect()
        };
        let domain = [("chainId", "uint256"), ("verifyingContract", "address")];
        json!({
            "types": { "EIP712Domain": describe(&domain), primary: describe(members) },
            "primaryType": primary,
            "domain": { "chainId": self.chain, "verifyingContract": hex(&self.address) },
            "message": message,
        })
    }
}

/// The digest of what owners sign: of [`Safe::message`] or [`Safe::transaction`].
pub fn digest(typed_data: &Value) -> [u8; 32] {
    eip712::digest(typed_data).expect("what is made here is typed data")
}

/// Whose signature of a digest this is, and the signature as the contract takes it: a wallet may have signed the digest as
/// a message (EIP-191), which the contract knows by a higher last byte. None where it is nobody's.
pub fn owner_of(digest: &[u8; 32], signature: &[u8]) -> Option<([u8; 20], [u8; 65])> {
    let mut signature: [u8; 65] = signature.try_into().ok()?;
    let (plain, by_message) = match signature[64] {
        v @ (0 | 1) => (v + 27, false),
        v @ (27 | 28) => (v, false),
        v @ (31 | 32) => (v - 4, true),
        _ => return None,
    };
    signature[64] = plain;
    let signed = if by_message { eip191_hash(digest) } else { *digest };
    let owner = recovered(&signed, &signature)?;
    signature[64] = if by_message { plain + 4 } else { plain };
    Some((owner, signature))
}

/// The signature of a Safe whose threshold is met: those of as many owners, in the order of their addresses. None where it
/// is not met.
pub fn together(signatures: &OwnerSignatures, threshold: usize) -> Option<Vec<u8>> {
    let enough = signatures.len() >= threshold && threshold > 0;
    enough.then(|| signatures.values().take(threshold).flatten().copied().collect())
}

/// The call of the Safe that makes a transaction which its owners have signed.
pub fn execution(tx: &SafeTx, signatures: &[u8]) -> Vec<u8> {
    let SafeTx { call: SafeCall { to, value, data }, delegate, .. } = tx;
    let zero = Argument::Word([0; 32]);
    let arguments = [
        Argument::Word(abi::address(to)),
        Argument::Word(*value),
        Argument::Bytes(data),
        Argument::Word(abi::number(u64::from(*delegate))),
        zero,
        zero,
        zero,
        zero,
        zero,
        Argument::Bytes(signatures),
    ];
    abi::call(abi::selector(EXEC), &arguments)
}

/// The call of the contract `MultiSendCallOnly` that makes several calls, all of them or none.
pub fn multi_send(calls: &[SafeCall]) -> Vec<u8> {
    let mut packed = Vec::new();
    for SafeCall { to, value, data } in calls {
        // A plain call.
        packed.push(0);
        packed.extend(to);
        packed.extend(value);
        packed.extend(abi::number(data.len() as u64));
        packed.extend(data);
    }
    abi::call(abi::selector(MULTI_SEND), &[Argument::Bytes(&packed)])
}

/// The hash by which a contract's code is known.
pub fn code_hash(code: &[u8]) -> [u8; 32] {
    keccak256(code).0
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// A number as typed data takes it.
fn quantity(word: &[u8; 32]) -> String {
    let digits = hex::encode(word);
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

#[cfg(test)]
mod tests;
