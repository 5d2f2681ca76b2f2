//! The codecs agree with the fixtures of IPLD (`spec/vectors/ipld.json`).

use bytes::Bytes;
use kubelt_content::{Block, Codec, links, parse_cid};
use serde_json::Value;

#[test]
fn every_form_is_read_and_becomes_every_other() {
    let vectors = vectors();
    let mut checked = 0;
    for fixture in list(&vectors, "fixtures") {
        let forms = fixture["forms"].as_object().expect("forms");
        for (from, form) in forms {
            let data = bytes(form);
            let cid = parse_cid(form["cid"].as_str().expect("a CID")).expect("a good CID");
            Block::checked(cid, data.clone()).expect("the fixture matches its CID");
            if fixture["name"] == "int--11959030306112471732" && from == "dag-json" {
                // Below 64 bits: refused where others read a float.
                assert!(codec(from).decode(&data).is_err());
                continue;
            }
            let value = codec(from).decode(&data).unwrap_or_else(|error| panic!("{fixture}: {error:?}"));
            for (to, other) in forms {
                let encoded = codec(to).encode(&value).expect("a value of a fixture has every form");
                assert_eq!(hex::encode(&encoded), other["hex"], "{} to {to}: {fixture}", from);
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "only {checked} conversions");
}

#[test]
fn the_links_of_every_form_are_the_same() {
    let vectors = vectors();
    let mut found = 0;
    let is_too_small = |fixture: &Value| fixture["name"] == "int--11959030306112471732";
    for fixture in list(&vectors, "fixtures").iter().filter(|fixture| !is_too_small(fixture)) {
        let forms = fixture["forms"].as_object().expect("forms");
        for (name, form) in forms {
            let data = bytes(form);
            let codec = codec(name);
            let mut expected = Vec::new();
            codec.decode(&data).expect("decodes").references(&mut expected);
            let mut actual = links(codec, &data).expect("has links");
            expected.sort();
            actual.sort();
            assert_eq!(actual, expected, "{fixture}");
            found += actual.len();
        }
    }
    assert!(found > 50, "only {found} links");
}

#[test]
fn malformed_bytes_are_refused() {
    let vectors = vectors();
    for case in list(&vectors, "refused_bytes") {
        let (codec, data) = (codec(case["codec"].as_str().expect("a codec")), bytes(case));
        assert!(codec.decode(&data).is_err(), "decoded: {case}");
        assert!(links(codec, &data).is_err(), "links: {case}");
    }
}

#[test]
fn values_without_a_form_are_refused() {
    let vectors = vectors();
    for case in list(&vectors, "refused_values") {
        let text = case["dag-json"].as_str().expect("a text");
        // Some values are no dag-json either.
        let Ok(value) = Codec::DagJson.decode(text.as_bytes()) else { continue };
        assert!(Codec::DagPb.encode(&value).is_err(), "encoded: {case}");
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../spec/vectors/ipld.json")).expect("the vectors are JSON")
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let cases = vectors[name].as_array().expect("a list");
    assert!(!cases.is_empty(), "no cases of {name}");
    cases
}

fn codec(name: &str) -> Codec {
    let all = [Codec::DagPb, Codec::DagCbor, Codec::DagJson];
    all.into_iter().find(|codec| codec.name() == name).expect("a known codec")
}

fn bytes(form: &Value) -> Bytes {
    Bytes::from(hex::decode(form["hex"].as_str().expect("a text")).expect("hexadecimal"))
}
