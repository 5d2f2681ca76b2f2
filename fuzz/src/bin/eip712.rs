//! Typed data of programs: what has a digest has the same one when it is written anew, and deep or wide data ends.
#![no_main]

use kubelt_core::eip712::digest;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let Ok(found) = digest(&value) else { return };
    let again = serde_json::from_str(&value.to_string()).expect("JSON that was written reads back");
    assert_eq!(digest(&again), Ok(found));
});
