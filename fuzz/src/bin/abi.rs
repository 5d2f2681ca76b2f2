//! Answers of contracts: whatever they are, what is read of them lies inside, and is read again from a call that is made
//! of it.
#![no_main]

use kubelt_core::abi::{self, Argument};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    for index in 0..4 {
        if let Some(bytes) = abi::read_bytes(answer, index) {
            assert!(bytes.len() <= answer.len());
            let call = abi::call([0; 4], &[Argument::Word([1; 32]), Argument::Bytes(bytes)]);
            assert_eq!(abi::read_bytes(&call[4..], 1), Some(bytes));
        }
        if let Some(addresses) = abi::read_addresses(answer, index) {
            assert!(addresses.len() * 32 <= answer.len());
        }
        if let Some(address) = abi::read_address(answer, index) {
            assert_eq!(abi::read_word(answer, index), Some(abi::address(&address)));
        }
        if let Some(number) = abi::read_number(answer, index) {
            assert_eq!(abi::read_word(answer, index), Some(abi::number(number)));
        }
    }
});
