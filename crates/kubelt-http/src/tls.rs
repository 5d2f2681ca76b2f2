//! TLS: which certificate a client is shown, and the connections that prove to a certificate authority who is here.

use std::{io, sync::Arc};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs::default_provider,
        server::{Acceptor, ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

use crate::limits::HEAD_TIMEOUT;

/// The protocol of a connection by which a certificate authority looks who is at a name (RFC 8737).
const ACME: &[u8] = b"acme-tls/1";

/// Marks a request that came over TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

/// How it stands with the certificate of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStanding {
    /// When the certificate ends, in milliseconds since the Unix epoch; none where there is none.
    pub until_ms: Option<u64>,
    /// When another one is asked for; none where nobody is asked.
    pub next_ms: Option<u64>,
    /// Why there is none, or why it was not renewed when it was tried last.
    pub failure: Option<String>,
}

/// The certificates of a node, and what it answers to those who issue them. As a resolver they are shown to whom they are
/// for ([`Certificates::find`]).
pub trait Certificates: ResolvesServerCert {
    /// The certificate for a name in lower case, or for clients that name nothing.
    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>>;

    /// What proves over TLS that this node is at a name, while that is looked at.
    fn tls_proof(&self, name: &str) -> Option<Arc<CertifiedKey>>;

    /// What proves it over HTTP, under a token.
    fn http_proof(&self, name: &str, token: &str) -> Option<String>;

    /// How it stands with a name; none where there is nothing to say of it.
    fn standing(&self, name: &str) -> Option<CertificateStanding>;

    /// Figures for the operator: name, meaning, value.
    fn figures(&self) -> Vec<(&'static str, &'static str, u64)>;
}

/// Ends TLS; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls {
    usual: Arc<ServerConfig>,
    proving: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Proving(Arc<dyn Certificates>);

impl ResolvesServerCert for Proving {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.tls_proof(&hello.server_name()?.to_ascii_lowercase())
    }
}

impl Tls {
    /// Shows these certificates. For a name that has none there is no connection.
    pub fn new(certificates: Arc<dyn Certificates>) -> Self {
        let config = |resolver: Arc<dyn ResolvesServerCert>, protocols: &[&[u8]]| {
            let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
            let builder =
                builder.with_safe_default_protocol_versions().expect("the provider has all versions");
            let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            usual: config(Arc::clone(&certificates) as _, &[b"h2", b"http/1.1"]),
            proving: config(Arc::new(Proving(certificates)), &[ACME]),
        }
    }

    /// Ends TLS on a connection; none where it was only there to see who is here.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let accepting = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let proves =
                start.client_hello().alpn().is_some_and(|mut offered| offered.any(|name| name == ACME));
            let config = if proves { &self.proving } else { &self.usual };
            let stream = start.into_stream(Arc::clone(config)).await?;
            Ok((!proves).then_some(stream))
        };
        timeout(HEAD_TIMEOUT, accepting).await.unwrap_or_else(|late| Err(late.into()))
    }
}
