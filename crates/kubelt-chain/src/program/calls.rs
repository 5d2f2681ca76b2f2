//! The program that calls contracts, all of them at once, and tells one word of what each answers.
//!
//! As with wallets, whatever a contract does ends in an answer: one that reverts, burns its gas, is not there or answers
//! too little has none to give, and the others still have theirs.
//!
//! ```text
//! answer = MARK, GAS at the start, and for each call: whether it answered so far, and the word
//! ```

use super::{Code, op, three_bytes};
use crate::limits::{CALL_GAS, CALLS_GAS_MIN};

/// What the answer begins with.
const MARK: [u8; 32] = *b"kubelt calls of contracts answer";

/// Where calls are laid out in memory, behind all that is answered.
const CALL_AT: [u8; 3] = [0, 0x10, 0];
/// Where a contract's answer comes, behind any call.
const ANSWER_AT: usize = 0x2000;

/// One call, and the word of its answer that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) to: &'a [u8; 20],
    pub(crate) data: &'a [u8],
    pub(crate) word: usize,
}

/// The program for these calls.
pub(crate) fn program(calls: &[Call<'_>]) -> Vec<u8> {
    // Offsets have a fixed width, so the first pass tells how long the code is.
    let mut code = Code::default();
    for _pass in 0..2 {
        let start = code.bytes.len();
        code = Code::default();
        write(&mut code, calls, start);
    }
    code.bytes.extend(calls.iter().flat_map(|call| call.data));
    code.bytes
}

fn write(code: &mut Code, calls: &[Call<'_>], mut data_at: usize) {
    code.op(&[op::GAS]).push(&[32]).op(&[op::MSTORE]);
    code.push(&MARK).push(&[0]).op(&[op::MSTORE]);
    for (index, call) in calls.iter().enumerate() {
        let told_at = (2 + 2 * index) * 32;
        let len = three_bytes(call.data.len());
        code.push(&len).push(&three_bytes(data_at)).push(&CALL_AT).op(&[op::CODECOPY]);
        code.push(&three_bytes((call.word + 1) * 32)).push(&three_bytes(ANSWER_AT)).push(&len).push(&CALL_AT);
        code.push(call.to).push(&super::gas(CALL_GAS)).op(&[op::STATICCALL]);
        code.op(&[op::RETURNDATASIZE]).push(&three_bytes(call.word * 32 + 31)).op(&[op::LT, op::AND]);
        code.push(&three_bytes(told_at)).op(&[op::MSTORE]);
        code.push(&three_bytes(ANSWER_AT + call.word * 32)).op(&[op::MLOAD]);
        code.push(&three_bytes(told_at + 32)).op(&[op::MSTORE]);
        data_at += call.data.len();
    }
    code.push(&three_bytes((2 + 2 * calls.len()) * 32)).push(&[0]).op(&[op::RETURN]);
}

/// Reads what the program returned for so many calls; none where it is nothing of this program, or the upstream gave it
/// too little gas to be just.
pub(crate) fn read(returned: &[u8], calls: usize) -> Option<Vec<Option<[u8; 32]>>> {
    let (words, []) = returned.as_chunks::<32>() else { return None };
    let [mark, gas, told @ ..] = words else { return None };
    let enough = word(CALLS_GAS_MIN);
    if *mark != MARK || *gas < enough || told.len() != 2 * calls {
        return None;
    }
    let answer = |[is_told, found]: &[[u8; 32]; 2]| match *is_told {
        told if told == word(1) => Some(Some(*found)),
        told if told == word(0) => Some(None),
        _ => None,
    };
    told.as_chunks::<2>().0.iter().map(answer).collect()
}

fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_AT, CALL_AT, Call, MARK, program, read, word};
    use crate::limits::{CALL_GAS, CALLS_GAS_MIN, CALLS_MAX, CHECK_GAS};

    #[test]
    fn calls_lie_behind_the_code_and_apart_in_memory() {
        let data: Vec<Vec<u8>> = (0_u8..).take(CALLS_MAX).map(|n| vec![n; 1_024]).collect();
        let calls: Vec<Call<'_>> = data.iter().map(|data| Call { to: &[0xc0; 20], data, word: 31 }).collect();
        let code = program(&calls);
        assert!(code.ends_with(&data.concat()));
        assert!(code.len() <= 49_152, "EIP-3860 takes no longer creation code");
        let call_at = CALL_AT.iter().fold(0, |at, byte| at << 8 | usize::from(*byte));
        assert!((2 + 2 * CALLS_MAX) * 32 <= call_at && call_at + 1_024 <= ANSWER_AT);
        // A call passes on all but one 64th of what is left.
        const { assert!(CALLS_GAS_MIN > CALL_GAS * (CALLS_MAX as u64 + 1) && CHECK_GAS > CALLS_GAS_MIN) }
    }

    #[test]
    fn only_the_programs_own_words_are_answers() {
        let gas = word(CHECK_GAS);
        let told = |told: &[[u8; 32]]| [&[MARK, gas], told].concat().concat();
        let good = told(&[word(1), word(7), word(0), word(9)]);
        assert_eq!(read(&good, 2), Some(vec![Some(word(7)), None]));
        assert_eq!(read(&good, 1), None);
        assert_eq!(read(&good[..good.len() - 1], 2), None);
        assert_eq!(read(&told(&[word(2), word(7)]), 1), None);
        let poor = [MARK, word(100_000), word(1), word(7)].concat();
        assert_eq!(read(&poor, 1), None);
        let other = [gas, gas, word(1), word(7)].concat();
        assert_eq!(read(&other, 1), None);
        assert_eq!(read(&[], 0), None);
    }
}
