//! Blocks of a core's log: what decodes is canonical, so it encodes to the bytes that were read.
#![no_main]

use kubelt_core::{Body, DecodeError, Genesis, Header, Login, Signed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(data, Genesis::decode, Genesis::encode);
    check(data, Login::decode, Login::encode);
    check(data, Header::decode, Header::encode);
    check(data, Body::decode, Body::encode);
    check(data, Signed::decode, Signed::encode);
});

fn check<T>(data: &[u8], decode: fn(&[u8]) -> Result<T, DecodeError>, encode: fn(&T) -> Vec<u8>) {
    if let Ok(value) = decode(data) {
        assert_eq!(encode(&value), data);
    }
}
