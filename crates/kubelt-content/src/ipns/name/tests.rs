use super::{Name, NameError};
use crate::cid_text::CidBase;
use crate::ipns::{KeyError, SecretKey};

#[test]
fn a_name_is_read_in_every_base_and_written_in_one() {
    let name = SecretKey::from_seed(&[1; 32]).name();
    let canonical = name.to_string();
    assert!(canonical.starts_with("k51"), "{canonical}");
    for text in [canonical, name.format(CidBase::Base32), name.format(CidBase::Base58), name.to_peer_id()] {
        assert_eq!(Name::parse(&text), Ok(name), "{text}");
    }
    assert_eq!(Name::from_cid(&name.to_cid()), Ok(name));
    assert_eq!(name.inline_key().expect("the key itself").expect("a key").name(), name);
}

#[test]
fn what_is_no_name_is_refused() {
    let peer = SecretKey::from_seed(&[1; 32]).name().to_peer_id();
    let long = "1".repeat(300);
    for text in ["", "k", "example.com", "1", "12D3Koo", &peer[1..], &format!("{peer}1"), &long, "Qm", "k51é"]
    {
        assert_eq!(Name::parse(text), Err(NameError::Text), "{text}");
    }
    // A CID of a file, and an identity hash longer than any key.
    let file = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
    assert_eq!(Name::parse(file), Err(NameError::Codec(0x70)));
    let cid = crate::parse_cid(file).expect("a CID");
    assert!(Name::from_hash(cid.hash()).is_ok());
    let long = cid::multihash::Multihash::wrap(0, &[8; 43]).expect("below 64");
    assert_eq!(Name::from_hash(&long), Err(NameError::Hash));
    assert_eq!(Name::from_routing_key(b"/ipns"), Err(NameError::RoutingKey));
    assert_eq!(Name::from_routing_key(b"/ipns/\x00\x02\x08"), Err(NameError::RoutingKey));
}

#[test]
fn a_name_that_inlines_no_key_is_a_name_that_nothing_validates() {
    let hash = cid::multihash::Multihash::wrap(0, b"no key").expect("short");
    let name = Name::from_hash(&hash).expect("short enough");
    assert_eq!(name.inline_key(), Some(Err(KeyError::Message)));
}
