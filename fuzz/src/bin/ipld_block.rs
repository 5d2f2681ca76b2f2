//! Blocks of every codec: what decodes encodes again, strict codecs to the same bytes, with the same links.
#![no_main]

use kubelt_content::dag_pb::PbNode;
use kubelt_content::unixfs::{Data, UnixFsNode};
use kubelt_content::{Cid, Codec, CodecError, Ipld, links};
use libfuzzer_sys::fuzz_target;

const CODECS: [Codec; 5] = [Codec::Raw, Codec::DagPb, Codec::DagCbor, Codec::DagJson, Codec::Json];

fuzz_target!(|data: &[u8]| {
    for codec in CODECS {
        check_codec(codec, data);
    }
    if let Ok(node) = PbNode::decode(data) {
        // Strict up to lengths that are written longer than they need be.
        let encoded = node.encode();
        assert_eq!(PbNode::decode(&encoded).expect("what is written decodes"), node);
    }
    if let Ok(message) = Data::decode(data) {
        assert_eq!(Data::decode(&message.encode()).expect("what is written decodes"), message);
    }
    let _bounded_and_without_panic = UnixFsNode::decode(data);
});

fn check_codec(codec: Codec, data: &[u8]) {
    let Ok(value) = codec.decode(data) else { return };
    let found = links(codec, data).expect("what decodes has links");
    let mut expected = Vec::new();
    collect(&value, &mut expected);
    if codec != Codec::Json {
        assert_eq!(sorted(found), sorted(expected), "{codec:?}");
    }
    let encoded = match codec.encode(&value) {
        Ok(encoded) => encoded,
        // Links in any order are read, sorted ones are written.
        Err(CodecError::NoForm(Codec::DagPb)) => return,
        Err(error) => panic!("what was decoded does not encode: {error}"),
    };
    if codec == Codec::DagCbor {
        assert_eq!(encoded, data);
    }
    assert_eq!(codec.decode(&encoded).expect("what was encoded decodes"), value, "{codec:?}");
}

fn collect(value: &Ipld, cids: &mut Vec<Cid>) {
    match value {
        Ipld::Link(cid) => cids.push(*cid),
        Ipld::List(items) => items.iter().for_each(|item| collect(item, cids)),
        Ipld::Map(map) => map.values().for_each(|item| collect(item, cids)),
        _ => {}
    }
}

fn sorted(mut cids: Vec<Cid>) -> Vec<Cid> {
    cids.sort();
    cids
}
