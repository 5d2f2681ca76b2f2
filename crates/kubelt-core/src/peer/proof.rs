//! The proof that a node may have a core: a sign-in, and its session's signature for this very connection.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    ability::Verb,
    account::{Account, PublicKey},
    codec::DecodeError,
    id::{CoreId, LoginId},
    limits::PROOF_AGE_MS_MAX,
    login::Login,
    session::{CheckedLogin, LoginError},
    sign::SessionKey,
    signature::{ContractSignatures, SignatureError, Verdict, scheme_of, verify},
};

/// A sign-in that may replicate a core, and its session key's word that a node asks for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The login block.
    pub login: ByteBuf,
    /// When it was signed, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The session key's signature of [`Statement::text`].
    pub signature: ByteBuf,
}

/// What the session key signs. It binds everything that the proof could be taken to elsewhere: both nodes' keys, the
/// nonce of the connection, the core, and the date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement<'a> {
    /// The node that asks.
    pub from: &'a PublicKey,
    /// The node that is asked.
    pub to: &'a PublicKey,
    /// What the node that is asked said first on this connection.
    pub nonce: &'a [u8; 32],
    /// The core.
    pub core: CoreId,
    /// The sign-in.
    pub login: LoginId,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Why a proof is none.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The login is no block.
    #[error("the login is malformed")]
    Decode(#[from] DecodeError),
    /// The login is not good.
    #[error("the login is not good")]
    Login(#[from] LoginError),
    /// Its signature cannot be checked here.
    #[error("the login of a contract account cannot be checked at the moment")]
    Pending,
    /// It does not count now, or was signed too long ago, or in the future.
    #[error("the proof is not of this time")]
    Date,
    /// The login was not handed this core to replicate.
    #[error("the sign-in may not replicate this core")]
    Ability,
    /// The signature is wrong: another connection, another core, another key.
    #[error("the signature of the session is refused")]
    Signature(#[from] SignatureError),
}

impl Statement<'_> {
    /// The text, under a first line that no operation and no sign-in message begins with.
    pub fn text(&self) -> String {
        format!(
            "kubelt replication proof v1\nfrom: {}\nto: {}\nnonce: {}\ncore: {}\nlogin: {}\nat: {}\n",
            self.from,
            self.to,
            hex::encode(self.nonce),
            self.core,
            self.login,
            self.at_ms
        )
    }
}

impl Proof {
    /// Signs a statement.
    pub fn sign(login: Vec<u8>, key: &SessionKey, statement: &Statement<'_>) -> Self {
        let signature = key.sign(statement.text().as_bytes()).to_vec();
        Self { login: ByteBuf::from(login), at_ms: statement.at_ms, signature: ByteBuf::from(signature) }
    }

    /// Checks all that can be checked without the core's log: whether the account may replicate the core, and whether
    /// the sign-in was ended, is asked there.
    ///
    /// # Errors
    /// [`ProofError`] says what is wrong.
    pub fn check(
        &self,
        core: CoreId,
        from: &PublicKey,
        to: &PublicKey,
        nonce: &[u8; 32],
        now_ms: u64,
        contracts: &dyn ContractSignatures,
    ) -> Result<CheckedLogin, ProofError> {
        let login = Login::decode(&self.login)?;
        let login = CheckedLogin::check(&login, contracts)?.valid().ok_or(ProofError::Pending)?;
        if !login.valid_at(now_ms) || now_ms.abs_diff(self.at_ms) > PROOF_AGE_MS_MAX {
            return Err(ProofError::Date);
        }
        if !login.covers(&core, Verb::Replicate, None) {
            return Err(ProofError::Ability);
        }
        let statement = Statement { from, to, nonce, core, login: login.id, at_ms: self.at_ms };
        let signer = Account::Key(login.session);
        match verify(&signer, scheme_of(&signer), statement.text().as_bytes(), &self.signature)? {
            Verdict::Valid => Ok(login),
            Verdict::Pending => Err(ProofError::Pending),
        }
    }
}
