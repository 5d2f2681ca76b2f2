use serde_json::{Value, json};

use super::{Eip712Error, digest};
use crate::limits::{TYPED_DATA_DEPTH_MAX, TYPED_DATA_MEMBERS_MAX};

/// The example of EIP-712.
fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
            ],
            "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
            "Mail": [
                {"name": "from", "type": "Person"}, {"name": "to", "type": "Person"},
                {"name": "contents", "type": "string"},
            ],
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail", "version": "1", "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        },
        "message": {
            "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
            "contents": "Hello, Bob!",
        },
    })
}

/// A message with one member.
fn of(kind: &str, value: &Value) -> Result<[u8; 32], Eip712Error> {
    digest(&json!({
        "types": {"Thing": [{"name": "it", "type": kind}]},
        "primaryType": "Thing", "domain": {}, "message": {"it": value},
    }))
}

#[test]
fn the_example_of_the_standard() {
    let expected = "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
    assert_eq!(hex::encode(digest(&mail()).expect("is typed data")), expected);
    // Without the domain's description, it follows from the domain.
    let mut implied = mail();
    implied["types"].as_object_mut().expect("an object").remove("EIP712Domain");
    assert_eq!(hex::encode(digest(&implied).expect("is typed data")), expected);
}

#[test]
fn numbers_have_one_value_however_they_are_written() {
    let same = [json!(255), json!("255"), json!("0xff"), json!("0x00ff")];
    for value in &same {
        assert_eq!(of("uint8", value), of("uint8", &json!(255)), "{value}");
    }
    assert_eq!(of("int16", &json!(-1)), of("int16", &json!("-1")));
    for (kind, edge, beyond) in [
        ("uint8", json!(255), json!(256)),
        ("uint8", json!(0), json!(-1)),
        ("int8", json!(127), json!(128)),
        ("int8", json!(-128), json!(-129)),
        ("bytes2", json!("0x0102"), json!("0x010203")),
        ("bytes2", json!("0x0102"), json!("0x01")),
        ("bool", json!(true), json!("true")),
        ("string", json!(""), json!(1)),
        ("address", json!("0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"), json!("0x00")),
        ("uint8[2]", json!([1, 2]), json!([1])),
        ("uint8[][1]", json!([[1]]), json!([1])),
    ] {
        assert!(of(kind, &edge).is_ok(), "{kind} {edge}");
        assert!(matches!(of(kind, &beyond), Err(Eip712Error::Value { .. })), "{kind} {beyond}");
    }
    let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    assert!(of("uint256", &json!(most)).is_ok());
    assert!(of("uint256", &json!(format!("{most}0"))).is_err());
    for odd in ["uint7", "uint264", "bytes33", "bytes0", "uint08", "tuple", "Other", ""] {
        assert!(matches!(of(odd, &json!(1)), Err(Eip712Error::Type(_))), "{odd}");
    }
}

#[test]
fn what_is_bounded() {
    let nested = |levels: usize| {
        let value = (0..levels).fold(json!([]), |inner, _| json!([inner]));
        of(&format!("uint8{}", "[]".repeat(levels + 1)), &value)
    };
    assert!(nested(TYPED_DATA_DEPTH_MAX).is_ok());
    assert_eq!(nested(TYPED_DATA_DEPTH_MAX + 1), Err(Eip712Error::TooDeep));
    let wide = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| json!({"name": n.to_string(), "type": "bool"})).collect();
        let message: Value = (0..count).map(|n| (n.to_string(), json!(true))).collect();
        digest(&json!({
            "types": {"Thing": members}, "primaryType": "Thing", "domain": {}, "message": message,
        }))
    };
    assert!(wide(TYPED_DATA_MEMBERS_MAX).is_ok());
    assert_eq!(wide(TYPED_DATA_MEMBERS_MAX + 1), Err(Eip712Error::TooMany));
    for bad in [json!(1), json!({}), json!({"types": {}, "primaryType": "A", "domain": {}, "message": 1})] {
        assert_eq!(digest(&bad), Err(Eip712Error::Form), "{bad}");
    }
}
