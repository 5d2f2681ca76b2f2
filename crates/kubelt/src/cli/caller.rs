//! Who runs a command: the node they talk to, what they keep, how they want to be answered.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use kubelt_core::{Account, CoreId, Genesis};

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

    /// A client, and where the core of `target` is. A name that is neither an account nor an id is looked up in one's own
    /// core: `@acme` is `@me/@acme`.
    pub(super) fn reach(&self, target: &CoreTarget) -> Result<(Client, CorePlace)> {
        let own = usize::from(target.is_me());
        if own == 0 && !target.is_own_name() {
            return Ok((self.client()?, CorePlace::of_names(target.names())));
        }
        let (client, session) = self.signed_in()?;
        Ok((client, CorePlace::given(&session.path).children(target.names().skip(own))))
    }

    /// The id of the core of `target`: one that it gives itself, or one that the own core names.
    pub(super) fn core_id(&self, target: &CoreTarget) -> Result<CoreId> {
        let (client, session) = self.signed_in()?;
        let names: Vec<&str> = target.names().map(|name| name.trim_start_matches('@')).collect();
        let name = match names.as_slice() {
            ["me"] => return session.core.parse().context("the session names no core; sign in again"),
            ["me", name] => *name,
            [id] if id.parse::<CoreId>().is_ok() => return Ok(id.parse()?),
            [owner] if owner.parse::<Account>().is_ok() => {
                return Ok(Genesis::Private { root: owner.parse()? }.id());
            }
            [name] if target.is_own_name() => *name,
            _ => bail!("`{target}` is no shared core; write its id, or its name in your core: `@acme`"),
        };
        let named = client.named_cores(&CorePlace::given(&session.path))?.cores;
        let found = named.into_iter().find(|core| core.name == name);
        let found = found.with_context(|| {
            format!("your core names no core `{name}`; `kubelt core ls` lists those that it names")
        })?;
        found.core.parse().context("the node gave no id")
    }

    fn session(&self) -> Result<StoredSession> {
        let session = self.config.session(&self.node)?;
        Ok(session.ok_or_else(|| NotSignedIn { node: self.node.clone() })?)
    }
}
