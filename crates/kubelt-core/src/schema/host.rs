//! The value of `config/hosts/<name>`: a node that holds a copy of the core.

use std::collections::BTreeSet;

use ipld_core::ipld::Ipld;

use super::{
    SchemaError,
    fields::{self, Fields},
};
use crate::{
    account::PublicKey,
    limits::{HOST_ADDRESS_BYTES_MAX, HOST_ADDRESSES_MAX},
    path::MapPath,
};

/// Where the hosts of a core stand in its map.
pub const HOSTS: &str = "config/hosts";

/// A node that may have all of the core: a map of `peer` (the `did:key` of its node key) and, where they are known,
/// `addresses` (multiaddrs, with or without the peer's id at their end), and `spare`, which is true where the core is
/// brought to the node only when others are missing. No other fields. Each host is one path, so that
/// two nodes that write themselves down at the same time do not lose each other. A name is the host's own key,
/// the part of its `did:key` behind `did:key:`, so that none is there twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// The node.
    pub peer: PublicKey,
    /// Where it can be reached.
    pub addresses: BTreeSet<String>,
    /// Whether it gets the core only when fewer nodes hold it than the owner wants.
    pub spare: bool,
}

impl Host {
    /// Where this host stands in the map.
    pub fn path(peer: &PublicKey) -> MapPath {
        let key = peer.to_string();
        let name = key.trim_start_matches("did:key:");
        MapPath::new(format!("{HOSTS}/{name}")).expect("base58 is a segment")
    }

    /// Whether a path of the map is one of hosts, or the place above them.
    pub fn is_host_path(path: &MapPath) -> bool {
        path.as_str() == HOSTS || path.below(HOSTS).is_some()
    }

    /// Reads the value at `config/hosts/<name>`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn read(path: &MapPath, value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["peer", "addresses", "spare"])?;
        let peer = fields.required("peer", "the `did:key` of a node, an Ed25519 key", |value| {
            let key = fields::text(value)?.parse::<PublicKey>().ok()?;
            matches!(key, PublicKey::Ed25519(_)).then_some(key)
        })?;
        let expected = "a list of 16 multiaddrs at most, sorted, of 512 bytes at most";
        let addresses = fields.optional("addresses", expected, |value| {
            let Ipld::List(items) = value else { return None };
            let read = |item| fields::line(item, HOST_ADDRESS_BYTES_MAX).filter(|text| text.starts_with('/'));
            let listed: Vec<String> = items.iter().map(read).collect::<Option<_>>()?;
            let sorted = listed.is_sorted_by(|a, b| a < b) && listed.len() <= HOST_ADDRESSES_MAX;
            sorted.then(|| listed.into_iter().collect())
        })?;
        let spare = fields.optional("spare", "true, or left out", |value| {
            matches!(value, Ipld::Bool(true)).then_some(true)
        })?;
        let own = Self::path(&peer);
        if *path != own {
            return Err(SchemaError::Depth {
                path: path.to_string(),
                expected: "config/hosts/<the key of its `peer`, without `did:key:`>",
            });
        }
        Ok(Self { peer, addresses: addresses.unwrap_or_default(), spare: spare.unwrap_or_default() })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let peer = ("peer".to_owned(), Ipld::String(self.peer.to_string()));
        let addresses = self.addresses.iter().map(|address| Ipld::String(address.clone())).collect();
        let addresses = ("addresses".to_owned(), Ipld::List(addresses));
        let spare = ("spare".to_owned(), Ipld::Bool(true));
        let addresses = (!self.addresses.is_empty()).then_some(addresses);
        Ipld::Map([peer].into_iter().chain(addresses).chain(self.spare.then_some(spare)).collect())
    }
}

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;

    use super::Host;
    use crate::{SessionKey, limits::HOST_ADDRESSES_MAX, schema};

    fn host(addresses: &[&str]) -> Host {
        let peer = SessionKey::from_seed([4; 32]).public();
        Host { peer, addresses: addresses.iter().map(|&text| text.to_owned()).collect(), spare: false }
    }

    #[test]
    fn a_host_is_read_as_it_was_written() {
        for addresses in
            [&[][..], &["/ip4/192.0.2.1/tcp/4749/tls"], &["/dns/b/tcp/1/tls", "/ip4/192.0.2.1/tcp/1"]]
        {
            let host = host(addresses);
            let path = Host::path(&host.peer);
            for host in [Host { spare: true, ..host.clone() }, host] {
                schema::check(&path, &host.to_ipld()).expect("fits");
                assert_eq!(Host::read(&path, &host.to_ipld()).expect("is read"), host);
            }
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let good = host(&["/ip4/192.0.2.1/tcp/4749/tls"]);
        let path = Host::path(&good.peer);
        let other = Host::path(&SessionKey::from_seed([5; 32]).public());
        assert!(schema::check(&other, &good.to_ipld()).is_err(), "under another name");
        let above = "config/hosts".parse().expect("a path");
        assert!(schema::check(&above, &good.to_ipld()).is_err(), "above the hosts");
        let many: Vec<String> = (0..=HOST_ADDRESSES_MAX).map(|n| format!("/dns/{n:02}")).collect();
        let with = |addresses: Vec<&str>| {
            let list = addresses.into_iter().map(|text| Ipld::String(text.to_owned())).collect();
            let Ipld::Map(mut fields) = good.to_ipld() else { panic!("a map") };
            fields.insert("addresses".to_owned(), Ipld::List(list));
            Ipld::Map(fields)
        };
        assert!(schema::check(&path, &with(vec!["/a", "/b"])).is_ok());
        for addresses in
            [vec!["/b", "/a"], vec!["/a", "/a"], vec!["a"], many.iter().map(String::as_str).collect()]
        {
            assert!(schema::check(&path, &with(addresses.clone())).is_err(), "{addresses:?}");
        }
    }
}
