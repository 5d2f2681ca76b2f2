//! The program that asks a wallet about a signature: EVM code that an upstream runs once, at a block, and forgets.
//!
//! It is sent as the creation code of a contract that is never created (`eth_call` without `to`), so nothing has to be
//! deployed for it. Asking the wallet from inside of a program instead of directly does three things: a wallet that is
//! not there yet can be deployed in the same breath (ERC-6492); what the wallet does with its gas, whether it reverts,
//! and what rubbish it returns all end in a plain "no"; and so every error that the upstream answers is one of the
//! upstream, and leaves the question open.
//!
//! ```text
//! if GAS < CHECK_GAS_MIN            → Short
//! if code of wallet begins 0xef0100 → Key          (EIP-7702: a plain key's, which signs for itself)
//! if wallet has no code, and a deployment is given → call it; whatever comes of it
//! ask wallet isValidSignature(bytes32,bytes): the magic value → Yes
//! ask wallet isValidSignature(bytes,bytes):   the magic value → Yes    (Safe up to 1.4.1, and older)
//! if wallet has no code → Absent, else → No
//! ```

use kubelt_core::abi::{self, Argument};

use crate::limits::{ASK_GAS, CHECK_GAS_MIN, DEPLOY_GAS};

pub(crate) mod call;
pub(crate) mod calls;

/// What every answer begins with, so that nothing else is taken for one. (A contract may not begin with `0xef`.)
const MARK: [u8; 31] = *b"kubelt signature check, answer ";

/// `isValidSignature(bytes32,bytes)`, and the magic value of ERC-1271.
const ASK_HASH: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];
/// `isValidSignature(bytes,bytes)` and its magic value: ERC-1271 as it was first written.
const ASK_BYTES: [u8; 4] = [0x20, 0xc1, 0x3b, 0x0b];

/// What the program found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// The wallet does not accept the signature.
    No,
    /// It does.
    Yes,
    /// The address is a plain key's, with code on loan (EIP-7702).
    Key,
    /// There is no wallet.
    Absent,
    /// The upstream gave the program too little gas to be just.
    Short,
}

impl Found {
    const ALL: [Self; 5] = [Self::No, Self::Yes, Self::Key, Self::Absent, Self::Short];

    fn word(self) -> [u8; 32] {
        let mut word = [0; 32];
        word[..31].copy_from_slice(&MARK);
        word[31] = b'0' + self as u8;
        word
    }

    /// Reads what the program returned; none where it is nothing of this program.
    pub(crate) fn read(returned: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|found| returned == found.word())
    }
}

/// How a wallet comes to be: a call (ERC-6492).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Deployment {
    pub(crate) to: [u8; 20],
    pub(crate) data: Vec<u8>,
}

/// The program for one question.
pub(crate) fn program(
    wallet: &[u8; 20],
    hash: &[u8; 32],
    signature: &[u8],
    deployment: Option<&Deployment>,
) -> Vec<u8> {
    let asked_hash = abi::call(ASK_HASH, &[Argument::Word(*hash), Argument::Bytes(signature)]);
    let asked_bytes = abi::call(ASK_BYTES, &[Argument::Bytes(hash), Argument::Bytes(signature)]);
    let deploying = deployment.map(|deployment| &deployment.data[..]).unwrap_or_default();
    let data = [deploying, &asked_hash, &asked_bytes];
    // Labels and offsets have a fixed width, so the first pass tells how long the code is.
    let mut code = Code::default();
    for _pass in 0..2 {
        let start = code.bytes.len();
        let at = [start, start + data[0].len(), start + data[0].len() + data[1].len()];
        code = Code { labels: code.labels, ..Code::default() };
        code.write(wallet, deployment, &data, at);
    }
    code.bytes.extend(data.concat());
    code.bytes
}

/// Where the code jumps to.
#[derive(Clone, Copy)]
enum Label {
    Ask,
    Yes,
    No,
    Key,
    Absent,
    Short,
    Long,
}

/// Operations of the EVM; all of them are older than every chain that is asked.
mod op {
    pub(super) const ADD: u8 = 0x01;
    pub(super) const LT: u8 = 0x10;
    pub(super) const GT: u8 = 0x11;
    pub(super) const EQ: u8 = 0x14;
    pub(super) const ISZERO: u8 = 0x15;
    pub(super) const AND: u8 = 0x16;
    pub(super) const SHR: u8 = 0x1c;
    pub(super) const CODECOPY: u8 = 0x39;
    pub(super) const EXTCODESIZE: u8 = 0x3b;
    pub(super) const EXTCODECOPY: u8 = 0x3c;
    pub(super) const RETURNDATASIZE: u8 = 0x3d;
    pub(super) const RETURNDATACOPY: u8 = 0x3e;
    pub(super) const POP: u8 = 0x50;
    pub(super) const MLOAD: u8 = 0x51;
    pub(super) const MSTORE: u8 = 0x52;
    pub(super) const JUMPI: u8 = 0x57;
    pub(super) const GAS: u8 = 0x5a;
    pub(super) const JUMPDEST: u8 = 0x5b;
    /// Pushes one byte; the next ones push more.
    pub(super) const PUSH1: u8 = 0x60;
    pub(super) const CALL: u8 = 0xf1;
    pub(super) const RETURN: u8 = 0xf3;
    pub(super) const STATICCALL: u8 = 0xfa;
}

