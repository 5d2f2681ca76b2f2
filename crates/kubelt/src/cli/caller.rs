//! Who runs a command: the node they talk to, what they keep, how they want to be answered.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kubelt_core::{Account, CoreId, EnsName, Genesis, schema::ContractName};

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
    /// What it acts by instead of a session.
    token: Option<String>,
}

/// The command needs a session.
#[derive(Debug, thiserror::Error)]
#[error("not signed in at {node}; sign in with `kubelt login --wallet NAME`")]
pub(super) struct NotSignedIn {
    node: NodeUrl,
}

/// The command needs to know whose session it is, which a token does not tell.
#[derive(Debug, thiserror::Error)]
#[error(
    "a token has no `@me`, and does not do this; name the core (`@0x…`), or leave `--with-token` out and sign in"
)]
pub(super) struct OnlyAToken;

/// The token that a file holds.
pub(super) fn read_token(file: &Path) -> Result<String> {
    let token =
        fs::read_to_string(file).with_context(|| format!("the token `{}` cannot be read", file.display()))?;
    let token = token.trim();
    ensure!(!token.is_empty(), "`{}` holds no token", file.display());
    Ok(token.to_owned())
}

impl Caller {
    pub(super) fn new(
        node: NodeUrl,
        config_dir: Option<PathBuf>,
        token: Option<&Path>,
        out: Output,
    ) -> Result<Self> {
        Ok(Self {
            node,
            config: ConfigDir::find(config_dir)?,
            out,
            token: token.map(read_token).transpose()?,
        })
    }

    /// A client as nobody in particular.
    pub(super) fn anonymous(&self) -> Client {
        Client::new(self.node.clone(), None)
    }

    /// A client with the token that was given, or with the session of this node, where there is one.
    pub(super) fn client(&self) -> Result<Client> {
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            None => self.stored()?.map(|session| session.token),
        };
        Ok(Client::new(self.node.clone(), token))
    }

    /// A client with the session of this node.
    pub(super) fn signed_in(&self) -> Result<(Client, StoredSession)> {
        let session = self.session()?;
        Ok((Client::new(self.node.clone(), Some(session.token.clone())), session))
    }

    /// A client, and where the core of `target` is. A name that is neither an account nor an id is one that the own core
    /// knows (`@acme` is `@me/@acme`), or otherwise a label of the node.
    pub(super) fn reach(&self, target: &CoreTarget) -> Result<(Client, CorePlace)> {
        let own = usize::from(target.is_me());
        let as_written = || CorePlace::of_names(target.names());
        if own == 0 && !target.is_own_name() {
            return Ok((self.client()?, as_written()));
        }
        let Some(session) = self.stored()?.filter(|_| own == 0) else {
            if own == 0 {
                return Ok((self.client()?, as_written()));
            }
            let (client, session) = self.signed_in()?;
            return Ok((client, CorePlace::given(&session.path).children(target.names().skip(own))));
        };
        let (client, place) = (self.client()?, CorePlace::given(&session.path));
        let first = target.names().next().unwrap_or_default().trim_start_matches('@');
        // A token that may not read the list knows its own core's names all the same.
        let is_known = client
            .named_cores(&place)
            .map_or(true, |list| list.cores.iter().any(|named| named.name == first));
        let place = if is_known { place.children(target.names()) } else { as_written() };
        Ok((client, place))
    }

    /// The id of the core of `target`: one that it gives itself, or one that each core on the way names.
    pub(super) fn core_id(&self, target: &CoreTarget) -> Result<CoreId> {
        let (client, session) = self.signed_in()?;
        let own: CoreId = session.core.parse().context("the session names no core; sign in again")?;
        let mut core = None;
        for name in target.names().map(|name| name.trim_start_matches('@')) {
            let account = name.parse::<Account>().or_else(|_cause| name.to_ascii_lowercase().parse()).ok();
            core = Some(match (core, name.parse::<CoreId>(), account) {
                (None, _, _) if name == "me" => own,
                (_, Ok(id), _) => id,
                (None, _, Some(root)) => Genesis::Private { root }.id(),
                (Some(parent), _, Some(root)) => Genesis::User { root, parent }.id(),
                (None, ..) => match self.named(&client, &own, name) {
                    Ok(named) => named,
                    // Nothing that the own core knows: a label of the node, perhaps.
                    Err(error) => match client.core(&CorePlace::of_names([format!("@{name}").as_str()])) {
                        Ok(labelled) => labelled.core.parse().context("the node gave no id")?,
                        Err(_no_label) => return Err(error),
                    },
                },
                (Some(parent), ..) => self.named(&client, &parent, name)?,
            });
        }
        core.with_context(|| format!("`{target}` names no core"))
    }

    /// The core that another one calls `name`.
    fn named(&self, client: &Client, core: &CoreId, name: &str) -> Result<CoreId> {
        let contract = ContractName::canonical(name);
        let name = contract.as_deref().unwrap_or(name);
        let named = client.named_cores(&CorePlace::of_names([format!("@{core}").as_str()]))?.cores;
        let found = named.into_iter().find(|core| core.name == name);
        let found = found.with_context(|| {
            format!("core {core} names no core `{name}` to you; `kubelt core ls` lists those that it names")
        })?;
        found.core.parse().context("the node gave no id")
    }

    /// An account, given as such or by a name that leads to it. Where a name leads is shown: what is signed says the
    /// account, whatever the name does later.
    pub(super) fn account(&self, text: &str) -> Result<String> {
        if !EnsName::is_meant(text) {
            return Ok(text.to_owned());
        }
        let found = self.client()?.ens(&text.parse()?)?;
        let shown = if found.account.contains(':') { &found.account } else { &found.address };
        let (name, chain, block) = (&found.name, found.chain, found.block);
        self.out.remark(&format!("{name} is {shown}, says chain {chain} at block {block}"));
        Ok(found.account)
    }

    /// The same of several.
    pub(super) fn accounts(&self, texts: &[String]) -> Result<Vec<String>> {
        texts.iter().map(|text| self.account(text)).collect()
    }

    fn session(&self) -> Result<StoredSession> {
        ensure!(self.token.is_none(), OnlyAToken);
        Ok(self.stored()?.ok_or_else(|| NotSignedIn { node: self.node.clone() })?)
    }

    /// The session of this node, where there is one and no token was given in its place.
    fn stored(&self) -> Result<Option<StoredSession>> {
        Ok(if self.token.is_some() { None } else { self.config.session(&self.node)? })
    }
}
