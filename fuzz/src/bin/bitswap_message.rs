//! Bitswap messages: what is read is written again as an equal message, and blocks have the names that their bytes give.
#![no_main]

use bytes::Bytes;
use kubelt_content::{bitswap::Message, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let mut written = Vec::new();
    message.encode(&mut written);
    assert_eq!(written.len(), message.encoded_len());
    assert_eq!(Message::decode(&written.into()).as_ref(), Ok(&message));
    for payload in message.payloads {
        if let Ok(block) = payload.into_block() {
            assert_eq!(verify(block.cid(), block.data()), Ok(()));
        }
    }
});
