//! The program that calls a contract and says what came of it, a revert included: so that what the contract does is an
//! answer, and every error is the upstream's, as where a wallet is asked about a signature.
//!
//! ```text
//! if GAS < CHECK_GAS_MIN              → Short
//! call the contract; if over CALL_RETURNED_BYTES_MAX come back → Long
//! → Good or Reverted, and what came back
//! ```

use super::{CALL_AT, Code, Label, gas, op, three_bytes};
use crate::limits::{ASK_GAS, CALL_RETURNED_BYTES_MAX, CHECK_GAS_MIN};

/// What every answer begins with.
pub(super) const MARK: [u8; 31] = *b"kubelt contract call, answer is";
const REVERTED: u8 = b'0';
const GOOD: u8 = b'1';
const SHORT: u8 = b'2';
const LONG: u8 = b'3';

/// What came of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Came {
    /// What the contract returned; nothing where there is none.
    Good(Vec<u8>),
    /// With what it reverted.
    Reverted(Vec<u8>),
    /// More than anybody wants to read.
    Long,
}

impl Came {
    /// Reads what the program returned; none where it is nothing of this program, or the upstream gave it too little gas
    /// to be just.
    pub(crate) fn read(returned: &[u8]) -> Option<Self> {
        let (kind, data) = returned.strip_prefix(&MARK)?.split_first()?;
        match *kind {
            GOOD => Some(Self::Good(data.to_vec())),
            REVERTED => Some(Self::Reverted(data.to_vec())),
            LONG => data.is_empty().then_some(Self::Long),
            _ => None,
        }
    }
}

/// The program for one call.
pub(crate) fn program(to: &[u8; 20], data: &[u8]) -> Vec<u8> {
    let mut code = Code::default();
    for _pass in 0..2 {
        let start = code.bytes.len();
        code = Code { labels: code.labels, ..Code::default() };
        write(&mut code, to, data, start);
    }
    code.bytes.extend(data);
    code.bytes
}

fn write(code: &mut Code, to: &[u8; 20], data: &[u8], at: usize) {
    code.push(&gas(CHECK_GAS_MIN)).op(&[op::GAS, op::LT]).jump_if(Label::Short);
    let len = code.lay_out(data.len(), at);
    code.push(&[0]).push(&[0]).push(&len).push(&[CALL_AT]).push(to);
    code.push(&gas(ASK_GAS)).op(&[op::STATICCALL]);
    code.push(&three_bytes(CALL_RETURNED_BYTES_MAX)).op(&[op::RETURNDATASIZE, op::GT]).jump_if(Label::Long);
    // Whether it went well lies on the stack, and is one or zero.
    code.push(&word(REVERTED)).op(&[op::ADD]).push(&[0]).op(&[op::MSTORE]);
    code.op(&[op::RETURNDATASIZE]).push(&[0]).push(&[32]).op(&[op::RETURNDATACOPY]);
    code.op(&[op::RETURNDATASIZE]).push(&[32]).op(&[op::ADD]).push(&[0]).op(&[op::RETURN]);
    for (label, kind) in [(Label::Short, SHORT), (Label::Long, LONG)] {
        code.here(label).push(&word(kind)).push(&[0]).op(&[op::MSTORE]);
        code.push(&[32]).push(&[0]).op(&[op::RETURN]);
    }
}

pub(super) fn word(kind: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[..31].copy_from_slice(&MARK);
    word[31] = kind;
    word
}
