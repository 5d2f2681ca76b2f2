//! Questions about a core: which one is meant, and who may do what in it.

use ipld_core::ipld::Ipld;
use kubelt_core::{
    Account, Body, CoreId, Genesis, Header, Hlc, Log, MapPath, Verb, codec, limits::VALUE_BYTES_MAX,
    schema::ChildCore,
};

use super::{Cores, LoadError};
use crate::{StoreError, access::Reader, write::WriteError};

impl Cores {
    /// The core that an address of one name names: an account or a core id. Whether the core is on this node is not
    /// said here: an id is answered for any name, so that a request for a core that is not here takes the same way to
    /// the same 404 as one for a core that shows nothing.
    pub fn resolve(names: &[String]) -> CoreId {
        let [name] = names else { return nobody(names) };
        if let Ok(core) = name.parse() {
            return core;
        }
        // As it stands first: addresses of Solana differ by case. Those of EVM chains do not, whatever their checksum.
        let account = name.parse::<Account>().or_else(|_cause| name.to_ascii_lowercase().parse());
        account.map_or_else(|_no_account| nobody(names), |root| Genesis::Private { root }.id())
    }

    /// The core that an address names to `reader`. A second name is looked up in the map of the core that the first
    /// one names (`cores/<name>`), for whoever may read that path; further ones are not resolved yet.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn resolve_for(&self, reader: &Reader, names: &[String]) -> Result<CoreId, LoadError> {
        let [parent, name] = names else { return Ok(Self::resolve(names)) };
        let (Reader::Session(session), Some(path)) = (reader, ChildCore::path(name)) else {
            return Ok(nobody(names));
        };
        let parent = Self::resolve(std::slice::from_ref(parent));
        let reads = session.covers(&parent, Verb::Read, Some(&path))
            && self.may(&parent, session.account(), Verb::Read, Some(&path)).await?;
        let named = if reads { self.named_core(&parent, &path)? } else { None };
        Ok(named.unwrap_or_else(|| nobody(names)))
    }

    /// The core that a path of a core's map names.
    pub(crate) fn named_core(&self, core: &CoreId, path: &MapPath) -> Result<Option<CoreId>, StoreError> {
        let entry = self.store.state(core, path)?;
        let value: Option<Ipld> =
            entry.and_then(|entry| codec::decode(&entry.value, VALUE_BYTES_MAX, "value").ok());
        Ok(value.and_then(|value| ChildCore::from_ipld(&value).ok()).map(|child| child.core))
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

/// The id of no core: nobody knows what hashes to it.
fn nobody(names: &[String]) -> CoreId {
    CoreId::of(names.join("/").as_bytes())
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
