use super::{EnsName, EnsNameError};
use crate::limits::{ENS_LABELS_MAX, ENS_NAME_BYTES_MAX};

fn name(text: &str) -> EnsName {
    text.parse().expect("a name")
}

/// What `namehash` of the ethers library gives.
#[test]
fn names_have_the_hashes_that_contracts_know_them_by() {
    for (text, hash) in [
        ("vitalik.eth", "ee6c4522aab0003e8d14cd40a6af439055fd2577951148c14b6cea9a53475835"),
        ("foo.eth", "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"),
        ("alice.eth", "787192fc5378cc32aa956ddfdedbf26b24e8d78e40109add0eea2c1a012c3dec"),
    ] {
        assert_eq!(hex::encode(name(text).namehash()), hash, "{text}");
    }
    let nodes: Vec<_> = name("a.foo.eth").nodes().collect();
    assert_eq!(nodes.len(), 3);
    assert_eq!((nodes[0], nodes[1]), (name("a.foo.eth").namehash(), name("foo.eth").namehash()));
    assert_eq!(hex::encode(nodes[2]), "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae");
}

#[test]
fn names_are_normalised_first() {
    for (text, normal) in [
        ("Alice.ETH", "alice.eth"),
        ("ＡＬＩＣＥ.eth", "alice.eth"),
        ("a.b.c.eth", "a.b.c.eth"),
        ("_under.eth", "_under.eth"),
        ("bücher.eth", "bücher.eth"),
        ("bu\u{308}cher.eth", "bücher.eth"),
        ("🚀.eth", "🚀.eth"),
        ("soft\u{ad}hyphen.eth", "softhyphen.eth"),
    ] {
        let found = name(text);
        assert_eq!((found.as_str(), EnsName::is_meant(text)), (normal, true), "{text}");
        assert_eq!(name(found.as_str()), found, "{text}: normal names stay as they are");
    }
    assert_eq!(name("a.bü.eth").dns_encoded(), b"\x01a\x03b\xc3\xbc\x03eth\x00");
}

#[test]
fn what_only_looks_like_a_name_is_refused() {
    for text in [
        "",
        "eth",
        "alice",
        "alice.xyz",
        "alice.eth.",
        "alice.eth.org",
        "0xabc",
        "alice.\u{435}th",
        "alice．eth",
    ] {
        assert!(matches!(text.parse::<EnsName>(), Err(EnsNameError::Ending(_))), "{text}");
    }
    for text in [
        ".eth",
        "a..eth",
        ".a.eth",
        "a b.eth",
        "a/b.eth",
        "a_b.eth",
        "ab--c.eth",
        "a\0.eth",
        "a\u{202e}b.eth",
        // A Cyrillic letter among Latin ones, and a whole that is confused with another.
        "аlice.eth",
        "\u{3bf}\u{6c0}.eth",
        "[787192fc5378cc32aa956ddfdedbf26b24e8d78e40109add0eea2c1a012c3dec].eth",
    ] {
        let refused = text.parse::<EnsName>().expect_err(text);
        assert!(matches!(refused, EnsNameError::Form { .. }), "{text}");
        let said = refused.to_string();
        assert!(said.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{said}");
    }
    let long = |count: usize| format!("{}.eth", "a".repeat(count));
    assert!(long(ENS_NAME_BYTES_MAX - 4).parse::<EnsName>().is_ok());
    for text in [long(ENS_NAME_BYTES_MAX - 3), long(1 << 20), format!("{}eth", "a.".repeat(ENS_LABELS_MAX))] {
        assert_eq!(text.parse::<EnsName>(), Err(EnsNameError::Long));
    }
    assert!(format!("{}eth", "a.".repeat(ENS_LABELS_MAX - 1)).parse::<EnsName>().is_ok());
}
