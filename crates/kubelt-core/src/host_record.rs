//! What the DNS says of a core: TXT records at `_kubelt.NAME` that name it and nodes that hold it.
//!
//! `core=bafy…` names the core, `host=/dns/node.example/tcp/4749/tls/p2p/12D3…` a node, each word in a record of its own or
//! several in one, with spaces between. Other words are passed over, so that later versions can say more. Nothing of it is
//! signed: it says where to ask, and what is got there is checked.

use std::collections::BTreeSet;

use crate::{
    id::CoreId,
    limits::{HOST_ADDRESS_BYTES_MAX, HOST_RECORDS_MAX, HOST_RECORDS_READ_MAX},
};

/// What the records say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRecord {
    /// The core; of several the least, so that everybody takes the same.
    pub core: Option<CoreId>,
    /// Addresses of nodes that hold it.
    pub hosts: BTreeSet<String>,
}

impl HostRecord {
    /// Reads the TXT records of a name. What is no such word is passed over, and so is what is too much.
    pub fn read<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut found = Self::default();
        for record in records.into_iter().take(HOST_RECORDS_READ_MAX) {
            let Ok(text) = std::str::from_utf8(record) else { continue };
            for word in text.split_ascii_whitespace() {
                if let Some(core) = word.strip_prefix("core=").and_then(|core| core.parse::<CoreId>().ok()) {
                    found.core = Some(found.core.map_or(core, |before| before.min(core)));
                }
                let host = word.strip_prefix("host=").filter(|host| {
                    host.starts_with('/')
                        && host.len() <= HOST_ADDRESS_BYTES_MAX
                        && host.bytes().all(|byte| byte.is_ascii_graphic())
                });
                if found.hosts.len() < HOST_RECORDS_MAX {
                    found.hosts.extend(host.map(str::to_owned));
                }
            }
        }
        found
    }

    /// Whether the records said nothing.
    pub fn is_empty(&self) -> bool {
        self.core.is_none() && self.hosts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::HostRecord;
    use crate::{
        Account, Genesis,
        limits::{HOST_ADDRESS_BYTES_MAX, HOST_RECORDS_MAX},
    };

    fn read(records: &[&str]) -> HostRecord {
        HostRecord::read(records.iter().map(|record| record.as_bytes()))
    }

    #[test]
    fn a_core_and_its_hosts_are_read_from_one_record_or_several() {
        let root = Account::Eoa([0xaa; 20]);
        let core = Genesis::Private { root }.id();
        let expected = HostRecord {
            core: Some(core),
            hosts: ["/dns/a/tcp/1/tls/p2p/12D3", "/dns/b/tcp/1"].map(str::to_owned).into(),
        };
        let one = format!("core={core} host=/dns/b/tcp/1  host=/dns/a/tcp/1/tls/p2p/12D3 later=1");
        assert_eq!(read(&[&one]), expected);
        let first = format!("core={core}");
        assert_eq!(
            read(&["v=spf1 -all", &first, "host=/dns/b/tcp/1", "host=/dns/a/tcp/1/tls/p2p/12D3"]),
            expected
        );
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        let long = format!("host=/{}", "a".repeat(HOST_ADDRESS_BYTES_MAX));
        for record in ["", "core=", "core=nonsense", "host=", "host=a.example", "HOST=/dns/a", &long] {
            assert!(read(&[record]).is_empty(), "{record}");
        }
        assert!(HostRecord::read([&b"host=/\xff"[..]]).is_empty());
        let fits = format!("host=/{}", "a".repeat(HOST_ADDRESS_BYTES_MAX - 1));
        assert_eq!(read(&[&fits]).hosts.len(), 1);
        let many: Vec<String> = (0..=HOST_RECORDS_MAX).map(|n| format!("host=/dns/{n}")).collect();
        assert_eq!(read(&[&many.join(" ")]).hosts.len(), HOST_RECORDS_MAX);
    }
}
