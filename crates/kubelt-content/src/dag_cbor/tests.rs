use cid::Cid;
use ipld_core::ipld::Ipld;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{CborError, decode, encode, links};
use crate::limits::IPLD_DEPTH_MAX;

#[track_caller]
fn refused(hex: &str, expected: &str) {
    let data = hex::decode(hex).expect("hexadecimal");
    let error = links(&data).expect_err("refused");
    assert!(format!("{error:?}").starts_with(expected), "{hex}: {error:?}");
    assert!(decode(&data).is_err(), "{hex} was decoded");
}

#[test]
fn forms_that_dag_cbor_does_not_have_are_refused() {
    refused("", "Truncated");
    refused("1801", "Form(24)");
    refused("190001", "Form(25)");
    refused("1a0000ffff", "Form(26)");
    refused("1b00000000ffffffff", "Form(27)");
    refused("5f40ff", "Form(95)");
    refused("7f60ff", "Form(127)");
    refused("9fff", "Form(159)");
    refused("bfff", "Form(191)");
    refused("c001", "Form(192)");
    refused("d82b4100", "Form(216)");
    refused("f7", "Form(247)");
    refused("f820", "Form(248)");
    refused("f93c00", "Form(249)");
    refused("fa3fc00000", "Form(250)");
    refused("fb7ff8000000000000", "Form(251)");
    refused("fb7ff0000000000000", "Form(251)");
    refused("ff", "Form(255)");
    refused("0000", "Trailing");
}

#[test]
fn lengths_that_lie_are_refused() {
    refused("4401", "Truncated");
    refused("6261", "Truncated");
    refused("9bffffffffffffffff", "Truncated");
    refused("bbffffffffffffffff", "Truncated");
    refused("5bffffffffffffffff00", "Truncated");
    refused("8201", "Truncated");
}

#[test]
fn maps_have_distinct_sorted_texts_as_keys() {
    assert!(links(&hex::decode("a2616101616202").expect("hexadecimal")).is_ok());
    refused("a2616202616101", "MapKey");
    refused("a2626161016162f6", "MapKey");
    refused("a2616101616102", "MapKey");
    refused("a10101", "MapKey");
    refused("a14100f6", "MapKey");
    refused("a161ff01", "Text");
    refused("61ff", "Text");
}

#[test]
fn links_are_whole_cids_behind_a_zero() {
    let cid = "0155122001010101010101010101010101010101010101010101010101010101010101".to_owned() + "01";
    let good = format!("d82a582500{cid}");
    assert_eq!(links(&hex::decode(&good).expect("hexadecimal")).map(|links| links.len()).ok(), Some(1));
    refused(&format!("d82a582501{cid}"), "LinkCid");
    refused(&format!("d82a582600{cid}00"), "LinkCid");
    refused("d82a40", "LinkCid");
    refused("d82a4100", "LinkCid");
    refused("d82a6100", "LinkCid");
    refused("d82a00", "LinkCid");
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0xf6]].concat();
    assert!(decode(&nested(IPLD_DEPTH_MAX)).is_ok());
    assert!(matches!(decode(&nested(IPLD_DEPTH_MAX + 1)), Err(CborError::TooDeep)));
    // A bomb of nesting is refused in as little time as anything else.
    assert!(matches!(links(&nested(1 << 20)), Err(CborError::TooDeep)));
}

proptest! {
    #[test]
    fn values_are_written_and_read(value in values()) {
        let data = encode(&value).expect("has a form");
        prop_assert_eq!(decode(&data).expect("is strict"), value.clone());
        let mut expected: Vec<Cid> = Vec::new();
        value.references(&mut expected);
        let mut found = links(&data).expect("is strict");
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_value_has_one_form(value in values(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut data = encode(&value).expect("has a form").to_vec();
        let at = at.index(data.len());
        data[at] = byte;
        match decode(&data) {
            Ok(value) => prop_assert_eq!(encode(&value).expect("has a form"), data),
            Err(CborError::Decode(error)) => panic!("the scan took what the decoder refused: {error} {data:02x?}"),
            Err(_) => prop_assert!(links(&data).is_err()),
        }
    }
}

fn values() -> impl Strategy<Value = Ipld> {
    let digests = any::<[u8; 4]>().prop_map(|bytes| {
        let hash = cid::multihash::Multihash::wrap(0, &bytes).expect("short");
        Ipld::Link(Cid::new_v1(0x55, hash))
    });
    let leaves = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(|integer| Ipld::Integer(i128::from(integer))),
        any::<u64>().prop_map(|integer| Ipld::Integer(i128::from(integer))),
        (-1e9..1e9).prop_map(Ipld::Float),
        ".{0,30}".prop_map(Ipld::String),
        proptest::collection::vec(any::<u8>(), 0..30).prop_map(Ipld::Bytes),
        digests,
    ];
    leaves.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Ipld::List),
            proptest::collection::btree_map(".{0,6}", inner, 0..6).prop_map(Ipld::Map),
        ]
    })
}
