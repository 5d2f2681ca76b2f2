use kubelt_content::{ipns::SecretKey, parse_cid};

use super::{ContentPath, ContentPathError, NameRef, Start};

#[test]
fn content_paths_are_read() {
    let cid = parse_cid("bafkqaaa").expect("a CID");
    let path = ContentPath::parse("/ipfs/bafkqaaa/a b/c/").expect("a path");
    assert_eq!((path.start, path.segments), (Start::Cid(cid), vec!["a b".to_owned(), "c".to_owned()]));
    let key = SecretKey::from_seed(&[1; 32]).name();
    for text in [key.to_string(), key.to_peer_id()] {
        let path = ContentPath::parse(&format!("/ipns/{text}")).expect("a path");
        assert_eq!(path.start, Start::Name(NameRef::Ipns(key)));
    }
    let dns = ContentPath::parse("/ipns/Example.ORG").expect("a path");
    assert_eq!(dns.start, Start::Name(NameRef::Dns("example.org".to_owned())));
}

#[test]
fn what_is_no_content_path_is_refused() {
    let form = |text: &str| ContentPathError::Form(text.to_owned());
    for text in ["", "/", "/ipfs", "bafkqaaa", "ipfs/bafkqaaa", "/ipld/bafkqaaa", "https://example.org"] {
        assert_eq!(ContentPath::parse(text), Err(form(text)));
    }
    for text in ["/ipfs/bafkqaaa/../a", "/ipfs/bafkqaaa//a", "/ipfs/bafkqaaa/./a", "/ipfs/bafkqaaa/a\0"] {
        assert_eq!(ContentPath::parse(text), Err(ContentPathError::Segment));
    }
    assert_eq!(ContentPath::parse("/ipfs/x"), Err(ContentPathError::Cid("x".to_owned())));
    assert_eq!(ContentPath::parse("/ipns/nothing"), Err(ContentPathError::Name("nothing".to_owned())));
    let deep = format!("/ipfs/bafkqaaa{}", "/a".repeat(257));
    assert_eq!(ContentPath::parse(&deep), Err(ContentPathError::Segment));
}
