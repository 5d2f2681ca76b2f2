use cid::Cid;
use multihash_codetable::{Code, MultihashDigest as _};

use super::{BadLine, Denylist, DenylistError};
use crate::{CidBase, format_cid, parse_cid};

const RAW: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const KEY: &str = "k51qzi5uqu5dgy6fu9073kabgj2nuq3qyo4f2rcnn4380z6n8i4v2lvo8dln6l";

fn cid() -> Cid {
    parse_cid(RAW).expect("a CID")
}

fn list(text: &str) -> Denylist {
    let mut list = Denylist::default();
    assert_eq!(list.read(text), Ok(vec![]), "{text}");
    list
}

#[test]
fn a_cid_is_denied_in_every_codec_and_base() {
    let dag_pb = Cid::new_v1(0x70, *cid().hash());
    let v0 = Cid::new_v0(*cid().hash()).expect("sha2-256");
    for written in
        [cid().to_string(), dag_pb.to_string(), v0.to_string(), format_cid(&cid(), CidBase::Base36)]
    {
        let list = list(&format!("/ipfs/{written}\n"));
        for asked in [cid(), dag_pb, v0] {
            assert!(list.denies_cid(&asked), "{written}: {asked}");
        }
        assert!(!list.denies_path(&cid(), "a"), "only the CID itself: its block stops what lies below");
        assert!(!list.denies_key(&cid(), ""), "names are another matter");
    }
}

#[test]
fn paths_and_beginnings_of_paths() {
    let list = list(&format!("/ipfs/{RAW}/a%20b/c/\n/ipfs/{RAW}/test*\n/ipfs/{RAW}/dir/*"));
    for (path, denied) in [
        ("a b/c", true),
        ("a b/c/d", false),
        ("a b", false),
        ("test", true),
        ("testing/x", true),
        ("tes", false),
        ("dir", true),
        ("dir/x", true),
        ("", false),
    ] {
        assert_eq!(list.denies_path(&cid(), path), denied, "{path}");
    }
    let all = super::Denylist::default();
    assert!(!all.denies_path(&cid(), "dir"), "an empty list denies nothing");
}

#[test]
fn the_last_rule_that_matches_decides() {
    let list = list(&format!("/ipfs/{RAW}/x*\n!/ipfs/{RAW}/xnot\n!/ipns/my.domain\n/ipns/my.domain"));
    assert!(list.denies_path(&cid(), "x/y"));
    assert!(!list.denies_path(&cid(), "xnot"));
    assert!(list.denies_domain("My.Domain", ""));
}

#[test]
fn names_are_denied_by_key_or_domain() {
    let key = parse_cid(KEY).expect("a CID");
    let peer = multibase::Base::Base58Btc.encode(key.hash().to_bytes());
    for written in [KEY, &peer] {
        let list = list(&format!("/ipns/{written}"));
        assert!(list.denies_key(&key, ""));
        assert!(!list.denies_cid(&key));
    }
    assert!(list("/ipns/a.example/path*").denies_domain("a.example", "path/x"));
    assert!(!list("/ipns/a.example/path*").denies_domain("a.example", ""));
}

#[test]
fn hashed_rules_name_nothing_and_deny_all_the_same() {
    let mh = multibase::Base::Base58Btc.encode(cid().hash().to_bytes());
    let double =
        |code: Code, text: &str| multibase::Base::Base58Btc.encode(code.digest(text.as_bytes()).to_bytes());
    for code in [Code::Sha2_256, Code::Blake3_256] {
        assert!(list(&format!("//{}", double(code, &mh))).denies_cid(&cid()));
        let path = list(&format!("//{}", double(code, &format!("{mh}/my/path"))));
        assert!(path.denies_path(&cid(), "my/path") && !path.denies_path(&cid(), "my"));
        let domain = list(&format!("//{}", double(code, "/ipns/bad.example")));
        assert!(domain.denies_domain("bad.example", ""));
    }
    let legacy =
        |text: String| multibase::Base::Base16Lower.encode(Code::Sha2_256.digest(text.as_bytes()).digest());
    assert!(list(&format!("//{}", legacy(format!("{RAW}/")))).denies_cid(&cid()));
    assert!(list(&format!("//{}", legacy(format!("{RAW}/path")))).denies_path(&cid(), "path"));
    assert!(list(&format!("//{}", legacy("bad.example/".to_owned()))).denies_domain("bad.example", ""));
}

/// The example of the specification, whose texts and hashes belong together.
#[test]
fn the_hashes_of_the_specification() {
    let list = list(concat!(
        "version: 1\nname: x\nhints:\n  a: b\n---\n# comment\n",
        "//QmX9dhRcQcKUw3Ws8485T5a9dtjrSCQaUAHnG4iK9i4ceM gateway=410\n",
        "//d9d295bde21f422d471a90f2a37ec53049fdf3e5fa3ee2e8f20e10003da429e7\n",
    ));
    assert_eq!(list.len(), 2);
    assert!(list.denies_cid(
        &parse_cid("bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja").expect("a CID")
    ));
    let legacy = parse_cid("bafybeiefwqslmf6zyyrxodaxx4vwqircuxpza5ri45ws3y5a62ypxti42e").expect("a CID");
    assert!(list.denies_cid(&legacy));
}

#[test]
fn bad_lines_are_named_and_the_rest_counts() {
    let mut list = Denylist::default();
    let text = format!("version: 1\n---\n/ipfs/nothing\n/ipfs/{RAW}\n/path\n/ipns/nodot\n//short\n");
    let bad = list.read(&text).expect("read");
    assert_eq!(bad, [3, 5, 6, 7].map(|line| BadLine { line }));
    assert!(list.denies_cid(&cid()));
    assert_eq!(list.read("version: 2\n---\n"), Err(DenylistError::Version("2".to_owned())));
}
