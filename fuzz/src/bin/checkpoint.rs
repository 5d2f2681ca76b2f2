//! Checkpoints: what decodes is canonical, and the state it begins with adds up to it again.
#![no_main]

use kubelt_core::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::decode(data) {
        assert_eq!(checkpoint.encode().expect("no larger than it came"), data);
        assert_eq!(Checkpoint::of(checkpoint.core(), &checkpoint.state()), checkpoint);
    }
});
