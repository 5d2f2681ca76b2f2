use bytes::Bytes;
use cid::Cid;
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_assert_eq, proptest},
};

use super::{Message, MessageError, Payload, Presence, Want, WantKind};
use crate::{Block, Codec, HASH_SHA2_512, VerifyError, limits::BITSWAP_ENTRIES_MAX, parse_cid};

fn encoded(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out.len(), message.encoded_len());
    out.into()
}

fn cids() -> impl Strategy<Value = Cid> {
    (vec(any::<u8>(), 0..40), any::<u8>()).prop_map(|(data, kind)| {
        let block = match kind % 3 {
            0 => Block::hash_v0(data.into()),
            1 => Block::hash(Codec::Raw, data.into()),
            _ => Block::with_hash(0x71, HASH_SHA2_512, data.into()).expect("a known hash"),
        };
        *block.cid()
    })
}

fn wants() -> impl Strategy<Value = Want> {
    (cids(), any::<i32>(), any::<[bool; 3]>()).prop_map(|(cid, priority, [cancel, have, send_dont_have])| {
        let kind = if have { WantKind::Have } else { WantKind::Block };
        Want { cid, priority, cancel, kind, send_dont_have }
    })
}

fn payloads() -> impl Strategy<Value = Payload> {
    (cids(), vec(any::<u8>(), 0..300)).prop_map(|(cid, data)| Payload::of(&cid, data.into()))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        full in any::<bool>(),
        wants in vec(wants(), 0..8),
        payloads in vec(payloads(), 0..4),
        presences in vec((cids(), any::<bool>()), 0..8),
        pending_bytes in any::<i32>(),
    ) {
        let presences = presences.into_iter().map(|(cid, has)| Presence { cid, has }).collect();
        let message = Message { full, wants, payloads, presences, pending_bytes };
        prop_assert_eq!(Message::decode(&encoded(&message)), Ok(message));
    }

    #[test]
    fn blocks_find_their_names(data in vec(any::<u8>(), 0..300)) {
        let data = Bytes::from(data);
        for block in [
            Block::hash_v0(data.clone()),
            Block::hash(Codec::DagCbor, data.clone()),
            Block::with_hash(0x55, HASH_SHA2_512, data.clone()).expect("a known hash"),
        ] {
            let came = Payload::of(block.cid(), data.clone()).into_block().expect("a block");
            prop_assert_eq!(came, block);
        }
    }
}

#[test]
fn messages_of_others_are_read() {
    // Written by hand after the specification: a want list with one want-have, and a block.
    let cid = parse_cid("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").expect("a CID");
    let mut want = vec![0x0a, 34];
    want.extend(cid.to_bytes());
    want.extend([0x10, 0xff, 0xff, 0xff, 0xff, 0x07, 0x20, 1, 0x28, 1]);
    let want_len = u8::try_from(want.len()).expect("short");
    let mut bytes = vec![0x0a, 4 + want_len, 0x0a, want_len];
    bytes.extend(&want);
    bytes.extend([0x10, 1]);
    bytes.extend([0x1a, 11, 0x0a, 4, 1, 0x55, 0x12, 0x20, 0x12, 3, b'a', b'b', b'c']);
    // A field that nobody knows yet.
    bytes.extend([0x78, 1]);
    let message = Message::decode(&bytes.into()).expect("a message");
    assert!(message.full);
    let wanted = Want { cid, priority: i32::MAX, cancel: false, kind: WantKind::Have, send_dont_have: true };
    assert_eq!(message.wants, [wanted]);
    let block = message.payloads[0].clone().into_block().expect("a block");
    assert_eq!(block, Block::hash(Codec::Raw, Bytes::from_static(b"abc")));
    // Bitswap 1.0.0 sends the bytes alone.
    let old = Message::decode(&Bytes::from_static(b"\x12\x03abc")).expect("a message");
    let block = old.payloads[0].clone().into_block().expect("a block");
    assert_eq!(block, Block::hash_v0(Bytes::from_static(b"abc")));
}

#[test]
fn malformed_messages_are_refused() {
    let check = |bytes: &[u8], error| {
        assert_eq!(Message::decode(&Bytes::copy_from_slice(bytes)), Err(error), "{bytes:?}");
    };
    check(&[0x0a, 2, 0x0a, 0], MessageError::Cid);
    check(&[0x0a, 4, 0x0a, 2, 0x0a, 0], MessageError::Cid);
    check(&[0x08, 1], MessageError::Field(1));
    check(&[0x1a, 2, 0x12, 0], MessageError::Prefix);
    check(&[0x1a, 6, 0x0a, 4, 2, 0x55, 0x12, 0x20], MessageError::Prefix);
    check(&[0x22, 0], MessageError::Cid);
    assert!(matches!(Message::decode(&Bytes::from_static(&[0x0a, 5, 0])), Err(MessageError::Protobuf(_))));
    let cid = *Block::hash(Codec::Raw, Bytes::new()).cid();
    let want = Want::new(cid, WantKind::Have, 0);
    let mut message = Message { wants: vec![want; BITSWAP_ENTRIES_MAX], ..Message::default() };
    assert_eq!(Message::decode(&encoded(&message)), Ok(message.clone()));
    message.wants.push(want);
    assert_eq!(Message::decode(&encoded(&message)), Err(MessageError::TooMany));
}

#[test]
fn bytes_that_name_nothing_are_no_block() {
    let cid = *Block::hash(Codec::Raw, Bytes::new()).cid();
    let good = Payload::of(&cid, Bytes::from_static(b"abc"));
    let check = |change: fn(&mut Payload), expected: VerifyError| {
        let mut payload = good.clone();
        change(&mut payload);
        assert_eq!(payload.into_block().map(|block| *block.cid()), Err(expected));
    };
    check(|payload| payload.prefix.hash = 0, VerifyError::UnknownHash(0));
    check(|payload| payload.prefix.digest_len = 31, VerifyError::DigestLength { code: 0x12, length: 31 });
    check(|payload| payload.prefix.version = 0, VerifyError::Mismatch);
}
