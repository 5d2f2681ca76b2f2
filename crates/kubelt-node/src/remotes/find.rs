//! Where a core is held, for whoever does not know an address: its own map first, then a DNS name, then the DHT.
//!
//! What the DNS and the DHT say is nobody's word: an address names the node that must be there, that node must have the
//! core, and everything it sends is checked. So a lie costs a connection and nothing more.
//!
//! A DNS name tells of hosts by TXT records at `_kubelt.NAME`: `core=bafy…` for the core that it stands for, and
//! `host=/dns/…/tcp/4749/tls/p2p/12D3…` for each host, in one record or several. An ENS name tells the same in its text record
//! `kubelt`. Names of other systems belong beside [`Place`], each with a look-up of its own.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use kubelt_core::{CoreId, EnsName, HostRecord};
use tokio::time::{Instant, timeout_at};

use super::{AddressError, NodeAddress, Remote, RemoteNodeError, Remotes};
use crate::{
    dnslink::{DnsLinks, is_dns_name},
    ens::EnsNames,
    identity::peer_key,
    limits::{FIND_HOSTS_MAX, FIND_TIME_MAX},
    routing::Providers,
    session::Session,
};

/// Where to look for a core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this address.
    Address(NodeAddress),
    /// Where the TXT records of this DNS name say.
    Dns(String),
    /// Where the text record of this ENS name says.
    Ens(EnsName),
    /// Where the DHT says that it is, which it says only if its owner wants that.
    Dht,
}

/// The word for [`Place::Dht`].
const DHT: &str = "dht";

impl FromStr for Place {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let lower = text.trim_start_matches('@').to_ascii_lowercase();
        match text {
            _ if lower == DHT => Ok(Self::Dht),
            _ if EnsName::is_meant(&lower) && !lower.starts_with('/') => Ok(Self::Ens(lower.parse()?)),
            _ if is_dns_name(&lower) => Ok(Self::Dns(lower)),
            text => text.parse().map(Self::Address),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Dns(name) => f.write_str(name),
            Self::Ens(name) => name.fmt(f),
            Self::Dht => f.write_str(DHT),
        }
    }
}

/// Finds who holds a core; cheap to clone.
#[derive(Debug, Clone)]
pub struct HostFinder {
    remotes: Remotes,
    dnslinks: DnsLinks,
    ens: EnsNames,
    providers: Providers,
}

impl HostFinder {
    pub(crate) const fn new(
        remotes: Remotes,
        dnslinks: DnsLinks,
        ens: EnsNames,
        providers: Providers,
    ) -> Self {
        Self { remotes, dnslinks, ens, providers }
    }

    /// Looks for hosts of a core at a place, and adds the first one that has it ([`Remotes::add`]).
    ///
    /// # Errors
    /// [`RemoteNodeError::Failed`] says where it was looked for, and why nobody there will do.
    pub async fn add(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        place: Place,
        as_host: bool,
    ) -> Result<Remote, RemoteNodeError> {
        let place = match place {
            Place::Address(address) => return self.remotes.add(session, core, address, as_host).await,
            place => place,
        };
        self.remotes.check(session, &core).await?;
        let mut failed = RemoteNodeError::Failed(nobody_at(&place));
        for address in self.look(&core, &place).await? {
            match self.remotes.add(session, core, address, as_host).await {
                Ok(remote) => return Ok(remote),
                Err(error @ (RemoteNodeError::Failed(_) | RemoteNodeError::Own)) => failed = error,
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }

    /// The nodes at a place that are said to hold a core: one at least.
    ///
    /// # Errors
    /// [`RemoteNodeError::Failed`] when the place names none.
    pub(crate) async fn find(
        &self,
        core: &CoreId,
        place: Place,
    ) -> Result<Vec<NodeAddress>, RemoteNodeError> {
        let found = self.look(core, &place).await?;
        if found.is_empty() { Err(RemoteNodeError::Failed(nobody_at(&place))) } else { Ok(found) }
    }

    async fn look(&self, core: &CoreId, place: &Place) -> Result<Vec<NodeAddress>, RemoteNodeError> {
        match place {
            Place::Address(address) => Ok(vec![address.clone()]),
            Place::Dns(name) => {
                let record = self.dnslinks.hosts(name).await.map_err(failed)?;
                hosts(core, &format!("_kubelt.{name}"), record)
            }
            Place::Ens(name) => {
                let record = self.ens.hosts(name).await.map_err(failed)?;
                hosts(core, &place.to_string(), record)
            }
            Place::Dht => Ok(self.by_dht(core).await),
        }
    }

    /// Nodes that say in the DHT that they have the core.
    async fn by_dht(&self, core: &CoreId) -> Vec<NodeAddress> {
        let (mut found, until) = (self.providers.find(&core.cid()), Instant::now() + FIND_TIME_MAX);
        let mut addresses = BTreeSet::new();
        while addresses.len() < FIND_HOSTS_MAX
            && let Ok(Some(provider)) = timeout_at(until, found.recv()).await
        {
            if peer_key(&provider.peer).is_none() {
                continue;
            }
            let end = format!("/p2p/{}", provider.peer);
            let whole = |place: String| if place.ends_with(&end) { place } else { format!("{place}{end}") };
            addresses.extend(provider.addresses.into_iter().filter_map(|place| whole(place).parse().ok()));
        }
        addresses.into_iter().take(FIND_HOSTS_MAX).collect()
    }
}

/// The hosts that a record names, which must not be of another core.
fn hosts(core: &CoreId, at: &str, record: HostRecord) -> Result<Vec<NodeAddress>, RemoteNodeError> {
    let HostRecord { core: named, hosts } = record;
    if named.is_some_and(|named| named != *core) {
        return Err(RemoteNodeError::Failed(format!("`{at}` names another core")));
    }
    Ok(hosts.into_iter().filter_map(|host| host.parse().ok()).take(FIND_HOSTS_MAX).collect())
}

#[allow(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn failed(error: impl fmt::Display) -> RemoteNodeError {
    RemoteNodeError::Failed(error.to_string())
}

fn nobody_at(place: &Place) -> String {
    format!("`{place}` names no node that holds the core")
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn places_are_addresses_names_and_the_dht() {
        let id = crate::NodeKey::from_seed([3; 32]).peer_id();
        let address = format!("/ip4/192.0.2.1/tcp/4749/tls/p2p/{id}");
        assert!(matches!(address.parse(), Ok(Place::Address(_))));
        for (text, expected) in [
            ("acme.org", Place::Dns("acme.org".to_owned())),
            ("@Acme.ORG", Place::Dns("acme.org".to_owned())),
            ("dht", Place::Dht),
            ("@Alice.eth", Place::Ens("alice.eth".parse().expect("a name"))),
        ] {
            assert_eq!(text.parse::<Place>().expect("a place"), expected);
        }
        for nothing in
            ["", "acme", "192.0.2.1", "/ip4/192.0.2.1/tcp/1", "http://acme.org", "a b.org", "a b.eth"]
        {
            assert!(nothing.parse::<Place>().is_err(), "{nothing}");
        }
    }
}
