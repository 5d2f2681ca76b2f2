//! Who runs a command: the node they talk to, what they keep, how they want to be answered.

use std::path::PathBuf;

use anyhow::Result;

use super::target::CoreTarget;
use crate::client::{Client, CorePlace, NodeUrl};
use crate::config_dir::{ConfigDir, StoredSession};
use crate::output::Output;

/// What every command needs.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) node: NodeUrl,
    pub(super) config: ConfigDir,
    pub(super) out: Output,
}

/// The command needs a session.
#[derive(Debug, thiserror::Error)]
#[error("not signed in at {node}; sign in with `kubelt login --wallet NAME`")]
pub(super) struct NotSignedIn {
    node: NodeUrl,
}

impl Caller {
    pub(super) fn new(node: NodeUrl, config_dir: Option<PathBuf>, out: Output) -> Result<Self> {
        Ok(Self { node, config: ConfigDir::find(config_dir)?, out })
    }

    /// A client as nobody in particular.
    pub(super) fn anonymous(&self) -> Client {
        Client::new(self.node.clone(), None)
    }

    /// A client with the session of this node, where there is one.
    pub(super) fn client(&self) -> Result<Client> {
        let token = self.config.session(&self.node)?.map(|session| session.token);
        Ok(Client::new(self.node.clone(), token))
    }

    /// A client with the session of this node.
    pub(super) fn signed_in(&self) -> Result<(Client, StoredSession)> {
        let session = self.session()?;
        Ok((Client::new(self.node.clone(), Some(session.token.clone())), session))
    }

    /// A client, and where the core of `target` is.
    pub(super) fn reach(&self, target: &CoreTarget) -> Result<(Client, CorePlace)> {
        if !target.is_me() {
            return Ok((self.client()?, CorePlace::of_names(target.names())));
        }
        let (client, session) = self.signed_in()?;
        Ok((client, CorePlace::given(&session.path).children(target.names().skip(1))))
    }

    fn session(&self) -> Result<StoredSession> {
        let session = self.config.session(&self.node)?;
        Ok(session.ok_or_else(|| NotSignedIn { node: self.node.clone() })?)
    }
}
