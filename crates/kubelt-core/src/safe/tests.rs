use super::{OwnerSignatures, Safe, SafeCall, SafeTx, digest, execution, multi_send, owner_of, together};
use crate::{EoaKey, abi};

const SAFE: Safe = Safe { chain: 31_337, address: [0x5a; 20] };

fn tx() -> SafeTx {
    let value = abi::number(1_000_000_007);
    SafeTx { call: SafeCall { to: [7; 20], value, data: vec![0xde, 0xad] }, delegate: false, nonce: 5 }
}

/// What viem 2.57 (`hashTypedData`) and ethers 6.17 give for the same; that they are the contract's own is judged on a
/// chain (`conformance/chain`).
#[test]
fn owners_sign_what_the_contract_hashes() {
    assert_eq!(hex::encode(digest(&SAFE.message(&[0x11; 32]))), MESSAGE);
    assert_eq!(hex::encode(digest(&SAFE.transaction(&tx()))), TRANSACTION);
    for other in [
        SafeTx { nonce: 6, ..tx() },
        SafeTx { delegate: true, ..tx() },
        SafeTx { call: SafeCall { to: [8; 20], ..tx().call }, ..tx() },
        SafeTx { call: SafeCall { data: vec![0xde], ..tx().call }, ..tx() },
        SafeTx { call: SafeCall { value: [0; 32], ..tx().call }, ..tx() },
    ] {
        assert_ne!(hex::encode(digest(&SAFE.transaction(&other))), TRANSACTION);
    }
    let elsewhere = Safe { chain: 1, ..SAFE };
    assert_ne!(digest(&elsewhere.message(&[0x11; 32])), digest(&SAFE.message(&[0x11; 32])));
}

const MESSAGE: &str = "f8388ccc4b4c980ebd39747045ba4b4a3617e21a574f33d57efc127048c31770";
const TRANSACTION: &str = "652cdbf68bcaed5d989565a0dae13adde502a39b3062d63efe7948670c343a43";

#[test]
fn an_owner_is_known_by_the_signature() {
    let key = EoaKey::from_secret(&[9; 32]).expect("a secret key");
    let hash = digest(&SAFE.message(&[0x11; 32]));
    let signature = key.sign_digest(&hash);
    assert_eq!(owner_of(&hash, &signature), Some((key.address(), signature)));
    let mut low = signature;
    low[64] -= 27;
    assert_eq!(owner_of(&hash, &low), Some((key.address(), signature)), "as some wallets end it");
    // As a message, which the contract is told by the last byte.
    let mut by_message = key.sign(&hash);
    assert_ne!(owner_of(&hash, &by_message).map(|(owner, _)| owner), Some(key.address()));
    by_message[64] += 4;
    assert_eq!(owner_of(&hash, &by_message), Some((key.address(), by_message)));
    assert_ne!(owner_of(&[0; 32], &signature).map(|(owner, _)| owner), Some(key.address()));
    for bad in [&signature[..64], &[signature.as_slice(), &[0]].concat(), &[0; 65], &[]] {
        assert_eq!(owner_of(&hash, bad), None);
    }
    for v in [2, 26, 29, 30, 33, 255] {
        let mut odd = signature;
        odd[64] = v;
        assert_eq!(owner_of(&hash, &odd), None, "{v}");
    }
}

#[test]
fn signatures_are_put_together_in_the_order_of_owners() {
    let all: OwnerSignatures = [([3; 20], [30; 65]), ([1; 20], [10; 65]), ([2; 20], [20; 65])].into();
    assert_eq!(together(&all, 2), Some([[10; 65], [20; 65]].concat()));
    assert_eq!(together(&all, 3), Some([[10; 65], [20; 65], [30; 65]].concat()));
    assert_eq!(
        (together(&all, 4), together(&all, 0), together(&OwnerSignatures::new(), 1)),
        (None, None, None)
    );
}

#[test]
fn a_transaction_becomes_a_call_of_the_safe() {
    let call = execution(&tx(), &[7; 130]);
    assert_eq!(hex::encode(&call[..4]), "6a761202");
    let arguments = &call[4..];
    assert_eq!(abi::read_address(arguments, 0), Some([7; 20]));
    assert_eq!(abi::read_number(arguments, 1), Some(1_000_000_007));
    assert_eq!(abi::read_bytes(arguments, 2), Some(&[0xde, 0xad][..]));
    assert_eq!(abi::read_bytes(arguments, 9), Some(&[7; 130][..]));
    let several = multi_send(&[tx().call, tx().call]);
    assert_eq!(hex::encode(&several[..4]), "8d80ff0a");
    assert_eq!(abi::read_bytes(&several[4..], 0).map(<[u8]>::len), Some(2 * (1 + 20 + 32 + 32 + 2)));
}
