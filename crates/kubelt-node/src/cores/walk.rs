//! From an address to a core: `@acme/@widget/@shop`.
//!
//! The first name is an account, the id of a core, a label of this node ([`Cores::label`]) or a host that the DNS proves to
//! be that of a core here. Each further one is looked
//! up in the core before it: an account is that core's user, the id of a core its child, and any other name, a contract's
//! (`31337:0x…`, in any case) among them, what its map says under `cores/<name>`: a child for everybody, another core for whoever may read that path. A core that is passed
//! twice is a circle, and leads nowhere.
//!
//! Whether what an address names is here, and whether the reader may know of it, is not said: an id is answered for any
//! address, so that a request for a core that is not here takes the same way to the same 404 as one for a core that
//! shows nothing. Who passes the cores on the way is judged where it is read, by whatever address or id it was found
//! (`crates/kubelt-node/src/doors.rs`).

use std::collections::BTreeMap;

use kubelt_core::{
    Account, CoreId, Genesis, HostName, MapPath, Verb,
    limits::CORES_ABOVE_MAX,
    schema::{ChildCore, ContractName},
};

use super::{Cores, LoadError};
use crate::{StoreError, access::Reader};

impl Cores {
    /// The core that an address of one name names by itself: an account or a core id.
    pub fn resolve(names: &[String]) -> CoreId {
        let [name] = names else { return nobody(names) };
        root(name).unwrap_or_else(|| nobody(names))
    }

    /// Names cores for the addresses of this node. A label says nothing about authority, and hides no account and no id.
    pub fn label(&self, labels: BTreeMap<String, CoreId>) {
        *self.labels.write() = labels;
    }

    /// The core that an address names to `reader`.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn resolve_for(&self, reader: &Reader, names: &[String]) -> Result<CoreId, LoadError> {
        let Some((first, below)) = names.split_first() else { return Ok(nobody(names)) };
        if below.len() > CORES_ABOVE_MAX {
            return Ok(nobody(names));
        }
        let Some(mut core) = self.first(first) else { return Ok(nobody(names)) };
        let mut passed = vec![core];
        for name in below {
            core = match self.below(reader, &core, name).await? {
                Some(next) if !passed.contains(&next) => next,
                _ => return Ok(nobody(names)),
            };
            passed.push(core);
        }
        Ok(core)
    }

    /// Where an address begins. ENS names were given their account before.
    fn first(&self, name: &str) -> Option<CoreId> {
        let label = || self.labels.read().get(name).copied();
        root(name).or_else(label).or_else(|| {
            let host = name.parse::<HostName>().ok().filter(|_| HostName::is_meant(name))?;
            self.doors.hosts.find(host.as_str())
        })
    }

    /// Where a name leads from a core.
    async fn below(&self, reader: &Reader, parent: &CoreId, name: &str) -> Result<Option<CoreId>, LoadError> {
        if let Ok(child) = name.parse::<CoreId>() {
            return Ok(self.doors.kin.is_claimed(parent, &child)?.then_some(child));
        }
        if let Some(root) = account(name) {
            return Ok(Some(Genesis::User { root, parent: *parent }.id()));
        }
        let contract = ContractName::canonical(name);
        let name = contract.as_deref().unwrap_or(name);
        if let Some(child) = self.doors.kin.child(parent, name)? {
            return Ok(Some(child));
        }
        self.linked(reader, parent, name).await
    }

    /// A core that is no child, for whoever may read the path that names it.
    async fn linked(
        &self,
        reader: &Reader,
        parent: &CoreId,
        name: &str,
    ) -> Result<Option<CoreId>, LoadError> {
        let (Reader::Session(session), Some(path)) = (reader, ChildCore::path(name)) else { return Ok(None) };
        let reads = session.covers(parent, Verb::Read, Some(&path))
            && self.may(parent, session.account(), Verb::Read, Some(&path)).await?;
        if reads { Ok(self.named_core(parent, &path)?) } else { Ok(None) }
    }

    /// The core that a path of a core's map names.
    pub(crate) fn named_core(&self, core: &CoreId, path: &MapPath) -> Result<Option<CoreId>, StoreError> {
        Ok(self.doors.kin.named(core, path)?.map(|named| named.core))
    }
}

/// What a name says by itself: the id of a core, or the account of a private one.
fn root(name: &str) -> Option<CoreId> {
    let core = name.parse().ok();
    core.or_else(|| account(name).map(|root| Genesis::Private { root }.id()))
}

/// As it stands first: addresses of Solana differ by case. Those of EVM chains do not, whatever their checksum.
fn account(name: &str) -> Option<Account> {
    name.parse().or_else(|_cause| name.to_ascii_lowercase().parse()).ok()
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
