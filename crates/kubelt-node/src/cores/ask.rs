//! Questions about a core: which one is meant, and who may do what in it.

use kubelt_core::{Account, Body, CoreId, Genesis, Header, Hlc, Log, MapPath, Verb};

use super::{Cores, LoadError};
use crate::write::WriteError;

impl Cores {
    /// The core that an address names. The first name is an account or a core id; names of child cores are not
    /// resolved yet. Whether the core is on this node is not said here: an id is answered for any name,
    /// so that a request for a core that is not here takes the same way to the same 404 as one for a core
    /// that shows nothing.
    pub fn resolve(names: &[String]) -> CoreId {
        let nobody = || CoreId::of(names.join("/").as_bytes());
        let [name] = names else { return nobody() };
        if let Ok(core) = name.parse() {
            return core;
        }
        // As it stands first: addresses of Solana differ by case. Those of EVM chains do not, whatever their checksum.
        let account = name.parse::<Account>().or_else(|_cause| name.to_ascii_lowercase().parse());
        account.map_or_else(|_no_account| nobody(), |root| Genesis::Private { root }.id())
    }

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

    /// Whether `account` is, alone or with others, the root of the core.
    pub(crate) async fn is_root(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => self.with_log(core, |log| log.root().contains(account)).await,
        }
    }

    /// What is known without the log: an account is the root of its own private core for ever, and nobody
    /// has a part in a core that is not here.
    fn known_root(&self, core: &CoreId, account: &Account) -> Result<Option<bool>, LoadError> {
        match self.genesis(core) {
            Ok(Genesis::Private { root }) if root == *account => Ok(Some(true)),
            Ok(_) => Ok(None),
            Err(LoadError::Unknown) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Whether `account` may do anything at all in the core.
    pub(crate) async fn has_part(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => {
                let has = |log: &Log| {
                    log.root().contains(account) || log.grants().any(|grant| grant.to.contains(account))
                };
                self.with_log(core, has).await
            }
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

#[cfg(test)]
mod tests {
    use kubelt_core::{Account, Genesis};

    use super::Cores;

    #[test]
    fn case_matters_where_accounts_differ_by_it() {
        let core = |name: &str| Cores::resolve(&[name.to_owned()]);
        let of =
            |account: &str| Genesis::Private { root: account.parse::<Account>().expect("an account") }.id();
        let evm = "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f";
        for name in [evm.to_owned(), evm.to_uppercase(), evm.replace('a', "A")] {
            assert_eq!(core(&name), of(evm), "{name}");
        }
        let solana = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWXArAaKv";
        assert_eq!(core(solana), of(solana));
        assert_ne!(core(&solana.to_lowercase()), of(solana));
    }
}
