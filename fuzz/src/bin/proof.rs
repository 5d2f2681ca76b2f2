//! Proofs of provenance: whatever a file says, it is read as it was written or refused, and checking it ends in an answer.
#![no_main]

use kubelt_core::provenance::Proof;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(proof) = Proof::decode(data) else { return };
    assert_eq!(proof.encode(), data);
    if let Ok(shown) = proof.check() {
        assert_eq!(shown.core, shown.genesis.id());
        assert_eq!(shown.path.prefix(), "content");
    }
});
