use ipld_core::ipld::Ipld;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::{JsonError, decode_dag, decode_plain, encode_dag, encode_plain};
use crate::limits::IPLD_DEPTH_MAX;

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for decode in [decode_dag, decode_plain] {
        assert!(decode(nested(IPLD_DEPTH_MAX).as_bytes()).is_ok());
        assert!(matches!(decode(nested(IPLD_DEPTH_MAX + 1).as_bytes()), Err(JsonError::TooDeep)));
    }
    // Brackets in texts nest nothing.
    let text = format!(r#""\"{}\\""#, "[{".repeat(500));
    assert!(decode_plain(text.as_bytes()).is_ok());
}

#[test]
fn integers_are_never_read_as_floats() {
    for decode in [decode_dag, decode_plain] {
        assert!(matches!(decode(b"18446744073709551615"), Ok(Ipld::Integer(18_446_744_073_709_551_615))));
        assert!(matches!(decode(b"-9223372036854775808"), Ok(Ipld::Integer(-9_223_372_036_854_775_808))));
        for large in ["18446744073709551616", "-9223372036854775809", "[1, 99999999999999999999]"] {
            assert!(matches!(decode(large.as_bytes()), Err(JsonError::IntegerRange)), "{large}");
        }
        assert!(matches!(decode(b"1.5e3"), Ok(Ipld::Float(1500.0))));
    }
}

#[test]
fn a_map_that_looks_like_a_link_is_one_only_in_dag_json() {
    let text = br#"{"/":"bafkqaaa"}"#;
    assert!(matches!(decode_dag(text), Ok(Ipld::Link(_))));
    assert!(matches!(decode_plain(text), Ok(Ipld::Map(_))));
}

#[test]
fn plain_json_takes_no_bytes() {
    assert!(matches!(encode_plain(&Ipld::List(vec![Ipld::Bytes(vec![1])])), Err(JsonError::NotPlain)));
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read_back(text in r#"[\[\]{}",:0-9a-z\\ .-]{0,60}"#, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for data in [text.as_bytes(), &bytes] {
            if let Ok(value) = decode_dag(data) {
                let again = encode_dag(&value).expect("has a form");
                prop_assert_eq!(decode_dag(&again).expect("is dag-json"), value);
            }
        }
    }
}