/// Where calls are laid out in memory; before it lies a word for what comes back.
const CALL_AT: u8 = 32;

#[derive(Default)]
struct Code {
    bytes: Vec<u8>,
    labels: [usize; 7],
}

impl Code {
    /// Writes the program. `data` is the call that deploys and the two that ask, `at` where they lie behind the code.
    fn write(
        &mut self,
        wallet: &[u8; 20],
        deployment: Option<&Deployment>,
        data: &[&[u8]; 3],
        at: [usize; 3],
    ) {
        self.push(&gas(CHECK_GAS_MIN)).op(&[op::GAS, op::LT]).jump_if(Label::Short);
        self.push(&[3]).push(&[0]).push(&[0]).push(wallet).op(&[op::EXTCODECOPY]);
        self.push(&[0]).op(&[op::MLOAD]).push(&[232]).op(&[op::SHR]);
        self.push(&[0xef, 0x01, 0x00]).op(&[op::EQ]).jump_if(Label::Key);
        if let Some(Deployment { to, .. }) = deployment {
            self.push(wallet).op(&[op::EXTCODESIZE]).jump_if(Label::Ask);
            let len = self.lay_out(data[0].len(), at[0]);
            self.push(&[0]).push(&[0]).push(&len).push(&[CALL_AT]).push(&[0]).push(to);
            self.push(&gas(DEPLOY_GAS)).op(&[op::CALL, op::POP]).here(Label::Ask);
        }
        for (index, magic) in [(1, ASK_HASH), (2, ASK_BYTES)] {
            let len = self.lay_out(data[index].len(), at[index]);
            self.push(&[0]).push(&[0]).op(&[op::MSTORE]);
            self.push(&[32]).push(&[0]).push(&len).push(&[CALL_AT]).push(wallet);
            self.push(&gas(ASK_GAS)).op(&[op::STATICCALL]);
            let mut expected = [0; 32];
            expected[..4].copy_from_slice(&magic);
            self.push(&[0]).op(&[op::MLOAD]).push(&expected).op(&[op::EQ, op::AND]);
            self.op(&[op::RETURNDATASIZE]).push(&[31]).op(&[op::LT, op::AND]).jump_if(Label::Yes);
        }
        self.push(wallet).op(&[op::EXTCODESIZE, op::ISZERO]).jump_if(Label::Absent);
        for (label, found) in [
            (Label::No, Found::No),
            (Label::Yes, Found::Yes),
            (Label::Key, Found::Key),
            (Label::Absent, Found::Absent),
            (Label::Short, Found::Short),
        ] {
            self.here(label).push(&found.word()).push(&[0]).op(&[op::MSTORE]);
            self.push(&[32]).push(&[0]).op(&[op::RETURN]);
        }
    }

    fn op(&mut self, ops: &[u8]) -> &mut Self {
        self.bytes.extend(ops);
        self
    }

    /// Pushes 1 to 32 bytes.
    fn push(&mut self, bytes: &[u8]) -> &mut Self {
        let width = u8::try_from(bytes.len()).expect("32 at most");
        self.bytes.push(op::PUSH1 + width - 1);
        self.bytes.extend(bytes);
        self
    }

    /// Copies a call into memory; gives its length as it is pushed.
    fn lay_out(&mut self, len: usize, at: usize) -> [u8; 3] {
        let len = three_bytes(len);
        self.push(&len).push(&three_bytes(at)).push(&[CALL_AT]).op(&[op::CODECOPY]);
        len
    }

    fn jump_if(&mut self, label: Label) {
        let target = three_bytes(self.labels[label as usize]);
        self.push(&target).op(&[op::JUMPI]);
    }

    fn here(&mut self, label: Label) -> &mut Self {
        self.labels[label as usize] = self.bytes.len();
        self.op(&[op::JUMPDEST])
    }
}

fn gas(amount: u64) -> [u8; 4] {
    u32::try_from(amount).expect("a limit of 24 bits").to_be_bytes()
}

fn three_bytes(number: usize) -> [u8; 3] {
    let [0, bytes @ ..] = u32::try_from(number).expect("lengths are limited").to_be_bytes() else {
        panic!("calls are shorter than 16 MiB")
    };
    bytes
}

#[cfg(test)]
mod tests;
