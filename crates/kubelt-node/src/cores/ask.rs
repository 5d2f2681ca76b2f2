//! Questions about a core: who may do what in it.

use kubelt_core::{Account, Body, CoreId, Genesis, Header, Hlc, Log, MapPath, Verb};

use super::{Cores, LoadError};
use crate::{parts, write::WriteError};

impl Cores {
    /// The genesis of a core on this node.
    ///
    /// # Errors
    /// [`LoadError::Unknown`] when it is not here.
    pub fn genesis(&self, core: &CoreId) -> Result<Genesis, LoadError> {
        let bytes = self.store.genesis(core)?.ok_or(LoadError::Unknown)?;
        Genesis::decode(&bytes).map_err(|_cause| LoadError::Damaged { core: *core, op: core.as_root() })
    }

    /// Whether `account` may do `verb` at `path` in the core.
    pub(crate) async fn may(
        &self,
        core: &CoreId,
        account: &Account,
        verb: Verb,
        path: Option<&MapPath>,
    ) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => self.with_log(core, |log| log.may(account, verb, path).is_some()).await,
        }
    }

    /// Whether `account` may read what is private in the core: it is of the root, or may hold a copy of everything.
    pub(crate) async fn reads_private(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => {
                let reads = |log: &Log| {
                    log.root().contains(account) || log.may(account, Verb::Replicate, None).is_some()
                };
                self.with_log(core, reads).await
            }
        }
    }

    /// What is known without the log: an account is the root of its own private core for ever, nobody else has a part in
    /// one that never named an heir, and nobody has one in a core that is not here. Anybody may ask about a private core,
    /// whose id follows from an address: a log that is loaded for them would tell by the time it takes that it is here.
    fn known_root(&self, core: &CoreId, account: &Account) -> Result<Option<bool>, LoadError> {
        match self.genesis(core) {
            Ok(Genesis::Private { root }) if root == *account => Ok(Some(true)),
            Ok(Genesis::Private { .. }) if !parts::has_had_heirs(&self.store, core)? => Ok(Some(false)),
            Ok(_) => Ok(None),
            Err(LoadError::Unknown) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Whether `account` may do anything at all in the core.
    pub(crate) async fn has_part(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => self.with_log(core, |log| log.has_part(account)).await,
        }
    }

    /// Whether `account` can sign anything that the core would take in, an heir's claim among it.
    pub(crate) async fn may_sign(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => self.with_log(core, |log| log.may_sign(account)).await,
        }
    }

    /// A header for `body` by an account that signs itself, on top of heads of a core that need not be here. The log is
    /// not loaded for it: anybody may ask, and how long it took would tell that there is one.
    pub(crate) fn draft_unlisted(
        &self,
        core: CoreId,
        by: &Account,
        body: &Body,
        now_ms: u64,
    ) -> Result<Header, WriteError> {
        let mut prev = self.store.heads(&core)?;
        prev.truncate(kubelt_core::limits::PREV_MAX);
        prev.sort();
        let mut latest = None;
        for head in &prev {
            latest = latest.max(self.store.op(&core, head)?.map(|op| op.at));
        }
        Ok(Header {
            v: kubelt_core::genesis::VERSION,
            core,
            prev,
            by: by.clone(),
            login: None,
            auth: core.as_root(),
            at: Hlc::next(latest, now_ms).unwrap_or(Hlc::MAX),
            votes: Vec::new(),
            verb: body.act.verb(),
            body: body.id(),
        })
    }
}
