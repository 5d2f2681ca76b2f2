use cid::Cid;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::{PbError, PbLink, PbNode, links};
use crate::protobuf::ProtobufError;
use crate::varint::VarintError;

/// A CIDv0 as it stands in a block: two bytes of multihash and the digest.
fn cid_bytes(digit: u8) -> Vec<u8> {
    [&[0x12, 0x20][..], &[digit; 32]].concat()
}

fn link_bytes(digit: u8) -> Vec<u8> {
    [&[0x12, 36, 0x0a, 34][..], &cid_bytes(digit)].concat()
}

#[track_caller]
fn refused(parts: &[&[u8]], expected: PbError) {
    let block = parts.concat();
    assert_eq!(PbNode::decode(&block), Err(expected));
    assert_eq!(links(&block), Err(expected));
}

#[test]
fn links_may_stand_before_or_after_the_data() {
    let (data, two_links) = ([0x0a, 1, 7], [link_bytes(1), link_bytes(2)].concat());
    let first = [&two_links[..], &data].concat();
    let last = [&data[..], &two_links].concat();
    let node = PbNode::decode(&first).expect("links first");
    assert_eq!(Ok(&node), PbNode::decode(&last).as_ref());
    assert_eq!(node.encode(), first, "written links first");
    assert_eq!(links(&last), Ok(node.links.iter().map(|link| link.cid).collect()));
}

#[test]
fn loose_nodes_are_refused() {
    let link = link_bytes(1);
    let data = [0x0a, 1, 7];
    refused(&[&link, &data, &link], PbError::Field(2));
    refused(&[&data, &data], PbError::Field(1));
    refused(&[&[0x1a, 0]], PbError::Field(3));
    refused(&[&[0x08, 1]], PbError::Field(1));
    refused(&[&[0x0a, 5, 1]], PbError::Protobuf(ProtobufError::Truncated));
    refused(&[&[0x0b]], PbError::Protobuf(ProtobufError::WireType(3)));
    refused(&[&[0x8a, 0x00, 0]], PbError::Protobuf(VarintError::NotMinimal.into()));
}

#[test]
fn loose_links_are_refused() {
    let cid = [&[0x0a, 34][..], &cid_bytes(1)].concat();
    let name = [0x12, 1, b'n'];
    let tsize = [0x18, 9];
    let link = |parts: &[&[u8]]| {
        let body = parts.concat();
        let length = u8::try_from(body.len()).expect("short");
        [&[0x12, length][..], &body].concat()
    };
    let whole = link(&[&cid, &name, &tsize]);
    assert_eq!(PbNode::decode(&whole).expect("strict").encode(), whole);
    refused(&[&link(&[])], PbError::LinkCid);
    refused(&[&link(&[&name, &tsize])], PbError::LinkCid);
    refused(&[&link(&[&name, &cid])], PbError::Field(1));
    refused(&[&link(&[&cid, &cid])], PbError::Field(1));
    refused(&[&link(&[&cid, &tsize, &name])], PbError::Field(2));
    refused(&[&link(&[&cid, &[0x12, 1, 0xff]])], PbError::LinkName);
    refused(&[&link(&[&[0x0a, 2, 1, 2]])], PbError::LinkCid);
    // A CID and one byte more.
    refused(&[&link(&[&[0x0a, 35], &cid_bytes(1)[..], &[0]])], PbError::LinkCid);
}

#[test]
fn a_block_has_a_greatest_number_of_links() {
    // Identity CIDs with no digest are the shortest: four bytes.
    let shortest = [0x12, 6, 0x0a, 4, 1, 0x55, 0, 0];
    let most = shortest.repeat(crate::limits::LINKS_PER_BLOCK_MAX);
    assert_eq!(links(&most).map(|links| links.len()), Ok(crate::limits::LINKS_PER_BLOCK_MAX));
    refused(&[&most, &shortest], PbError::TooManyLinks);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        parts in proptest::collection::vec((any::<u8>(), proptest::option::of(".{0,20}"), any::<Option<u64>>()), 0..20),
        data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
    ) {
        let parts: Vec<_> =
            parts.into_iter().map(|(digit, name, tsize)| (Cid::try_from(cid_bytes(digit)).expect("a CID"), name, tsize)).collect();
        let links = parts.iter().map(|(cid, name, tsize)| PbLink { cid: *cid, name: name.as_deref(), tsize: *tsize });
        let node = PbNode { links: links.collect(), data: data.as_deref() };
        let block = node.encode();
        prop_assert_eq!(PbNode::decode(&block), Ok(node));
    }

    #[test]
    fn any_bytes_are_refused_or_have_one_form(bytes in nearly_nodes()) {
        if let Ok(node) = PbNode::decode(&bytes) {
            let again = node.encode();
            prop_assert_eq!(PbNode::decode(&again), Ok(node.clone()));
            let data_first = node.data.is_some() && bytes.first() == Some(&0x0a);
            prop_assert!(again == bytes || data_first);
            prop_assert_eq!(links(&bytes).map(|links| links.len()), Ok(node.links.len()));
        } else {
            prop_assert!(links(&bytes).is_err());
        }
    }
}

/// Bytes that are often a node and often just not.
fn nearly_nodes() -> impl Strategy<Value = Vec<u8>> {
    let part = (0_usize..6, any::<u8>()).prop_map(|(kind, byte)| match kind {
        0 | 1 => link_bytes(byte),
        2 => [&[0x12, 41, 0x0a, 34][..], &cid_bytes(byte), &[0x12, 1, b'a', 0x18, byte]].concat(),
        3 => vec![0x0a, 1, byte],
        4 => vec![0x0a, 0],
        _ => vec![byte],
    });
    proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}
