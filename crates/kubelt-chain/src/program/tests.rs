//! The form of the program. What it does is shown on a chain, by `conformance/chain`.

use kubelt_core::abi::{self, Argument, number as word};

use super::{
    ASK_BYTES, ASK_HASH, Deployment, Found, MARK,
    call::{self, Came},
    op, program,
};

const WALLET: [u8; 20] = [0xaa; 20];
const HASH: [u8; 32] = [0x5b; 32];

/// Where operations begin in the code, which ends before `data`.
fn operations(code: &[u8], data: usize) -> Vec<usize> {
    let mut at = 0;
    let mut found = Vec::new();
    while at < code.len() - data {
        found.push(at);
        let operation = code[at];
        at += 1 + if (op::PUSH1..op::PUSH1 + 32).contains(&operation) {
            usize::from(operation - op::PUSH1) + 1
        } else {
            0
        };
    }
    assert_eq!(at, code.len() - data, "the last operation ends where the data begins");
    found
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// What the code copies into memory; every jump in it must land.
fn copies(code: &[u8], data: usize) -> Vec<&[u8]> {
    let operations = operations(code, data);
    let mut copied = Vec::new();
    for (index, at) in operations.iter().enumerate() {
        match code[*at] {
            op::JUMPI => {
                let target = number(&code[operations[index - 1] + 1..*at]);
                assert!(operations.contains(&target) && code[target] == op::JUMPDEST, "jump at {at}");
            }
            op::CODECOPY => {
                let pushed = |back: usize| {
                    let push = operations[index - back];
                    number(&code[push + 1..operations[index - back + 1]])
                };
                copied.push(&code[pushed(2)..pushed(2) + pushed(3)]);
            }
            _ => {}
        }
    }
    copied
}

#[test]
fn every_jump_lands_and_every_copy_finds_its_call() {
    let deployment = Deployment { to: [0xfa; 20], data: vec![0x5b; 100] };
    for (deployment, signature) in [(None, &[0x5b; 65][..]), (Some(&deployment), &[0x5b; 8_192])] {
        let code = program(&WALLET, &HASH, signature, deployment);
        let asked_hash = abi::call(ASK_HASH, &[Argument::Word(HASH), Argument::Bytes(signature)]);
        let asked_bytes = abi::call(ASK_BYTES, &[Argument::Bytes(&HASH), Argument::Bytes(signature)]);
        let deploying = deployment.map(|deployment| &deployment.data[..]).unwrap_or_default();
        let data = [deploying, &asked_hash, &asked_bytes].concat();
        let copied = copies(&code, data.len());
        let mut calls = vec![&asked_hash[..], &asked_bytes];
        calls.splice(0..0, deployment.map(|deployment| &deployment.data[..]));
        assert_eq!(copied, calls);
        // EIP-3860 takes no longer creation code.
        assert!(code.len() <= 49_152);
    }
}

#[test]
fn calls_are_encoded_like_any_contracts() {
    // As viem 2.57 encodes isValidSignature(0x5b…5b, 0x010203).
    let expected = [&[0x16, 0x26, 0xba, 0x7e][..], &HASH, &word(64), &word(3), &[1, 2, 3], &[0; 29]].concat();
    assert_eq!(abi::call(ASK_HASH, &[Argument::Word(HASH), Argument::Bytes(&[1, 2, 3])]), expected);
    let expected = [&ASK_BYTES[..], &word(64), &word(128), &word(32), &HASH, &word(0)].concat();
    assert_eq!(abi::call(ASK_BYTES, &[Argument::Bytes(&HASH), Argument::Bytes(&[])]), expected);
}

#[test]
fn only_the_programs_own_words_are_answers() {
    for found in Found::ALL {
        assert_eq!(Found::read(&found.word()), Some(found));
        assert_eq!(Found::read(&found.word()[..31]), None);
        assert_eq!(Found::read(&[&found.word()[..], &[0]].concat()), None);
    }
    let mut other = [0; 32];
    other[..31].copy_from_slice(&MARK);
    other[31] = b'9';
    assert_eq!(Found::read(&other), None);
    assert_eq!(Found::read(&[]), None);
    // The magic value itself is none.
    let mut magic = [0; 32];
    magic[..4].copy_from_slice(&ASK_HASH);
    assert_eq!(Found::read(&magic), None);
}

#[test]
fn a_contract_is_called_and_what_came_is_read() {
    for data in [&[][..], &[0x5b; 3], &[0x5b; 8_192]] {
        assert_eq!(copies(&call::program(&WALLET, data), data.len()), [data]);
    }
    let read = |kind, data: &[u8]| Came::read(&[&call::word(kind)[..], data].concat());
    assert_eq!(read(b'0', b"why"), Some(Came::Reverted(b"why".to_vec())));
    assert_eq!(read(b'1', b""), Some(Came::Good(Vec::new())));
    assert_eq!(read(b'3', b""), Some(Came::Long));
    assert_eq!((read(b'2', b""), read(b'3', b"x"), read(b'9', b"")), (None, None, None));
    assert_eq!((Came::read(b""), Came::read(&call::MARK)), (None, None));
}
