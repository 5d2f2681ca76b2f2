//! What an exported core rests on beside the file itself: the word of chains about contract wallets.

use std::collections::HashMap;

use kubelt_core::{
    Account, CheckedLogin, ContractQuestion, ContractSignatures, ContractVerdict, Login, LoginId, OpId,
    Scheme, Signed, Unchecked,
};

use crate::chains::Questions;

/// What chains say of contract wallets; questions that are left out stay open.
pub type ChainAnswers = HashMap<ContractQuestion, ContractVerdict>;

/// Something in a file whose signature is a contract wallet's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnChain {
    /// What it is.
    pub what: WalletSigned,
    /// The wallet.
    pub account: Account,
    /// The height of the block at which the wallet is asked.
    pub block: u64,
}

/// What a contract wallet signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletSigned {
    /// An operation.
    Op(OpId),
    /// A sign-in, and so whatever its session did.
    Login(LoginId),
}

/// Everything in a log that a contract wallet signed.
pub(super) fn on_chain<'a>(
    logins: impl IntoIterator<Item = &'a Login>,
    ops: impl IntoIterator<Item = &'a Signed>,
) -> Vec<OnChain> {
    let login = |login: &Login| {
        let block = login.block.as_ref().filter(|_| login.scheme == Scheme::Eip1271)?.number;
        let checked = CheckedLogin::check(login, &Unchecked).ok()?.kept();
        Some(OnChain { what: WalletSigned::Login(checked.id), account: checked.account, block })
    };
    let op = |signed: &Signed| {
        let block = signed.block.as_ref().filter(|_| signed.scheme == Scheme::Eip1271)?.number;
        let account = signed.header.by.clone();
        Some(OnChain { what: WalletSigned::Op(signed.id()), account, block })
    };
    logins.into_iter().filter_map(login).chain(ops.into_iter().filter_map(op)).collect()
}

/// Takes for good what only a chain could say, and notes what that is.
#[derive(Debug, Default)]
pub(super) struct Assuming(Questions);

impl ContractSignatures for Assuming {
    fn check(&self, question: &ContractQuestion) -> ContractVerdict {
        self.0.check(question);
        ContractVerdict::Assumed
    }
}

impl Assuming {
    pub(super) fn questions(self) -> Vec<ContractQuestion> {
        self.0.into_all()
    }
}
