//! TXT records and aliases from the DNS: the port [`TxtLookup`] over a stub resolver.
//!
//! Nothing is asked, and the system's settings are not even read, before somebody asks for a DNSLink.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{RData, RecordType},
    },
};
use kubelt_node::{Looking, LookupError, TxtAnswer, TxtLookup};
use tokio::sync::OnceCell;

/// How long one try may take; there are two.
const TRY_TIMEOUT: Duration = Duration::from_secs(3);
const TRIES: usize = 2;
/// Records read of one name, and bytes of one record.
const RECORDS_MAX: usize = 64;
const RECORD_BYTES_MAX: usize = 4 * 1_024;

/// Which servers are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DnsServers {
    /// Those that the system's settings name.
    System,
    /// These.
    These(Vec<SocketAddr>),
}

/// Asks the DNS.
#[derive(Debug)]
pub(crate) struct DnsLookup {
    servers: DnsServers,
    resolver: OnceCell<TokioResolver>,
}

impl DnsLookup {
    pub(crate) const fn new(servers: DnsServers) -> Self {
        Self { servers, resolver: OnceCell::const_new() }
    }

    fn build(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match &self.servers {
            DnsServers::System => TokioResolver::builder_tokio()?,
            DnsServers::These(servers) => {
                let servers = servers.iter().map(server).collect();
                let config = ResolverConfig::from_name_servers(servers);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = TRY_TIMEOUT;
        options.attempts = TRIES - 1;
        // The node keeps the answers itself.
        options.cache_size = 0;
        builder.build()
    }

    /// Asks for records of one type; the error of there being none is among the answers.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Result<Lookup, NetError>, LookupError> {
        let resolver =
            self.resolver.get_or_try_init(async || self.build()).await.map_err(|error| failed(&error))?;
        // With its dot, so that no search domain is tried.
        let looking = resolver.lookup(format!("{name}."), kind);
        let tries = u32::try_from(TRIES).unwrap_or(u32::MAX);
        let looked = tokio::time::timeout(TRY_TIMEOUT * (tries + 1), looking).await;
        looked.map_err(|_elapsed| LookupError::Timeout)
    }

    async fn look_up_alias(&self, name: &str) -> Result<Option<String>, LookupError> {
        let found = match self.ask(name, RecordType::CNAME).await? {
            Ok(found) => found,
            Err(error) => return nothing(&error).map(|_none| None),
        };
        let alias = |data: &RData| match data {
            RData::CNAME(alias) => Some(alias.0.to_ascii().trim_end_matches('.').to_ascii_lowercase()),
            _ => None,
        };
        Ok(found.answers().iter().find_map(|record| alias(&record.data)))
    }

    async fn look_up(&self, name: &str) -> Result<TxtAnswer, LookupError> {
        let found = match self.ask(name, RecordType::TXT).await? {
            Ok(found) => found,
            Err(error) => return nothing(&error),
        };
        let text = |data: &RData| match data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        };
        let records = found.answers().iter().filter_map(|record| text(&record.data));
        let records = records.filter(|record| record.len() <= RECORD_BYTES_MAX).take(RECORDS_MAX).collect();
        let ttl = found.answers().iter().map(|record| record.ttl).min();
        Ok(TxtAnswer { records, ttl: ttl.map(|ttl| Duration::from_secs(ttl.into())) })
    }
}

impl TxtLookup for DnsLookup {
    fn txt<'a>(&'a self, name: &'a str) -> Looking<'a> {
        Box::pin(self.look_up(name))
    }

    fn alias<'a>(&'a self, name: &'a str) -> Looking<'a, Option<String>> {
        Box::pin(self.look_up_alias(name))
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(with_port).to_vec();
    // What a name does not have is an answer, too.
    NameServerConfig::new(address.ip(), true, connections)
}

/// An answer that there are none, or the failure to get one.
fn nothing(error: &NetError) -> Result<TxtAnswer, LookupError> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
        {
            let ttl = none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()));
            Ok(TxtAnswer { records: Vec::new(), ttl })
        }
        NetError::Timeout => Err(LookupError::Timeout),
        other => Err(failed(other)),
    }
}

fn failed(error: &NetError) -> LookupError {
    LookupError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use kubelt_node::{LookupError, TxtLookup as _};
    use tokio::net::UdpSocket;

    use super::{DnsLookup, DnsServers};

    /// A DNS server with two names; all others are not there, and `fail.example` is a failure.
    async fn serve() -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("bound");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 1_024];
            while let Ok((len, peer)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::Relaxed);
                let reply = reply(&buffer[..len]).expect("a query");
                socket.send_to(&reply, peer).await.expect("sent");
            }
        });
        (address, asked)
    }

    fn reply(query: &[u8]) -> Option<Vec<u8>> {
        let mut at = 12;
        let mut labels = Vec::new();
        while let Some(len) = query.get(at).copied().map(usize::from).filter(|len| *len > 0) {
            labels.push(String::from_utf8_lossy(query.get(at + 1..=at + len)?).to_ascii_lowercase());
            at += len + 1;
        }
        let question = query.get(12..at + 5)?;
        let texts: &[&[&str]] = match labels.join(".").as_str() {
            "_dnslink.site.example" => &[&["dnslink=/ipfs/", "bafkqaaa"], &["something else"]],
            "site.example" => &[&["v=spf1"]],
            _ => &[],
        };
        let code = match labels.join(".").as_str() {
            "_dnslink.fail.example" => 2,
            _ if texts.is_empty() => 3,
            _ => 0,
        };
        let mut out = query.get(..2)?.to_vec();
        out.extend([
            0x81,
            0x80 | code,
            0,
            1,
            0,
            u8::try_from(texts.len()).ok()?,
            0,
            u8::from(code == 3),
            0,
            0,
        ]);
        out.extend_from_slice(question);
        for strings in texts {
            let data: Vec<u8> = strings
                .iter()
                .flat_map(|text| [&[u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat())
                .collect();
            out.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 120, 0, u8::try_from(data.len()).ok()?]);
            out.extend(data);
        }
        if code == 3 {
            // SOA of `example` with a minimum of 45 s.
            out.extend(b"\x07example\0\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x2d");
        }
        Some(out)
    }

    #[tokio::test]
    async fn records_are_read_and_their_absence_is_an_answer() {
        let (address, asked) = serve().await;
        let lookup = DnsLookup::new(DnsServers::These(vec![address]));
        assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is asked before somebody asks");
        let found = lookup.txt("_dnslink.site.example").await.expect("an answer");
        assert_eq!(found.records, [b"dnslink=/ipfs/bafkqaaa".to_vec(), b"something else".to_vec()]);
        assert_eq!(found.ttl, Some(Duration::from_secs(120)));
        let missing = lookup.txt("_dnslink.nothing.example").await.expect("an answer");
        assert!(missing.records.is_empty());
        assert_eq!(missing.ttl, Some(Duration::from_secs(45)));
        let failed = lookup.txt("_dnslink.fail.example").await;
        assert!(matches!(failed, Err(LookupError::Failed(_))), "{failed:?}");
    }
}
