//! What peers send around a sync: whatever it is, it is read as it was written or refused, and a proof that was not
//! made for this connection is none. The first byte picks what the rest is.
#![no_main]

use kubelt_core::peer::{
    Ask, FRAME_HEAD_BYTES, Follow, FrameHead, Hello, Kind, Open, Opened, Published, Settled, Shown, Want,
    read_block,
};
use kubelt_core::{Genesis, SessionKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((what, bytes)) = data.split_first() else { return };
    match what % 11 {
        0 => frame(bytes),
        1 => same(bytes, Hello::decode(bytes).map(|hello| hello.encode())),
        2 => open(bytes),
        3 => same(bytes, Opened::decode(bytes).map(|opened| opened.encode())),
        4 => same(bytes, Want::decode(bytes).map(|want| want.encode())),
        5 => same(bytes, Settled::decode(bytes).map(|settled| settled.encode())),
        7 => same(bytes, Follow::decode(bytes).map(|follow| follow.encode())),
        8 => same(bytes, Published::decode(bytes).map(|published| published.encode())),
        9 => same(bytes, Ask::decode(bytes).map(|ask| ask.encode())),
        10 => same(bytes, Shown::decode(bytes).map(|shown| shown.encode())),
        _ => {
            if let Ok((cid, data)) = read_block(bytes) {
                assert!(bytes.ends_with(data) && data.len() < bytes.len());
                let _known = kubelt_content::Block::checked(cid, data.to_vec().into());
            }
        }
    }
});

fn frame(bytes: &[u8]) {
    let Some((head, _payload)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else { return };
    let Ok(frame) = FrameHead::decode(head) else { return };
    assert_eq!(frame.encode(), *head);
    assert!(frame.len <= frame.kind.bytes_max());
    assert_eq!(frame.channel == 0, matches!(frame.kind, Kind::Hello | Kind::Ping | Kind::Pong));
}

fn same<E>(bytes: &[u8], read: Result<Vec<u8>, E>) {
    if let Ok(again) = read {
        assert_eq!(again, bytes);
    }
}

fn open(bytes: &[u8]) {
    let Ok(open) = Open::decode(bytes) else { return };
    assert_eq!(open.encode(), bytes);
    let Some(proof) = &open.proof else { return };
    let (from, to) = (SessionKey::from_seed([1; 32]).public(), SessionKey::from_seed([2; 32]).public());
    let elsewhere = Genesis::Private { root: SessionKey::from_seed([3; 32]).account() }.id();
    // Nobody has signed anything for these nodes and this nonce.
    assert!(proof.check(open.core, &from, &to, &[0x5a; 32], proof.at_ms, &kubelt_core::Unchecked).is_err());
    assert!(proof.check(elsewhere, &from, &to, &[0x5a; 32], proof.at_ms, &kubelt_core::Unchecked).is_err());
}
