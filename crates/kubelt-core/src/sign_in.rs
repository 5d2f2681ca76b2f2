//! The sign-in message of this system: a SIWE or SIWx text whose URI is the session's `did:key`, whose
//! resources name the heads that the wallet's side knows, and whose ReCap hands on abilities.
//!
//! ```text
//! kubelt.example wants you to sign in with your Ethereum account:
//! 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2
//!
//! Sign in to Kubelt. I further authorize the stated URI to perform the following actions on my behalf: (1) 'core': 'put' for 'kubelt://bafy…/content/**'.
//!
//! URI: did:key:z6Mk…
//! Version: 1
//! Chain ID: 1
//! Nonce: 8RkbRRBJdO8jrS6z
//! Issued At: 2026-11-01T12:00:00.000Z
//! Expiration Time: 2026-11-08T12:00:00.000Z
//! Resources:
//! - kubelt://bafy…?head=bafy…
//! - urn:recap:eyJhdHQ…
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ability::Ability,
    account::{Account, PublicKey},
    id::{CoreId, OpId},
    recap::Recap,
    rfc3339,
    siwe::{Message, MessageError, Namespace, Timestamp},
};

/// What a node asks a wallet to sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignIn {
    /// The scheme of the serving origin (`https`), where it is to be named.
    pub scheme: Option<String>,
    /// The serving origin's host and port: an RFC 3986 authority.
    pub domain: String,
    /// Who signs in.
    pub account: Account,
    /// EIP-155 chain id of the wallet; contract accounts and the others bring their own.
    pub chain_id: u64,
    /// The session's public key.
    pub session: PublicKey,
    /// At least 8 random letters and digits.
    pub nonce: String,
    /// Now, in milliseconds since the Unix epoch.
    pub issued_at_ms: u64,
    /// The end of the session, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// What the session may do, by core.
    pub abilities: BTreeMap<CoreId, Vec<Ability>>,
    /// The heads that the wallet's side knows, by core: signing in dates them like a seal.
    pub heads: BTreeMap<CoreId, BTreeSet<OpId>>,
    /// Whether the node, not the client, holds the session's secret key.
    pub held_by_node: bool,
}

/// Why there is no message for a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// A date that RFC 3339 cannot write.
    #[error("`{0}` ms is beyond the year 9999")]
    Date(u64),
    /// A field breaks the grammar of sign-in messages.
    #[error("the sign-in does not make a message")]
    Message(#[from] MessageError),
}

impl SignIn {
    /// The message for the wallet to sign.
    ///
    /// # Errors
    /// [`SignInError`] when a field has no place in a message: a domain that is no authority, a short nonce.
    pub fn message(&self) -> Result<String, SignInError> {
        let date = |ms| rfc3339::format(ms).ok_or(SignInError::Date(ms));
        let (issued_at, expires) = (date(self.issued_at_ms)?, date(self.expires_ms)?);
        let time = |text| Timestamp::parse(text).expect("a formatted date reads back");
        let recap = self.recap();
        let statement = self.statement(&recap);
        let (namespace, address, chain_id) = self.account_lines();
        let uri = self.session.to_string();
        let resources = self.resources(&recap);
        let message = Message {
            namespace,
            scheme: self.scheme.as_deref(),
            domain: &self.domain,
            address: &address,
            statement: Some(&statement),
            uri: &uri,
            chain_id: chain_id.as_deref(),
            nonce: &self.nonce,
            issued_at: time(&issued_at),
            expiration_time: Some(time(&expires)),
            not_before: None,
            request_id: None,
            resources: (!resources.is_empty()).then(|| resources.iter().map(String::as_str).collect()),
        };
        Ok(message.build()?)
    }

    fn recap(&self) -> Recap {
        let mut recap = Recap::default();
        for (core, abilities) in &self.abilities {
            recap.allow(*core, abilities);
        }
        if self.held_by_node {
            recap.mark_held_by_node();
        }
        recap
    }

    fn statement(&self, recap: &Recap) -> String {
        let mut statement = String::from("Sign in to Kubelt.");
        if self.held_by_node {
            statement.push_str(" The node keeps the key of this session.");
        }
        if !recap.is_empty() {
            statement.push(' ');
            statement.push_str(&recap.statement());
        }
        statement
    }

    fn account_lines(&self) -> (Namespace, String, Option<String>) {
        match &self.account {
            Account::Solana { cluster, key } => {
                (Namespace::Solana, bs58::encode(key).into_string(), Some(cluster.clone()))
            }
            Account::Key(key) => (Namespace::Key, key.to_string(), None),
            Account::Eoa(_) | Account::Contract { .. } => {
                let address = self.account.checksummed().expect("EVM accounts have a checksum");
                let chain = match self.account {
                    Account::Contract { chain, .. } => chain,
                    _ => self.chain_id,
                };
                (Namespace::Ethereum, address, Some(chain.to_string()))
            }
        }
    }

    fn resources(&self, recap: &Recap) -> Vec<String> {
        let heads = self.heads.iter().flat_map(|(core, heads)| heads.iter().map(move |head| (core, head)));
        let mut resources: Vec<_> = heads.map(|(core, head)| head_resource(core, head)).collect();
        if !recap.is_empty() {
            resources.push(recap.to_uri());
        }
        resources
    }
}

/// The resource that names a head: `kubelt://<core>?head=<operation>`.
fn head_resource(core: &CoreId, head: &OpId) -> String {
    format!("kubelt://{core}?head={head}")
}

/// The core and head that a resource names; `None` where it is no such resource, or not in that one form.
pub(crate) fn read_head(resource: &str) -> Option<(CoreId, OpId)> {
    let (core, head) = resource.strip_prefix("kubelt://")?.split_once("?head=")?;
    let (core, head) = (core.parse().ok()?, head.parse().ok()?);
    (head_resource(&core, &head) == resource).then_some((core, head))
}
