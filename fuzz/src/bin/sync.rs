//! Sync: whatever a peer sends, each side ends up in an answer or a refusal, and takes in nothing unchecked. The
//! input is messages behind their lengths (two bytes, little endian); the first byte picks the side.
#![no_main]

use std::sync::LazyLock;

use kubelt_core::sync::{Allowed, Message, Output, Sync};
use kubelt_core::{EoaKey, Genesis, Replica, Unchecked};
use libfuzzer_sys::fuzz_target;

static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
    let root = EoaKey::from_secret(&[7; 32]).expect("a fixed key").account();
    Genesis::Private { root }
});

fuzz_target!(|data: &[u8]| {
    let Some((side, mut rest)) = data.split_first() else { return };
    let mut replica = Replica::new(GENESIS.clone());
    let mut sync = match side % 2 {
        0 => Sync::answer(replica.log().core(), Allowed::Full),
        _ => Sync::start(&replica, Allowed::Full).0,
    };
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(tail.len());
        let (bytes, tail) = tail.split_at(length);
        rest = tail;
        let Ok(message) = Message::decode(bytes) else { continue };
        assert_eq!(message.encode(), bytes);
        let Ok(step) = sync.step(message, &replica) else {
            assert!(sync.is_over());
            return;
        };
        for output in step.outputs {
            if let Output::Received(ops) = output {
                for received in ops {
                    let _in_or_refused = replica.take(received, u64::MAX >> 16, &Unchecked);
                }
            }
        }
        for message in step.send {
            assert_eq!(Message::decode(&message.encode()).expect("what is sent is well-formed"), message);
        }
    }
});
